#!/bin/sh
# Makes /config usable by PUID:PGID, then becomes qBittorrent as that user.
set -eu
umask "${UMASK:-022}"

settings=/config/qBittorrent/qBittorrent.conf
prepare() {
    mkdir -p /config/qBittorrent
    if [ ! -e "$settings" ]; then
        cp /defaults/qBittorrent.conf "$settings"
    fi
}

as=
if [ "$(id -u)" = 0 ]; then
    uid=${PUID:-911} gid=${PGID:-911}
    as="setpriv --reuid=$uid --regid=$gid --clear-groups"
    prepare
    # Only what is wrong, and not deep: a folder of a hundred thousand files must not delay each start.
    find /config -maxdepth 2 \( ! -uid "$uid" -o ! -gid "$gid" \) -exec chown -h "$uid:$gid" {} +
else
    prepare
fi

# tini runs as that user too: so it may pass signals on without the capability KILL.
# shellcheck disable=SC2086 # `as` is a command and its arguments
exec $as tini -- qbittorrent-nox --webui-port="${WEBUI_PORT:-8080}" --torrenting-port="${TORRENTING_PORT:-6881}" "$@"
