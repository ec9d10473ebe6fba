#!/bin/sh
# A kernel's loop devices as files: `loopN` in $KERNEL holds what `losetup -O BACK-MAJ:MIN,BACK-INO` prints of it.
echo "$*" >>"$KERNEL/calls"
case $1 in
  -n) cat "$KERNEL/${4##*/}" ;;
  -f) n=0; while [ -e "$KERNEL/loop$n" ]; do n=$((n + 1)); done; echo "/dev/loop$n" ;;
  *)
    [ ! -e "$KERNEL/steals" ] || { rm "$KERNEL/steals"; echo " 9:9 9" >"$KERNEL/${1##*/}"; exit 1; }
    stat -c '%Hd:%Ld %i' "$2" >"$KERNEL/${1##*/}" ;;
esac
