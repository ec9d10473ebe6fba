# machine: what the first process of a machine does, and that of a container doesn't; read by shells of root with `set -e`.
# shellcheck disable=SC2013 # the kernel lists words

# What an engine hides of /proc from containers, a machine has.
awk '$5 ~ "^/proc/" {print $5}' /proc/self/mountinfo | sort -r | while read -r hidden; do umount "$hidden"; done

# Control groups of its own, and mounts that spread: what a first process does and that of a container doesn't.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/init
  for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs || true; done
  for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$c" >/sys/fs/cgroup/cgroup.subtree_control || true; done
else
  umount -R /sys/fs/cgroup
  mount -t tmpfs cgroup /sys/fs/cgroup
  awk '!/^#/ && $4 == 1 {print $1}' /proc/cgroups | while read -r c; do
    mkdir -p "/sys/fs/cgroup/$c"
    mount -t cgroup -o "$c" cgroup "/sys/fs/cgroup/$c"
  done
fi
mount --make-rshared /

# udev's work
[ -e /dev/fuse ] || mknod -m 666 /dev/fuse c 10 229
[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod -m 666 /dev/net/tun c 10 200; }
