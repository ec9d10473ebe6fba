"""The host of an engine, as its kernel tells of it: its mounts, and the commands that make it give containers what they need."""

import re
from collections.abc import Iterable

from portable.model.base import Struct

MODULES = {"/dev/fuse": "fuse", "/dev/net/tun": "tun"}
"""The kernel module that brings a device node, where udev did not load it."""
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Mounted(Struct, frozen=True, kw_only=True):
    """A mount point of the host."""

    path: str
    kind: str
    """Of its file system."""
    shared: bool
    """What is mounted below it reaches containers."""
    source: str = ""
    """The device, or what stands for one."""


def parse(mountinfo: str, root: str = "") -> tuple[Mounted, ...]:
    """The mounts in a text of /proc/PID/mountinfo (proc_pid_mountinfo(5)), in the order in which they were made.

    With `root`, that of a helper which sees the host's tree there and gets what is mounted later: only the host's own are told, by the
    host's paths, and what is shared there is a master here.
    """
    wanted = ("shared:", "master:") if root else ("shared:",)
    found = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 6 or len(right.split()) < 2:
            continue
        path = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
        if root and path != root and not path.startswith(f"{root}/"):
            continue
        shared = any(field.startswith(wanted) for field in fields[6:])
        found.append(Mounted(path=path.removeprefix(root) or "/", kind=right.split()[0], shared=shared, source=right.split()[1]))
    return tuple(found)


def holding(mounts: Iterable[Mounted], path: str) -> Mounted | None:
    """The mount that holds a path: of the longest mount point around it, the one made last, which covers the others."""
    best: Mounted | None = None
    for mount in mounts:
        around = path == mount.path or path.startswith(f"{mount.path.rstrip('/')}/")
        if around and (best is None or len(mount.path) >= len(best.path)):
            best = mount
    return best


def sharing(folder: str) -> list[list[str]]:
    """The commands, for root, that make a folder a shared mount; what is mounted below it stays seen.

    One that is a mount already, as after a run that was ended half-way, gets no second one on top.
    """
    mount = ["sh", "-c", 'mountpoint -q "$0" || mount --rbind "$0" "$0"', folder]
    return [["mkdir", "-p", folder], mount, ["mount", "--make-rshared", folder]]
