#!/usr/bin/env bash
# The main job over real trees: sends each to CATCHERS hosts of a lab at each loss, and asks rsync what it would still
# change at every one of them. Prints a line a run; exits 1 when a copy differs. Takes a while: run it by hand.
#
#   scripts/matrix.sh [TREE:LOSS[,LOSS...]]...      e.g. scripts/matrix.sh include:0,1,5,20 large:0,1
#
# Trees: include (/usr/include), modules (node_modules here), large (1 GiB of random bytes), sparse (5 GiB, made
# sparse), awkward (names, links, modes and times). CATCHERS: 4 unless said otherwise. WORK: a folder with room for the
# copies (default: a new one below /var/tmp). Needs root, what scripts/lab.sh needs, and rsync.
set -euo pipefail
cd "$(dirname "$0")/.."
catchers=${CATCHERS:-4}
export LAB=${LAB:-mx}
work=$(mktemp -d "${WORK:-/var/tmp}/mrsync-matrix-XXXXXX")
trap 'scripts/lab.sh down; rm -rf "$work"' EXIT
[[ $# -gt 0 ]] || set -- awkward:0,1,5,20 include:0,1,5,20 modules:0,1,5,20 sparse:0,1,5,20 large:0,1
[[ -f dist/bin.js ]] || npm run --silent build
export XDG_CONFIG_HOME=$work/keys
node dist/bin.js keygen >/dev/null
scripts/lab.sh up "$catchers"

tree() {
  case $1 in
  include) echo /usr/include ;;
  # a copy, because tools write into the real one
  modules) [[ -d $work/node_modules ]] || cp -a node_modules "$work/"; echo "$work/node_modules" ;;
  large) [[ -f $work/large ]] || head -c 1073741824 /dev/urandom >"$work/large"; echo "$work/large" ;;
  sparse)
    if [[ ! -f $work/sparse ]]; then
      truncate -s 5G "$work/sparse"
      for at in 0 1300 2600 5119; do head -c 3000000 /dev/urandom | dd of="$work/sparse" bs=1M seek=$at conv=notrunc status=none; done
      truncate -s 5G "$work/sparse"
    fi
    echo "$work/sparse" ;;
  awkward) [[ -d $work/awkward ]] || node scripts/awkward.mjs "$work/awkward"; echo "$work/awkward" ;;
  *) echo "matrix.sh: there is no tree \"$1\"" >&2; exit 2 ;;
  esac
}

failed=0
printf '%-8s %5s %8s %8s %8s  %s\n' tree loss seconds MB/s sent/need verdict
for run in "$@"; do
  name=${run%%:*}
  source=$(tree "$name")
  for loss in $(tr , ' ' <<<"${run#*:}"); do
    scripts/lab.sh clear
    [[ $loss == 0 ]] || scripts/lab.sh loss "$loss"
    pids=()
    for i in $(seq 1 "$catchers"); do
      rm -rf "$work/c$i"
      mkdir "$work/c$i"
      scripts/lab.sh exec "c$i" node dist/bin.js catch -q --id "c$i" "$work/c$i" &
      pids+=($!)
    done
    sleep 1
    status=0
    report=$(scripts/lab.sh exec m node dist/bin.js send --json --catchers "$catchers" "$source" | tail -n 1) || status=$?
    wait "${pids[@]}" || status=$?
    verdict=identical
    for i in $(seq 1 "$catchers"); do
      [[ -z $(rsync -aHn --checksum --delete --itemize-changes "$source" "$work/c$i/") ]] || verdict=DIFFERENT
    done
    [[ $status == 0 ]] || verdict="$verdict, status $status"
    [[ $verdict == identical ]] || failed=1
    node -e '
      const [name, loss, verdict, report] = process.argv.slice(1)
      const { seconds, bytes, pages } = JSON.parse(report)
      const cell = (value, width) => String(value).padStart(width)
      console.log(name.padEnd(8), cell(loss, 5), cell(seconds.toFixed(1), 8), cell((bytes / 1e6 / seconds).toFixed(1), 8),
        cell((pages.sent / pages.needed).toFixed(3), 8), "", verdict)' "$name" "$loss" "$verdict" "$report"
  done
done
exit $failed
