"""Which backups were tried is known to those who need a way back."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from portable.programs.backup.errors import BackupError
from portable.programs.backup.making import back_up
from portable.programs.backup.proving import check
from portable.programs.backup.store import listed
from portable.programs.backup.tries import TRIED, note_try, tried, with_tries
from tests.lab.keeper import KEEP, app, command, rows


def test_a_try_that_passes_is_noted_and_one_that_fails_is_forgotten(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("mine")
    at = str(back_up(store, player, KEEP)["at"])
    assert tried(store / "player") == {}
    assert check(store, player)["result"] == "done"
    assert list(tried(store / "player")) == [at]
    (store / "player" / at / "config" / "file").write_text("rotten")
    assert check(store, player)["result"] == "failed"
    assert tried(store / "player") == {}
    note_try(store / "player", at, passed=True)
    (store / "player" / at / "config.files.jsonl").write_text("")
    with pytest.raises(BackupError, match="has changed in the store"):
        check(store, player)
    assert tried(store / "player") == {}


def test_tries_of_removed_backups_are_forgotten(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    first, second = (str(back_up(store, player, KEEP)["at"]) for _ in range(2))
    for name in (first, second):
        note_try(store / "player", name, passed=True)
    shutil.rmtree(store / "player" / first)
    note_try(store / "player", second, passed=True)
    assert list(tried(store / "player")) == [second]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 1}'])
def test_an_unreadable_note_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / TRIED).write_text(text)
    assert tried(tmp_path) == {}


def test_a_list_says_what_was_tried_and_what_is_missing(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    at = str(back_up(store, player, KEEP)["at"])
    done = subprocess.run(command(tmp_path, player, "check"), capture_output=True, text=True, check=True)
    assert rows(done.stdout)[0]["result"] == "done"
    (row,) = rows(subprocess.run(command(tmp_path, player, "list"), capture_output=True, text=True, check=True).stdout)
    assert (row["at"], row["missing"]) == (at, [])
    assert row["tried"] == tried(store / "player")[at]
    (row,) = with_tries(listed(store, "player"), store / "player", ("config", "database"))
    assert row["missing"] == ["database"]
    (store / "player" / at / "manifest.json").write_text("{")
    (row,) = with_tries(listed(store, "player"), store / "player", ("config",))
    assert (row["result"], row["missing"]) == ("unreadable", ["config"])
    assert json.dumps(row)
