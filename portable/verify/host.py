"""The state of a host: one script reads it, on this machine or in a helper on the engine's machine, and its output is parsed here."""

from collections.abc import Callable, Mapping, Sequence

from portable.engines.mounts import Mounted, holding, parse
from portable.live.routes import routes_of
from portable.live.state_owners import StateFolder
from portable.model.base import Struct
from portable.model.shell import script
from portable.verify.disks import Disk, told


def host_script() -> str:
    """Return the script. It only reads, every step has a timeout, and of a cloud it reads only known entries and the targets of links.

    Arguments: the path of the host's root (empty on the host itself); then paths with the prefixes node:, folder:, space:, cloud: (an
    entry that is always in it), links: (the library) and state: (user, group, known files and folder of an app's state). The time of a
    scrub comes from the file of btrfs-scrub(8); -1 if that file is not readable, 0 for never.
    """
    return script(__name__, "host.sh")


Look = Callable[[Sequence[str]], str]
"""Runs the script on the host with those arguments, and returns its output."""


class HostPaths(Struct, frozen=True, kw_only=True):
    """The paths of a host that the script examines."""

    nodes: tuple[str, ...] = ()
    """Device nodes."""
    folders: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()
    """Folders whose file systems must have free space."""
    clouds: tuple[str, ...] = ()
    """In each cloud, an entry that is always there."""
    links: str = ""
    """The library, if it has a folder of links into clouds."""
    states: tuple[StateFolder, ...] = ()
    """Folders with the state of apps that run as a user from their start."""


class HostFolderStat(Struct, frozen=True, kw_only=True):
    """A folder of the host."""

    device: int
    inode: int
    uid: int
    gid: int
    mode: int


class Space(Struct, frozen=True, kw_only=True):
    """The size of the file system at a path, in KiB."""

    total: int
    used: int
    free: int


class Scrub(Struct, frozen=True, kw_only=True):
    """The last scrub of a mounted BTRFS."""

    uuid: str
    at: int
    """The start of the last scrub that all devices finished, on the clock of `Host.now`; 0 for never, -1 if this user may not read it."""
    devices: tuple[str, ...] = ()
    """Names below /dev."""


class Host(Struct, frozen=True, kw_only=True):
    """The state of a host at one moment."""

    kernel: str = ""
    contained: bool = False
    """Whether it is itself a container (LXC)."""
    wireguard: bool | None = None
    """Whether the kernel has WireGuard, built in or as a module; None if unknown, for example in a container (LXC) without modules."""
    resolvers: tuple[str, ...] = ()
    """The name servers of its own /etc/resolv.conf."""
    memory: int = 0
    """Bytes."""
    mounts: tuple[Mounted, ...] = ()
    listens: frozenset[tuple[str, int]] = frozenset()
    """Protocol and port."""
    nodes: Mapping[str, int] = {}
    """The requested device nodes that exist, each with its group."""
    folders: Mapping[str, HostFolderStat] = {}
    spaces: Mapping[str, Space] = {}
    now: int = 0
    """Seconds since 1970, by its own clock."""
    empty: frozenset[str] = frozenset()
    """The requested folders that are empty."""
    old_links: int = 0
    """Symlinks in the library's `stream` that are older than 90 days."""
    nowhere: tuple[str, ...] = ()
    """Symlinks there whose targets do not exist."""
    cut: str = ""
    """Why some of them were not followed: `time`, or the path that did not answer."""
    scrubs: tuple[Scrub, ...] = ()
    disks: Mapping[str, Disk] = {}
    """By device."""
    stale: Mapping[str, str] = {}
    """Mount points that do not answer, each with the error."""
    btrfs: tuple[tuple[str, str], ...] = ()
    """Errors that a BTRFS counted, by device."""
    routes: Mapping[str, str] = {}
    """Networks that it reaches, each with its interface, without the default route."""
    labels: Mapping[str, str] = {}
    """SELinux labels of the requested folders, where it has them."""
    first_port: int = 1024
    """The lowest port that every user may open."""
    addresses: tuple[str, ...] = ()
    """Its own addresses, without those of loopback and of link-local IPv6."""
    foreign: Mapping[str, tuple[str, str]] = {}
    """State folder to an entry in it that its app may not write, and the owner of that."""

    def mount_of(self, path: str) -> Mounted | None:
        """Return the mount that contains a path."""
        return holding(self.mounts, path)


