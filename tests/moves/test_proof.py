"""What is damaged on the way is found by the proof: flips, truncations, lost facts, and changes after it."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from portable.migrate import hooks as points
from portable.migrate import machine, mover
from portable.migrate.comparing import differences
from portable.migrate.ending import roll_back
from portable.migrate.machine import DifferentError
from portable.migrate.manifest import make_manifest
from portable.migrate.moving import begin, resume
from portable.migrate.places import WORK
from portable.migrate.planning import STAGED
from tests.moves.running import equal

FLIPS = 1000
_BLOCK = 64 << 10
_SIZE = 8 * _BLOCK


@pytest.fixture
def tree(scratch: Path) -> Path:
    source = scratch / "source"
    source.mkdir()
    (source / "film").write_bytes(random.Random(2).randbytes(_SIZE))
    (source / "folder").mkdir()
    (source / "folder" / "small").write_bytes(b"small")
    os.link(source / "folder" / "small", source / "linked")
    (source / "link").symlink_to("film")
    return source


def test_each_of_many_flipped_bits_is_found(scratch: Path, tree: Path) -> None:
    proven = make_manifest(tree, scratch / "m")
    copied = scratch / "copy"
    shutil.copytree(tree, copied, symlinks=True)
    (copied / "linked").unlink()
    os.link(copied / "folder" / "small", copied / "linked")
    for path in (copied, copied / "folder"):
        shutil.copystat(tree / path.relative_to(copied), path)
    shutil.copystat(tree / "link", copied / "link", follow_symlinks=False)
    assert equal(proven, copied, scratch / "n") == []
    dice, film, sound = random.Random(3), (copied / "film").stat(), digest(tree)
    for number in range(FLIPS):
        at, bit = dice.randrange(film.st_size), 1 << dice.randrange(8)
        with (copied / "film").open("r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ bit]))
            file.flush()
            os.utime(copied / "film", ns=(film.st_atime_ns, film.st_mtime_ns))
            if number % 50 == 0:  # the whole machinery for some, its reader for all
                assert equal(proven, copied, scratch / "n") == [("film", "sha256")], (number, at, bit)
            else:
                assert digest(copied) != sound, (number, at, bit)
            file.seek(at)
            file.write(bytes([byte]))


def digest(tree: Path) -> str:
    from portable.migrate.facts import file_facts

    folder = os.open(tree, os.O_RDONLY)
    try:
        return str(file_facts(b"film", folder)["sha256"])
    finally:
        os.close(folder)


def test_each_truncation_is_found(scratch: Path, tree: Path) -> None:
    proven = make_manifest(tree, scratch / "m")
    copied = scratch / "copy"
    begin(tree, copied)
    film = (copied / "film").stat()
    for size in range(0, film.st_size, _BLOCK):
        os.truncate(copied / "film", size)
        os.utime(copied / "film", ns=(film.st_atime_ns, film.st_mtime_ns))
        assert ("film", "size") in equal(proven, copied, scratch / "n"), size
        shutil.copyfile(tree / "film", copied / "film")


def split_link(d: Path) -> None:
    (d / "linked").unlink()
    (d / "linked").write_bytes(b"small")


def other_target(d: Path) -> None:
    (d / "link").unlink()
    (d / "link").symlink_to("other")


def other_type(d: Path) -> None:
    (d / "folder" / "small").unlink()
    (d / "folder" / "small").mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "content": lambda d: (d / "film").write_bytes(b"x" * _SIZE),
    "size": lambda d: os.truncate(d / "film", 5),
    "missing": lambda d: (d / "film").unlink(),
    "extra": lambda d: (d / "foreign").touch(),
    "mode": lambda d: (d / "film").chmod(0o777),
    "owner": lambda d: os.chown(d / "film", 1, 1),
    "time": lambda d: os.utime(d / "film", ns=(0, 0)),
    "split link": split_link,
    "target": other_target,
    "attribute": lambda d: os.setxattr(d / "film", "user.foreign", b"x"),
    "type": other_type,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_copy_that_stays_damaged_is_never_done(damage: str, scratch: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mover that damages what it copies, each time: both proofs find it, the apps do not start, and a rollback ends well."""
    real, target = mover.copy, scratch / "target"

    def damaging(*arguments: object, **options: object) -> object:
        done = real(*arguments, **options)  # type: ignore[arg-type]
        DAMAGES[damage](target / WORK / STAGED)
        return done

    monkeypatch.setattr(machine, "copy", damaging)
    started = make_manifest(tree, scratch / "m")
    with pytest.raises(DifferentError) as error:
        begin(tree, target)
    assert error.value.code == "migrate.differs"
    assert error.value.differences
    monkeypatch.undo()
    assert equal(started, tree, scratch / "n") == []
    if damage in ("content", "missing"):
        assert resume(target).step == "done"
        assert equal(started, target, scratch / "n") == []
    else:
        roll_back(target)
        assert not target.exists()


def test_a_file_that_only_the_quick_check_takes_for_equal_is_mended(scratch: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Size and time are equal, and the bytes are not: the first proof finds it, and a copy by checksum mends it."""
    film = (tree / "film").stat()
    rounds: list[str] = []

    def reach(point: str) -> None:
        if point == "round" and not rounds:
            rounds.append(point)
            with (tree / "film").open("r+b") as file:
                file.write(b"other bytes")
            os.utime(tree / "film", ns=(film.st_atime_ns, film.st_mtime_ns))

    monkeypatch.setattr(points, "reach", reach)
    assert begin(tree, scratch / "target").step == "done"
    assert (scratch / "target" / "film").read_bytes().startswith(b"other bytes")


def test_a_source_that_somebody_writes_during_the_proof_is_refused(scratch: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reach(point: str) -> None:
        if point == "read copy":
            (tree / "folder" / "small").write_bytes(b"written by an app that somebody started")

    monkeypatch.setattr(points, "reach", reach)
    with pytest.raises(DifferentError) as error:
        begin(tree, scratch / "target")
    assert error.value.code == "migrate.source-changed"
    assert ("folder/small", "sha256") in [(d.path, d.field) for d in error.value.differences]


def test_damage_after_the_proof_is_found_before_the_start(scratch: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reach(point: str) -> None:
        if point == "proven":
            film = scratch / "target" / WORK / STAGED / "film"
            was = film.stat()
            with film.open("r+b") as file:
                file.write(b"flip")
            os.utime(film, ns=(was.st_atime_ns, was.st_mtime_ns))

    monkeypatch.setattr(points, "reach", reach)
    with pytest.raises(DifferentError) as error:
        begin(tree, scratch / "target")
    assert error.value.code == "migrate.differs"
    monkeypatch.undo()
    end = roll_back(scratch / "target")
    assert os.listdir(scratch / "target") == [end.aside], "what somebody wrote is put aside, not removed"  # noqa: PTH208


def test_the_hazard_tree_moves_without_a_difference(scratch: Path, hazard_tree: Path) -> None:
    from tests.moves import hazards

    before = make_manifest(hazard_tree, scratch / "m")
    assert before.end.entries >= 1000
    assert len(hazards.KINDS) >= 45
    journal = begin(hazard_tree, scratch / "target")
    assert (journal.step, journal.losses) == ("done", ())
    assert equal(before, scratch / "target", scratch / "n") == []
    assert list(differences(before, make_manifest(hazard_tree, scratch / "o"))) == []
