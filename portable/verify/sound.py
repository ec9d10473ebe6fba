"""Whether the SQLite files in a folder are sound: asked of SQLite, read-only, for seconds. Python's own library and nothing else.

It runs here, and by its text as a script in the container that sees the state of all apps, where the host is another machine.
"""

import contextlib
import json
import math
import os
import sqlite3
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

HEADER = b"SQLite format 3\0"
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
_ALL_SECONDS = 40.0
"""For all of a folder."""
_LOCK_SECONDS = 0.5
"""An app that keeps its database locked, as Gerbera does, lets nobody look."""

Row = tuple[str, str]
"""A verdict, holds, broken or unknown, or `unreadable` for a disk that does not give what it holds; and the text to it."""


def looked(folder: Path, called: str = "", *, seconds: float = _ALL_SECONDS) -> Iterator[Row]:
    """A row for each database, then what kept others from being looked at; `called` is the folder's name for a person.

    After `seconds` it ends by itself and says so, since who asked from afar would have nothing of what was found by then.
    """
    called = called or str(folder)
    unread: list[str] = []
    found = 0
    until = time.monotonic() + seconds
    for path in candidates(folder, unread, until):
        if time.monotonic() > until:
            yield "unknown", f"looking at {called} took more than {seconds:.0f} s: the rest was not looked at"
            return
        row = judged(path, str(path.relative_to(folder)))
        if row is None:
            continue
        found += 1
        if found > _MOST:
            yield "unknown", f"more than {_MOST} databases lie in {called}: the rest was not looked at"
            return
        yield row
    if unread:
        yield "unknown", f"not everything in {called} may be looked at: {'; '.join(unread[:3])}"
    elif not found:
        yield "unknown", f"no SQLite file lies in {called}"


def candidates(folder: Path, unread: list[str], until: float = math.inf) -> Iterator[Path]:
    """Plain files with a database's ending, not through links: those may lead into a cloud. After `until`, any path ends the search."""
    for at, folders, files in os.walk(folder, followlinks=False, onerror=lambda error: unread.append(str(error))):
        if len(Path(at).relative_to(folder).parts) >= _DEEPEST:
            folders.clear()
        if time.monotonic() > until:
            yield Path(at)
            return
        folders.sort()
        for name in sorted(files):
            path = Path(at) / name
            if path.suffix in _SUFFIXES:
                with contextlib.suppress(OSError):
                    if stat.S_ISREG(path.lstat().st_mode):
                        yield path


def judged(path: Path, name: str) -> Row | None:
    """What SQLite says of a file; None for one that is no database of it."""
    log = path.with_name(f"{path.name}-wal")
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:  # noqa: PTH123  # with flags
            header = file.read(_PAGE)
    except OSError as error:
        return "unknown", f"{name} can't be read: {error.strerror}"
    if header[: len(HEADER)] != HEADER:
        if header and (not header.strip(b"\0") or log.exists()):
            return "broken", f"{name} is corrupted: it has lost its first page"
        return None
    logged = 2 in header[18:20]
    if logged and not (log.exists() and path.with_name(f"{path.name}-shm").exists()):
        # Opened now, it would get a log of this user's, in which the app might not write.
        return "unknown", f"{name} is not open, and was left alone"
    return _quick(path, name, seconds=_LOOKS_SECONDS if logged else _HOLDS_SECONDS)


def _quick(path: Path, name: str, *, seconds: float) -> Row:
    """Read-only, with SQLite's own locks, and for a short time: the app goes on writing meanwhile."""
    until = time.monotonic() + seconds
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_LOCK_SECONDS)) as opened:
            opened.set_progress_handler(lambda: int(time.monotonic() > until), 10_000)
            said = [str(row[0]) for row in opened.execute("pragma quick_check(3)")]
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if "malformed database schema" not in str(error) and code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return "broken", f"{name} is corrupted: {error}"
        if code == sqlite3.SQLITE_IOERR:
            return "unreadable", f"{name} can't be read from its disk: {error}"
        late = f"looking took more than {seconds:.0f} s" if code == sqlite3.SQLITE_INTERRUPT else str(error)
        return "unknown", f"{name} was not looked at to its end: {late}"
    return ("holds", f"{name} is sound") if said == ["ok"] else ("broken", f"{name} is corrupted: {'; '.join(said)}")


def main(arguments: Sequence[str]) -> int:
    """The rows of a folder, as JSON, a line each, told as they are found; names that are no text are shown as their bytes."""
    folder, called = arguments
    for verdict, text in looked(Path(folder), called):
        shown = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
        sys.stdout.write(f"{json.dumps((verdict, shown))}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
