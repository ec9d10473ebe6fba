#!/bin/sh
# mount.sh [run | health | started]: keeps one cloud mounted at /mnt/clouds/$CLOUD, for BusyBox's shell and any other.
#
# run     clears a dead mount, mounts, and does both again when rclone dies; on SIGTERM it unmounts and ends with 0. So a death costs a
#         second, and does not meet the engine's growing delays. Only the folder above is ever bound into another container.
# health  reads KNOWN_ENTRY (a file or a folder, relative to the cloud) through the mount, in 5 seconds at most.
#
# started like health, but after START_SECONDS (60) it holds in any case: apps that read a cloud have other work, and start without it.
#
# CLOUD           the cloud's name: the mount is /mnt/clouds/$CLOUD
# REMOTE          what is mounted, as rclone names it: "zurg:", "zurg:movies"
# KNOWN_ENTRY     what `health` reads; empty: the cloud's root
# RCLONE_CONFIG   rclone's own variable, the settings file (/config/rclone/rclone.conf)
# PUID PGID       owner of what is seen (0); FILE_UMASK (022)
# CACHE_DIR       (/cache), never shared with another rclone; CACHE_SIZE (1G), CACHE_AGE (24h): what bounds it,
#                 once each CACHE_POLL (5s): meanwhile it grows as fast as the network brings data
# DIR_CACHE_TIME  (10s) until a new file of the cloud is seen; POLL_INTERVAL (0: not all clouds can be polled)
# READ_ONLY       (true)
# LOG_LEVEL       (NOTICE)
# Flags exist in rclone 1.60 and later. rclone's remote control stays off: nothing here needs it.
set -u

: "${CLOUD:?the name of the cloud}"
point=/mnt/clouds/$CLOUD

# One line a mount of this folder; they stack, and each has to go.
mounted() { awk -v point="$point" '$5 == point' /proc/self/mountinfo | grep -q .; }

clear_mount() {
    tries=0
    while mounted && [ "$tries" -lt 10 ]; do
        fusermount3 -uz "$point" 2>/dev/null || umount -l "$point" 2>/dev/null || sleep 1
        tries=$((tries + 1))
    done
    ! mounted
}

health() {
    awk -v point="$point" '$5 == point && / - fuse/' /proc/self/mountinfo | grep -q . || {
        echo "mount.sh: nothing is mounted at $point" >&2
        return 1
    }
    entry=$point/${KNOWN_ENTRY:-}
    # A file is read; a folder must be there, and may be empty: a new account's is, and what would fill it waits for this. What is in it is
    # not listed, which would ask the cloud for all of it each time. KILL: a reader of a mount that hangs ignores less.
    # shellcheck disable=SC2016 # for the inner shell
    timeout -s KILL 5 sh -c 'if [ -d "$1" ]; then cd "$1"; else head -c 1 "$1" >/dev/null; fi' sh "$entry" || {
        echo "mount.sh: $entry can't be read" >&2
        return 1
    }
}

started() {
    health && return
    # /proc/1 is `run`; field 22 is its start after that of the machine, in hundredths of a second (proc(5)).
    born=$(awk '{sub(/.*\) /, ""); print $20}' /proc/1/stat)
    awk -v born="$born" -v patience="${START_SECONDS:-60}" '{exit ($1 - born / 100 < patience)}' /proc/uptime
}

run() {
    : "${REMOTE:?what to mount, such as zurg:}"
    child=
    trap 'stopping=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM INT
    stopping=

    # The mount leaves this container only through a shared mount; a private one is silent, so it is said here.
    awk '$5 == "/mnt/clouds" || $5 == "/mnt" || $5 == "/" {found = $0} END {exit found !~ / shared:/}' /proc/self/mountinfo ||
        echo "mount.sh: /mnt/clouds is no shared mount: no other container will see the cloud" >&2

    while [ -z "$stopping" ]; do
        if clear_mount && mkdir -p "$point"; then
            echo "mount.sh: mounting $REMOTE at $point"
            read_only=
            if [ "${READ_ONLY:-true}" = true ]; then read_only=--read-only; fi
            # shellcheck disable=SC2086 # `read_only` is a flag or nothing
            rclone mount "$REMOTE" "$point" \
                --allow-other $read_only \
                --uid "${PUID:-0}" --gid "${PGID:-0}" --umask "${FILE_UMASK:-022}" \
                --vfs-cache-mode full --cache-dir "${CACHE_DIR:-/cache}" \
                --vfs-cache-max-size "${CACHE_SIZE:-1G}" --vfs-cache-max-age "${CACHE_AGE:-24h}" \
                --vfs-cache-poll-interval "${CACHE_POLL:-5s}" \
                --dir-cache-time "${DIR_CACHE_TIME:-10s}" --poll-interval "${POLL_INTERVAL:-0}" \
                --log-level "${LOG_LEVEL:-NOTICE}" &
            child=$!
            wait "$child"
            status=$?
            # A trapped signal ends the first `wait` early: rclone is still unmounting.
            [ -z "$stopping" ] || wait "$child"
            child=
            [ -n "$stopping" ] || echo "mount.sh: rclone ended with $status, mounting again" >&2
        else
            echo "mount.sh: $point can't be cleared or made, trying again" >&2
        fi
        if [ -z "$stopping" ]; then
            sleep 1 &
            wait $!
        fi
    done
    clear_mount && echo "mount.sh: unmounted"
}

case ${1:-run} in
run) run ;;
health) health ;;
started) started ;;
*)
    echo "usage: mount.sh [run | health | started]" >&2
    exit 2
    ;;
esac
