link() {
  [ ! -L "$2" ] || return 0
  [ ! -d "$2" ] || rmdir "$2" || { echo "$2 is in the way of a link to $1: move it away" >&2; exit 1; }
  mkdir -p "${2%/*}"
  ln -s "$1" "$2" || [ -L "$2" ]
}
