#!/usr/bin/env bash
# Boots the systemd of a system in a directory, in namespaces of its own and with a part of the tree of control groups of its own; SIGKILL ends all of it.
#
#   boot.sh DIRECTORY
set -euo pipefail
groups=/sys/fs/cgroup
named=""
[ -d $groups/systemd ] && groups=$groups/systemd named=yes

if [ "${1:-}" != inside ]; then
  own="$groups/mrsync-boot-$$"
  mkdir "$own"
  echo $$ > "$own/cgroup.procs"
  exec unshare --cgroup --pid --mount --net --uts --ipc --fork --kill-child "$0" inside "$1"
fi

system=$2
ip link set lo up multicast on
mount --make-rprivate /
mount --bind "$system" "$system"
mount -t proc proc "$system/proc"
mount -t sysfs sysfs "$system/sys"
if [ -n "$named" ]; then
  mount -t tmpfs tmpfs "$system/sys/fs/cgroup"
  mkdir "$system/sys/fs/cgroup/systemd"
  mount -t cgroup -o none,name=systemd cgroup "$system/sys/fs/cgroup/systemd"
else
  mount -t cgroup2 cgroup2 "$system/sys/fs/cgroup"
fi
for directory in run tmp dev; do mount -t tmpfs tmpfs "$system/$directory"; done
for device in null zero full random urandom; do
  touch "$system/dev/$device"
  mount --bind "/dev/$device" "$system/dev/$device"
done
ln -s /proc/self/fd "$system/dev/fd"
exec chroot "$system" /usr/bin/env -i container=mrsync PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd multi-user.target
