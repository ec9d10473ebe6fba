# For reading only: opened for writing too, a node that is gone would be made a file.
[ -c "$1" ] || { echo "there is no such node"; exit 3; }
exec 3<"$1"
