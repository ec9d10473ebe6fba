# Only for reading: opened for writing, a node that disappears meanwhile would be created as a file.
[ -c "$1" ] || { echo "no such device"; exit 3; }
exec 3<"$1"
