"""Writes a backup's volume to an empty folder, according to its listing."""

import os
from collections.abc import Iterable
from pathlib import Path

from portable.programs.backup.entries import TreeEntry, Truncated
from portable.programs.backup.errors import BackupError
from portable.programs.backup.files import FOLDER_FLAGS, copy_bytes, new_file, restore_link_owner, restore_owner


def put(source: Path, target: int, entries: Iterable[TreeEntry], notes: Truncated) -> None:
    """Write a backup's volume to an open, empty folder according to its listing. `notes` gets the owners that cannot be set.

    The program creates everything in folders that it holds open, so it never follows a link that somebody puts in a folder's place.
    Raises BackupError if a file of the backup has changed in the store.
    """
    above: list[tuple[TreeEntry, int]] = []
    try:
        for entry in entries:
            parent, _, name = entry.path.rpartition("/") if entry.path != "." else ("", "", "")
            while above and above[-1][0].path != (parent or "."):
                _finish_folder(above, notes)
            if not above:
                if entry.path != ".":
                    raise BackupError(f"{entry.path} is listed before its folder")
                above.append((entry, os.dup(target)))
                continue
            folder = above[-1][1]
            if entry.kind == "folder":
                os.mkdir(name, 0o700, dir_fd=folder)
                above.append((entry, os.open(name, FOLDER_FLAGS, dir_fd=folder)))
            elif entry.kind == "link":
                os.symlink(entry.target, name, dir_fd=folder)
                restore_link_owner(name, folder, entry, notes)
            else:
                with (source / entry.path).open("rb") as stored, new_file(name, folder) as made:
                    digest, _ = copy_bytes(stored.fileno(), made)
                    restore_owner(made, entry, notes)
                if digest != entry.sha256:
                    raise BackupError(f"{entry.path}: its contents have changed in the store")
        while above:
            _finish_folder(above, notes)
    finally:
        for _, folder in above:
            os.close(folder)


def _finish_folder(above: list[tuple[TreeEntry, int]], notes: Truncated) -> None:
    """Set the owner, mode and time of a complete folder; those of the volume itself are left to the caller."""
    entry, folder = above.pop()
    try:
        if entry.path != ".":
            restore_owner(folder, entry, notes)
    finally:
        os.close(folder)
