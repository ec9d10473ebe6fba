"""Mounts as the kernel lists them: mount points below a folder, and the place of a folder on its file system."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from portable.model.base import Struct

_ESCAPE = re.compile(rb"\\([0-7]{3})")


class MountPoint(Struct, frozen=True, kw_only=True):
    """One line of /proc/self/mountinfo (proc(5))."""

    number: int
    device: str
    """Major and minor number of the file system, the same for all of its mounts and BTRFS subvolumes."""
    root: bytes
    """The folder of the file system that is mounted."""
    point: bytes
    kind: str
    source: str


def all_mounts() -> Iterator[MountPoint]:
    """Yield every mount that this process sees, in the order in which they were mounted."""
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        head, _, tail = line.partition(b" - ")
        number, _, device, root, point = head.split(b" ")[:5]
        kind, source = [*tail.split(b" "), b""][:2]
        yield MountPoint(
            number=int(number),
            device=device.decode(),
            root=_plain(root),
            point=_plain(point),
            kind=kind.decode(errors="replace"),
            source=_plain(source).decode(errors="replace"),
        )


def _plain(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), text)


def path_of(folder: int) -> bytes:
    """Absolute path of an open folder, without links."""
    return os.fsencode(Path(f"/proc/self/fd/{folder}").readlink())


def mount_number(folder: int) -> int:
    """Number of the mount that an open file or folder was reached through."""
    for line in Path(f"/proc/self/fdinfo/{folder}").read_text(encoding="ascii").splitlines():
        if line.startswith("mnt_id:"):
            return int(line.split()[1])
    return 0  # a kernel before 3.15


def mount_points(folder: int) -> frozenset[bytes]:
    """Mount points below an open folder, relative to it."""
    within = path_of(folder).rstrip(b"/") + b"/"
    return frozenset(mount.point[len(within) :] for mount in all_mounts() if mount.point.startswith(within) and mount.point != within)


def mount_of(folder: int) -> MountPoint | None:
    """The mount that an open folder was reached through; None if the kernel does not list it."""
    number = mount_number(folder)
    return next((mount for mount in all_mounts() if mount.number == number), None)


def inner_path(folder: int) -> tuple[str, bytes]:
    """Device and path of an open folder inside its file system: equal for one folder that is reached through two mounts."""
    mount, path = mount_of(folder), path_of(folder)
    if mount is None:
        return "", path
    below = path[len(mount.point.rstrip(b"/")) :].strip(b"/")
    return mount.device, mount.root.rstrip(b"/") + (b"/" + below if below else b"")
