"""Checks the SQLite files in a folder for corruption, read-only and within seconds. It needs Python's standard library only.

It runs on this machine. For another host, its source text runs as a script in the container that sees the state of all apps.
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
"""Bytes of a database's header; bytes 18 and 19 tell whether it has a write-ahead log (https://www.sqlite.org/fileformat2.html, 1.3)."""
_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_DEEPEST = 8
"""Plex's databases lie six folders deep."""
_MOST = 50
"""Databases of a volume that are checked: an app has a few, but a folder may have a hundred thousand other files."""
_LOOKS_SECONDS = 10.0
_HOLDS_SECONDS = 1.0
"""For a database without a write-ahead log, where the check prevents the app from writing meanwhile."""
_ALL_SECONDS = 40.0
"""For a whole folder."""
_LOCK_SECONDS = 0.5
"""How long the check waits for a lock. Gerbera never gives its own up."""
_OTHERS = {"PG_VERSION": "PostgreSQL", "dump.rdb": "Redis", "appendonlydir": "Redis", "node.lock": "Elasticsearch"}
"""Names by which the data of other databases are recognised."""

Row = tuple[str, str]
"""A verdict (holds, broken, unknown, or `unreadable` for a disk error) and its text."""


def looked(folder: Path, called: str = "", *, seconds: float = _ALL_SECONDS) -> Iterator[Row]:
    """Yield a row for each database, then the reasons why others were not checked; `called` is the folder's name for people.

    After `seconds` it ends with a row that says so: a remote caller with a timeout would otherwise lose all rows.
    """
    called = called or str(folder)
    unread: list[str] = []
    others: list[str] = []
    count = 0
    until = time.monotonic() + seconds
    for path in candidates(folder, unread, until):
        if time.monotonic() > until:
            yield "unknown", f"the check of {called} took more than {seconds:.0f} s: some databases were not checked"
            return
        row = judged(path, str(path.relative_to(folder)))
        if row is None:
            others.append(str(path.relative_to(folder)))
            continue
        count += 1
        if count > _MOST:
            yield "unknown", f"more than {_MOST} databases in {called}: the others were not checked"
            return
        yield row
    if unread:
        yield "unknown", f"some folders in {called} cannot be read: {'; '.join(unread[:3])}; run `portable verify` as root"
    elif not count:
        yield _without_sqlite(folder, called, others)


def _without_sqlite(folder: Path, called: str, others: Sequence[str]) -> Row:
    """Judge a folder without any SQLite file. An app makes its database when it first needs one, and some apps never do."""
    names = {path.name for pattern in ("*", "*/*") for path in folder.glob(pattern)}
    if program := next((program for name, program in _OTHERS.items() if name in names), ""):
        return "unknown", f"the database in {called} is one of {program}, which only {program} itself can check"
    if others:
        return "unknown", f"{', '.join(others[:3])} in {called}: not SQLite, so only the app itself can check it"
    return "holds", f"no SQLite file in {called}, so none is damaged"


def candidates(folder: Path, unread: list[str], until: float = math.inf) -> Iterator[Path]:
    """Yield regular files with a database's suffix, not through links, which may lead into a cloud. After `until`, any path ends it."""
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
    """Check a file with SQLite; None if it is not an SQLite database."""
    log = path.with_name(f"{path.name}-wal")
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:  # noqa: PTH123  # with flags
            header = file.read(_PAGE)
    except OSError as error:
        return "unknown", f"{name} cannot be read: {error.strerror}"
    if header[: len(HEADER)] != HEADER:
        if header and (not header.strip(b"\0") or log.exists()):
            return "broken", f"{name} is corrupted: it has lost its first page"
        return None
    has_log = 2 in header[18:20]
    if has_log and not (log.exists() and path.with_name(f"{path.name}-shm").exists()):
        # Opening it would create a log that belongs to this user, and the app might not be able to write to it.
        if log.exists() and log.stat().st_size:
            return "unknown", f"{name} has a log that no app has open, so it was not opened: start its app, which finishes the log"
        return _unlocked(path, name, "no app has it open", seconds=_LOOKS_SECONDS)
    return _quick(path, name, seconds=_LOOKS_SECONDS if has_log else _HOLDS_SECONDS)


def _quick(path: Path, name: str, *, seconds: float) -> Row:
    """Run quick_check read-only, with SQLite's own locks, and for a short time, so that the app can go on writing."""
    try:
        errors = _errors(path, "mode=ro", seconds)
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            return _unlocked(path, name, "its app keeps it locked", seconds=_LOOKS_SECONDS)
        if "malformed database schema" not in str(error) and code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return "broken", f"{name} is corrupted: {error}"
        if code == sqlite3.SQLITE_IOERR:
            return "unreadable", f"{name} cannot be read from its disk: {error}"
        reason = f"the check took more than {seconds:.0f} s" if code == sqlite3.SQLITE_INTERRUPT else str(error)
        return "unknown", f"{name} was not checked completely: {reason}"
    return ("holds", f"{name} is intact") if errors == ["ok"] else ("broken", f"{name} is corrupted: {'; '.join(errors)}")


def _unlocked(path: Path, name: str, why: str, *, seconds: float) -> Row:
    """Run quick_check without any lock, which opens no file for writing (https://www.sqlite.org/uri.html, immutable).

    Only the good result of a file that stayed as it was counts: an app may write to it meanwhile, or have written half of a change.
    """
    before = _version(path)
    try:
        is_sound = _errors(path, "mode=ro&immutable=1", seconds) == ["ok"]
    except sqlite3.DatabaseError:
        is_sound = False
    if is_sound and _version(path) == before:
        return "holds", f"{name} is intact ({why}, so it was read without a lock)"
    return "unknown", f"{name} cannot be checked while it is in use: {why}; `portable backup --stop` stops its app and checks a copy"


def _version(path: Path) -> tuple[int, int, int]:
    """Inode, size and time of the last change of a file."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _errors(path: Path, options: str, seconds: float) -> list[str]:
    """Return the rows of quick_check; `["ok"]` for a sound database. Raises sqlite3.DatabaseError."""
    until = time.monotonic() + seconds
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, timeout=_LOCK_SECONDS)) as opened:
        opened.set_progress_handler(lambda: int(time.monotonic() > until), 10_000)
        return [str(row[0]) for row in opened.execute("pragma quick_check(3)")]


def main(arguments: Sequence[str]) -> int:
    """Print the rows of a folder at once, one JSON array on each line; bytes of names that are not text are escaped."""
    folder, called = arguments
    for verdict, text in looked(Path(folder), called):
        shown = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
        sys.stdout.write(f"{json.dumps((verdict, shown))}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
