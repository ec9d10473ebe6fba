"""Data of backups: apps with their volumes, and the files, folders and links in a volume."""

import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_MOST = 50
"""Notes of one kind about an app, so that 100,000 unreadable files do not make 100,000 lines."""


@dataclass(frozen=True, kw_only=True)
class TreeEntry:
    """A file, folder or link of an app's state, and the facts that its copy must have."""

    path: str
    """Relative to the volume; the volume itself is `.`."""
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
    """Inode, size, modification time and status change time; while they are the same, the file was not written (inode(7))."""
    sound: str = ""
    """SQLite's verdict on a database's copy: `ok`, `corrupted: ...`, or `unknown: ...` if only the app could check it."""


@dataclass(frozen=True, kw_only=True)
class SavedApp:
    """An app whose state is backed up."""

    name: str
    image: str = ""
    volumes: Mapping[str, Path] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()
    """Volumes that must be copied while the app is stopped, because their files are only consistent together (a database server's)."""


class Truncated:
    """The first lines of many, with a count of the others."""

    def __init__(self) -> None:
        self._first: list[str] = []
        self._more = 0

    def add(self, text: str) -> None:
        """Add a line, unless it is a duplicate."""
        if len(self._first) >= _MOST:
            self._more += 1
        elif text not in self._first:
            self._first.append(text)

    def lines(self) -> list[str]:
        """The lines to print."""
        return [*self._first, *([f"... and {self._more} more"] if self._more else [])]

    def __bool__(self) -> bool:
        return bool(self._first)


def facts_of(status: os.stat_result) -> dict[str, Any]:
    """Mode, owner and modification time: the facts that a restore sets."""
    return {"mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid, "mtime": status.st_mtime_ns}


def entry_of(path: Path, kind: str, status: os.stat_result, **more: Any) -> TreeEntry:
    """Make the entry of a path."""
    return TreeEntry(path=str(path), kind=kind, **facts_of(status), **more)


def stamp_of(status: os.stat_result) -> tuple[int, ...]:
    """See `TreeEntry.stamp`."""
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def plain(entry: TreeEntry) -> dict[str, Any]:
    """Turn an entry into JSON data, without defaults."""
    return {key: value for key, value in asdict(entry).items() if value not in ("", ())}


def parsed(entry: dict[str, Any]) -> TreeEntry:
    """Make an entry from JSON data."""
    return TreeEntry(**{**entry, "stamp": tuple(entry.get("stamp", ()))})
