"""What a doctor knows of a host: one script looks, on this machine or in a helper on the engine's, and here is what it told."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from portable.backends.compose.host import Mounted, holding, parse
from portable.model.base import Struct

SCRIPT = r"""
root=$1; shift
printf 'kernel\t%s\n' "$(cat /proc/sys/kernel/osrelease)"
printf 'idmap\t%s\n' "$(head -n 1 /proc/self/uid_map | tr -s ' ' ' ')"
[ -e "$root/dev/.lxc" ] || grep -qs lxc "$root/run/systemd/container" && printf 'lxc\tyes\n'
awk '/^MemTotal:/ {printf "memory\t%s\n", $2 * 1024}' /proc/meminfo
sed 's/^/mount\t/' /proc/self/mountinfo
for table in tcp tcp6 udp udp6; do
    awk -v of="${table%6}" 'NR > 1 && ($4 == "0A" || of == "udp") {split($2, a, ":"); printf "listens\t%s\t%s\n", of, a[2]}' \
        /proc/net/$table 2>/dev/null
done
for asked; do
    path=${asked#*:}
    case $asked in
    node:*) [ -c "$root$path" ] && printf 'node\t%s\t%s\n' "$path" "$(stat -c %g "$root$path")" ;;
    folder:*)
        said=$(timeout 5 stat -c '%d %i %u %g %a' "$root$path" 2>&1) && printf 'folder\t%s\t%s\n' "$path" "$said" ;;
    space:*) printf 'space\t%s\t%s\n' "$path" "$(df -Pk "$root$path" 2>/dev/null | awk 'END {print $2, $3, $4}')" ;;
    esac
done
sed -n 's/^\([^ ]* \)\{4\}\([^ ]*\) .* - fuse[.].*/\2/p' /proc/self/mountinfo | sed 's/\\/\\0/g' | while read -r escaped; do
    path=$(printf '%b' "$escaped")
    case $path in "$root"/*) ;; *) continue ;; esac
    said=$(timeout -s KILL 5 ls "$path" 2>&1 >/dev/null); code=$?
    [ $code = 0 ] || printf 'stale\t%s\t%s\n' "${path#"$root"}" "${said:-it does not answer}"
done
for file in "$root"/sys/fs/btrfs/*/devinfo/*/error_stats; do
    [ -e "$file" ] && awk -v of="$file" '$2 != 0 {printf "btrfs\t%s\t%s %s\n", of, $1, $2}' "$file"
done
for file in "$root"/sys/fs/btrfs/*/devinfo/*/missing; do
    [ -e "$file" ] && [ "$(cat "$file")" = 1 ] && printf 'btrfs\t%s\tmissing 1\n' "$file"
done
exit 0
"""
"""Reads only. Arguments: where the host's root is seen (empty on the host itself); then paths after node:, folder:, space:."""

Look = Callable[[Sequence[str]], str]
"""Runs the script with those arguments on the host, and gives what it printed."""


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


class Host(Struct, frozen=True, kw_only=True):
    """A host, at one moment."""

    kernel: str = ""
    contained: bool = False
    """It is itself a container (LXC)."""
    memory: int = 0
    """Bytes."""
    mounts: tuple[Mounted, ...] = ()
    listens: frozenset[tuple[str, int]] = frozenset()
    """Protocol and port."""
    nodes: Mapping[str, int] = {}
    """Device nodes that were asked for and are there, with the group that may open them."""
    folders: Mapping[str, Place] = {}
    spaces: Mapping[str, Space] = {}
    stale: Mapping[str, str] = {}
    """Mount points that do not answer, with what was said."""
    btrfs: tuple[tuple[str, str], ...] = ()
    """Errors that a BTRFS counted, by device."""

    def mount_of(self, path: str) -> Mounted | None:
        """The mount that holds a path."""
        return holding(self.mounts, path)


def look(run: Look, *, root: str, nodes: Iterable[str], folders: Iterable[str], spaces: Iterable[str]) -> Host:
    """Look at what is asked for, and at what the script finds by itself: FUSE mounts, each of which may hang, and BTRFS."""
    return parsed(run([root, *(f"node:{n}" for n in nodes), *(f"folder:{f}" for f in folders), *(f"space:{s}" for s in spaces)]), root)


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
        memory=int(float(memory)),
        mounts=parse("\n".join(fields[0] for fields in found.get("mount", ())), root),
        listens=frozenset((protocol, int(number, 16)) for protocol, number in found.get("listens", ())),
        nodes={path: int(group) for path, group in found.get("node", ())},
        folders={path: _place(said) for path, said in found.get("folder", ())},
        spaces={path: s for path, said in found.get("space", ()) if (s := _space(said)) is not None},
        stale={path: said.replace(f"{root}{path}", path) for path, said in found.get("stale", ())},
        btrfs=tuple((path.removeprefix(root), said) for path, said in found.get("btrfs", ())),
    )


def _place(said: str) -> Place:
    device, inode, uid, gid, mode = said.split()
    return Place(device=int(device), inode=int(inode), uid=int(uid), gid=int(gid), mode=int(mode, 8))


def _space(said: str) -> Space | None:
    parts = said.split()
    return Space(total=int(parts[0]), used=int(parts[1]), free=int(parts[2])) if len(parts) == 3 and int(parts[0]) else None