def look(run: Look, asked: HostPaths, *, root: str = "") -> Host:
    """Examine the requested paths, and everything that the script finds itself: FUSE mounts, which may hang, BTRFS, and disks."""
    kinds = {
        "node": asked.nodes,
        "folder": asked.folders,
        "space": asked.spaces,
        "cloud": asked.clouds,
        "links": filter(None, [asked.links]),
        "state": (f"{state.uid}:{state.gid}:{'|'.join(state.skipped)}:{state.path}" for state in asked.states),
    }
    return parsed(run([root, *(f"{kind}:{path}" for kind, paths in kinds.items() for path in paths)]), root)


def parsed(text: str, root: str = "") -> Host:
    """Parse the output of the script."""
    rows: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        kind, *fields = line.split("\t")
        rows.setdefault(kind, []).append(fields)
    memory, kernel = rows.get("memory", [["0"]])[0][0], rows.get("kernel", [[""]])[0][0]
    return Host(
        kernel=kernel,
        contained="lxc" in rows or rows.get("idmap", [["0 0 4294967295"]])[0][0].strip() != "0 0 4294967295",
        wireguard={"yes": True, "no": False}.get(rows.get("wireguard", [[""]])[0][0]),
        resolvers=tuple(fields[0] for fields in rows.get("resolver", ())),
        memory=int(float(memory)),
        mounts=parse("\n".join(fields[0] for fields in rows.get("mount", ())), root),
        listens=frozenset((protocol, int(number, 16)) for protocol, number in rows.get("listens", ())),
        nodes={path: int(group) for path, group in rows.get("node", ())},
        folders={path: _place(numbers) for path, numbers in rows.get("folder", ())},
        spaces={path: s for path, numbers in rows.get("space", ()) if (s := _space(numbers)) is not None},
        now=int(rows.get("now", [["0"]])[0][0]),
        empty=frozenset(fields[0] for fields in rows.get("empty", ())),
        old_links=sum(int(fields[0]) for fields in rows.get("old", ())),
        nowhere=tuple(sorted(fields[0] for fields in rows.get("nowhere", ()))),
        cut=rows.get("cut", [[""]])[0][0].removeprefix(root),
        scrubs=tuple(Scrub(uuid=uuid, at=int(at), devices=tuple(names.split())) for uuid, at, names in rows.get("scrub", ())),
        disks={fields[0]: _disk(*fields[1:]) for fields in rows.get("disk", ())},
        stale={path: error.replace(f"{root}{path}", path) for path, error in rows.get("stale", ())},
        btrfs=tuple((path.removeprefix(root), count) for path, count in rows.get("btrfs", ())),
        routes=routes_of("\n".join(["", *("\t".join(fields) for fields in rows.get("route", ()))])),
        labels={fields[0]: fields[1] for fields in rows.get("label", ())},
        addresses=tuple(sorted({fields[0] for fields in rows.get("address", ())})),
        foreign={fields[0]: (fields[1].removeprefix(root), fields[2]) for fields in rows.get("foreign", ())},
        first_port=int(rows.get("first", [["1024"]])[0][0] or 1024),
    )


def _disk(how: str, answer: str = "") -> Disk:
    silent = {"far": "the host is another machine", "none": "`smartctl` is not installed"}
    return Disk(silent=silent[how]) if how in silent else told(answer)


def _place(text: str) -> HostFolderStat:
    device, inode, uid, gid, mode = text.split()
    return HostFolderStat(device=int(device), inode=int(inode), uid=int(uid), gid=int(gid), mode=int(mode, 8))


def _space(text: str) -> Space | None:
    """Parse a line of `df`; None for a missing path, for which some programs print only a heading, and for a file system without size."""
    numbers = [int(part) for part in text.split() if part.isdigit()]
    return Space(total=numbers[0], used=numbers[1], free=numbers[2]) if len(numbers) == 3 and numbers[0] else None
