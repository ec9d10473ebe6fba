set -eu
folder() { mkdir -p "$1"; }
