"""The mounts of an engine's host, and the commands that prepare the host for containers."""

import re
from collections.abc import Iterable

from portable.model.base import Struct

MODULES = {"/dev/fuse": "fuse", "/dev/net/tun": "tun"}
"""The kernel module of a device node, for hosts where udev did not load it."""
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Mounted(Struct, frozen=True, kw_only=True):
    """A mount point of the host."""

    path: str
    kind: str
    """The type of its file system."""
    shared: bool
    """Whether containers see mounts below it."""
    source: str = ""
    """The device, or its substitute (for example `tmpfs`)."""


def parse(mountinfo: str, root: str = "") -> tuple[Mounted, ...]:
    """The mounts in a text of /proc/PID/mountinfo (proc_pid_mountinfo(5)), in order of mounting.

    `root` is the folder in which a helper container sees the host's file tree, later mounts included. Only the host's mounts are returned
    then, with the host's paths; a mount that is shared on the host is a master in the helper.
    """
    wanted = ("shared:", "master:") if root else ("shared:",)
    mounts = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 6 or len(after.split()) < 2:
            continue
        path = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
        if root and path != root and not path.startswith(f"{root}/"):
            continue
        shared = any(field.startswith(wanted) for field in fields[6:])
        mounts.append(Mounted(path=path.removeprefix(root) or "/", kind=after.split()[0], shared=shared, source=after.split()[1]))
    return tuple(mounts)


def holding(mounts: Iterable[Mounted], path: str) -> Mounted | None:
    """The mount of a path: the one with the longest mount point above it; of several at one point, the last."""
    best: Mounted | None = None
    for mount in mounts:
        around = path == mount.path or path.startswith(f"{mount.path.rstrip('/')}/")
        if around and (best is None or len(mount.path) >= len(best.path)):
            best = mount
    return best


def sharing(folder: str) -> list[list[str]]:
    """The commands, for root, that make a folder a shared mount; mounts below it stay visible.

    A folder that is a mount already, for example after an interrupted run, gets no second mount on top.
    """
    mount = ["sh", "-c", 'mountpoint -q "$0" || mount --rbind "$0" "$0"', folder]
    return [["mkdir", "-p", folder], mount, ["mount", "--make-rshared", folder]]
