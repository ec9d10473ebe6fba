"""A database that is written all the time, in which every row vouches for the one before: one that is lost, changed or doubled is seen."""

import contextlib
import hashlib
import sqlite3
import time
from pathlib import Path

_TABLE = "create table if not exists line (number integer primary key, at text not null, proof text not null)"


class BrokenError(Exception):
    """What is wrong with the rows."""


class Line:
    """The rows of a database, in the mode with a log (WAL), as the managers have it; each is committed by itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened = sqlite3.connect(path, isolation_level=None)
        self._opened.execute("pragma journal_mode = wal")
        self._opened.execute(_TABLE)
        self.number, self._proof = _walked(self._opened, path)

    def add(self) -> None:
        """Commit the next row."""
        at = f"{time.time():.6f}"
        proof = proof_of(self._proof, self.number + 1, at)
        self._opened.execute("insert into line values (?, ?, ?)", (self.number + 1, at, proof))
        self.number, self._proof = self.number + 1, proof

    def close(self) -> None:
        """The last connection takes the log into the database."""
        self._opened.close()


def proof_of(before: str, number: int, at: str) -> str:
    """What vouches for a row and all before it."""
    return hashlib.sha256(f"{before} {number} {at}".encode()).hexdigest()


def audit(path: Path) -> int:
    """How many rows a database has, each vouched for. Raises BrokenError, and sqlite3.DatabaseError where it is corrupted.

    One that nobody has open is read as it lies: SQLite would make a log for it and leave that behind (https://www.sqlite.org/wal.html, 5).
    """
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as opened:
        if (said := opened.execute("pragma integrity_check").fetchone()[0]) != "ok":
            raise BrokenError(f"{path}: {said}")
        return _walked(opened, path)[0]


def _walked(opened: sqlite3.Connection, path: Path) -> tuple[int, str]:
    last, proof = 0, ""
    for number, at, told in opened.execute("select number, at, proof from line order by number"):
        proof = proof_of(proof, number, at)
        if number != last + 1 or proof != told:
            raise BrokenError(f"{path}: row {number} does not follow row {last}")
        last = number
    return last, proof
