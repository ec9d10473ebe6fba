"""Manifests: every field, every kind of entry, and nothing skipped in silence."""

import errno
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from portable.migrate import facts, manifest, names
from portable.migrate.comparing import differences
from portable.migrate.entries import FIELDS, ManifestEntry
from portable.migrate.manifest import Manifest, make_manifest
from portable.migrate.walking import CHANGED
from portable.model.errors import PortableError


def made(tree: Path, name: str = "manifest") -> Manifest:
    return make_manifest(tree, tree.parent / name)


def entries(tree: Path) -> dict[str, ManifestEntry]:
    return {entry.path: entry for entry in made(tree).entries()}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


def test_each_type_is_recorded(tree: Path) -> None:
    (tree / "file").write_bytes(b"abc")
    (tree / "folder").mkdir()
    (tree / "link").symlink_to("nowhere")
    os.mkfifo(tree / "pipe", 0o640)
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(tree, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
    found = entries(tree)
    assert {path: entry.type for path, entry in found.items()} == {
        "": "folder", "file": "file", "folder": "folder", "link": "symlink", "pipe": "fifo", "socket": "socket",
    }  # fmt: skip
    assert found["file"].sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (found["file"].size, found["link"].target, found["pipe"].mode) == (3, "nowhere", 0o640)
    assert found["file"].mtime == (tree / "file").stat().st_mtime_ns


def test_links_are_groups_named_by_their_first_path(tree: Path) -> None:
    (tree / "a").mkdir()
    (tree / "a" / "x").write_text("x")
    os.link(tree / "a" / "x", tree / "b")
    (tree / "c").write_text("x")
    os.link(tree / "c", tree.parent / "outside")
    found = entries(tree)
    assert {path: entry.links for path, entry in found.items() if entry.type == "file"} == {"a/x": "", "b": "a/x", "c": ""}
    assert found["b"].sha256 == found["a/x"].sha256
    assert made(tree).end.outside_links == 1
    assert made(tree).end.bytes == 2


def test_entries_come_in_the_order_of_names_not_of_paths(tree: Path) -> None:
    for name in ("a.b", "a-b", "a b"):
        (tree / name).touch()
    (tree / "a").mkdir()
    (tree / "a" / "x").touch()
    paths = [entry.path for entry in made(tree).entries()]
    assert paths == ["", "a", "a/x", "a b", "a-b", "a.b"]
    assert paths == sorted(paths, key=names.order)


@pytest.mark.parametrize("name", [b"plain", b"caf\xc3\xa9", b"\xff", b"%41", b"a\nb", b" ", b"100%", b"\xe2\x80\xae", b"\\*"])
def test_any_name_is_text_that_is_read_back(name: bytes) -> None:
    assert names.unescaped(names.escaped(name)) == name
    assert names.escaped(name).isprintable()


def test_a_large_folder_is_sorted_on_disk(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_RUN", 7)
    for number in range(100):
        (tree / f"{number * 37 % 100}\n").touch()
    folder = os.open(tree, os.O_RDONLY)
    try:
        assert list(names.sorted_names(folder)) == sorted(f"{number}\n".encode() for number in range(100))
    finally:
        os.close(folder)


def test_a_file_that_cannot_be_read_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "good").touch()
    (tree / "bad").write_text("x")

    def broken(name: bytes, folder: int) -> int:
        if name == b"bad":
            raise OSError(errno.EIO, "Input/output error")
        return os.open(name, os.O_RDONLY, dir_fd=folder)

    monkeypatch.setattr(facts, "open_file", broken)
    source = made(tree)
    assert [(e.path, e.problem, e.size) for e in source.problems()] == [("bad", "Input/output error", 1)]
    assert source.end.problems == 1
    assert [(d.path, d.field) for d in differences(source, source)] == [("bad", "problem")]


def test_a_folder_that_cannot_be_listed_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "folder").mkdir()
    (tree / "folder" / "x").touch()
    real = os.open

    def broken(path: str | bytes, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == b"folder":
            raise OSError(errno.EACCES, "Permission denied")
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", broken)
    assert [(e.path, e.type, e.problem) for e in made(tree).problems()] == [("folder", "folder", "Permission denied")]


def test_a_file_that_changes_while_it_is_read_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "log").write_text("x")
    real = facts._digest

    def while_read(file: int) -> tuple[str, int]:
        with (tree / "log").open("a") as log:
            log.write("y")
        return real(file)

    monkeypatch.setattr(facts, "_digest", while_read)
    assert [(e.path, e.problem) for e in made(tree).problems()] == [("log", CHANGED)]


