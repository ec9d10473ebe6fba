#!/bin/sh
# Makes /var/run/gerbera usable by the wanted user, then becomes the command (gerbera) as that user.
set -eu

home=/var/run/gerbera
as=
if [ "$(id -u)" = 0 ]; then
    # shellcheck disable=SC3028 # UID comes from outside; this shell (dash) does not set it
    uid=${PUID:-${UID:-1042}} gid=${PGID:-${GID:-1042}}
    as="setpriv --reuid=$uid --regid=$gid --clear-groups"
fi

mkdir -p "$home"
if [ ! -e "$home/config.xml" ]; then
    gerbera --create-config --home "$home" --config "$home/config.xml" |
        sed -e 's|/usr/share/gerbera|/usr/local/share/gerbera|' \
            -e 's|<import hidden-files="no"[^>]*>|&\n    <autoscan use-inotify="yes">\n      <directory location="/mnt/content" mode="inotify" recursive="yes" hidden-files="no" />\n    </autoscan>|' \
            >"$home/config.xml.new"
    mv "$home/config.xml.new" "$home/config.xml"
fi
if [ -n "$as" ]; then
    # Only what is wrong, and not deep: a large cache must not delay each start.
    find "$home/" -maxdepth 2 \( ! -uid "$uid" -o ! -gid "$gid" \) -exec chown -h "$uid:$gid" {} +
fi

# tini runs as that user too: so it may pass signals on without the capability KILL.
# shellcheck disable=SC2086 # `as` is a command and its arguments
exec $as tini -- "$@"
