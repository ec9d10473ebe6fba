"""Moves the staged tree up into the target by renames, and gives the target the source's own attributes."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from portable.migrate.names import listed
from portable.migrate.places import FOUND
from portable.model.errors import Refused


def move_up(tree: int, target: int, path: Path) -> None:
    """Rename everything in the open folder `tree` into the open folder `target`. Repeating it after a kill completes it.

    Raises Refused if a name is in use: somebody else wrote there since the move began.
    """
    for name in listed(tree):
        try:
            os.stat(name, dir_fd=target, follow_symlinks=False)
            in_use = name != FOUND  # mkfs made that folder; it is replaced if it is empty (rename(2))
        except FileNotFoundError:
            in_use = False
        if in_use:
            text, remedy = f"somebody wrote {name} into the target", "move it away, then run the same command with --resume"
            raise Refused(text, code="migrate.target-not-empty", where=str(path), remedy=remedy)
        os.rename(name, name, src_dir_fd=tree, dst_dir_fd=target)


def set_root(tree: int, target: int, mtime: int) -> None:
    """Give an open target the owner, mode, attributes and ACLs of the open staged tree, and a time.

    What the target refuses is left: those losses were named, and the comparison that follows finds any other.
    """
    status = os.fstat(tree)
    _try(lambda: os.chown(target, status.st_uid, status.st_gid))
    _try(lambda: os.chmod(target, status.st_mode & 0o7777))
    for name in _attributes(tree):
        _try(lambda name=name: os.setxattr(target, name, os.getxattr(tree, name)))  # type: ignore[misc]
    set_time(target, mtime)


def set_time(folder: int, mtime: int) -> None:
    """Set the modification time of an open folder, if its file system takes it."""
    _try(lambda: os.utime(folder, ns=(mtime, mtime)))


def _attributes(folder: int) -> list[str]:
    try:
        return [name for name in os.listxattr(folder) if name != "security.selinux"]
    except OSError:
        return []


def _try(action: Callable[[], object]) -> None:
    with contextlib.suppress(OSError):
        action()
