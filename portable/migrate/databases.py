"""Proves the SQLite databases of a stopped source: nobody has them open, and their copies open, take in their logs and are intact.

Nothing is written into the source, nor into the copy that becomes the target: SQLite reads files that nobody changes, or works in a scratch
folder on copies of a database with its log.
"""

import contextlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from portable.migrate import hooks as points
from portable.migrate.entries import ManifestEntry
from portable.migrate.names import unescaped
from portable.model.base import Struct
from portable.model.errors import Refused
from portable.programs.backup.databases import soundness
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
    """What is known of one database."""

    path: str
    """Relative to the source, escaped."""
    verdict: Verdict
    text: str = ""
    rows: int = 0
    """Rows of all tables that can be counted without the app."""


class DatabaseTotals(Struct, frozen=True, kw_only=True):
    """What is known of all databases of a folder."""

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
    logs = [suffix for suffix in _LOGS if _size(path, suffix)]
    try:
        if logs or len(os.fsencode(path)) > _LONGEST:
            path = _with_log_taken_in(path, logs, scratch)
        text = soundness(path)
        if text != "ok":
            is_damaged = text.startswith("corrupted")
            return DatabaseProof(path=shown, verdict="damaged" if is_damaged else "unknown", text=text)
        return DatabaseProof(path=shown, verdict="intact", rows=_rows(path))
    except _UnknownError as error:
        return DatabaseProof(path=shown, verdict="unknown", text=str(error))
    except sqlite3.DatabaseError as error:
        return DatabaseProof(path=shown, verdict="damaged", text=str(error))


class _UnknownError(Exception):
    """Only the app itself can tell."""


def _size(path: Path, suffix: str) -> int:
    try:
        status = path.with_name(f"{path.name}{suffix}").lstat()
    except FileNotFoundError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _with_log_taken_in(path: Path, logs: Iterable[str], scratch: Path) -> Path:
    """Copy a database with its log, and let SQLite take the log in, as it will when the app starts. Raises sqlite3.DatabaseError."""
    copied = scratch / "database"
    for suffix in ("", "-wal", "-shm", "-journal"):
        copied.with_name(f"database{suffix}").unlink(missing_ok=True)
    for suffix in ("", *logs):
        _copy(path.with_name(f"{path.name}{suffix}"), copied.with_name(f"database{suffix}"))
    journal = copied.with_name("database-journal")
    if journal.exists() and _end_of(journal) == _SUPER_JOURNAL:
        raise _UnknownError("its journal names another journal, so only its app can repair it")
    with contextlib.closing(sqlite3.connect(copied, isolation_level=None)) as database:
        database.execute("pragma schema_version").fetchone()  # rolls back what a journal says
        busy, in_log, taken_in = database.execute("pragma wal_checkpoint(truncate)").fetchone()
        if busy or in_log > taken_in:
            raise sqlite3.DatabaseError("its log cannot be taken in completely")
    points.reach("log taken in")
    return copied


def _copy(source: Path, target: Path) -> None:
    with open(os.open(source, FILE_FLAGS), "rb") as file, target.open("xb") as copied:  # noqa: PTH123 - no link is followed
        shutil.copyfileobj(file, copied, 1 << 20)


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
