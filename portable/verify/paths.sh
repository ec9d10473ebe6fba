# Prints what tells one library from another on whichever node: the root, its file system, and a sum of the names in the root.
stat -c %i "$1" && stat -f -c %i "$1" && find "$1" -maxdepth 1 -mindepth 1 | sort | cksum
