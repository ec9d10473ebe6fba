"""The cache of a user: made for that user alone, and never in the home folder of another one."""

import os
from pathlib import Path

import pytest

from portable.local.folders import own_cache


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_the_cache_is_made_for_its_user_alone_whatever_the_umask(home: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        folder = own_cache("files")
    finally:
        os.umask(before)
    assert folder == home / ".cache" / "portable" / "files"
    assert [path.stat().st_mode & 0o777 for path in (folder, folder.parent)] == [0o700, 0o700]
    assert own_cache("files") == folder


def test_root_makes_no_folder_in_the_home_of_another_user(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That user could not write to it, and other programs want `~/.cache` too."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    real = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = list(real(path, follow_symlinks=follow_symlinks))
        found[4] = 1000
        return os.stat_result(found)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", stat)
        assert own_cache("files") is None
    assert list(home.iterdir()) == []
