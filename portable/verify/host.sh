# shellcheck disable=SC2016,SC2012 # `judge` is for an inner shell; names below devices are plain
root=$1; shift
PATH=$PATH:/usr/sbin:/sbin
printf 'now\t%s\n' "$(date +%s)"
printf 'kernel\t%s\n' "$(cat /proc/sys/kernel/osrelease)"
printf 'idmap\t%s\n' "$(head -n 1 /proc/self/uid_map | tr -s ' ' ' ')"
[ -e "$root/dev/.lxc" ] || grep -qs lxc "$root/run/systemd/container" && printf 'lxc\tyes\n'
release=$(cat /proc/sys/kernel/osrelease)
modules=
for folder in "$root/lib/modules/$release" "$root/usr/lib/modules/$release"; do
    [ -r "$folder/modules.dep" ] && modules=$folder
done
if [ -d "$root/sys/module/wireguard" ] || grep -qs '^wireguard ' /proc/modules; then printf 'wireguard\tyes\n'
elif [ -n "$modules" ] && grep -qs '/wireguard[.]ko' "$modules/modules.dep" "$modules/modules.builtin"; then printf 'wireguard\tyes\n'
elif [ -n "$modules" ] || [ ! -e /proc/modules ]; then printf 'wireguard\tno\n'
fi
resolvers=$(readlink "$root/etc/resolv.conf")
case $resolvers in /*) resolvers=$root$resolvers ;; *) resolvers=$root/etc/resolv.conf ;; esac
awk '$1 == "nameserver" {printf "resolver\t%s\n", $2}' "$resolvers" 2>/dev/null
awk '/^MemTotal:/ {printf "memory\t%s\n", $2 * 1024}' /proc/meminfo
sed 's/^/mount\t/' /proc/self/mountinfo
awk 'NR > 1 {printf "route"; for (i = 1; i <= NF; i++) printf "\t%s", $i; print ""}' /proc/net/route 2>/dev/null
awk '/\|--/ {last = $2} /32 host LOCAL/ && last !~ /^127[.]/ {printf "address\t%s\n", last}' /proc/net/fib_trie 2>/dev/null
awk '$4 == "00" {for (i = 1; i < 32; i += 4) printf "%s%s", i > 1 ? ":" : "address\t", substr($1, i, 4); print ""}' /proc/net/if_inet6 2>/dev/null
printf 'first\t%s\n' "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null)"
for table in tcp tcp6 udp udp6; do
    awk -v of="${table%6}" 'NR > 1 && ($4 == "0A" || of == "udp") {split($2, a, ":"); printf "listens\t%s\t%s\n", of, a[2]}' \
        /proc/net/$table 2>/dev/null
done
judge='
library=$1 until=$2 root=$3; shift 3
for link; do
    [ "$(date +%s)" -lt "$until" ] || { printf "cut\\ttime\\n"; exit 0; }
    target=$(readlink "$link") || continue
    cloud=${target#/mnt/media/}; cloud=${cloud#/mnt/clouds/}; cloud=${cloud%%/*}
    case " $away " in *" ${cloud:-/} "*) printf "cut\\t/mnt/clouds/%s\\n" "$cloud"; continue ;; esac
    case $target in
    /mnt/media/*)
        inside=${target#/mnt/media/}; first=${inside%%/*}
        target=$(readlink "$root$library/$first") || target=$library/$first
        [ "$inside" = "$first" ] || target=$target/${inside#*/} ;;
    /mnt/clouds/*) ;;
    /*) continue ;;
    *) target=${link%/*}/$target; target=${target#"$root"} ;;
    esac
    timeout -s KILL 3 stat "$root$target" >/dev/null 2>&1; code=$?
    [ $code -gt 1 ] && { printf "cut\\t%s\\n" "$target"; exit 0; }
    [ $code = 0 ] || printf "nowhere\\t%s\\n" "$(printf %s "${link#"$root"}" | tr "\\n\\t" "??")"
done'
links() {
    set -- "$root$1/stream" "$1"
    timeout -s KILL 20 find "$1" -xdev -name .snapshots -prune -o -type l -mtime +90 -exec sh -c 'printf "old\t%s\n" $#' sh {} +
    timeout -s KILL 20 find "$1" -xdev -name .snapshots -prune -o -type l \
        -exec sh -c "$judge" sh "$2" $(($(date +%s) + 15)) "$root" {} +
    [ $? -le 1 ] || printf 'cut\ttime\n'
}
# foreign UID:GID:KNOWN:FOLDER: an entry that this user may not write. KNOWN are relative paths, separated by |, which do not count.
foreign() (
    uid=${1%%:*}; rest=${1#*:}; gid=${rest%%:*}; rest=${rest#*:}; known=${rest%%:*}; path=${rest#*:}
    set -f; IFS='|'
    # shellcheck disable=SC2086 # split at IFS
    set -- $known
    unset IFS
    # What `portable` keeps aside there is not the app's to write (live/state_owners.py).
    top=$(ls -A "$root$path" 2>/dev/null)
    top=$(printf '%s\n' "$top" | grep -vE '^[.](portable|before-restore|given-up)-')
    set -- "$@" ''
    while [ -n "$1" ]; do
        top=$(printf '%s\n' "$top" | grep -vxF -e "$1")
        set -- "$@" ! -path "$root$path/$1"
        shift
    done
    shift
    # A folder with nothing else in it gets its owner before the app starts.
    [ -n "$top" ] || return 0
    at=$root$path
    first=$(timeout -s KILL 10 find "$at" -xdev \( -path "$at/.portable-*" -o -path "$at/.before-restore-*" -o -path "$at/.given-up-*" \) -prune \
        -o ! -type l ! -user "$uid" ! -perm -o+w ! \( -group "$gid" -perm -g+w \) "$@" -print 2>/dev/null | head -n 1)
    [ -z "$first" ] || printf 'foreign\t%s\t%s\t%s\n' "$path" "$first" "$(stat -c %u:%g "$first")"
)
away=; export away
for asked; do
    path=${asked#*:}
    case $asked in
    node:*) [ -c "$root$path" ] && printf 'node\t%s\t%s\n' "$path" "$(stat -c %g "$root$path")" ;;
    folder:*)
        said=$(timeout 5 stat -c '%d %i %u %g %a' "$root$path" 2>&1) || continue
        printf 'folder\t%s\t%s\n' "$path" "$said"
        label=$(timeout 5 stat -c %C "$root$path" 2>/dev/null) && case $label in *:*) printf 'label\t%s\t%s\n' "$path" "$label" ;; esac
        found=$(timeout 5 ls -A "$root$path" 2>/dev/null) && [ -z "$found" ] && printf 'empty\t%s\n' "$path" ;;
    cloud:*)
        name=${path#/mnt/clouds/}
        timeout -s KILL 5 stat "$root$path" >/dev/null 2>&1 || away="$away ${name%%/*}" ;;
    state:*) foreign "$path" ;;
    links:*) [ -d "$root$path/stream" ] && links "$path" ;;
    space:*) printf 'space\t%s\t%s\n' "$path" "$(df -Pk "$root$path" 2>/dev/null | awk 'END {print $2, $3, $4}')" ;;
    esac
done
sed -n 's/^\([^ ]* \)\{4\}\([^ ]*\) .* - fuse[.].*/\2/p' /proc/self/mountinfo | sed 's/\\/\\0/g' | while read -r escaped; do
    path=$(printf '%b' "$escaped")
    case $path in "$root"/*) ;; *) continue ;; esac
    said=$(timeout -s KILL 5 ls "$path" 2>&1 >/dev/null); code=$?
    [ $code = 0 ] || printf 'stale\t%s\t%s\n' "${path#"$root"}" "${said:-it hangs}"
done
for file in "$root"/sys/fs/btrfs/*/devinfo/*/error_stats; do
    [ -e "$file" ] && awk -v of="$file" '$2 != 0 {printf "btrfs\t%s\t%s %s\n", of, $1, $2}' "$file"
done
for file in "$root"/sys/fs/btrfs/*/devinfo/*/missing; do
    [ -e "$file" ] && [ "$(cat "$file")" = 1 ] && printf 'btrfs\t%s\tmissing 1\n' "$file"
done
for devices in "$root"/sys/fs/btrfs/*/devices; do
    [ -d "$devices" ] || continue
    uuid=${devices%/devices}; uuid=${uuid##*/}; file=$root/var/lib/btrfs/scrub.status.$uuid
    if [ ! -e "$file" ]; then at=0; elif [ ! -r "$file" ]; then at=-1; else
        at=$(sed -n '/[|]finished:1/!s/t_start:[0-9]*/t_start:0/; s/.*[|]t_start:\([0-9]*\).*/\1/p' "$file" | sort -n | head -n 1)
    fi
    printf 'scrub\t%s\t%s\t%s\n' "$uuid" "${at:-0}" "$(ls "$devices" | tr '\n' ' ')"
done
for disk in "$root"/sys/block/sd* "$root"/sys/block/nvme*; do
    [ -e "$disk" ] || continue
    name=/dev/${disk##*/}
    if [ -n "$root" ]; then printf 'disk\t%s\tfar\n' "$name"
    elif ! command -v smartctl >/dev/null; then printf 'disk\t%s\tnone\n' "$name"
    else printf 'disk\t%s\ttold\t%s\n' "$name" "$(timeout -s KILL 10 smartctl --json=c -n standby -H -A "$name" | tr -d '\n\t')"
    fi
done
exit 0
