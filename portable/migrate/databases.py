"""Proves the SQLite databases of a stopped source: no process has them open, and their copies with their logs are intact.

No database is written in the source, nor in the copy that becomes the target: SQLite reads files that no process changes, or works in a
scratch folder on copies of a database with its log.
"""

import contextlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from portable.migrate import hooks as points
from portable.migrate.entries import ManifestEntry
from portable.migrate.mounts import path_of
from portable.migrate.names import unescaped
from portable.model.base import Struct
from portable.model.errors import Refused
from portable.programs.backup.databases import copy_database, primary_code, soundness
from portable.programs.backup.entries import stamp_of
from portable.programs.backup.errors import BackupError
from portable.programs.backup.files import FILE_FLAGS, opened, remove_tree

SCRATCH = "databases"
"""Folder in the work folder for copies of databases with logs."""
_LOGS = ("-wal", "-journal")
"""What belongs to a database beside its file; `-shm` is an index of the log that SQLite makes anew (https://www.sqlite.org/tempfiles.html)."""
_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")
"""End of a journal that names another one (https://www.sqlite.org/fileformat2.html, 3)."""
_LONGEST = 400
"""Bytes of a path that SQLite surely opens: its own limit is 512."""
_EXAMPLES = 20
_PROCESSES = Path("/proc")

Verdict = Literal["intact", "damaged", "unknown"]


class DatabaseProof(Struct, frozen=True, kw_only=True):
    """The result of the check of one database."""

    path: str
    """Relative to the source, escaped."""
    verdict: Verdict
    text: str = ""
    rows: int = 0
    """Rows of all tables that can be counted without the app."""


class DatabaseTotals(Struct, frozen=True, kw_only=True):
    """The results of all databases of a folder."""

    intact: int = 0
    damaged: int = 0
    unknown: int = 0
    rows: int = 0
    examples: tuple[DatabaseProof, ...] = ()
    """The first that are not intact."""

    @property
    def count(self) -> int:
        """Number of databases."""
        return self.intact + self.damaged + self.unknown

    def plus(self, proof: DatabaseProof) -> "DatabaseTotals":
        """The totals with one more database."""
        is_shown = proof.verdict != "intact" and len(self.examples) < _EXAMPLES
        return msgspec.structs.replace(
            self,
            **{proof.verdict: getattr(self, proof.verdict) + 1},
            rows=self.rows + proof.rows,
            examples=(*self.examples, proof) if is_shown else self.examples,
        )

    def named(self, verdict: Verdict) -> str:
        """The examples with a verdict, for a person."""
        texts = [f"{proof.path}: {proof.text}" for proof in self.examples if proof.verdict == verdict]
        return "; ".join(texts[:3]) + ("; ..." if len(texts) > 3 else "")


def damaged_now(source: int, entries: Iterable[ManifestEntry], scratch: Path) -> Iterator[DatabaseProof]:
    """Yield each damaged database of an open source, also while its app writes it. Only root can tell whether an app does (proc(5)).

    SQLite opens a database in the source only if a process has it open; otherwise it would leave files beside it. All others are copied. A
    database that is larger than the room in `scratch`, or that changes or is locked meanwhile, is left to the proof.
    """
    if os.geteuid() != 0:
        return
    base, written = Path(os.fsdecode(path_of(source))), {(status.st_dev, status.st_ino) for _, status in _written_files()}
    for entry in entries:
        if entry.database and not entry.links and entry.size * 2 < shutil.disk_usage(scratch).free:
            path = Path(os.fsdecode(unescaped(entry.path)))
            with contextlib.suppress(OSError, BackupError, _UnknownError):
                if text := _damage(source, base, path, written, scratch):
                    yield DatabaseProof(path=entry.path, verdict="damaged", text=text)


def _damage(source: int, base: Path, path: Path, written: Container[tuple[int, int]], scratch: Path) -> str:
    """Why a database in an open folder is damaged; empty if it is intact, or if only its app could tell."""
    with contextlib.ExitStack() as stack:
        folder = source
        for part in path.parts[:-1]:  # one after the other, so that no link is followed
            folder = stack.enter_context(opened(part, folder))
        status, before = os.stat(path.name, dir_fd=folder, follow_symlinks=False), _stamps(path.name, folder)
        try:
            if (status.st_dev, status.st_ino) in written:
                copied = _fresh(scratch)
                copy_database(base / path, copied, folder)
            else:
                copied = _copy_aside(path.name, folder, scratch)
                if _stamps(path.name, folder) != before:
                    return ""  # a process has opened it meanwhile
                _take_in(copied)
        except sqlite3.DatabaseError as error:
            return str(error) if primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) else ""
    text = soundness(copied)
    return text if text.startswith("corrupted") else ""


def _stamps(name: str, folder: int) -> list[tuple[int, ...]]:
    """Numbers that change with every write to a database or its logs in an open folder."""
    found: list[tuple[int, ...]] = []
    for suffix in ("", *_LOGS):
        with contextlib.suppress(FileNotFoundError):
            found.append(stamp_of(os.stat(f"{name}{suffix}", dir_fd=folder, follow_symlinks=False)))
    return found


