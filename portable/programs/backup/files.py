"""Files and folders. They are held open if somebody else could replace them by a link, and synced to disk before they count."""

import contextlib
import ctypes
import errno
import hashlib
import itertools
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from portable.programs.backup.entries import TreeEntry, Truncated

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Non-blocking: another process may replace the file by a pipe, and opening a pipe waits for a writer."""
MAKING, GONE = ".making-", ".gone-"
"""Prefixes of names that are incomplete, or about to be removed; a killed run leaves such names behind."""
_CHUNK = 1 << 20
_BATCH = 1000
"""Names that are in memory at once while a folder is emptied."""
_HIDDEN = (".fuse_hidden", ".nfs")
"""Beginnings of the names that libfuse and NFS give to a file that was removed while a program has it open."""
_CLOSING, _PAUSE = 5.0, 0.05
"""Seconds until such a file is gone after it was closed, at most, and between two looks."""


# --- folders


@contextlib.contextmanager
def opened(path: Path | str, folder: int | None = None, *, made: bool = False) -> Iterator[int]:
    """Hold a folder open, so that nobody can replace it. Raises OSError for a link. With `made`, create the folder if it is missing."""
    if made:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700, dir_fd=folder)
    descriptor = os.open(path, FOLDER_FLAGS, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def names_in(folder: int) -> list[str]:
    """The names in an open folder, sorted."""
    return sorted(os.listdir(folder))


def remove_if_empty(name: str, folder: int) -> bool:
    """Remove an empty folder; whether it is gone."""
    try:
        os.rmdir(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def remove(path: Path) -> None:
    """Remove a file or folder that this program made in its store."""
    with contextlib.suppress(FileNotFoundError), opened(path.parent) as folder:
        remove_tree(path.name, folder)


def remove_tree(name: str, folder: int) -> None:
    """Remove a folder with its contents, whatever their modes; a link in its place is removed, not followed."""
    try:
        # Root needs no permission, and must not change the mode of a folder that somebody may replace by a link meanwhile.
        if os.geteuid() != 0 and stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.chmod(name, 0o700, dir_fd=folder)
        with opened(name, folder) as inside:
            while True:
                with os.scandir(inside) as entries:
                    seen = (entry for entry in entries if not entry.name.startswith(_HIDDEN))
                    batch = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in itertools.islice(seen, _BATCH)]
                for entry, is_folder in batch:
                    if is_folder:
                        remove_tree(entry, inside)
                    else:
                        os.unlink(entry, dir_fd=inside)
                if not batch:
                    break
            for entry in names_in(inside):  # the hidden ones, each once: of an open file, another one takes its place
                with contextlib.suppress(OSError):
                    remove_tree(entry, inside)
        remove_emptied(name, folder)
    except FileNotFoundError:
        with contextlib.suppress(FileNotFoundError):  # a dangling link
            os.unlink(name, dir_fd=folder)
    except NotADirectoryError:
        os.unlink(name, dir_fd=folder)


def remove_emptied(name: str, folder: int) -> None:
    """Remove a folder that has no entries but those that NFS and FUSE keep for files that are still open; raises OSError if it has others.

    They give such a file a hidden name when it is removed, and remove that when it is closed: soon afterwards, or never while another
    program keeps it open.
    """
    until = time.monotonic() + _CLOSING
    while True:
        try:
            os.rmdir(name, dir_fd=folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or time.monotonic() > until:
                raise
            with opened(name, folder) as inside:
                if not all(entry.startswith(_HIDDEN) for entry in names_in(inside)):
                    raise
        time.sleep(_PAUSE)


# --- files


@contextlib.contextmanager
def new_file(path: Path | str, folder: int | None = None, flags: int = os.O_EXCL) -> Iterator[int]:
    """Open a file of this program for writing; no link is followed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def copy_bytes(source: int, target: int) -> tuple[str, int]:
    """Copy an open file from its start to another; return the digest and size of the copy."""
    digest, size = hashlib.sha256(), 0
    os.lseek(source, 0, os.SEEK_SET)
    while chunk := os.read(source, _CHUNK):
        digest.update(chunk)
        size += len(chunk)
        remaining = memoryview(chunk)
        while remaining:
            remaining = remaining[os.write(target, remaining) :]
    return digest.hexdigest(), size


def digest_of(path: Path) -> tuple[str, int]:
    """The digest and size of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a file atomically by a JSON value: if this process is killed, the file is the old one or the new one."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Wait until the folder's file system is on its disk: syncfs(2), one call for all files."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


# --- owners


def restore_owner(descriptor: int, entry: TreeEntry, notes: Truncated) -> None:
    """Set the owner, mode and time of an open file or folder; add a note if this user may not change the owner."""
    try:
        os.chown(descriptor, entry.uid, entry.gid)
    except PermissionError:
        notes.add(_kept_owner(entry))
    # A process that is not in a file's group and lacks FSETID loses the file's setgid bit silently (chmod(2)).
    group = os.getegid()
    with contextlib.suppress(PermissionError):
        os.setegid(entry.gid)
    os.chmod(descriptor, entry.mode)
    os.setegid(group)
    os.utime(descriptor, ns=(entry.mtime, entry.mtime))


def restore_link_owner(name: str, folder: int, entry: TreeEntry, notes: Truncated) -> None:
    """Set the owner and time of a link, which has no mode of its own; add a note as `restore_owner` does."""
    try:
        os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
    except PermissionError:
        notes.add(_kept_owner(entry))
    os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=folder, follow_symlinks=False)


def _kept_owner(entry: TreeEntry) -> str:
    return f"some files belong to user {os.geteuid()} now, not to {entry.uid}:{entry.gid}"
