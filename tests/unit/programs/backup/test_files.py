"""Files and folders held open: no link is followed, and nothing outside is removed."""

import json
import os
from pathlib import Path

import pytest

from portable.programs.backup import files
from portable.programs.backup.files import new_file, opened, remove, remove_emptied, remove_if_empty, remove_tree, write_json


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with a file, to which a link `tmp_path / "link"` leads."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text("theirs")
    (tmp_path / "link").symlink_to(folder)
    return folder


def test_a_link_is_no_folder(tmp_path: Path, outside: Path) -> None:
    with pytest.raises(OSError, match="link"), opened(tmp_path / "link"):
        pass
    with opened(tmp_path) as folder, pytest.raises(NotADirectoryError), opened("link", folder, made=True):
        pass
    assert [path.name for path in outside.iterdir()] == ["file"]


def test_a_link_to_a_file_is_not_written(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "name").symlink_to(outside / "file")
    for flags in (os.O_EXCL, os.O_TRUNC):
        with pytest.raises(OSError, match=r"exists|symbolic"), new_file(tmp_path / "name", flags=flags):
            pass
    assert (outside / "file").read_text() == "theirs"


def test_removing_a_tree_removes_links_and_not_what_they_lead_to(tmp_path: Path, outside: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below" / "file").write_text("mine")
    (tree / "below" / "link").symlink_to(outside)
    (tree / "below").chmod(0)
    (tmp_path / "nowhere").symlink_to("missing")
    with opened(tmp_path) as folder:
        for name in ("tree", "link", "nowhere", "never there"):
            remove_tree(name, folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside"]
    assert (outside / "file").read_text() == "theirs"
    remove(tmp_path / "missing" / "folder")


@pytest.mark.parametrize("prefix", [".fuse_hidden", ".nfs"])
def test_a_removed_file_that_is_still_open_does_not_keep_the_removal_busy_for_ever(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS and libfuse rename it instead, again with each removal, until it is closed."""
    tree, is_open, renamed, unlink = tmp_path / "tree", True, [0], os.unlink
    (tree / f"{prefix}-folder").mkdir(parents=True)
    (tree / f"{prefix}-stale").write_text("of a program that was killed")
    (tree / "lock").write_text("mine")

    def rename_open(name: str, *, dir_fd: int) -> None:
        if not is_open or name == f"{prefix}-stale":
            unlink(name, dir_fd=dir_fd)
            return
        renamed[0] += 1
        assert renamed[0] < 10, "it renames for ever"
        os.rename(name, f"{prefix}{renamed[0]:04}", src_dir_fd=dir_fd, dst_dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", rename_open)
    monkeypatch.setattr(files, "_CLOSING", 0.2)
    with opened(tmp_path) as folder:
        with pytest.raises(OSError, match="not empty"):
            remove_tree("tree", folder)
        (left,) = tree.iterdir()
        assert left.read_text() == "mine"
        is_open = False
        remove_tree("tree", folder)
    assert not tree.exists()


def test_an_emptied_folder_with_a_new_entry_is_left(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "lock").touch()
    with opened(tmp_path) as folder, pytest.raises(OSError, match="not empty"):
        remove_emptied("tree", folder)
    assert (tmp_path / "tree" / "lock").exists()


def test_only_an_empty_folder_is_removed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with opened(tmp_path) as folder:
        assert [remove_if_empty(name, folder) for name in ("empty", "full", "never there")] == [True, False, True]
    assert (tmp_path / "full" / "file").exists()


def test_what_is_written_takes_the_place_of_the_old_text_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal"
    write_json(path, {"step": "one"})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_json(path, {"step": "two"})
    assert json.loads(path.read_text()) == {"step": "one"}
    write_json(path, {"step": "two"})
    assert json.loads(path.read_text()) == {"step": "two"}
