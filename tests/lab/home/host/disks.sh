# disks: the loop device of a disk, which is a file. A machine has one kernel, so the devices of other labs are seen here too, and their
# disks have the same path in their own containers: a disk is told by its device and inode. Read by a shell of root with `set -e`.
#
# LOOPS  where the kernel lists loop devices (/sys/block)
# NODES  where device nodes are (/dev)
: "${LOOPS:=/sys/block}" "${NODES:=/dev}"

identity() { # FILE -> MAJOR:MINOR INODE, as losetup has them
  device=$(stat -L -c %d "$1")
  major=$(((device >> 8 & 0xfff) | (device >> 32 & 0xfffff000)))
  minor=$(((device & 0xff) | (device >> 12 & 0xffffff00)))
  echo "$major:$minor $(stat -L -c %i "$1")"
}

node() { # NUMBER -> the node of that loop device, made where it is missing
  [ -e "$NODES/loop$1" ] || mknod -m 660 "$NODES/loop$1" b 7 "$1"
  echo "$NODES/loop$1"
}

disk_device() { # FILE -> its loop device; only where the kernel has none of this very file, a free one is taken for it
  own=$(identity "$1")
  for seen in "$LOOPS"/loop*/loop/backing_file; do
    [ -e "$seen" ] || continue
    number=${seen#"$LOOPS"/loop}
    found=$(node "${number%%/*}")
    if [ "$(losetup -n -O BACK-MAJ:MIN,BACK-INO "$found" 2>/dev/null | awk '{print $1, $2}')" = "$own" ]; then
      echo "$found"
      return
    fi
  done
  for _ in 1 2 3 4 5 6 7 8 9 10; do # another lab may take the free one in the same moment
    found=$(node "$(losetup -f | tr -dc 0-9)")
    if losetup "$found" "$1" 2>/dev/null; then
      echo "$found"
      return
    fi
    sleep 0.2
  done
  echo "no loop device is free for $1" >&2
  return 1
}
