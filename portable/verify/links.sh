# $1 the library, $2 a file name for this app alone; then download folders, `--`, and folders of imported files. It first removes files
# that a killed run left behind, and cleans up after itself, also on a signal.
# shellcheck disable=SC3013 # BusyBox's shell and dash know -ef
umask 077
cd "$1" || exit 4
name=$2; shift 2
all() { for folder; do [ "$folder" = -- ] || rm -f "$folder/$name" "$folder/$name.kept" "$folder/$name.moved"; done; }
trap 'all "$@"' EXIT
trap 'exit 9' TERM INT HUP
all "$@"
sources=; while [ "$1" != -- ]; do sources="$sources $1"; set -- "$@" "$1"; shift; done; shift
failed=0 tried=0
for a in $sources; do
  [ -d "$a" ] || continue
  for b; do
    case " $sources " in *" $b "*) continue ;; esac
    [ -d "$b" ] || continue
    tried=1
    if ! { echo tried >"$a/$name"; } 2>/dev/null; then echo "W $a is not writable"; failed=1; break; fi
    if ! ln "$a/$name" "$b/$name.kept" 2>/dev/null || ! [ "$a/$name" -ef "$b/$name.kept" ]; then
      echo "L no hard link from $a to $b"; failed=1
    elif ! mv "$a/$name" "$b/$name.moved" 2>/dev/null || ! [ "$b/$name.kept" -ef "$b/$name.moved" ]; then
      echo "L no rename from $a to $b"; failed=1
    fi
    rm -f "$a/$name" "$b/$name.kept" "$b/$name.moved"
  done
done
[ $tried = 1 ] || echo "none of these folders exists"
[ $tried$failed = 10 ]
