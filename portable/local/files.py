"""Writes files of this machine whole or not at all."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from portable.local.paths import state_home
from portable.model.codes import Code
from portable.model.errors import PortableError


def write_private(path: Path, text: str, *, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Write a file whole or not at all. Only the owner can read it, from its first byte on. Raises PortableError."""
    with translated(path):
        write_atomically(path, text, mode=mode, owner=owner)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_atomically(path: Path, text: str, *, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Write a file so that a reader, also after a kill, sees the old text or the new text, never a part. Raises OSError."""
    temporary = stage(path, text, mode=mode, owner=owner)
    try:
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def stage(path: Path, text: str, *, mode: int, owner: tuple[int, int] | None = None) -> Path:
    """Write the text to a temporary file beside `path`, and sync it to the disk. Raises OSError with `path`."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp's own mode is 0600
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fsync(file.fileno())
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    return temporary


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn an OSError about `path` into a PortableError with a remedy."""
    try:
        yield
    except OSError as error:
        again = "free some space, then run the same command again"
        reasons: dict[int, tuple[Code, str, str]] = {
            errno.ENOSPC: ("file.disk-full", "no space left on this machine's disk", again),
            errno.EDQUOT: ("file.disk-full", "your disk quota is used up", again),
            errno.EACCES: ("file.permission", "you have no permission to write it", f"check its owner and mode: `ls -ld {path}`"),
            errno.EPERM: ("file.permission", "you have no permission to write it", f"check its owner and mode: `ls -ld {path}`"),
            errno.EROFS: ("file.read-only", "it is on a read-only file system", ""),
        }
        other: tuple[Code, str, str] = ("file.write", error.strerror or str(error), "check the path")
        code, text, remedy = reasons.get(error.errno or 0, other)
        raise PortableError(text, code=code, where=str(path), remedy=remedy or _writable(path)) from None


def _writable(path: Path) -> str:
    """The remedy for a file on a read-only file system: only the state of `portable` has a variable that names its folder."""
    with contextlib.suppress(PortableError):  # the home folder may be unknown
        if path.is_relative_to(state_home()):
            return "set XDG_STATE_HOME to a writable folder: `export XDG_STATE_HOME=/a/folder/of/yours`"
    return f"make it writable, or use another folder; `findmnt -T {path.parent}` shows its file system"
