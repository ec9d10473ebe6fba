"""Wrong sources, used targets and second moves are refused before the first byte, and change nothing."""

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portable.migrate import hooks as points
from portable.migrate import mover, personality, places
from portable.migrate.ending import GIVEN_UP, confirm, removal, roll_back
from portable.migrate.hooks import MoveHooks
from portable.migrate.moving import begin, resume
from portable.migrate.personality import SCRATCH
from portable.migrate.places import FOUND, WORK
from portable.migrate.planning import dry_run
from portable.model.errors import PortableError
from portable.model.findings import Finding


@pytest.fixture(autouse=True)
def any_rsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ring of moves checks the version; these tests also run where rsync is older, and no data of theirs is hostile."""
    monkeypatch.setattr(mover, "_OLDEST", (3, 2))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "app.db").write_text("state")
    return folder


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(PortableError) as error:
        action()
    return error.value.code


def stopped(point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail at a point, as a full disk would."""

    def reach(name: str) -> None:
        if name == point:
            raise PortableError("stopped by the test", code="migrate.failed")

    monkeypatch.setattr(points, "reach", reach)


def both(source: Path, target: Path) -> Iterator[str]:
    yield code_of(lambda: dry_run(source, target))
    yield code_of(lambda: begin(source, target))


def test_a_move_copies_and_leaves_the_source(source: Path, tmp_path: Path) -> None:
    assert begin(source, tmp_path / "target").step == "done"
    assert [name for name in listing(tmp_path / "target") if not name.startswith(WORK)] == ["config", "config/app.db"]
    assert listing(source) == ["config", "config/app.db"]


