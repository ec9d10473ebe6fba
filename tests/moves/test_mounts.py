"""Mounts in and around a source: never walked, never removed, and no way around the rule that source and target lie apart."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portable.migrate.ending import confirm
from portable.migrate.manifest import make_manifest
from portable.migrate.moving import begin
from portable.migrate.planning import dry_run
from portable.model.errors import PortableError, Refused
from tests.moves.kinds import btrfs, run
from tests.moves.running import equal, names_in


@contextmanager
def bind(source: Path, point: Path) -> Iterator[None]:
    run("mount", "--bind", str(source), str(point))
    try:
        yield
    finally:
        run("umount", str(point))


@pytest.fixture
def source(scratch: Path) -> Path:
    folder = scratch / "source"
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "app.db").write_text("state")
    (folder / "cloud").mkdir()
    (folder / "settings").touch()
    (scratch / "elsewhere").mkdir()
    (scratch / "elsewhere" / "film.mkv").write_text("foreign")
    return folder


@pytest.mark.parametrize("point", ["cloud", "settings"])
def test_a_mount_inside_is_named_and_never_walked(point: str, scratch: Path, source: Path) -> None:
    """A bind mount of the same file system has the same device number, so only the kernel's list of mounts tells."""
    what = scratch / "elsewhere" if point == "cloud" else scratch / "elsewhere" / "film.mkv"
    with bind(what, source / point):
        entries = {entry.path: entry for entry in make_manifest(source, scratch / "m").entries()}
        assert entries[point].type == "mount"
        assert "cloud/film.mkv" not in entries
        assert [(loss.kind, loss.stops) for loss in dry_run(source, scratch / "target").losses] == [("mounts", True)]
        with pytest.raises(Refused) as refused:
            begin(source, scratch / "target")
        assert refused.value.code == "migrate.mounts-inside"
        assert begin(source, scratch / "target", waive={"mounts": "a cloud"}).step == "done"
        assert not (scratch / "target" / point).exists()
        with pytest.raises(PortableError) as error:
            confirm(scratch / "target", clean_source=True)
        assert error.value.code == "migrate.mounts-inside"
        assert (scratch / "elsewhere" / "film.mkv").read_text() == "foreign"
    assert names_in(source) == ["cloud", "settings", "state"]


@pytest.mark.parametrize("within", ["", "state"])
def test_a_target_that_is_the_source_under_another_mount(within: str, scratch: Path, source: Path) -> None:
    (scratch / "other").mkdir()
    before = make_manifest(source, scratch / "m")
    with bind(source / within, scratch / "other"):
        for target in (scratch / "other", scratch / "other" / "new"):
            with pytest.raises(Refused) as refused:
                begin(source, target)
            assert refused.value.code == "migrate.nested"
    assert equal(before, source, scratch / "n") == []


def test_a_source_that_lies_in_the_target_by_another_mount(scratch: Path, source: Path) -> None:
    (scratch / "other").mkdir()
    with bind(source / "state", scratch / "other"), pytest.raises(Refused) as refused:
        begin(scratch / "other", source)
    assert refused.value.code == "migrate.nested"


def test_a_source_that_is_unmounted_between_two_commands(scratch: Path) -> None:
    from portable.migrate import hooks as points
    from portable.migrate.moving import resume

    (scratch / "disk").mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(scratch / "disk"))
    try:
        (scratch / "disk" / "file").touch()

        def reach(_point: str) -> None:
            if _point == "precopied":
                done = subprocess.run(["umount", str(scratch / "disk")], capture_output=True, check=False)
                assert done.returncode != 0, "the running move holds its source open"
                raise PortableError("stopped by the test", code="migrate.failed")

        real, points.reach = points.reach, reach
        try:
            with pytest.raises(PortableError):
                begin(scratch / "disk", scratch / "target")
        finally:
            points.reach = real
    finally:
        run("umount", str(scratch / "disk"))
    for name in ("", "file"):  # empty, and with another file in the place of the mount
        if name:
            (scratch / "disk" / name).touch()
        with pytest.raises(Refused) as refused:
            resume(scratch / "target")
        assert refused.value.code == ("migrate.source-swapped" if name else "migrate.source-empty")


def test_a_subvolume_in_the_source_moves(scratch: Path) -> None:
    """It is no mount, although its device number differs: `rsync --one-file-system` would leave it out."""
    with btrfs(scratch) as disk:
        (disk / "source").mkdir()
        run("btrfs", "subvolume", "create", str(disk / "source" / "inner"))
        (disk / "source" / "inner" / "file").write_text("x")
        assert begin(disk / "source", disk / "target").step == "done"
        assert (disk / "target" / "inner" / "file").read_text() == "x"


def test_links_out_of_the_source_are_named(scratch: Path, source: Path) -> None:
    os.link(source / "settings", scratch / "outside")
    plan = dry_run(source, scratch / "target")
    assert [(loss.kind, loss.count, loss.stops) for loss in plan.losses] == [("outside-links", 1, False)]