def test_a_file_that_changed_once_is_read_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "log").write_text("x")
    real, calls = facts._digest, []

    def once(file: int) -> tuple[str, int]:
        calls.append(file)
        if len(calls) == 1:
            (tree / "log").write_text("yy")
        return real(file)

    monkeypatch.setattr(facts, "_digest", once)
    assert [(e.size, e.problem) for e in made(tree).entries() if e.path == "log"] == [(2, "")]


def test_a_folder_that_changes_while_it_is_read_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "folder").mkdir()
    (tree / "folder" / "a").write_text("x")
    real = facts._digest

    def while_read(file: int) -> tuple[str, int]:
        (tree / "folder" / "0 before a").touch()
        return real(file)

    monkeypatch.setattr(facts, "_digest", while_read)
    source = made(tree)
    assert (source.end.changed, source.end.problems) == (("folder",), 1)
    assert {(d.path, d.field, d.class_) for d in differences(source, source)} == {("folder", "problem", "data")}


def test_what_belongs_to_no_tree_is_left_out_only_at_its_top(tree: Path) -> None:
    for folder in (tree, tree / "a"):
        (folder / "work").mkdir(parents=True)
    found = make_manifest(tree, tree.parent / "m", skip=frozenset({b"work"}))
    assert [entry.path for entry in found.entries()] == ["", "a", "a/work"]


def test_reading_leaves_access_times_as_they_are(tree: Path) -> None:
    (tree / "file").write_text("x")
    os.utime(tree / "file", ns=(1, 10**18))
    made(tree)
    assert (tree / "file").stat().st_atime_ns == 1


def test_a_manifest_that_is_cut_short_or_changed_is_refused(tree: Path) -> None:
    for number in range(50):
        (tree / str(number)).touch()
    source = made(tree)
    whole = source.file.read_bytes()
    for size in range(0, len(whole), 997):
        source.file.write_bytes(whole[:size])
        with pytest.raises(PortableError) as error:
            list(Manifest(source.file).entries())
        assert error.value.code == "migrate.manifest"
    source.file.write_bytes(whole.replace(b'"path":"7"', b'"path":"8"'))
    with pytest.raises(PortableError):
        list(Manifest(source.file).entries())


def test_an_unchanged_file_is_not_read_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_TICK", 0)
    for name in ("same", "other", "same/x"):
        (tree / name.replace("/", "-")).write_text(name)
    time.sleep(0.02)  # a stamp as young as the manifest is not trusted
    first = made(tree)
    was = (tree / "other").stat()
    (tree / "other").write_text("rehto")
    os.utime(tree / "other", ns=(was.st_atime_ns, was.st_mtime_ns))
    read: list[str] = []
    real = facts._digest

    def noted(file: int) -> tuple[str, int]:
        read.append(Path(f"/proc/self/fd/{file}").readlink().name)
        return real(file)

    monkeypatch.setattr(facts, "_digest", noted)
    second = make_manifest(tree, tree.parent / "second", known=first.known())
    assert read == ["other"]
    assert [(d.path, d.field) for d in differences(first, second)] == [("other", "sha256")]


def test_a_young_file_is_read_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "young").write_text("x")
    first = made(tree)
    monkeypatch.setattr(facts, "_digest", lambda _file: ("another", 1))
    second = make_manifest(tree, tree.parent / "second", known=first.known())
    assert [(d.path, d.field) for d in differences(first, second)] == [("young", "sha256")]


def test_a_pipe_in_the_place_of_a_file_does_not_block(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "file").touch()
    real = facts.open_file

    def replaced(name: bytes, folder: int) -> int:
        (tree / "file").unlink(missing_ok=True)
        os.mkfifo(tree / "file")
        try:
            return real(name, folder)
        finally:
            (tree / "file").unlink()

    monkeypatch.setattr(facts, "open_file", replaced)
    done: list[Manifest] = []
    walk = threading.Thread(target=lambda: done.append(made(tree)), daemon=True)
    walk.start()
    walk.join(20)
    assert not walk.is_alive()
    assert done[0].end.problems >= 1


def test_every_field_has_a_class() -> None:
    compared = [field for field in FIELDS if field not in ("missing", "extra", "problem")]
    assert len(compared) == 14
    assert set(compared) - {"owner", "group", "links"} <= set(ManifestEntry.__struct_fields__)
