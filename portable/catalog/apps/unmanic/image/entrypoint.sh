#!/bin/sh
# Makes /config and the cache usable by PUID:PGID, then becomes Unmanic as that user.
set -eu
umask "${UMASK:-022}"

as=
if [ "$(id -u)" = 0 ]; then
    uid=${PUID:-911} gid=${PGID:-911}
    as="setpriv --reuid=$uid --regid=$gid --clear-groups"
    # Only what is wrong, and not deep: the library is nobody's to change here.
    find /config /tmp/unmanic -maxdepth 2 \( ! -uid "$uid" -o ! -gid "$gid" \) -exec chown -h "$uid:$gid" {} +
fi

# tini runs as that user too: so it may pass signals on without the capability KILL.
# shellcheck disable=SC2086 # `as` is a command and its arguments
exec $as tini -- "$@"
