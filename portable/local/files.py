"""Private files, written whole or not at all."""

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
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp's own mode is 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                if owner is not None:
                    os.fchown(file.fileno(), *owner)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


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
