"""A move that is killed at any point loses nothing: the same move goes on, or back, and nothing is left over."""

import random
import shutil
from pathlib import Path

import pytest

from portable.migrate.ending import confirm, roll_back
from portable.migrate.journal import read_journal
from portable.migrate.manifest import Manifest, make_manifest
from portable.migrate.moving import begin, resume
from portable.migrate.places import WORK
from portable.model.errors import PortableError
from tests.moves import hazards
from tests.moves.running import RecordedHooks, calls, equal, forked, names_in

KINDS = (
    "hard_links_across_folders",
    "relative_symlink",
    "hole_at_the_end",
    "foreign_owners",
    "times",
    "databases",
    "database_logs",
    "no_permissions",
    "fifo",
)
SEEDS = 16
KILLED = 9


class Stage:
    """A source with some hazards, and a fresh target for each run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.source = folder, folder / "source"
        self.source.mkdir()
        for name in KINDS:
            (self.source / name).mkdir()
            hazards.KINDS[name](self.source / name)
        self.proven = make_manifest(self.source, folder / "before.manifest")
        self.runs = 0
        self.target, self.log = folder, folder

    def fresh(self) -> None:
        """A target of its own for the next run."""
        self.runs += 1
        self.target, self.log = self.folder / f"target{self.runs}", self.folder / f"log{self.runs}"

    def begin(self) -> None:
        begin(self.source, self.target, hooks=RecordedHooks(self.log))

    def resume(self) -> None:
        resume(self.target, hooks=RecordedHooks(self.log))

    def roll_back(self) -> None:
        roll_back(self.target, hooks=RecordedHooks(self.log))

    def confirm(self) -> None:
        confirm(self.target)

    def step(self) -> str:
        """The last durable step."""
        journal = read_journal(self.target / WORK)
        return journal.step if journal else ""

    def source_is_whole(self) -> bool:
        return equal(self.proven, self.source, self.folder / "now.manifest") == []

    def is_moved(self) -> bool:
        return equal(self.proven, self.target, self.folder / "now.manifest") == []

    def leftovers(self) -> list[str]:
        """What a move left in its work folder besides its records."""
        kept = {"journal.json", "lock", "new", "plan.manifest", "source.manifest", "target.manifest", "after.manifest"}
        return sorted(set(names_in(self.target / WORK)) - kept)

    def is_back(self) -> bool:
        """The target is gone as it was before, but for state that is put aside."""
        if not self.target.exists():
            return True
        return all(name.startswith(".given-up-move-") for name in names_in(self.target))

    def removed(self) -> None:
        """Remove the target, since memory is small."""
        shutil.rmtree(self.target, ignore_errors=True)


@pytest.fixture
def stage(scratch: Path) -> Stage:
    return Stage(scratch)


def finish(stage: Stage) -> None:
    """Go on after a kill as a person would: resume, or begin where nothing had begun."""
    try:
        stage.resume()
    except PortableError as error:
        assert error.code == "migrate.not-begun"  # noqa: PT017 - any other code fails
        stage.begin()


def back(stage: Stage) -> None:
    """Undo after a kill; where nothing had begun there is nothing to undo."""
    try:
        stage.roll_back()
    except PortableError as error:
        assert error.code == "migrate.not-begun"  # noqa: PT017 - any other code fails


def check_moved(stage: Stage) -> None:
    assert stage.source_is_whole()
    assert stage.is_moved()
    assert stage.leftovers() == []
    heard = calls(stage.log)
    assert heard[-1] == "start_target"
    assert heard.index("stop_source") < heard.index("checkpoint") < heard.index("start_target")


def check_back(stage: Stage) -> None:
    assert stage.source_is_whole()
    assert stage.is_back()
    heard = calls(stage.log)
    if "stop_source" in heard:
        assert heard[-1] == "start_source"
    if "start_target" in heard:
        assert "stop_target" in heard[heard.index("start_target") :]


POINTS = (
    "begun", "planned", "round", "round", "before precopied", "precopied", "before stopping", "stopping", "before stopped", "stopped",
    "before checkpointed", "checkpointed", "before copied", "copied", "read source", "read copy",
    *("log taken in", "database checked") * 2, *("database checked",) * 3, "before proven", "proven",
    "before placing", "placing", "moved up", "before placed", "placed", "before starting", "starting", "before done", "done",
)  # fmt: skip
"""Where a move can be killed, in order."""
NUMBERED = [pytest.param(number, id=f"{number}-{name.replace(' ', '-')}") for number, name in enumerate(POINTS)]


def test_a_move_passes_all_points(stage: Stage) -> None:
    stage.fresh()
    assert forked(stage.begin) == (0, list(POINTS))
    check_moved(stage)


@pytest.mark.parametrize("point", NUMBERED)
def test_kill_at_a_point_then_resume(stage: Stage, point: int) -> None:
    killed_at(stage, point)
    finish(stage)
    check_moved(stage)


@pytest.mark.parametrize("point", NUMBERED)
def test_kill_at_a_point_then_roll_back(stage: Stage, point: int) -> None:
    killed_at(stage, point)
    back(stage)
    check_back(stage)


def killed_at(stage: Stage, point: int) -> None:
    stage.fresh()
    assert forked(stage.begin, at=point)[0] == KILLED
    assert POINTS[point] == "done" or stage.step() != "done"


@pytest.mark.parametrize("point", range(7))
@pytest.mark.parametrize("first", ["moved up", "done"])
def test_kill_a_rollback_at_a_point(stage: Stage, first: str, point: int) -> None:
    stage.fresh()
    forked(stage.begin, at=POINTS.index(first))
    status, reached = forked(stage.roll_back, at=point)
    assert status == KILLED, reached
    back(stage)
    check_back(stage)


@pytest.mark.parametrize("point", range(1 + len(KINDS)))
def test_kill_a_confirmation_at_a_point(stage: Stage, point: int) -> None:
    """The source is removed only as far as it is proven on the target, and the same command removes the rest."""
    stage.fresh()
    source = stage.folder / "copy"
    begin(stage.source, source)
    confirm(source)
    begin(source, stage.target)
    status, reached = forked(lambda: confirm(stage.target, clean_source=True), at=point)
    assert status == KILLED, reached
    confirm(stage.target, clean_source=True)
    assert names_in(source) == []
    assert stage.is_moved()
    assert not (stage.target / WORK).exists()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_kills_at_random_times(stage: Stage, seed: int) -> None:
    """Up to three kills at any time, also of rsync's parent alone; then one command ends well."""
    randomly_killed(stage, seed)


@pytest.mark.prove
def test_a_thousand_kills(stage: Stage) -> None:
    kills = sum(randomly_killed(stage, seed) for seed in range(1000, 1700))
    assert kills >= 1000


def randomly_killed(stage: Stage, seed: int) -> int:
    """One move with up to three kills; the number of kills that hit."""
    dice, hits = random.Random(seed), 0
    print(f"seed {seed}")
    stage.fresh()
    for _ in range(dice.randint(1, 3)):
        action = stage.begin if not (stage.target / WORK / "journal.json").exists() else stage.resume
        status, _ = forked(action, after=dice.uniform(0.0, 0.6))
        assert status in (0, KILLED), f"seed {seed}"
        hits += status == KILLED
    if dice.random() < 0.5:
        finish(stage)
        check_moved(stage)
    else:
        back(stage)
        check_back(stage)
    stage.removed()
    return hits


def test_the_checks_see_a_source_that_changed(stage: Stage) -> None:
    (stage.source / "times" / "0").write_text("other")
    assert not stage.source_is_whole()
    assert isinstance(stage.proven, Manifest)
