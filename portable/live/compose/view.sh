# Prints a line for each folder: its device and inode, and whether it is a mount point. ROOT is the path of the host's file tree.
for folder; do
  own=$(stat -c %d:%i "$ROOT$folder" 2>/dev/null || echo -)
  [ "${own%:*}" = "$(stat -c %d "$ROOT$folder/.." 2>/dev/null)" ] && mounted=no || mounted=yes
  echo "$own $mounted"
done
