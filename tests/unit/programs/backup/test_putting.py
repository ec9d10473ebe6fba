"""Writing a backup where somebody puts links in the way, and with an owner's modes."""

import contextlib
import os
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from portable.programs.backup.errors import BackupError
from portable.programs.backup.journal import STAGED
from portable.programs.backup.making import back_up
from portable.programs.backup.restoring import stage, swap
from tests.lab.keeper import KEEP, app, command, tree


def test_a_folder_that_is_changed_for_a_link_under_its_hands_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should somebody write in an app's folder all the same while its backup is put there."""
    player, store, victim = app(tmp_path, "config"), tmp_path / "store", tmp_path / "victim"
    (tmp_path / "config" / "folder").mkdir()
    (tmp_path / "config" / "folder" / "file").write_text("mine")
    back_up(store, player, KEEP)
    victim.mkdir(mode=0o755)
    was = tree(victim)
    made, mode = os.mkdir, stat.S_IMODE(victim.stat().st_mode)

    def mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        made(path, mode, dir_fd=dir_fd)
        if str(path) == "folder":
            os.rmdir(path, dir_fd=dir_fd)
            os.symlink(victim, path, dir_fd=dir_fd)

    stage(store, player)
    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(BackupError, match="nothing was changed"):
        swap(store, player)
    assert (tree(victim), stat.S_IMODE(victim.stat().st_mode)) == (was, mode)
    assert (tmp_path / "config" / "folder" / "file").read_text() == "mine"
    assert not (tmp_path / "config" / STAGED).exists()


def test_links_swapped_in_all_the_time_lead_nowhere(tmp_path: Path) -> None:
    """A race for a second: whatever becomes of the restores, nothing outside is written, opened or removed."""
    player, store, victim = app(tmp_path, "config"), tmp_path / "store", tmp_path / "victim"
    for n in range(5):
        (tmp_path / "config" / f"folder {n}").mkdir()
        (tmp_path / "config" / f"folder {n}" / "file").write_text("mine")
    back_up(store, player, KEEP)
    for n in range(5):
        (victim / f"folder {n}").mkdir(parents=True)
        (victim / f"folder {n}" / "theirs").write_text("theirs")
    was, ended = tree(victim), threading.Event()
    staged, elsewhere = tmp_path / "config" / STAGED, tmp_path / "config" / "elsewhere"

    def race() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                staged.rename(elsewhere)
            with contextlib.suppress(OSError):
                staged.symlink_to(victim)
            with contextlib.suppress(OSError):
                elsewhere.rename(tmp_path / "config" / f"folder {len(list((tmp_path / 'config').iterdir()))}")

    racer = threading.Thread(target=race)
    racer.start()
    try:
        for _ in range(30):
            with contextlib.suppress(OSError, BackupError):
                stage(store, player)
                swap(store, player)
    finally:
        ended.set()
        racer.join()
    assert tree(victim) == was


@pytest.mark.skipif(os.geteuid() != 0, reason="gives folders to others, which only root can")
def test_a_folder_keeps_its_group_for_what_is_made_in_it(tmp_path: Path) -> None:
    """Without CAP_FSETID the kernel takes a setgid bit from who is not in the group; `setpriv` takes that away as the container does."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    shared = tmp_path / "config" / "shared"
    shared.mkdir()
    os.chown(shared, 1000, 1000)
    shared.chmod(0o2775)
    back_up(store, player, KEEP)
    less = ["setpriv", "--bounding-set", "-fsetid", "--inh-caps", "-fsetid", "--clear-groups"]
    done = subprocess.run([*less, *command(tmp_path, player, "check", "player")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
