"""Which backups were tried is known to those who need a way back."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from portable.programs.backup.errors import BackupError
from portable.programs.backup.making import back_up
from portable.programs.backup.proving import check
from portable.programs.backup.restoring import stage, swap
from portable.programs.backup.store import listed
from portable.programs.backup.tries import TRIED, RestoreTry, note_try, tries, with_tries
from tests.lab.keeper import KEEP, app, command, rows


def passed(home: Path) -> list[str]:
    """The backups whose last try passed."""
    return [name for name, one in tries(home).items() if one.passed]


def test_the_last_try_of_a_backup_is_noted(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("mine")
    at = str(back_up(store, player, KEEP)["at"])
    assert tries(store / "player") == {}
    assert check(store, player)["result"] == "done"
    assert passed(store / "player") == [at]
    (store / "player" / at / "config" / "file").write_text("rotten")
    assert check(store, player)["result"] == "failed"
    assert passed(store / "player") == []
    assert "file" in tries(store / "player")[at].text
    note_try(store / "player", at, passed=True)
    (store / "player" / at / "config.files.jsonl").write_text("")
    with pytest.raises(BackupError, match="has changed in the store"):
        check(store, player)
    assert "has changed in the store" in tries(store / "player")[at].text


def test_tries_of_removed_backups_are_forgotten(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    first, second = (str(back_up(store, player, KEEP)["at"]) for _ in range(2))
    for name in (first, second):
        note_try(store / "player", name, passed=True)
    shutil.rmtree(store / "player" / first)
    note_try(store / "player", second, passed=True)
    assert list(tries(store / "player")) == [second]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 1}', '{"x": {"at": 1, "passed": true}}', '{"x": {"at": "now", "passed": 1}}'])
def test_an_unreadable_note_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / TRIED).write_text(text)
    assert tries(tmp_path) == {}


def test_the_notes_of_earlier_versions_are_read(tmp_path: Path) -> None:
    (tmp_path / TRIED).write_text('{"x": "2026-11-21T030000.000Z"}')
    assert tries(tmp_path) == {"x": RestoreTry(at="2026-11-21T030000.000Z", passed=True)}


def test_a_restore_is_a_try_too(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("mine")
    at = str(back_up(store, player, KEEP)["at"])
    stage(store, player)
    assert tries(store / "player") == {}, "it is not over yet"
    assert swap(store, player)["result"] == "done"
    assert passed(store / "player") == [at]
    (store / "player" / at / "config" / "file").write_text("rotten")
    with pytest.raises(BackupError, match="nothing was changed"):
        stage(store, player)
    (row,) = with_tries(listed(store, "player"), store / "player", ("config",))
    assert (row["tried"], bool(row["failed_try"])) == ("", True)
    assert "has changed in the store" in row["try_text"] or "have changed in the store" in row["try_text"]
    (store / "player" / at / "config.files.jsonl").write_text("")
    with pytest.raises(BackupError, match="listing of config has changed"):
        stage(store, player)
    assert "listing of config" in tries(store / "player")[at].text


def test_a_list_says_what_was_tried_and_what_is_missing(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    at = str(back_up(store, player, KEEP)["at"])
    done = subprocess.run(command(tmp_path, player, "check"), capture_output=True, text=True, check=True)
    assert rows(done.stdout)[0]["result"] == "done"
    (row,) = rows(subprocess.run(command(tmp_path, player, "list"), capture_output=True, text=True, check=True).stdout)
    assert (row["at"], row["missing"]) == (at, [])
    assert (row["tried"], row["failed_try"], row["try_text"]) == (tries(store / "player")[at].at, "", "")
    (row,) = with_tries(listed(store, "player"), store / "player", ("config", "database"))
    assert row["missing"] == ["database"]
    (store / "player" / at / "manifest.json").write_text("{")
    (row,) = with_tries(listed(store, "player"), store / "player", ("config",))
    assert (row["result"], row["missing"]) == ("unreadable", ["config"])
    assert json.dumps(row)
