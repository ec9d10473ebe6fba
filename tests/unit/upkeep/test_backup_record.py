"""What is recorded of a store that only a pod can read."""

from pathlib import Path

import pytest

from portable.local.records import BackupRecord, read_record
from portable.model.progress import silent
from portable.upkeep.backup_record import record_backups, with_rows

OLD, NEW = "2026-11-20T030000.000Z", "2026-11-21T030000.000Z"
NOW, LATER = "2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z"
TRIED = "2026-11-22T120000.000Z"


def row(app: str, at: str, result: str, **more: object) -> dict[str, object]:
    return {"app": app, "at": at, "result": result, **more}


def test_a_list_replaces_what_was_known_of_its_apps_only() -> None:
    first = with_rows(BackupRecord(), "list", ("one", "two", "bare"), [row("one", OLD, "sound"), row("two", OLD, "sound")], NOW)
    assert {app: [one["at"] for one in of.rows] for app, of in first.apps.items()} == {"one": [OLD], "two": [OLD], "bare": []}
    second = with_rows(first, "list", ("one",), [row("one", NEW, "sound")], LATER)
    assert [one["at"] for one in second.apps["one"].rows] == [NEW]
    assert (second.apps["one"].at, second.apps["two"].at) == (LATER, NOW)


def test_a_backup_is_added_and_one_that_failed_is_not() -> None:
    first = with_rows(BackupRecord(), "list", ("one",), [row("one", OLD, "sound")], NOW)
    second = with_rows(first, "backup", ("one", "two"), [row("one", NEW, "done"), row("two", "", "failed")], LATER)
    assert [(one["at"], one["result"]) for one in second.apps["one"].rows] == [(OLD, "sound"), (NEW, "sound")]
    assert "two" not in second.apps


def test_a_try_is_noted_at_its_backup() -> None:
    first = with_rows(BackupRecord(), "list", ("one",), [row("one", OLD, "sound"), row("one", NEW, "sound")], NOW)
    tried = with_rows(first, "check", ("one",), [row("one", NEW, "done")], LATER)
    assert [one.get("tried") for one in tried.apps["one"].rows] == [None, TRIED]
    assert tried.apps["one"].at == NOW, "it says nothing about the others"
    failed = with_rows(tried, "check", ("one",), [row("one", NEW, "failed", notes=["it differs"])], LATER)
    newest = failed.apps["one"].rows[-1]
    assert (newest["tried"], newest["failed_try"], newest["try_text"]) == ("", TRIED, "it differs")


def test_steps_of_a_restore_are_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    record_backups("media-x", "stage", ("one",), [row("one", NEW, "staged")], progress=silent)
    assert read_record("media-x", BackupRecord) == BackupRecord()
    record_backups("media-x", "list", ("one",), [row("one", NEW, "sound")], progress=silent)
    assert read_record("media-x", BackupRecord).apps["one"].rows[0]["at"] == NEW
