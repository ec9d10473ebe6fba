#!/bin/sh
# Makes /config usable by PUID:PGID, then becomes SABnzbd as that user.
set -eu
umask "${UMASK:-022}"

# The address that the settings name, unless it is a loopback one: from outside the container nobody could reach that.
host=$(awk '/^\[/ {section = $0} section == "[misc]" && /^host *=/ {sub(/^host *= */, ""); print; exit}' /config/sabnzbd.ini 2>/dev/null || true)
case $host in
"" | 127.0.0.1 | ::1 | localhost) host=0.0.0.0 ;;
esac

as=
if [ "$(id -u)" = 0 ]; then
    uid=${PUID:-911} gid=${PGID:-911}
    as="setpriv --reuid=$uid --regid=$gid --clear-groups"
    mkdir -p /downloads /incomplete-downloads
    # Only what is wrong, and not deep: a folder of a hundred thousand files must not delay each start.
    find /downloads /incomplete-downloads -maxdepth 0 \( ! -uid "$uid" -o ! -gid "$gid" \) -exec chown "$uid:$gid" {} +
    find /config -maxdepth 2 \( ! -uid "$uid" -o ! -gid "$gid" \) -exec chown -h "$uid:$gid" {} +
fi

# tini runs as that user too: so it may pass signals on without the capability KILL.
# shellcheck disable=SC2086 # `as` is a command and its arguments
exec $as tini -- sabnzbdplus --config-file /config --server "$host" --browser 0 "$@"
