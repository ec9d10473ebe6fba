"""Moves state within an app's folder, aside and into place, and checks beforehand that this will work."""

import errno
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from portable.programs.backup.copying import is_restores_own
from portable.programs.backup.errors import BackupError
from portable.programs.backup.files import names_in, opened


def set_state_aside(at: Path, aside: str) -> None:
    """Move all state in an app's folder to a folder in it, which is created if it is missing."""
    with opened(at) as folder, opened(aside, folder, made=True) as target:
        for name in names_in(folder):
            if not is_restores_own(name):
                _rename(name, folder, target, at)


def move_aside(folder: int, aside: str, at: Path) -> None:
    """Move all state in an open folder to a folder in it, which is created only if there is state."""
    for name in names_in(folder):
        if not is_restores_own(name):
            _move_one_aside(name, folder, aside, at)


def move_up(source: str, folder: int, aside: str, at: Path) -> None:
    """Move the contents of a subfolder up into its folder, existing names aside, and remove it. Does nothing if it is missing."""
    if source not in names_in(folder):
        return
    with opened(source, folder) as subfolder:
        for name in names_in(subfolder):
            _move_one_aside(name, folder, aside, at)
            _rename(name, subfolder, folder, at)
    os.rmdir(source, dir_fd=folder)


def _move_one_aside(name: str, folder: int, aside: str, at: Path) -> None:
    """Move an item to the folder `aside`, under a name that is free in it."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    with opened(aside, folder, made=True) as target:
        used, free, number = set(names_in(target)), name, 1
        while free in used:
            free, number = f"{name}.{number}", number + 1
        _rename(name, folder, target, at, free)


def _rename(name: str, source: int, target: int, at: Path, to: str = "") -> None:
    try:
        os.rename(name, to or name, src_dir_fd=source, dst_dir_fd=target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        remedy = "unmount it and run the same command again, or abort with `portable restore --abort`"
        raise BackupError(f"cannot move {at / name}, because it is a mount point: {remedy}") from None


def refuse_mounts(folders: Iterable[Path]) -> None:
    """Raise BackupError if one of these folders directly contains a mount point, which cannot be moved aside."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    points = [Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), line.split(" ")[4])) for line in mounts.splitlines()]
    if mounted := sorted(str(point) for folder in folders for point in points if point.parent == folder.resolve()):
        raise BackupError(f"cannot move {', '.join(mounted)} aside, because it is a mount point: unmount it first")


def refuse_without_room(wanted: Mapping[Path, int]) -> None:
    """Raise BackupError if the backup does not fit beside the current state, while the app still runs."""
    for device in {folder.stat().st_dev for folder in wanted}:
        folders = [folder for folder in wanted if folder.stat().st_dev == device]
        room, size = os.statvfs(folders[0]), sum(wanted[folder] for folder in folders)
        if (free := room.f_bavail * room.f_frsize) < size:
            raise BackupError(f"{folders[0]}: the backup needs {size / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free")
