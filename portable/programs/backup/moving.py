"""Moves state within an app's folder: aside, and up into its place; and refuses where that could not be done."""

import errno
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from portable.programs.backup.copying import is_restores_own
from portable.programs.backup.errors import BackupError
from portable.programs.backup.files import names_in, opened


def set_state_aside(at: Path, aside: str) -> None:
    """Move all state in an app's folder to a folder beside it, which is made where it is missing."""
    with opened(at) as folder, opened(aside, folder, made=True) as there:
        for name in names_in(folder):
            if not is_restores_own(name):
                _rename(name, folder, there, at)


def move_aside(folder: int, aside: str, at: Path) -> None:
    """Move all state in an open folder to a folder beside it, which is made only where there is any."""
    for name in names_in(folder):
        if not is_restores_own(name):
            _move_one_aside(name, folder, aside, at)


def move_up(source: str, folder: int, aside: str, at: Path) -> None:
    """Move all that lies in a folder of this one into this one, what is there already aside, and remove it; nothing where it is gone."""
    if source not in names_in(folder):
        return
    with opened(source, folder) as there:
        for name in names_in(there):
            _move_one_aside(name, folder, aside, at)
            _rename(name, there, folder, at)
    os.rmdir(source, dir_fd=folder)


def _move_one_aside(name: str, folder: int, aside: str, at: Path) -> None:
    """Move what has that name to a folder beside it, under a name that is free there."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    with opened(aside, folder, made=True) as there:
        used, free, number = set(names_in(there)), name, 1
        while free in used:
            free, number = f"{name}.{number}", number + 1
        _rename(name, folder, there, at, free)


def _rename(name: str, here: int, there: int, at: Path, to: str = "") -> None:
    try:
        os.rename(name, to or name, src_dir_fd=here, dst_dir_fd=there)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        remedy = "unmount it, and run the same command again, or `portable restore --abort`"
        raise BackupError(f"{at / name} can't be moved: something is mounted there; {remedy}") from None


def refuse_mounts(folders: Iterable[Path]) -> None:
    """Raise BackupError where something is mounted right in one of these: it could not be put aside."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    points = [Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), line.split(" ")[4])) for line in mounts.splitlines()]
    if mounted := sorted(str(point) for folder in folders for point in points if point.parent == folder.resolve()):
        raise BackupError(f"{', '.join(mounted)} can't be put aside: something is mounted there; unmount it first")


def refuse_without_room(wanted: Mapping[Path, int]) -> None:
    """Raise BackupError where the backup does not fit beside the state that is there, while the app still runs."""
    for device in {folder.stat().st_dev for folder in wanted}:
        folders = [folder for folder in wanted if folder.stat().st_dev == device]
        room, size = os.statvfs(folders[0]), sum(wanted[folder] for folder in folders)
        if (left := room.f_bavail * room.f_frsize) < size:
            raise BackupError(f"{folders[0]}: it takes {size / 1e6:.0f} MB beside what is there, and {left / 1e6:.0f} MB are left")