def refuse_writers(source: int, entries: Iterable[ManifestEntry], where: str) -> None:
    """Raise Refused if a process has a database of an open source open for writing, though its apps are stopped.

    What it writes later would be lost. Only root sees the files of all processes (proc(5)).
    """
    device = os.fstat(source).st_dev
    known = {entry.stamp[0]: entry.path for entry in entries if entry.database and entry.stamp}
    if not known:
        return
    for process, status in _written_files():
        if status.st_dev == device and status.st_ino in known:
            text = f"{process} has the database {known[status.st_ino]} open for writing, though the apps are stopped"
            remedy = "stop it, then run the same command with --resume, or with --rollback"
            raise Refused(text, code="migrate.database-open", where=where, remedy=remedy)


def _written_files() -> Iterator[tuple[str, os.stat_result]]:
    """Yield each regular file that a process has open for writing, with the process's name."""
    for process in _PROCESSES.iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended, or belongs to another user
            for number in [entry.name for entry in (process / "fd").iterdir()]:
                with contextlib.suppress(OSError):
                    status = (process / "fd" / number).stat()
                    if stat.S_ISREG(status.st_mode) and _is_writable((process / "fdinfo" / number).read_text()):
                        yield f"{(process / 'comm').read_text().strip()} (process {process.name})", status


def _is_writable(about: str) -> bool:
    """Whether a descriptor's `fdinfo` says that it was opened for writing (proc(5))."""
    flags = next((line.split()[1] for line in about.splitlines() if line.startswith("flags:")), "0")
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def prove_databases(tree: Path, entries: Iterable[ManifestEntry], work: Path) -> Iterator[DatabaseProof]:
    """Check each database of a copy that is proven to be like its source, and that nobody changes. Raises OSError for a full disk."""
    _remove_scratch(work)
    (work / SCRATCH).mkdir(mode=0o700)
    try:
        for entry in entries:
            path = tree / os.fsdecode(unescaped(entry.path))
            if entry.database and not entry.links and path.is_file():
                yield _proof(entry.path, path, work / SCRATCH)
    finally:
        _remove_scratch(work)


def _remove_scratch(work: Path) -> None:
    with opened(work) as folder:
        remove_tree(SCRATCH, folder)


def _proof(shown: str, path: Path, scratch: Path) -> DatabaseProof:
    try:
        with opened(path.parent) as folder:
            if len(os.fsencode(path)) > _LONGEST or any(_size(f"{path.name}{suffix}", folder) for suffix in _LOGS):
                path = _copy_aside(path.name, folder, scratch)
                _take_in(path)
        text = soundness(path)
        if text != "ok":
            is_damaged = text.startswith("corrupted")
            return DatabaseProof(path=shown, verdict="damaged" if is_damaged else "unknown", text=text)
        return DatabaseProof(path=shown, verdict="intact", rows=_rows(path))
    except _UnknownError as error:
        return DatabaseProof(path=shown, verdict="unknown", text=str(error))
    except sqlite3.DatabaseError as error:
        # A full disk, or a file system without locks, says nothing of the database.
        is_damaged = primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        return DatabaseProof(path=shown, verdict="damaged" if is_damaged else "unknown", text=str(error))


class _UnknownError(Exception):
    """Only the app itself can tell."""


def _size(name: str, folder: int) -> int:
    """The size of a regular file in an open folder; 0 if there is none."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _fresh(scratch: Path) -> Path:
    """The path of a copy in the scratch folder, where no earlier one is left."""
    copied = scratch / "database"
    for suffix in ("", "-wal", "-shm", "-journal"):
        copied.with_name(f"database{suffix}").unlink(missing_ok=True)
    return copied


def _copy_aside(name: str, folder: int, scratch: Path) -> Path:
    """Copy a database in an open folder with its logs. No link is followed. Raises OSError."""
    copied = _fresh(scratch)
    for suffix in ("", *(suffix for suffix in _LOGS if _size(f"{name}{suffix}", folder))):
        descriptor = os.open(f"{name}{suffix}", FILE_FLAGS, dir_fd=folder)
        with open(descriptor, "rb") as file, copied.with_name(f"database{suffix}").open("xb") as target:  # noqa: PTH123 - a descriptor
            shutil.copyfileobj(file, target, 1 << 20)
    return copied


def _take_in(copied: Path) -> None:
    """Let SQLite merge the logs of a copy into it, as it will when the app starts. Raises sqlite3.DatabaseError, or _UnknownError."""
    journal = copied.with_name("database-journal")
    if journal.exists() and _end_of(journal) == _SUPER_JOURNAL:
        raise _UnknownError("its journal names another journal, so only its app can repair it")
    with contextlib.closing(sqlite3.connect(copied, isolation_level=None)) as database:
        database.execute("pragma schema_version").fetchone()  # rolls back what a journal says
        busy, in_log, taken_in = database.execute("pragma wal_checkpoint(truncate)").fetchone()
        if busy or in_log > taken_in:
            raise sqlite3.DatabaseError("SQLite cannot merge its whole log")
    points.reach("log taken in")


def _end_of(journal: Path) -> bytes:
    with journal.open("rb") as file:
        file.seek(-min(8, journal.stat().st_size), os.SEEK_END)
        return file.read()


def _rows(path: Path) -> int:
    """Count the rows of all tables. A table that needs its app, such as one with a tokenizer of its own, is left out."""
    rows = 0
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        names = database.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\'")
        for (name,) in names.fetchall():
            quoted = str(name).replace('"', '""')
            with contextlib.suppress(sqlite3.OperationalError):
                rows += int(database.execute(f'select count(*) from "{quoted}"').fetchone()[0])  # noqa: S608 - quoted, from the database
    return rows
