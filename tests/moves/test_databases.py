"""SQLite databases of apps that are killed while they write: intact at the target, with every commit that was acknowledged."""

import contextlib
import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from portable.migrate.databases import SCRATCH
from portable.migrate.ending import confirm, roll_back
from portable.migrate.hooks import MoveHooks
from portable.migrate.manifest import make_manifest
from portable.migrate.moving import begin, resume
from portable.migrate.places import WORK
from portable.migrate.planning import dry_run
from portable.model.errors import PortableError, Refused
from tests.moves import hazards
from tests.moves.running import equal, forked

MODES = ("wal", "delete", "truncate")
MOVES = int(os.environ.get("DATABASE_MOVES", "4"))
"""Moves in each mode; the full claim needs 500 in all three."""
KILLED = 9


class Writer(MoveHooks):
    """A child process that commits rows without a pause; the move kills it in the midst of it."""

    def __init__(self, source: Path, mode: str, seconds: float) -> None:
        self._file, self._mode, self._seconds = source / "app.db", mode, seconds
        self._child = 0
        self.acknowledged = 0
        """Rows whose commit returned before the kill."""

    def start(self) -> None:
        self._read, write = os.pipe()
        self._child = os.fork()
        if self._child:
            os.close(write)
            return
        with contextlib.suppress(BaseException):
            database = sqlite3.connect(self._file, isolation_level=None)
            database.execute(f"pragma journal_mode={self._mode}")
            database.execute("pragma synchronous=normal")
            database.execute("create table t (n integer primary key, text text)")
            number = 0
            while True:
                number += 1
                database.execute("insert into t values (?, ?)", (number, "x" * (number % 700)))
                os.write(write, b"%d\n" % number)
        os._exit(1)

    def stop_source(self) -> None:
        if not self._child:
            return
        time.sleep(self._seconds)
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        self._child = 0
        with os.fdopen(self._read) as lines:
            self.acknowledged = int((lines.read().splitlines() or ["0"])[-1])


def rows_of(file: Path) -> int:
    with contextlib.closing(sqlite3.connect(file)) as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
        return int(database.execute("select count(*) from t").fetchone()[0])


