"""SQLite databases: consistent copies while the app goes on writing, and integrity checks of copies."""

import contextlib
import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from portable.programs.backup.errors import BackupError
from portable.programs.backup.files import FILE_FLAGS, MAKING, copy_bytes, new_file

BESIDE = ("-wal", "-shm", "-journal")
"""Suffixes of the files beside a database (https://www.sqlite.org/tempfiles.html); its copy has their contents in one file."""
_HEADER = b"SQLite format 3\0"
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_LOCKED_SECONDS = 60.0
"""Time that an app may keep its database locked before the copy fails."""
_NEEDS_APP = (
    "no such collation",
    "no such module",
    "no such function",
    "unknown tokenizer",
    "no such tokenizer",
    "malformed database schema",
)
"""Errors about extensions of SQLite by an app such as Plex. A check that needs them cannot run here, and says nothing about the file."""


def is_database(name: str, folder: int) -> bool:
    """Whether a file in an open folder begins like a database."""
    try:
        with os.fdopen(os.open(name, FILE_FLAGS, dir_fd=folder), "rb") as file:
            return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.read(len(_HEADER)) == _HEADER
    except OSError:
        return False


def copy_database(source: Path, target: Path, folder: int) -> None:
    """Copy a consistent snapshot of a database into one file while its app runs (https://www.sqlite.org/backup.html).

    As root, SQLite gives the files it creates beside a database to the database's owner (`robustFchown` in its os_unix.c). SQLite opens
    files by path and follows links, so each file it opens must be in `folder`, which is held open, before any of it is stored.
    """
    until = time.monotonic() + _LOCKED_SECONDS

    def wait(status: int, _left: int = 0, _total: int = 0) -> None:
        if status not in (sqlite3.SQLITE_OK, sqlite3.SQLITE_DONE) and time.monotonic() > until:
            raise BackupError(f"the app kept the database locked for {_LOCKED_SECONDS:.0f} s: stop the app meanwhile with `--stop`")

    def take(path: Path, mode: str, within: int | None = None) -> None:
        target.unlink(missing_ok=True)
        if within is not None:
            _database_files(path.name, within)
        before = _open_files()
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=5)) as original:
            if within is not None:
                _begin_read(original, wait)
                fresh = [status for number, status in _open_files().items() if number not in before]
                _refuse_foreign(fresh, _database_files(path.name, within))
            with contextlib.closing(sqlite3.connect(target)) as copy:
                # Copy all pages in one step: between steps, a busy writer would make it start over each time.
                original.backup(copy, pages=-1, progress=wait, sleep=0.05)

    try:
        take(source, "ro", folder)
    except sqlite3.OperationalError as error:
        if primary_code(error) not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise
        with tempfile.TemporaryDirectory(prefix=MAKING, dir=target.parent) as aside:
            take(_copy_aside(source.name, folder, Path(aside)), "rw")


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code of an error (https://www.sqlite.org/rescode.html)."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _begin_read(database: sqlite3.Connection, wait: Callable[[int], None]) -> None:
    """Begin a read transaction. Until it ends, SQLite opens no other file of the database, and no other process can remove its log."""
    database.isolation_level = None
    database.execute("begin")
    while True:
        try:
            database.execute("pragma schema_version").fetchone()
        except sqlite3.OperationalError as error:
            if primary_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            wait(int(getattr(error, "sqlite_errorcode", 0)))
            time.sleep(0.05)
        else:
            return


def _open_files() -> dict[int, os.stat_result]:
    """The open files of this process, by descriptor."""
    files = {}
    for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        with contextlib.suppress(OSError):  # the descriptor of the listing itself is closed by now
            files[number] = os.fstat(number)
    return files


def _database_files(name: str, folder: int) -> list[os.stat_result]:
    """A database and the files beside it in an open folder. Raises BackupError for a link, which SQLite would follow."""
    files = []
    for suffix in ("", *BESIDE):
        with contextlib.suppress(FileNotFoundError):
            files.append(os.stat(f"{name}{suffix}", dir_fd=folder, follow_symlinks=False))
            if not stat.S_ISREG(files[-1].st_mode):
                raise BackupError(f"{name}{suffix} is not a regular file, and is not followed")
    return files


def _refuse_foreign(fresh: Iterable[os.stat_result], own: Sequence[os.stat_result]) -> None:
    """Raise BackupError if SQLite opened files other than the app's own. They stay open meanwhile, so no inode number is reused."""
    known = [any(os.path.samestat(status, one) for one in own) for status in fresh]
    if not known or not all(known):
        raise BackupError("the database, its log or its folder was replaced while it was copied")


def _copy_aside(name: str, source: int, folder: Path) -> Path:
    """Copy a database that no process has open, and the files beside it, to a folder of this program, where SQLite may repair it.

    SQLite must not repair it in the app's folder as root: a journal can name other files, which SQLite would remove
    (https://www.sqlite.org/fileformat.html, 3, the super-journal). Raises BackupError for such a journal.
    """
    for suffix in ("", "-wal", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            file = os.open(f"{name}{suffix}", FILE_FLAGS, dir_fd=source)
            try:
                with new_file(folder / f"database{suffix}") as made:
                    copy_bytes(file, made)
            finally:
                os.close(file)
    journal = folder / "database-journal"
    if journal.exists() and journal.read_bytes()[-8:] == _JOURNAL_MAGIC:
        raise BackupError("its journal names another journal: start the app once, which repairs the database")
    return folder / "database"


def soundness(database: Path) -> str:
    """Check a database: `ok`, `corrupted: ...`, or `unknown: ...` if only its app could tell. Writes nothing, not even beside the file."""
    try:
        with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as opened_database:
            answer = [str(row[0]) for row in opened_database.execute("pragma integrity_check(3)")]
    except sqlite3.Error as error:
        unknown = any(text in str(error) for text in _NEEDS_APP)
        return f"{'unknown' if unknown else 'corrupted'}: {error}"
    return "ok" if answer == ["ok"] else f"corrupted: {'; '.join(answer)}"
