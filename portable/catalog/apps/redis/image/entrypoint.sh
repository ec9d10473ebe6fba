#!/bin/sh
# Becomes the server (or whatever the command is), not as root.
set -eu

case "${1-}" in
"" | -* | *.conf) set -- redis-server "$@" ;;
esac
[ "$1" = redis-server ] || exec "$@"
shift

as=
if [ "$(id -u)" = 0 ]; then
    find /data \! -user redis -exec chown redis:redis {} +
    as="setpriv --reuid=redis --regid=redis --init-groups"
fi
# A settings file comes first, options after it.
case "${1-}" in
*.conf)
    settings=$1
    shift
    set -- "$settings" --protected-mode no "$@"
    ;;
*) set -- --protected-mode no "$@" ;;
esac
# shellcheck disable=SC2086 # `as` is a command and its arguments
exec $as tini -- redis-server "$@"
