"""Copies of databases: under load, of a killed app, and where an app puts links in the way."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from portable.programs.backup import copying
from portable.programs.backup.databases import copy_database
from portable.programs.backup.entries import Truncated
from portable.programs.backup.files import opened
from portable.programs.backup.making import back_up
from portable.programs.backup.putting import put
from portable.programs.backup.store import entries_of
from tests.lab.keeper import KEEP, app, last, sound_until, tree, writing
from tests.unit.programs.backup import filled

ROUNDS = int(os.environ.get("PORTABLE_BACKUPS", "20"))


def test_a_database_that_is_written_all_the_time(tmp_path: Path, record_property: Any) -> None:
    """Each backup is restored: sound, without a gap, and with every commit that was made before it began."""
    player, store, behind = app(tmp_path, "config"), tmp_path / "store", 0
    with writing(tmp_path / "config" / "app.db") as told:
        for n in range(ROUNDS):
            committed = last(told)
            row = back_up(store, player, {"daily": 1, "weekly": 0, "monthly": 0})
            assert row["result"] == "done", row
            restored = tmp_path / f"restored {n}"
            notes = Truncated()
            restored.mkdir()
            with opened(restored) as folder:
                entries = entries_of(store / "player" / row["at"], "config")
                put(store / "player" / row["at"] / "config", folder, entries, notes)
            assert notes.lines() == []
            assert sound_until(restored / "app.db") >= committed
            assert sorted(path.name for path in restored.iterdir()) == ["app.db"]
            behind += committed
        written = last(told)
    assert written > behind / ROUNDS > 0
    record_property("backups", f"{ROUNDS} backups while {written} rows were committed, restored: 0 corrupt, 0 commits lost")


@pytest.mark.parametrize("mode", ["delete", "persist", "wal"])
def test_every_journal_mode(tmp_path: Path, mode: str) -> None:
    player = app(tmp_path, "config")
    with writing(tmp_path / "config" / "app.db", mode) as told:
        for _ in range(3):
            committed = last(told)
            row = back_up(tmp_path / "store", player, KEEP)
            assert row["result"] == "done", row
            assert sound_until(tmp_path / "store" / "player" / row["at"] / "config" / "app.db") >= committed


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_database_whose_app_was_killed(tmp_path: Path, mode: str) -> None:
    """What it left half-way is mended by SQLite, as the app itself would when it starts."""
    player = app(tmp_path, "config")
    for _ in range(3):
        with writing(tmp_path / "config" / "app.db", mode) as told:
            time.sleep(0.05)
        committed = last(told)
        row = back_up(tmp_path / "store", player, KEEP)
        assert row["result"] == "done", row
        assert sound_until(tmp_path / "store" / "player" / row["at"] / "config" / "app.db") >= committed


def test_sqlite_mends_nothing_where_the_app_wrote_it(tmp_path: Path) -> None:
    """A journal may name other files for SQLite to remove, and this program is root."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    filled(tmp_path / "config", 3, files=1)
    journal = tmp_path / "config" / "wal.db-journal"
    journal.write_bytes(b"x" * 600 + bytes.fromhex("d9d505f920a163d7"))
    before = tree(tmp_path / "config")
    row = back_up(store, player, KEEP)
    assert (row["result"], "wal.db: its journal names another journal" in row["notes"][0]) == ("failed", True)
    assert tree(tmp_path / "config") == before
    journal.unlink()
    assert back_up(store, player, KEEP)["result"] == "done"
    assert tree(tmp_path / "config").keys() == before.keys() - {"wal.db-journal"}, "nothing was made beside it"


def test_a_database_that_is_none_any_more_is_a_failure(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    filled(tmp_path / "config", 4, files=1)
    back_up(store, player, KEEP)
    with (tmp_path / "config" / "delete.db").open("r+b") as opened:
        opened.seek(16)
        opened.write(b"\0" * 84)
    assert back_up(store, player, KEEP)["result"] == "failed"


def test_a_database_behind_a_folder_that_became_a_link_is_not_taken_for_the_apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player, store, victim = app(tmp_path, "config"), tmp_path / "store", tmp_path / "victim"
    for folder, text in ((tmp_path / "config" / "data", "mine"), (victim, "theirs")):
        folder.mkdir()
        with contextlib.closing(sqlite3.connect(folder / "app.db")) as opened:
            opened.execute(f"create table {text} (n)")
    copy = copy_database

    def swapped(source: Path, target: Path, folder: int) -> None:
        source.parent.rename(tmp_path / "config" / "elsewhere")
        source.parent.symlink_to(victim)
        copy(source, target, folder)

    monkeypatch.setattr(copying, "copy_database", swapped)
    row = back_up(store, player, KEEP)
    assert (row["result"], "app.db: " in row["notes"][0], "was replaced" in row["notes"][0]) == ("failed", True, True)
    assert not list((store / "player").rglob("app.db"))


_OWNERS = """
import sqlite3, sys
held = []
for path, table in zip(sys.argv[1::2], sys.argv[2::2]):
    held.append(sqlite3.connect(path, isolation_level=None))
    held[-1].execute("pragma journal_mode=wal")
    held[-1].execute(f"create table {table} (n)")
print(flush=True)
sys.stdin.read()
"""
"""Two apps, in one process of their own."""


@pytest.mark.parametrize("name", ["app.db", "app.db-wal", "app.db-journal"])
@pytest.mark.parametrize("moment", ["before it is looked at", "once it is opened", "only while it is opened"])
def test_a_database_or_its_log_that_becomes_a_link_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, moment: str
) -> None:
    """SQLite would: an app could have the database of another one in its own backup."""
    player, store, mine, victim = app(tmp_path, "config"), tmp_path / "store", tmp_path / "config", tmp_path / "victim"
    victim.mkdir()
    owners = [sys.executable, "-c", _OWNERS, str(mine / "app.db"), "mine", str(victim / "app.db"), "theirs"]
    with subprocess.Popen(owners, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        if name == "app.db-journal":
            (victim / name).write_text("theirs")
        was, copy, connect = tree(victim), copy_database, sqlite3.connect

        def swap() -> None:
            with contextlib.suppress(FileNotFoundError):
                (mine / name).rename(mine / "elsewhere")
            (mine / name).symlink_to(victim / name)

        def copied(*given: Any) -> None:
            if moment == "before it is looked at":
                swap()
            copy(*given)

        def connected(at: Any, *given: Any, **more: Any) -> Any:
            first = moment != "before it is looked at" and "mode=ro" in str(at) and not (mine / name).is_symlink() and "imm" not in str(at)
            if first:
                swap()
            done = connect(at, *given, **more)
            if first and moment == "only while it is opened":
                done.execute("pragma schema_version").fetchone()
                (mine / name).unlink()
                with contextlib.suppress(FileNotFoundError):
                    (mine / "elsewhere").rename(mine / name)
            return done

        monkeypatch.setattr(copying, "copy_database", copied)
        monkeypatch.setattr(sqlite3, "connect", connected)
        row = back_up(store, player, KEEP)
        assert tree(victim) == was
    taken = [path for path in (store / "player").rglob("app.db") if b"theirs" in path.read_bytes()]
    assert not taken
    if (name, moment) != ("app.db-journal", "only while it is opened"):  # which is looked at only by who finds no log
        assert (row["result"], len(list((store / "player").rglob("app.db")))) == ("failed", 0)
        assert "is not followed" in row["notes"][0] or "was replaced" in row["notes"][0]
