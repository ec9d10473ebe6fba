#!/bin/sh
# Takes the place of rsync. A test adds a fault as the last line, which calls the real program as "$REAL" or by `real_with`.
REAL=@real@
[ "$1" = --version ] && exec "$REAL" --version

# real_with OPTION ARGUMENT...: the real rsync with an option behind its own options. What follows `--` is a path, whatever it looks like.
real_with() {
    option=$1
    shift
    for argument; do
        shift
        [ "$argument" != -- ] || set -- "$@" "$option"
        set -- "$@" "$argument"
    done
    "$REAL" "$@"
}
