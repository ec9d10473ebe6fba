"""Folders of this user on this machine for data that `portable` can make again."""

import os
import stat
import sys
from pathlib import Path

from portable.local.files import translated
from portable.local.paths import cache_home, state_home
from portable.model.errors import UsageError

FILE = "compose.yaml"
"""The project file as it was last passed to Compose."""


def own_cache(name: str) -> Path | None:
    """A folder below `cache_home` for what Python runs or trusts, created if missing; None where there cannot be a safe one.

    It must belong to the user who runs the command, and nobody else may write to it: `sudo` with the home folder of another user has no
    cache, and makes none there, which that user could not write to. PYTHONDONTWRITEBYTECODE switches it off.
    """
    if sys.dont_write_bytecode:
        return None
    try:
        folder = cache_home() / name
        if not folder.is_dir():
            existing = next(parent for parent in folder.parents if parent.exists())
            if os.geteuid() == 0 and existing.stat().st_uid != 0:
                return None
            for missing in (folder.parent, folder):  # the mode is that of the last folder only, and a umask may be 002
                missing.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder if _is_own(folder.parent) and _is_own(folder) else None
    except (OSError, UsageError):
        return None


def _is_own(folder: Path) -> bool:
    """Whether only this user can change the folder's entries; a symlink is not a folder here."""
    told = folder.lstat()
    return stat.S_ISDIR(told.st_mode) and told.st_uid == os.geteuid() and not told.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def project_folder(project: str) -> Path:
    """The project's private folder (mode 0700), created if missing. Raises PortableError if it cannot be created."""
    folder = state_home() / project
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    return folder


def ran_before(project: str) -> bool:
    """Whether an earlier `up` from this machine left its project file."""
    return (state_home() / project / FILE).exists()
