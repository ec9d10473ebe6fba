"""Files and folders, held open where somebody else could put a link in their place; and what is safely on a disk."""

import contextlib
import ctypes
import hashlib
import itertools
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from portable.programs.backup.entries import TreeEntry, Truncated

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Not blocking: another process may put a pipe in the file's place, and opening it would wait for a writer."""
MAKING, GONE = ".making-", ".gone-"
"""How the names begin of what is not whole yet, and of what is about to be removed: a killed run leaves such names behind."""
_CHUNK = 1 << 20
_BATCH = 1000
"""Names of a folder that are in memory at once while it is emptied."""


# --- folders


@contextlib.contextmanager
def opened(path: Path | str, folder: int | None = None, *, made: bool = False) -> Iterator[int]:
    """A folder, held open so that nobody can put another one in its place; a link is refused. With `made` it is created if missing."""
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
    """Remove a folder that has nothing in it; whether it is gone."""
    try:
        os.rmdir(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def remove(path: Path) -> None:
    """Remove what this program made in its store."""
    with contextlib.suppress(FileNotFoundError), opened(path.parent) as folder:
        remove_tree(path.name, folder)


def remove_tree(name: str, folder: int) -> None:
    """Remove a folder and all in it, whatever its modes; a link in its place is removed, not followed."""
    try:
        # Root needs no permission, and must not give any to what somebody may replace by a link meanwhile.
        if os.geteuid() != 0 and stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.chmod(name, 0o700, dir_fd=folder)
        with opened(name, folder) as inside:
            while True:
                with os.scandir(inside) as found:
                    some = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in itertools.islice(found, _BATCH)]
                for entry, is_folder in some:
                    if is_folder:
                        remove_tree(entry, inside)
                    else:
                        os.unlink(entry, dir_fd=inside)
                if not some:
                    break
        os.rmdir(name, dir_fd=folder)
    except FileNotFoundError:
        with contextlib.suppress(FileNotFoundError):  # a link that leads nowhere
            os.unlink(name, dir_fd=folder)
    except NotADirectoryError:
        os.unlink(name, dir_fd=folder)


# --- files


@contextlib.contextmanager
def new_file(path: Path | str, folder: int | None = None, flags: int = os.O_EXCL) -> Iterator[int]:
    """A file of this program's own, open for writing; no link is followed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def copy_bytes(source: int, target: int) -> tuple[str, int]:
    """Copy an open file from its start to another; the digest and size of what was written."""
    digest, size = hashlib.sha256(), 0
    os.lseek(source, 0, os.SEEK_SET)
    while chunk := os.read(source, _CHUNK):
        digest.update(chunk)
        size += len(chunk)
        left = memoryview(chunk)
        while left:
            left = left[os.write(target, left) :]
    return digest.hexdigest(), size


def digest_of(path: Path) -> tuple[str, int]:
    """The digest and size of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a file by that value; whatever ends this process, the file is the old one or the new one."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Wait until everything of that file system is on its disk: syncfs(2), one call for all files."""
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
    """Give an open file or folder its owner, mode and time again; a note where this user may not give it away."""
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
    """The same for a link, which has no mode of its own."""
    try:
        os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
    except PermissionError:
        notes.add(_kept_owner(entry))
    os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=folder, follow_symlinks=False)


def _kept_owner(entry: TreeEntry) -> str:
    return f"belongs to {os.geteuid()} now, not to {entry.uid}:{entry.gid}"
