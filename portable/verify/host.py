"""What a doctor knows of a host: one script looks, on this machine or in a helper on the engine's, and here is what it told."""

from collections.abc import Callable, Mapping, Sequence

from portable.engines.mounts import Mounted, holding, parse
from portable.model.base import Struct
from portable.verify.disks import Disk, told

SCRIPT = r"""
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
away=; export away
for asked; do
    path=${asked#*:}
    case $asked in
    node:*) [ -c "$root$path" ] && printf 'node\t%s\t%s\n' "$path" "$(stat -c %g "$root$path")" ;;
    folder:*)
        said=$(timeout 5 stat -c '%d %i %u %g %a' "$root$path" 2>&1) || continue
        printf 'folder\t%s\t%s\n' "$path" "$said"
        found=$(timeout 5 ls -A "$root$path" 2>/dev/null) && [ -z "$found" ] && printf 'empty\t%s\n' "$path" ;;
    cloud:*)
        name=${path#/mnt/clouds/}
        timeout -s KILL 5 stat "$root$path" >/dev/null 2>&1 || away="$away ${name%%/*}" ;;
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
"""
"""Reads only, of a cloud only what is asked for and what links lead to, and nothing in it waits for longer than its time.

Arguments: where the host's root is seen (empty on the host itself); then paths after node:, folder:, space:, cloud: (what is always in
one) and links: (the library). A scrub's moment is in the file in which btrfs-scrub(8) keeps its state; -1 where that may not be read, 0
for never.
"""

Look = Callable[[Sequence[str]], str]
"""Runs the script with those arguments on the host, and gives what it printed."""


class Asked(Struct, frozen=True, kw_only=True):
    """What of a host is looked at, by path."""

    nodes: tuple[str, ...] = ()
    """Device nodes."""
    folders: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()
    """Folders whose file systems must have room."""
    clouds: tuple[str, ...] = ()
    """What is always in each cloud."""
    links: str = ""
    """The library, where it has a folder of links into clouds."""


class Place(Struct, frozen=True, kw_only=True):
    """A folder of the host."""

    device: int
    inode: int
    uid: int
    gid: int
    mode: int


class Space(Struct, frozen=True, kw_only=True):
    """Of the file system at a path, in KiB."""

    total: int
    used: int
    free: int


class Scrub(Struct, frozen=True, kw_only=True):
    """When a mounted BTRFS was last read through."""

    uuid: str
    at: int
    """The start of the last pass that all of its devices finished, as `Host.now`; 0 for never, -1 where this user may not know."""
    devices: tuple[str, ...] = ()
    """Names below /dev."""


class Host(Struct, frozen=True, kw_only=True):
    """A host, at one moment."""

    kernel: str = ""
    contained: bool = False
    """It is itself a container (LXC)."""
    wireguard: bool | None = None
    """Whether the kernel has it, built in or as a module; None where that can't be told, as in a container (LXC) without modules."""
    resolvers: tuple[str, ...] = ()
    """The name servers of its own /etc/resolv.conf."""
    memory: int = 0
    """Bytes."""
    mounts: tuple[Mounted, ...] = ()
    listens: frozenset[tuple[str, int]] = frozenset()
    """Protocol and port."""
    nodes: Mapping[str, int] = {}
    """Device nodes that were asked for and are there, with the group that may open them."""
    folders: Mapping[str, Place] = {}
    spaces: Mapping[str, Space] = {}
    now: int = 0
    """Seconds since 1970, by its own clock."""
    empty: frozenset[str] = frozenset()
    """Folders of those asked for in which nothing is."""
    old_links: int = 0
    """Symlinks in the library's `stream` that are older than 90 days."""
    nowhere: tuple[str, ...] = ()
    """Symlinks there that lead to nothing."""
    cut: str = ""
    """Why not all of them were followed: `time`, or the path that did not answer."""
    scrubs: tuple[Scrub, ...] = ()
    disks: Mapping[str, Disk] = {}
    """By device."""
    stale: Mapping[str, str] = {}
    """Mount points that do not answer, with what was said."""
    btrfs: tuple[tuple[str, str], ...] = ()
    """Errors that a BTRFS counted, by device."""

    def mount_of(self, path: str) -> Mounted | None:
        """The mount that holds a path."""
        return holding(self.mounts, path)


def look(run: Look, asked: Asked, *, root: str = "") -> Host:
    """Look at what is asked for, and at what the script finds by itself: FUSE mounts, each of which may hang, BTRFS, and disks."""
    kinds = {
        "node": asked.nodes,
        "folder": asked.folders,
        "space": asked.spaces,
        "cloud": asked.clouds,
        "links": filter(None, [asked.links]),
    }
    return parsed(run([root, *(f"{kind}:{path}" for kind, paths in kinds.items() for path in paths)]), root)


def parsed(text: str, root: str = "") -> Host:
    """What the script told."""
    found: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        kind, *fields = line.split("\t")
        found.setdefault(kind, []).append(fields)
    memory, kernel = found.get("memory", [["0"]])[0][0], found.get("kernel", [[""]])[0][0]
    return Host(
        kernel=kernel,
        contained="lxc" in found or found.get("idmap", [["0 0 4294967295"]])[0][0].strip() != "0 0 4294967295",
        wireguard={"yes": True, "no": False}.get(found.get("wireguard", [[""]])[0][0]),
        resolvers=tuple(fields[0] for fields in found.get("resolver", ())),
        memory=int(float(memory)),
        mounts=parse("\n".join(fields[0] for fields in found.get("mount", ())), root),
        listens=frozenset((protocol, int(number, 16)) for protocol, number in found.get("listens", ())),
        nodes={path: int(group) for path, group in found.get("node", ())},
        folders={path: _place(said) for path, said in found.get("folder", ())},
        spaces={path: s for path, said in found.get("space", ()) if (s := _space(said)) is not None},
        now=int(found.get("now", [["0"]])[0][0]),
        empty=frozenset(fields[0] for fields in found.get("empty", ())),
        old_links=sum(int(fields[0]) for fields in found.get("old", ())),
        nowhere=tuple(sorted(fields[0] for fields in found.get("nowhere", ()))),
        cut=found.get("cut", [[""]])[0][0].removeprefix(root),
        scrubs=tuple(Scrub(uuid=uuid, at=int(at), devices=tuple(names.split())) for uuid, at, names in found.get("scrub", ())),
        disks={fields[0]: _disk(*fields[1:]) for fields in found.get("disk", ())},
        stale={path: said.replace(f"{root}{path}", path) for path, said in found.get("stale", ())},
        btrfs=tuple((path.removeprefix(root), said) for path, said in found.get("btrfs", ())),
    )


def _disk(how: str, said: str = "") -> Disk:
    silent = {"far": "the host is not this machine", "none": "there is no `smartctl` here"}
    return Disk(silent=silent[how]) if how in silent else told(said)


def _place(said: str) -> Place:
    device, inode, uid, gid, mode = said.split()
    return Place(device=int(device), inode=int(inode), uid=int(uid), gid=int(gid), mode=int(mode, 8))


def _space(said: str) -> Space | None:
    """None where there is nothing, of which some programs print the heading alone, or where a file system has no size."""
    numbers = [int(part) for part in said.split() if part.isdigit()]
    return Space(total=numbers[0], used=numbers[1], free=numbers[2]) if len(numbers) == 3 and numbers[0] else None
