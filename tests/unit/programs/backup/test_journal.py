"""The journal of a restore where the disk of the store fails."""

from pathlib import Path
from typing import Any

import pytest

from portable.programs.backup.errors import UnchangedError
from portable.programs.backup.files import sync, write_json
from portable.programs.backup.journal import JOURNAL
from portable.programs.backup.making import back_up
from portable.programs.backup.restoring import abort, stage, swap
from tests.lab.keeper import KEEP, app, tree
from tests.unit.programs.backup import Killed, killed_before, replace


@pytest.mark.parametrize("given_up", [False, True])
def test_where_the_disk_fails_after_the_last_step_it_is_done_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_up: bool
) -> None:
    """It was told that nothing was changed, and not where the state of before lies."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("old")
    back_up(store, player, KEEP)
    (tmp_path / "config" / "file").write_text("new")
    stage(store, player)
    if given_up:
        with pytest.raises(Killed), killed_before(monkeypatch, 4):
            swap(store, player)
    synced = sync

    def failing(folder: Path) -> None:
        if not (store / "player" / JOURNAL).exists():
            raise OSError(5, "Input/output error", str(folder))
        synced(folder)

    replace(monkeypatch, "sync", failing)
    row = abort(store, player, stopped=True) if given_up else swap(store, player)
    assert row["result"] == ("given up" if given_up else "done")
    assert "Input/output error" in row["notes"][-1]
    assert (tmp_path / "config" / "file").read_text() == ("new" if given_up else "old")
    if not given_up:
        assert (tmp_path / "config" / row["before"] / "file").read_text() == "new"


@pytest.mark.parametrize("kept", [False, True])
def test_only_what_changed_nothing_is_told_to_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    """The journal that says that the state is put aside can't be written; or it is, and its disk does not say so."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("mine")
    back_up(store, player, KEEP)
    stage(store, player)
    was, write = tree(tmp_path / "config"), write_json

    def failing(path: Path, value: Any) -> None:
        if kept:
            write(path, value)
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        replace(patched, "write_json", failing)
        with pytest.raises(OSError if kept else UnchangedError, match=r"[Nn]o space"):
            swap(store, player)
    if kept:  # it goes on from there
        assert swap(store, player)["result"] == "done"
    else:
        assert tree(tmp_path / "config") == was
