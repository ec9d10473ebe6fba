"""Whether a restored folder is what was backed up."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from portable.programs.backup.errors import BackupError
from portable.programs.backup.making import back_up
from portable.programs.backup.proving import differences, prove
from portable.programs.backup.store import entries_of
from tests.lab.keeper import KEEP, app


def folder_in_place(folder: Path) -> None:
    (folder / "file").unlink()
    (folder / "file").mkdir()


def other_target(folder: Path) -> None:
    (folder / "link").unlink()
    (folder / "link").symlink_to("app.db")


def break_database(folder: Path) -> None:
    with (folder / "app.db").open("r+b") as database:
        database.seek(4096)
        database.write(b"\xa5" * 4096)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of a folder with a file, a link, a folder and a database."""
    player, state = app(tmp_path, "config"), tmp_path / "config"
    (state / "folder").mkdir()
    (state / "file").write_text("text")
    (state / "link").symlink_to("file")
    with closing(sqlite3.connect(state / "app.db")) as database:
        database.execute("create table rows (text)")
        database.executemany("insert into rows values (?)", [("x" * 100,)] * 500)
        database.commit()
    made = back_up(tmp_path / "store", player, KEEP)
    os.utime(tmp_path / "store" / "player" / made["at"] / "config" / "app.db", ns=(0, (state / "app.db").stat().st_mtime_ns))
    return tmp_path / "store" / "player" / str(made["at"])


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda folder: None, ""),
    "a file that is missing": (lambda folder: (folder / "file").unlink(), "file is missing"),
    "a file more": (lambda folder: (folder / "more").touch(), "5 files and folders instead of 4"),
    "a folder in a file's place": (folder_in_place, "file is a folder, not a file"),
    "another content": (lambda folder: (folder / "file").write_text("else"), "file differs in its content"),
    "another target": (other_target, "link differs in its target"),
    "another mode": (lambda folder: (folder / "folder").chmod(0o700), "folder differs in its mode"),
    "another time": (lambda folder: os.utime(folder / "file", ns=(0, 0)), "file differs in its modification time"),
    "a broken database": (break_database, "app.db differs in its content"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_difference_is_found(backup: Path, name: str) -> None:
    change, text = CHANGES[name]
    copy = backup / "config"
    for path, entry in ((copy / e.path, e) for e in entries_of(backup, "config") if e.kind != "link"):  # as `put` leaves them
        path.chmod(entry.mode)
    change(copy)
    assert list(differences(copy, entries_of(backup, "config"))) == ([text] if text else [])


def test_a_changed_byte_in_the_store_is_no_backup(backup: Path) -> None:
    prove(backup / "config", entries_of(backup, "config"))
    break_database(backup / "config")
    with pytest.raises(BackupError, match=r"^app\.db: its contents have changed"):
        prove(backup / "config", entries_of(backup, "config"))
