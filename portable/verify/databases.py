"""Databases lie where locks hold, and are sound."""

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from portable.backends.common import backs_up
from portable.backends.compose.host import holding, parse
from portable.backends.compose.storage import folder_of
from portable.model.plan import Volume
from portable.verify.contract import Contract, Found, broken, holds, mounts_of, running, unknown
from portable.verify.stack import Stack

UNSAFE = ("9p", "afs", "ceph", "cifs", "fuse", "glusterfs", "nfs", "nfs4", "smb2", "smb3")
"""File systems on which SQLite's locks may fail (https://www.sqlite.org/howtocorrupt.html, 2.1)."""
_HEADER = b"SQLite format 3\0"
_PAGE = 100
"""Bytes of a database's header; at 18 and 19 it says whether it has a write-ahead log (https://www.sqlite.org/fileformat2.html, 1.3)."""
_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_DEEPEST = 8
"""Plex's own lie six folders deep."""
_MOST = 50
"""Files of a volume that are looked at: an app has a few databases, and what else lies there may be a hundred thousand."""
_LOOKS_SECONDS = 10.0
_HOLDS_SECONDS = 1.0
"""Where looking keeps the app from writing meanwhile: a database without a write-ahead log."""
_LOCK_SECONDS = 0.5
"""An app that keeps its database locked, as Gerbera does, lets nobody look."""
_RESTORE = "restore it from a backup; the app keeps some of its own"


def check(stack: Stack) -> Iterator[Found]:
    """Where each database lies, told by the kernel; and each SQLite file of this machine's own folders, by SQLite."""
    for placed in running(stack):
        for volume, path, _ in mounts_of(stack, placed.container):
            if volume.holds != "database" or placed.app is None or backs_up(placed.container):
                continue
            said = stack.inside(placed, ["cat", "/proc/self/mountinfo"])
            mount = holding(parse(said.text), path) if said.done else None
            if mount is None:
                yield unknown(placed.app.name, f"what {path} lies on can't be told{'' if said.done else f': {said.text}'}")
            elif mount.kind.split(".")[0] in UNSAFE:
                text = f"{path} lies on {mount.kind}, where locks may fail: a database is corrupted there sooner or later"
                yield broken(placed.app.name, text, "let its state lie on a disk of the host (`storage.state` of the profile)")
            else:
                yield holds(placed.app.name, f"{path} lies on {mount.kind}")
            yield from _sound(stack, placed.app.name, volume, path)


def _sound(stack: Stack, app: str, volume: Volume, inside: str) -> Iterator[Found]:
    folder = folder_of(volume)
    if folder is None or not stack.here:
        yield unknown(app, f"whether what is in {inside} is sound is not seen from here: it is no folder of this machine")
        return
    unread: list[str] = []
    found = 0
    for path in _candidates(Path(folder), unread):
        judged = _judged(app, path, str(path.relative_to(folder)))
        if judged is None:
            continue
        found += 1
        if found > _MOST:
            yield unknown(app, f"more than {_MOST} databases lie in {folder}: the rest was not looked at")
            return
        yield judged
    if unread:
        yield unknown(app, f"not everything in {folder} may be looked at: {'; '.join(unread[:3])}")
    elif not found:
        yield unknown(app, f"no SQLite file lies in {folder}")


def _candidates(folder: Path, unread: list[str]) -> Iterator[Path]:
    """Plain files with a database's ending, not through links: those may lead into a cloud."""
    for at, folders, files in os.walk(folder, followlinks=False, onerror=lambda error: unread.append(str(error))):
        if len(Path(at).relative_to(folder).parts) >= _DEEPEST:
            folders.clear()
        folders.sort()
        for name in sorted(files):
            path = Path(at) / name
            if path.suffix in _SUFFIXES:
                with contextlib.suppress(OSError):
                    if stat.S_ISREG(path.lstat().st_mode):
                        yield path


def _judged(app: str, path: Path, name: str) -> Found | None:
    """What SQLite says of a file; None for one that is no database of it."""
    log = path.with_name(f"{path.name}-wal")
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:  # noqa: PTH123  # with flags
            header = file.read(_PAGE)
    except OSError as error:
        return unknown(app, f"{name} can't be read: {error.strerror}")
    if header[: len(_HEADER)] != _HEADER:
        if header and (not header.strip(b"\0") or log.exists()):
            return broken(app, f"{name} is corrupted: it has lost its first page", _RESTORE)
        return None
    logged = 2 in header[18:20]
    if logged and not (log.exists() and path.with_name(f"{path.name}-shm").exists()):
        # Opened now, it would get a log of this user's, in which the app might not write.
        return unknown(app, f"{name} is not open, and was left alone")
    return _quick(app, path, name, seconds=_LOOKS_SECONDS if logged else _HOLDS_SECONDS)


def _quick(app: str, path: Path, name: str, *, seconds: float) -> Found:
    """Read-only, with SQLite's own locks, and for a short time: the app goes on writing meanwhile."""
    until = time.monotonic() + seconds
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_LOCK_SECONDS)) as opened:
            opened.set_progress_handler(lambda: int(time.monotonic() > until), 10_000)
            said = [str(row[0]) for row in opened.execute("pragma quick_check(3)")]
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if "malformed database schema" not in str(error) and code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return broken(app, f"{name} is corrupted: {error}", _RESTORE)
        if code == sqlite3.SQLITE_IOERR:
            return broken(app, f"{name} can't be read from its disk: {error}", f"look at the disk (`dmesg`, `smartctl -a`); {_RESTORE}")
        late = f"looking took more than {seconds:.0f} s" if code == sqlite3.SQLITE_INTERRUPT else str(error)
        return unknown(app, f"{name} was not looked at to its end: {late}")
    return holds(app, f"{name} is sound") if said == ["ok"] else broken(app, f"{name} is corrupted: {'; '.join(said)}", _RESTORE)


CONTRACT = Contract(name="databases", promise="databases lie on storage that keeps them sound, and are sound", check=check)
