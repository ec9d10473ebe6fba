"""Files of this machine, written whole or not at all."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from portable.model.errors import PortableError


def write_private(path: Path, text: str, *, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Put the text there at once or not at all; readable by the owner only, from its first byte on."""
    with translated(path):
        write_atomically(path, text, mode=mode, owner=owner)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_atomically(path: Path, text: str, *, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Write a file so that a reader, or a kill, sees the old text or the new one, never a part. Raises OSError."""
    temporary = stage(path, text, mode=mode, owner=owner)
    try:
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def stage(path: Path, text: str, *, mode: int, owner: tuple[int, int] | None = None) -> Path:
    """Write the text to a temporary file beside `path`, and wait until it is on the disk. Raises OSError with that path."""
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
    """What goes wrong with a file of ours, as an error for a person."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: ("no space left on this machine's disk", "free some space, then run the same command again"),
            errno.EDQUOT: ("your disk quota is used up", "free some space, then run the same command again"),
            errno.EACCES: ("it may not be written by you", "check its owner and mode"),
            errno.EPERM: ("it may not be written by you", "check its owner and mode"),
            errno.EROFS: ("it lies on a read-only filesystem", "set XDG_STATE_HOME to a folder that can be written"),
        }
        text, remedy = reasons.get(error.errno or 0, (error.strerror or str(error), "check the path"))
        raise PortableError(text, where=str(path), remedy=remedy) from None