@pytest.mark.parametrize("mode", MODES)
def test_no_commit_is_lost_under_write_load(mode: str, scratch: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    for number in range(MOVES):
        source, target = scratch / f"source{number}", scratch / f"target{number}"
        source.mkdir()
        (source / "config.xml").write_text("x")
        writer = Writer(source, mode, dice.uniform(0, 0.05))
        writer.start()
        until = time.monotonic() + 30
        while not (source / "app.db").exists() and time.monotonic() < until:
            time.sleep(0.005)
        journal = begin(source, target, hooks=writer, is_live=True)
        assert journal.databases.damaged == journal.databases.unknown == 0
        before = make_manifest(source, scratch / "before.manifest")
        assert equal(before, target, scratch / "after.manifest") == [], "the source and the copy are as the app left them"
        confirm(target)
        rows = rows_of(target / "app.db")
        assert writer.acknowledged <= rows <= writer.acknowledged + 1
        assert journal.databases.count == (1 if rows or (target / "app.db").stat().st_size else 0)
        assert journal.databases.rows == rows


@pytest.fixture
def source(scratch: Path) -> Path:
    folder = scratch / "source"
    (folder / "logs").mkdir(parents=True)
    hazards.KINDS["database_logs"](folder / "logs")
    hazards.KINDS["databases"](folder)
    return folder


def test_logs_are_taken_in_on_a_copy_and_travel_as_they_are(source: Path, scratch: Path) -> None:
    before = make_manifest(source, scratch / "before.manifest")
    journal = begin(source, scratch / "target")
    assert (journal.databases.intact, journal.databases.count) == (5, 5)
    assert journal.databases.rows == 3 * 500 + 2 * 50, "the rows in the log count, and the broken transaction is rolled back"
    assert equal(before, source, scratch / "n.manifest") == []
    assert equal(before, scratch / "target", scratch / "n.manifest") == []
    assert (scratch / "target" / "logs" / "wal.db-wal").stat().st_size > 0
    assert rows_of(scratch / "target" / "logs" / "wal.db") == rows_of(scratch / "target" / "logs" / "hot.db") == 50
    with contextlib.closing(sqlite3.connect(scratch / "target" / "logs" / "hot.db")) as database:
        assert database.execute("select count(*) from t where text like 'y%'").fetchone() == (0,)


def damage(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(4096 + 8)
        opened.write(b"\xff" * 64)


def test_a_damaged_database_stops_the_move_unless_it_is_waived(source: Path, scratch: Path) -> None:
    damage(source / "delete.db")
    target = scratch / "target"
    with pytest.raises(Refused, match=r"1 of 5 databases .* delete\.db") as refused:
        begin(source, target)
    assert refused.value.code == "migrate.database-damaged"
    assert not (target / "wal.db").exists()
    roll_back(target)
    assert not target.exists()
    journal = begin(source, target, waive={"damaged-databases": "it is a cache"})
    assert (journal.step, journal.databases.damaged) == ("done", 1)
    assert [proof.path for proof in journal.databases.examples] == ["delete.db"]


def test_damage_is_named_while_the_app_writes_and_before_the_first_byte(source: Path, scratch: Path) -> None:
    """`--read-all`, and the plan of a move of apps: intact databases in use are no loss, and the source stays as it is."""
    writer = Writer(source, "wal", 0.0)
    writer.start()
    assert dry_run(source, scratch / "target", is_live=True).losses == ()
    writer.stop_source()
    before = make_manifest(source, scratch / "before.manifest")
    for damaged in ("delete.db", "wal.db"):
        damage(source / damaged)
    plan = dry_run(source, scratch / "target", is_live=True)
    (loss,) = plan.losses
    assert (loss.kind, loss.count, loss.stops) == ("damaged-databases", 2, True)
    assert [example.partition(":")[0] for example in loss.examples] == ["delete.db", "wal.db"]
    assert not dry_run(source, scratch / "target", waive={"damaged-databases": "a cache"}).losses[0].stops
    assert dry_run(source, scratch / "target", reads=False).losses == (), "a cheap plan reads no database"
    changed = {path for path, _ in equal(before, source, scratch / "n.manifest")}
    assert changed == {"delete.db", "wal.db"}, "the check writes nothing beside a database"
    assert not (scratch / "target").exists()


def test_an_open_database_stops_the_move_until_its_process_ends(source: Path, scratch: Path) -> None:
    with contextlib.closing(sqlite3.connect(source / "truncate.db", isolation_level=None)) as database:
        database.execute("insert into t values (1)")
        with pytest.raises(Refused, match=rf"process {os.getpid()}\) has the database truncate\.db open") as refused:
            begin(source, scratch / "target")
        assert refused.value.code == "migrate.database-open"
    with contextlib.closing(sqlite3.connect(f"file:{source / 'truncate.db'}?mode=ro", uri=True)) as reader:
        reader.execute("select count(*) from t").fetchone()
        assert resume(scratch / "target").step == "done", "whoever only reads loses nothing"


def test_what_only_the_app_can_repair_is_named_and_moves(source: Path, scratch: Path) -> None:
    """A journal that names another one: SQLite would remove that file, so it is not opened here."""
    journal_file = source / "logs" / "hot.db-journal"
    journal_file.write_bytes(journal_file.read_bytes() + b"/config/x-mj12" + bytes(8) + bytes.fromhex("d9d505f920a163d7"))
    before = make_manifest(source, scratch / "before.manifest")
    journal = begin(source, scratch / "target")
    assert (journal.databases.intact, journal.databases.unknown) == (4, 1)
    assert "names another journal" in journal.databases.named("unknown")
    assert equal(before, scratch / "target", scratch / "n.manifest") == []


def test_a_deep_path_and_odd_names_are_checked(source: Path, scratch: Path) -> None:
    """SQLite opens paths of up to 512 bytes, and takes `?` and `%` in a name for its own."""
    deep = source / "/".join("d" * 100 for _ in range(5))
    deep.mkdir(parents=True)
    (deep / "deep.db").write_bytes((source / "delete.db").read_bytes())
    for name in (b"a?mode=memory.db", b"50%25.db", b"\xff.db", b"new\nline"):
        hazards.write(os.fsencode(source) + b"/" + name, (source / "delete.db").read_bytes())
    journal = begin(source, scratch / "target")
    assert (journal.databases.intact, journal.databases.count) == (10, 10)
    assert journal.databases.rows == 3 * 500 + 2 * 50 + 5 * 500


def test_a_full_disk_during_the_check_can_be_resumed(source: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from portable.migrate import databases

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(databases, "_copy_aside", full)
    with pytest.raises(PortableError, match="no space is left") as error:
        begin(source, scratch / "target")
    assert error.value.code == "migrate.failed"
    assert not (scratch / "target" / WORK / SCRATCH).exists()
    monkeypatch.undo()
    assert resume(scratch / "target").databases.intact == 5


@pytest.mark.parametrize("end", ["resume", "roll back"])
def test_a_kill_while_databases_are_checked(end: str, source: Path, scratch: Path) -> None:
    """After each database, and in the midst of the check of one with a log."""
    before = make_manifest(source, scratch / "before.manifest")
    _, reached = forked(lambda: begin(source, scratch / "first"))
    numbers = [number for number, point in enumerate(reached) if point in ("database checked", "log taken in")]
    assert len(numbers) == 5 + 2
    for number in numbers:
        target = scratch / f"target{number}"
        assert forked(lambda target=target: begin(source, target), at=number)[0] == KILLED  # type: ignore[misc]
        assert equal(before, source, scratch / "n.manifest") == []
        if end == "resume":
            assert resume(target).databases.intact == 5
            assert equal(before, target, scratch / "n.manifest") == []
            assert not (target / WORK / SCRATCH).exists()
        else:
            roll_back(target)
            assert not target.exists()
