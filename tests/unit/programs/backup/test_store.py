"""The store: its formats and locks."""

import json
import subprocess
from pathlib import Path

import pytest

from portable.programs.backup import copying
from portable.programs.backup.making import back_up
from portable.programs.backup.proving import check
from portable.programs.backup.restoring import stage, swap
from portable.programs.backup.store import listed, locked, names
from tests.lab.keeper import KEEP, app, command, rows
from tests.unit.programs.backup import filled


def test_a_backup_of_the_first_format_is_put_back_and_built_upon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_TICK", 0)
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("mine")
    old = store / "player" / back_up(store, player, KEEP)["at"]
    told = json.loads((old / "manifest.json").read_text())
    entries = [json.loads(line) for line in (old / "config.files.jsonl").read_text().splitlines()]
    told |= {"format": 1, "volumes": {"config": {"entries": entries, "notes": [], "failures": []}}}
    (old / "manifest.json").write_text(json.dumps(told))
    (old / "config.files.jsonl").unlink()
    new = store / "player" / back_up(store, player, KEEP)["at"]
    assert (new / "config" / "file").samefile(old / "config" / "file")
    (tmp_path / "config" / "file").write_text("changed")
    assert check(store, player, old.name)["result"] == "done"
    stage(store, player, old.name)
    swap(store, player)
    assert (tmp_path / "config" / "file").read_text() == "mine"
    assert [row["files"] for row in listed(store, "player")] == [1, 1]


def test_two_of_a_store_wait_for_each_other(tmp_path: Path) -> None:
    player = app(tmp_path, "config")
    filled(tmp_path / "config", 3)
    run = command(tmp_path, player, "backup")
    together = [subprocess.Popen(run, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [rows(process.communicate()[0])[0] for process in together]
    assert {row["result"] for row in said} == {"done"}
    assert names(tmp_path / "store" / "player") == sorted(row["at"] for row in said)


def test_the_lock_is_an_apps_own(tmp_path: Path) -> None:
    """While the nightly run is at a large app, another one may be restored."""
    apps = [app(tmp_path, name, name=name) for name in ("large", "small")]
    for one in apps:
        back_up(tmp_path / "store", one, KEEP)
    with locked(tmp_path / "store" / "large"):
        done = subprocess.run(command(tmp_path, apps[1], "stage", "small"), capture_output=True, text=True, check=False, timeout=30)
        assert rows(done.stdout)[0]["result"] == "staged"
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(command(tmp_path, apps[0], "stage", "large"), capture_output=True, check=False, timeout=1)
