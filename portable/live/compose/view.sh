# A line for each folder: its device and inode, and whether another file system begins there. ROOT is where the host is seen.
for folder; do
  own=$(stat -c %d:%i "$ROOT$folder" 2>/dev/null || echo -)
  [ "${own%:*}" = "$(stat -c %d "$ROOT$folder/.." 2>/dev/null)" ] && mounted=no || mounted=yes
  echo "$own $mounted"
done
