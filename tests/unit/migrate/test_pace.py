"""The estimate of a move's time: measured, added up, and unknown where nothing can be measured."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.migrate import pace, stack_plan
from portable.migrate.pace import Paces, total
from portable.migrate.planning import MovePlan, dry_run
from portable.migrate.stack_plan import plan_stack_move, refuse_open
from portable.model.errors import Refused
from tests.moves.two_places import TwoPlaces

RATE = 10_000_000.0
written = pace._written
"""As it is: the fixture `places` replaces it."""


@pytest.fixture
def plan(places: TwoPlaces) -> MovePlan:
    made = dry_run(places.state("old", "one"), places.folder / "target")
    return msgspec.structs.replace(made, bytes=100_000_000, entries=1000)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A target that takes 10 MB in a second; the list has what was measured."""
    targets: list[Path] = []

    def sample(target: Path) -> float:
        targets.append(target)
        return RATE

    monkeypatch.setattr(pace, "_written", sample)
    return targets


def test_downtime_is_both_reads_and_the_copy_is_done_before(tmp_path: Path, plan: MovePlan, measured: list[Path]) -> None:
    paces = Paces()
    cheap = paces.of(tmp_path, walked=0.1, plan=plan, reads=False)
    assert cheap is not None
    assert cheap.down_seconds == pytest.approx(10 + 0.1 + 10 + 0.1 + 0.3)
    assert cheap.copy_seconds == pytest.approx(10 + 0.1 + 10 + 0.2)
    whole = paces.of(tmp_path, walked=5, plan=plan, reads=True)
    assert whole is not None
    assert whole.down_seconds == pytest.approx(5 + 10 + 0.1 + 0.3), "the read was measured: it took 5 s"
    assert len(measured) == 1, "one file system is measured once"


def test_a_target_without_room_or_unnamed_files_is_not_measured(tmp_path: Path, plan: MovePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    small = msgspec.structs.replace(plan, personality=msgspec.structs.replace(plan.personality, free_bytes=1 << 20))
    assert Paces().of(tmp_path, walked=1, plan=small, reads=False) is None
    real = os.open

    def without_unnamed(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return real(path, flags, *more, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", without_unnamed)
        patched.setattr(pace, "_written", written)
        assert Paces().of(tmp_path, walked=1, plan=plan, reads=False) is None
    assert (total([1.0, None]), total([1.0, 2.5]), total([])) == (None, 3.5, 0)


def test_a_sample_leaves_nothing_behind(tmp_path: Path) -> None:
    assert written(tmp_path) > 0
    assert list(tmp_path.iterdir()) == []


def test_each_app_is_down_until_all_volumes_are_proven(places: TwoPlaces, measured: list[Path]) -> None:
    plan, problems = plan_stack_move(places.side("old"), places.side("new"), places.here(), places.there(), reads=False)
    assert problems == ()
    assert len(measured) == 1
    downs = [size.down_seconds for size in plan.sizes]
    assert plan.downtimes == dict.fromkeys(("one", "two"), sum(one for one in downs if one))
    assert plan.copy_seconds is not None
    assert all(size.inodes == size.entries == 3 for size in plan.sizes)


@pytest.mark.parametrize(("field", "used", "code"), [("free", "bytes", "migrate.no-space"), ("free_inodes", "inodes", "migrate.no-inodes")])
def test_volumes_that_fit_alone_must_fit_together(
    field: str, used: str, code: str, places: TwoPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stack_plan._size

    def small(*arguments: Any) -> Any:
        size = real(*arguments)
        return msgspec.structs.replace(size, **{field: int(getattr(size, used) * 1.5)})

    monkeypatch.setattr(stack_plan, "_size", small)
    plan, problems = plan_stack_move(places.side("old"), places.side("new"), places.here(), places.there(), reads=False)
    assert [error.code for error in problems] == [code]
    with pytest.raises(Refused, match="together"):
        refuse_open(plan, problems, "old to new")


def test_a_cheap_plan_opens_each_file_and_reads_none(places: TwoPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names a file that cannot be opened; a whole one also reads."""
    from portable.migrate import facts

    read: list[int] = []
    real = facts._digest

    def digest(file: int) -> tuple[str, int]:
        read.append(file)
        return real(file)

    monkeypatch.setattr(facts, "_digest", digest)
    cheap, _ = plan_stack_move(places.side("old"), places.side("new"), places.here(), places.there(), reads=False)
    assert read == []
    whole, _ = plan_stack_move(places.side("old"), places.side("new"), places.here(), places.there())
    assert len(read) == 4
    assert [(one.entries, one.bytes) for one in cheap.sizes] == [(one.entries, one.bytes) for one in whole.sizes]
