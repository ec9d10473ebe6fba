"""The private folder: modes, atomic writes, the lock and its holder."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from portable.local.files import write_private
from portable.local.folders import project_folder
from portable.local.lock import locked
from portable.local.paths import state_home
from portable.model.errors import PortableError
from portable.model.progress import Event


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_nobody_else_may_look(tmp_path: Path) -> None:
    folder = project_folder("demo")
    write_private(folder / "compose.yaml", "text")
    assert folder == tmp_path / "portable" / "demo"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "compose.yaml").stat().st_mode) == 0o600
    assert state_home({"XDG_STATE_HOME": "relative"}) == Path.home() / ".local" / "state" / "portable"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "file.disk-full"),
        (errno.EDQUOT, "file.disk-full"),
        (errno.EROFS, "file.read-only"),
        (errno.EACCES, "file.permission"),
        (errno.EPERM, "file.permission"),
        (errno.EIO, "file.write"),
    ],
)
def test_a_write_that_fails_leaves_what_was_there(monkeypatch: pytest.MonkeyPatch, number: int, code: str) -> None:
    path = project_folder("demo") / "compose.yaml"
    write_private(path, "old")

    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(PortableError) as caught:
        write_private(path, "new")
    assert (caught.value.code, caught.value.where) == (code, str(path))
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["compose.yaml"]


def test_the_second_command_names_the_holder_of_the_lock() -> None:
    events: list[Event] = []
    with (
        locked("demo", "up"),
        pytest.raises(PortableError, match=rf"demo .*`portable up` \(process {os.getpid()}, since.*\[file\.locked\]$"),
        locked("demo", "down", progress=events.append, wait=0.2),
    ):
        pass
    assert len(events) == 1
    assert f"`portable up` (process {os.getpid()}, since" in events[0].text
    with locked("demo", "down", wait=0):
        pass


def test_a_child_that_inherited_the_lock_keeps_it() -> None:
    """Compose does so after its `up` was killed."""
    with locked("demo", "up") as lock:
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=(lock.descriptor,))
    with pytest.raises(PortableError, match=r"demo.*\[file\.locked\]$"), locked("demo", "up", wait=0.3):
        pass
    child.communicate()
    with locked("demo", "up", wait=5):
        pass


def test_a_full_disk_does_not_keep_a_lock_from_being_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that frees the disk may be a `down`."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with locked("demo", "down"), pytest.raises(PortableError, match=r"demo .* another command") as caught, locked("demo", "up", wait=0):
        pass
    assert caught.value.code == "file.locked"
