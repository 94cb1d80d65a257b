#!/usr/bin/env bash
# The lab: a master and some catchers on one machine, each in a network namespace of its own, joined by a bridge. It
# reaches no real interface. Several labs stand side by side under different prefixes.
#
#   lab.sh up N [MTU]          build it: one master, N catchers; MTU 1500 unless said otherwise
#   lab.sh shape RATE [BURST]  limit the master's link, e.g. 1gbit or 900mbit; burst 128k unless said otherwise
#   lab.sh narrow HOST RATE [QUEUE]
#                              limit what reaches one host, behind a queue of so many milliseconds (50ms)
#   lab.sh loss PCT [HOST]     drop PCT % (fractions allowed) of what arrives: at every catcher of the master's datagrams,
#                              by each catcher's own luck, and at the master of their answers; or at HOST alone (c2, m)
#   lab.sh link down|up HOST   unplug a host, and plug it in again
#   lab.sh anew HOST [ADDRESS] take a host's interface away and give it a new one, with another address (10.77.x.x) if told
#   lab.sh clear               no limit, no loss, every link up
#   lab.sh exec HOST CMD...    run a command on a host: m, c1, c2, ...
#   lab.sh list                the hosts and their addresses
#   lab.sh down                remove this lab, and nothing else
#
# LAB is the prefix of the namespaces (default mr: mr-m, mr-c1, ..., and mr-sw for the bridge). The master is 10.77.0.1,
# catcher I is I addresses further; only inside the lab. Needs root, iproute2, nftables (whose numgen makes the loss) and
# ethtool.
set -euo pipefail

lab=${LAB:-mr}
most=500

die() {
  echo "lab.sh: $*" >&2
  exit 1
}

usage() {
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
  exit 2
}

[[ $lab =~ ^[a-z][a-z0-9]{0,7}$ ]] || die "LAB must be a short name of small letters and digits, not \"$lab\""

# The bridge's namespace exists exactly as long as the lab does; the others belong to it by name.
hosts() { ip netns list | awk '{ print $1 }' | sed -nE "s/^$lab-(m|c[0-9]+)\$/\1/p" | sort -V; }
exists() { ip netns list | awk '{ print $1 }' | grep -qx "$lab-$1"; }
on() { ip netns exec "$lab-$1" "${@:2}"; }
quietly() { "$@" >/dev/null 2>&1 || true; }
need_lab() { exists sw || die "there is no lab \"$lab\": build it with \"lab.sh up N\""; }
need_host() { [[ $1 =~ ^(m|c[0-9]+)$ ]] && exists "$1" || die "there is no host \"$1\"; there are: $(hosts | xargs)"; }

