"""What is backed up: apps with their volumes, and the files, folders and links in a volume."""

import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_MOST = 50
"""Notes of one kind about an app: 100,000 unreadable files need no 100,000 lines."""


@dataclass(frozen=True, kw_only=True)
class TreeEntry:
    """A file, folder or link of an app's state, and what its copy must be."""

    path: str
    """Below the volume; the volume itself is `.`."""
    kind: str
    """file, database, folder or link."""
    mode: int
    uid: int
    gid: int
    mtime: int
    """Nanoseconds."""
    size: int = 0
    sha256: str = ""
    target: str = ""
    stamp: tuple[int, ...] = ()
    """Inode, size, and times of content and of status: while these stay, nobody wrote the file (inode(7))."""
    sound: str = ""
    """SQLite's verdict on a database's copy: `ok`, or what is wrong; `unknown: ...` where only the app itself could tell."""


@dataclass(frozen=True, kw_only=True)
class SavedApp:
    """An app whose state is backed up."""

    name: str
    image: str = ""
    volumes: Mapping[str, Path] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()
    """Volumes whose files are consistent only together, such as a database server's: copied while the app is stopped."""


class Truncated:
    """The first of many lines, and how many more there were."""

    def __init__(self) -> None:
        self._first: list[str] = []
        self._more = 0

    def add(self, text: str) -> None:
        """Add a line, unless it is there already."""
        if len(self._first) >= _MOST:
            self._more += 1
        elif text not in self._first:
            self._first.append(text)

    def lines(self) -> list[str]:
        """As a person reads them."""
        return [*self._first, *([f"... and {self._more} more"] if self._more else [])]

    def __bool__(self) -> bool:
        return bool(self._first)


def facts_of(status: os.stat_result) -> dict[str, Any]:
    """Mode, owner and time of content: the facts that a restore puts back."""
    return {"mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid, "mtime": status.st_mtime_ns}


def entry_of(path: Path, kind: str, status: os.stat_result, **more: Any) -> TreeEntry:
    """The entry of what lies at that path."""
    return TreeEntry(path=str(path), kind=kind, **facts_of(status), **more)


def stamp_of(status: os.stat_result) -> tuple[int, ...]:
    """See `TreeEntry.stamp`."""
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def plain(entry: TreeEntry) -> dict[str, Any]:
    """An entry as JSON has it; defaults are left out."""
    return {key: value for key, value in asdict(entry).items() if value not in ("", ())}


def parsed(entry: dict[str, Any]) -> TreeEntry:
    """An entry from JSON."""
    return TreeEntry(**{**entry, "stamp": tuple(entry.get("stamp", ()))})
