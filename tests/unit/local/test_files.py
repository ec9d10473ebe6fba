"""Files that are written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from portable.local.files import translated, write_atomically, write_private
from portable.model.errors import PortableError


def test_one_file_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    write_atomically(path, "one\n", mode=0o600)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("one\n", 0o600)
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\udcff")
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["x"], "no temporary file is left"
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "folder", "two")
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["x"]
    assert path.read_text() == "one\n"


def test_a_full_disk_leaves_the_old_text_and_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    write_private(path, "one")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as raw:
        write_atomically(path, "two")
    assert raw.value.filename == str(path)
    with pytest.raises(PortableError) as translated:
        write_private(path, "two")
    assert (translated.value.where, translated.value.code) == (str(path), "file.disk-full")
    assert ([file.name for file in tmp_path.iterdir()], path.read_text()) == (["x"], "one")


def test_a_private_file_is_its_owners_unless_said_otherwise(tmp_path: Path) -> None:
    write_private(tmp_path / "mine", "text")
    write_private(tmp_path / "shared", "text", mode=0o644)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("mine", "shared")] == [0o600, 0o644]


@pytest.mark.parametrize(("folder", "remedy"), [("state/portable/media", "set XDG_STATE_HOME"), ("secrets", "findmnt -T ")])
def test_the_remedy_for_a_read_only_file_fits_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, remedy: str) -> None:
    """Only the state has a variable: secrets, images and rendered files do not move with it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / folder / "file"
    with pytest.raises(PortableError) as caught, translated(path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    assert caught.value.code == "file.read-only"
    assert remedy in str(caught.value.remedy)
    assert ("XDG_STATE_HOME" in str(caught.value.remedy)) == (folder != "secrets")