# The master's number is 0. Interfaces within a namespace need no prefix: nobody else is there.
address() {
  local n=0
  [[ $1 == m ]] || n=${1#c}
  echo "10.77.$(((n + 1) / 250)).$(((n + 1) % 250))"
}

remove() {
  local host
  for host in $(hosts); do ip netns del "$lab-$host"; done
  if exists sw; then ip netns del "$lab-sw"; fi
}

# A host's interface, and its cable to the bridge.
wire() {
  local host=$1 mtu=$2
  ip link add lan0 mtu "$mtu" netns "$lab-$host" type veth peer name "port-$host" mtu "$mtu" netns "$lab-sw"
  on sw ip link set "port-$host" master bridge0 up
  on "$host" ip addr add "$3/16" dev lan0
  on "$host" ip link set lan0 up
  on "$host" ip route add default dev lan0
}

up() {
  local count=$1 mtu=$2 host
  [[ $count =~ ^[0-9]+$ ]] && ((count >= 1 && count <= most)) || die "the number of catchers goes from 1 to $most"
  [[ $mtu =~ ^[0-9]+$ ]] && ((mtu >= 576 && mtu <= 65535)) || die "the MTU goes from 576 to 65535"
  exists sw || [[ -n $(hosts) ]] && die "the lab \"$lab\" is there already: remove it with \"lab.sh down\", or set LAB to another prefix"
  # A lab that is half built is none.
  trap remove EXIT
  ip netns add "$lab-sw"
  # No snooping: nobody here queries for members, and the bridge would forget them.
  on sw ip link add bridge0 mtu "$mtu" type bridge mcast_snooping 0 forward_delay 0
  # A switch filters nothing; where the kernel can, a bridge's datagrams would otherwise pass through the firewall.
  quietly on sw sysctl -w net.bridge.bridge-nf-call-iptables=0
  on sw ip link set bridge0 up
  for host in m $(seq -f 'c%g' 1 "$count"); do
    ip netns add "$lab-$host"
    on "$host" ip link set lo up
    wire "$host" "$mtu" "$(address "$host")"
  done
  trap - EXIT
}

# At the input hook the counted unit is a whole datagram, if nobody glues them: so segmentation offload is switched off.
lose() {
  local host=$1 percent=$2 from
  if [[ $host == m ]]; then from="ip saddr != $(address m)"; else from="ip saddr $(address m)"; fi
  on "$host" nft -f - <<RULES
add table ip lab
delete table ip lab
table ip lab {
  chain luck {
    type filter hook input priority 0; policy accept;
    meta l4proto udp $from numgen random mod 1000000 < $(awk "BEGIN { printf \"%d\", $percent * 10000 + 0.5 }") counter drop
  }
}
RULES
}

offload() {
  local host
  for host in $(hosts); do quietly on "$host" ethtool -K lan0 gso "$1" tx-udp-segmentation "$1"; done
}

clear_all() {
  local host
  for host in $(hosts); do
    quietly on "$host" tc qdisc del dev lan0 root
    quietly on sw tc qdisc del dev "port-$host" root
    quietly on "$host" nft delete table ip lab
    plug "$host" up
  done
  offload on
}

# The far end of the cable goes down, as on a switch: the host sees its carrier go, and keeps address and routes.
plug() { on sw ip link set "port-$1" "$2"; }

[[ $# -ge 1 ]] || usage
command=$1
shift
[[ $(id -u) == 0 ]] || die "needs root"
case "$command/$#" in
up/1) up "$1" 1500 ;;
up/2) up "$1" "$2" ;;
down/0) remove ;;
shape/1 | shape/2)
  need_lab
  # No link sends faster than its rate for a moment; the burst is what a timer of the kernel needs (10 Gb/s: 1280k).
  on m tc qdisc replace dev lan0 root tbf rate "$1" burst "${2:-128k}" latency 20ms
  ;;
narrow/2 | narrow/3)
  need_lab
  need_host "$1"
  on sw tc qdisc replace dev "port-$1" root tbf rate "$2" burst 32k latency "${3:-50ms}"
  ;;
loss/1 | loss/2)
  need_lab
  [[ $1 =~ ^[0-9]+(\.[0-9]+)?$ ]] && awk "BEGIN { exit !($1 <= 100) }" || die "the loss goes from 0 to 100 %"
  [[ $# -eq 1 ]] || need_host "$2"
  offload off
  for host in ${2:-$(hosts)}; do lose "$host" "$1"; done
  ;;
clear/0)
  need_lab
  clear_all
  ;;
link/2)
  need_lab
  [[ $1 == up || $1 == down ]] || usage
  need_host "$2"
  plug "$2" "$1"
  ;;
anew/1 | anew/2)
  need_lab
  need_host "$1"
  mtu=$(on "$1" cat /sys/class/net/lan0/mtu)
  on "$1" ip link del lan0
  wire "$1" "$mtu" "${2:-$(address "$1")}"
  ;;
exec/0 | exec/1) usage ;;
exec/*)
  need_lab
  need_host "$1"
  exec ip netns exec "$lab-$1" "${@:2}"
  ;;
list/0)
  need_lab
  for host in $(hosts); do echo "$host $(address "$host")"; done
  ;;
*) usage ;;
esac
