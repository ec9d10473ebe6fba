"""What a doctor knows of a host: one script looks, on this machine or in a helper on the engine's, and here is what it told."""

from collections.abc import Callable, Mapping, Sequence

from portable.engines.mounts import Mounted, holding, parse
from portable.model.base import Struct
from portable.model.shell import script
from portable.verify.disks import Disk, told


def host_script() -> str:
    """Reads only, of a cloud only what is asked for and what links lead to, and nothing in it waits for longer than its time.

    Arguments: where the host's root is seen (empty on the host itself); then paths after node:, folder:, space:, cloud: (what is always in
    one) and links: (the library). A scrub's moment is in the file in which btrfs-scrub(8) keeps its state; -1 where that may not be read, 0
    for never.
    """
    return script(__name__, "host.sh")


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