@pytest.mark.parametrize("kind", ["missing", "file", "link"])
def test_a_source_that_is_no_folder(kind: str, source: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    if kind == "file":
        wrong.touch()
    if kind == "link":
        wrong.symlink_to(source)
    assert set(both(wrong, tmp_path / "target")) == {"migrate.source-kind"}
    assert not (tmp_path / "target").exists()


def test_an_empty_source(tmp_path: Path) -> None:
    (tmp_path / "empty" / FOUND).mkdir(parents=True)
    assert set(both(tmp_path / "empty", tmp_path / "target")) == {"migrate.source-empty"}


def test_a_source_that_is_not_mounted(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "fstab_points", lambda: iter([os.fsencode(source.parent)]))
    assert set(both(source, tmp_path / "target")) == {"migrate.source-unmounted"}


def test_the_mount_points_of_fstab(tmp_path: Path) -> None:
    lines = (
        "# x\nUUID=1 / ext4 defaults 0 1\n/dev/a /mnt/a\\040b ext4 rw 0 2\n/dev/b /mnt/b ext4 noauto,user 0 2\n/dev/c none swap sw 0 0\n"
    )
    (tmp_path / "fstab").write_text(lines)
    assert list(places.fstab_points(tmp_path / "fstab")) == [b"/mnt/a b"]
    assert list(places.fstab_points(tmp_path / "missing")) == []


@pytest.mark.parametrize("path", ["source", "source/inner", "source/config", "."])
def test_one_folder_in_the_other(path: str, source: Path, tmp_path: Path) -> None:
    before = listing(tmp_path)
    assert set(both(source, tmp_path / path)) == {"migrate.nested"}
    assert listing(tmp_path) == before


def test_a_neighbour_with_a_longer_name_is_not_nested(source: Path, tmp_path: Path) -> None:
    assert begin(source, tmp_path / "source2").step == "done"


@pytest.mark.parametrize("kind", ["file", "hidden", "link", "no parent", "a file itself"])
def test_a_target_that_is_used_or_none(kind: str, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    if kind in ("file", "hidden"):
        target.mkdir()
        (target / (".x" if kind == "hidden" else "x")).touch()
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        target.symlink_to(tmp_path / "elsewhere")
    if kind == "no parent":
        target = tmp_path / "no" / "target"
    if kind == "a file itself":
        target.touch()
    before = listing(tmp_path)
    expected = "migrate.target-not-empty" if kind in ("file", "hidden") else "migrate.target-kind"
    assert set(both(source, target)) == {expected}
    assert listing(tmp_path) == before


def test_a_new_file_system_counts_as_empty(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "target" / FOUND).mkdir(parents=True)
    stopped("placed", monkeypatch)
    assert code_of(lambda: begin(source, tmp_path / "target")) == "migrate.failed"
    roll_back(tmp_path / "target")
    assert listing(tmp_path / "target") == [FOUND]


def test_an_unknown_waiver(source: Path, tmp_path: Path) -> None:
    assert code_of(lambda: begin(source, tmp_path / "target", waive={"everything": "x"})) == "migrate.unknown-waiver"
    assert code_of(lambda: dry_run(source, tmp_path / "target", waive={"everything": "x"})) == "migrate.unknown-waiver"


def test_a_second_move_of_one_source(source: Path, tmp_path: Path) -> None:
    held = os.open(source, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        assert set(both(source, tmp_path / "target")) == {"migrate.busy"}
    finally:
        os.close(held)


def test_a_second_move_into_one_target(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_WAIT", 0.1)
    (tmp_path / "target" / WORK).mkdir(parents=True)
    held = os.open(tmp_path / "target" / WORK / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        assert code_of(lambda: begin(source, tmp_path / "target")) == "migrate.busy"
        assert code_of(lambda: resume(tmp_path / "target")) == "migrate.busy"
        assert code_of(lambda: roll_back(tmp_path / "target")) == "migrate.busy"
    finally:
        os.close(held)


def test_an_unfinished_move_is_not_begun_again(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped("copied", monkeypatch)
    assert code_of(lambda: begin(source, tmp_path / "target")) == "migrate.failed"
    monkeypatch.undo()
    assert code_of(lambda: begin(source, tmp_path / "target")) == "migrate.unfinished"
    assert code_of(lambda: confirm(tmp_path / "target")) == "migrate.confirm-first"
    assert code_of(lambda: removal(tmp_path / "target")) == "migrate.confirm-first"
    assert code_of(lambda: dry_run(tmp_path / "target", tmp_path / "third")) == "migrate.source-unfinished"
    assert resume(tmp_path / "target").step == "done"
    assert resume(tmp_path / "target").step == "done"


def test_a_swapped_source_is_not_resumed(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped("copied", monkeypatch)
    code_of(lambda: begin(source, tmp_path / "target"))
    monkeypatch.undo()
    source.rename(tmp_path / "first")
    source.mkdir()
    (source / "other").touch()
    assert code_of(lambda: resume(tmp_path / "target")) == "migrate.source-swapped"
    roll_back(tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_wiped_source_is_not_resumed(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        (source / str(number)).touch()
    stopped("checkpointed", monkeypatch)
    code_of(lambda: begin(source, tmp_path / "target"))
    monkeypatch.undo()
    for number in range(9):
        (source / str(number)).unlink()
    assert code_of(lambda: resume(tmp_path / "target")) == "migrate.source-shrunk"
    (source / "config" / "app.db").unlink()
    (source / "config").rmdir()
    (source / "9").unlink()
    assert code_of(lambda: resume(tmp_path / "target")) == "migrate.source-empty"


def test_nothing_to_resume_to_undo_or_to_confirm(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    for action in (resume, roll_back, confirm, removal):
        for path in (tmp_path / "target", tmp_path / "missing"):
            assert code_of(lambda action=action, path=path: action(path)) == "migrate.not-begun"  # type: ignore[misc]
    assert listing(tmp_path / "target") == []


def test_somebody_else_writes_the_target_meanwhile(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reach(name: str) -> None:
        if name == "placing":
            (tmp_path / "target" / "config").mkdir()
            (tmp_path / "target" / "config" / "mine").touch()

    monkeypatch.setattr(points, "reach", reach)
    assert code_of(lambda: begin(source, tmp_path / "target")) == "migrate.target-not-empty"
    assert (tmp_path / "target" / "config" / "mine").exists()


def test_a_rollback_keeps_what_somebody_else_wrote(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the name of an entry that is not moved up, beside the entries, and in one of them."""
    target = tmp_path / "target"
    (source / "zzz").touch()

    def reach(name: str) -> None:
        if name == "placing":
            (target / "zzz").write_text("mine")

    monkeypatch.setattr(points, "reach", reach)
    assert code_of(lambda: begin(source, target)) == "migrate.target-not-empty"
    monkeypatch.undo()
    assert (target / "config" / "app.db").exists()
    (target / "mine").touch()
    (target / "config" / "mine").touch()
    end = roll_back(target)
    assert end.left == ("mine", "zzz")
    assert listing(target) == [end.aside, f"{end.aside}/config", *(f"{end.aside}/config/{n}" for n in ("app.db", "mine")), "mine", "zzz"]
    assert (target / "zzz").read_text() == "mine"


def test_confirm_keeps_a_source_with_entries_that_did_not_move(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(source / "pipe")
    monkeypatch.setattr(personality._Trial, "_special", lambda *_: False)
    begin(source, tmp_path / "target")
    assert not (tmp_path / "target" / "pipe").exists()
    assert code_of(lambda: confirm(tmp_path / "target", clean_source=True)) == "migrate.left-out"
    assert confirm(tmp_path / "target").removed == ()
    assert listing(source) == ["config", "config/app.db", "pipe"]


class Gate(MoveHooks):
    """A gate that refuses until it is opened."""

    is_open = False
    started = 0

    def gate(self, target: Path) -> tuple[Finding, ...]:
        finding = Finding(
            field="owner", path=str(target), class_="data", text="owned by root", remedy="chown", code="migrate.lost-ownership",
            verdict="noted" if self.is_open else "refused",
        )  # fmt: skip
        return (finding,)

    def start_target(self, target: Path) -> None:
        self.started += 1


def test_the_start_gate_stops_before_the_start(source: Path, tmp_path: Path) -> None:
    gate = Gate()
    assert code_of(lambda: begin(source, tmp_path / "target", hooks=gate)) == "migrate.start-gate"
    assert gate.started == 0
    gate.is_open = True
    assert resume(tmp_path / "target", hooks=gate).step == "done"
    assert gate.started == 1


def test_a_rollback_after_the_start_puts_the_targets_state_aside(source: Path, tmp_path: Path) -> None:
    begin(source, tmp_path / "target")
    (tmp_path / "target" / "config" / "app.db").write_text("written on the target")
    (tmp_path / "target" / "new").touch()
    end = roll_back(tmp_path / "target")
    assert end.aside.startswith(GIVEN_UP)
    assert listing(tmp_path / "target") == [end.aside, *(f"{end.aside}/{n}" for n in ("config", "config/app.db", "new"))]
    assert (tmp_path / "target" / end.aside / "config" / "app.db").read_text() == "written on the target"
    assert (source / "config" / "app.db").read_text() == "state"


def test_confirm_names_and_removes_only_what_was_proven(source: Path, tmp_path: Path) -> None:
    begin(source, tmp_path / "target")
    named = removal(tmp_path / "target")
    assert (named.paths, named.entries, named.bytes) == ((str(source / "config"),), 2, 5)
    (source / "late").touch()
    assert code_of(lambda: confirm(tmp_path / "target", clean_source=True)) == "migrate.source-changed"
    (source / "late").unlink()
    (source / "config" / "app.db").write_text("newer")
    assert code_of(lambda: confirm(tmp_path / "target", clean_source=True)) == "migrate.source-changed"
    assert listing(source) == ["config", "config/app.db"]


def test_confirm_without_a_word_keeps_the_source(source: Path, tmp_path: Path) -> None:
    begin(source, tmp_path / "target")
    before = (tmp_path / "target").stat().st_mtime_ns
    assert confirm(tmp_path / "target").removed == ()
    assert listing(source) == listing(tmp_path / "target") == ["config", "config/app.db"]
    assert (tmp_path / "target").stat().st_mtime_ns == before == source.stat().st_mtime_ns


def test_confirm_keeps_the_only_copy(source: Path, tmp_path: Path) -> None:
    begin(source, tmp_path / "target")
    (tmp_path / "target" / "config").rename(tmp_path / "lost")
    assert code_of(lambda: confirm(tmp_path / "target", clean_source=True)) == "migrate.target-kind"
    assert listing(source) == ["config", "config/app.db"]


def test_an_old_or_absent_rsync(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mover, "_OLDEST", (99, 0, 0))
    assert set(both(source, tmp_path / "target")) == {"migrate.mover-old"}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert set(both(source, tmp_path / "target")) == {"migrate.mover-absent"}
    assert not (tmp_path / "target").exists()


def test_what_a_killed_probe_left_in_the_target_is_removed(source: Path, tmp_path: Path) -> None:
    """It is no data of somebody else, and does not end up among the state."""
    target = tmp_path / "target"
    for plan_or_move in (lambda: dry_run(source, target), lambda: begin(source, target)):
        (target / f"{SCRATCH}left" / "folder").mkdir(parents=True)
        (target / f"{SCRATCH}file").touch()
        plan_or_move()
        assert not [path.name for path in target.iterdir() if path.name.startswith(SCRATCH)]
    assert (target / "config" / "app.db").read_text() == "state"
