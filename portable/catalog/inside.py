"""Nothing outside the folder of a catalog is read: a link or `..` out of it could put any file of this machine into a container."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

from portable.model.errors import InputError
from portable.model.source import Mistake, Source

LARGEST = 1 << 20
"""Bytes of the largest file that is read as a template, and of the largest text made from one: the limit of a ConfigMap."""


class OutsideError(OSError):
    """A path of a catalog leads out of it, or to something that is not a regular file of a sensible size."""


def leads_out(path: Path, root: Path) -> bool:
    """Whether the path, with all links followed, is outside the root. A link that cannot be followed counts as outside."""
    try:
        # The folder's links are followed once for all its files: this runs for each file of a catalog.
        is_plain = path.name not in ("", "..") and not path.is_symlink()
        real = os.path.join(_real(path.parent), path.name) if is_plain else os.path.realpath(path)  # noqa: PTH118 - thrice as fast
    except (OSError, RuntimeError):
        return True
    allowed = _real(root if root.is_absolute() else Path.cwd() / root)
    return real != allowed and not real.startswith(f"{allowed}{os.sep}")


@functools.cache
def _real(folder: Path) -> str:
    return os.path.realpath(folder)


def refuse_outside(file: Path, root: Path) -> None:
    """Raise InputError if a file of facts is outside the root."""
    if leads_out(file, root):
        text, remedy = "this file is outside the catalog's folder, by a symbolic link", "copy it into the catalog's folder"
        raise InputError((Mistake(source=Source(file=str(file), line=1), path="", text=text, remedy=remedy, code="catalog.outside"),))


def read_inside(path: Path, root: Path) -> str:
    """Return the text of a file of a catalog. Raises OSError, OutsideError among them, and UnicodeDecodeError."""
    if leads_out(path, root):
        raise OutsideError("it is outside the catalog's folder, by a symbolic link or `..`")
    if path.exists() and not path.is_file():
        raise OutsideError("it is not a regular file")
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OutsideError(f"it has more than {LARGEST >> 20} MiB")
    return content.decode()


def links_out(folder: Path, root: Path) -> Iterator[Path]:
    """Yield every file and folder below that leads out of the root, and the folder itself if it does."""
    if leads_out(folder, root):
        yield folder
        return
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and leads_out(path, root):
            yield path
