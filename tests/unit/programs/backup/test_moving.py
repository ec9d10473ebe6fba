"""What keeps state from being moved: mounts, and a full disk."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from portable.programs.backup.errors import BackupError
from portable.programs.backup.making import back_up
from portable.programs.backup.restoring import stage, swap
from tests.lab.keeper import KEEP, app, command, rows, tree
from tests.unit.programs.backup import Killed, killed_before

may_mount = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount, reason="mounts, which this user may not")
def test_what_is_mounted_meanwhile_is_told_and_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player, store, state = app(tmp_path, "config"), tmp_path / "store", tmp_path / "config"
    (state / "mnt").mkdir()
    (state / "file").write_text("mine")
    back_up(store, player, KEEP)
    stage(store, player)
    was = tree(state)

    def mounted(*arguments: str) -> dict[str, Any]:
        run = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$0" && exec "$@"', str(state / "mnt")]
        done = subprocess.run([*run, *command(tmp_path, player, *arguments)], capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        return rows(done.stdout)[0]

    found = mounted("swap", "player")
    assert (found["result"], found["unchanged"]) == ("failed", True)
    assert f"{state}/mnt " in found["notes"][0]
    assert "unmount it first" in found["notes"][0]
    assert tree(state) == was
    stage(store, player)
    with pytest.raises(Killed), killed_before(monkeypatch, 2):
        swap(store, player)
    found = mounted("swap", "player")  # it appeared while the state was put aside
    assert (found["result"], "unchanged" in found) == ("failed", False)
    assert f"{state}/mnt," in found["notes"][0]
    assert "unmount it and run the same command again, or abort with `portable restore --abort`" in found["notes"][0]
    assert mounted("abort", "player", "--stopped")["result"] == "given up"
    assert tree(state) == was


def test_what_does_not_fit_is_told_while_the_app_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_bytes(b"x" * 100_000)
    back_up(store, player, KEEP)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=10, f_frsize=4096))
    with pytest.raises(BackupError, match="/config: the backup needs 0 MB, and 0 MB are free"):
        stage(store, player)
