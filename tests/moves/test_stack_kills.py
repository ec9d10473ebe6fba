"""A move of apps that is killed at any point goes on, or back: no app runs at both places, nothing is lost, nothing is left over."""

from functools import partial
from pathlib import Path

import pytest

from portable.migrate.places import WORK
from portable.migrate.stack_journal import file_of, read_stack_journal
from portable.model.errors import PortableError
from tests.moves.running import forked
from tests.moves.two_places import APPS, TwoPlaces


class Stages:
    """Two fresh places for each run."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch, self._count = folder, monkeypatch, 0

    def fresh(self) -> TwoPlaces:
        self._count += 1
        self._monkeypatch.setenv("XDG_STATE_HOME", str(self._folder / f"xdg{self._count}"))
        return TwoPlaces(self._folder / f"places{self._count}")


@pytest.fixture
def stages(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Stages:
    return Stages(scratch, monkeypatch)


def never_both(places: TwoPlaces) -> None:
    """No app runs at both places, and the source has all that it had."""
    assert set(places.running("old")).isdisjoint(places.running("new"))
    for app in APPS:
        assert (places.state("old", app) / "app.db").read_text() == f"what {app} knows"


def moved(places: TwoPlaces) -> None:
    never_both(places)
    assert (places.running("old"), places.running("new")) == ((), APPS)
    for app in APPS:
        assert (places.state("new", app) / "app.db").read_text() == f"what {app} knows"
        assert set(places.ran("old", app)) == {"media-old"}
        assert places.ran("new", app)[:2] == ["media-old", "media-new"]
    assert [fence.side for fence in places.here().fences()] == ["source"]
    assert places.there().fences() == ()


def back(places: TwoPlaces) -> None:
    never_both(places)
    assert (places.running("old"), places.running("new")) == (APPS, ())
    assert (places.here().fences(), places.there().fences()) == ((), ())
    assert read_stack_journal("media-old", "media-new") is None
    assert not list(places.folder.rglob(WORK))
    kept = [path.name for app in APPS for path in (places.state("new", app).iterdir() if places.state("new", app).exists() else ())]
    assert all(name.startswith(".given-up-move-") for name in kept)


def finish(places: TwoPlaces) -> None:
    """Go on as a person would: resume, or begin where nothing had begun."""
    try:
        places.resume()
    except PortableError as error:
        assert error.code == "migrate.not-begun"  # noqa: PT017 - any other code fails
        places.begin()


def undo(places: TwoPlaces) -> None:
    """Roll back; where nothing had begun there is nothing to undo."""
    try:
        places.roll_back()
    except PortableError as error:
        assert error.code == "migrate.not-begun"  # noqa: PT017 - any other code fails


def points_of(places: TwoPlaces) -> list[str]:
    status, points = forked(places.begin)
    assert status == 0
    return points


def test_the_points_of_a_move_are_named(stages: Stages) -> None:
    points = points_of(stages.fresh())
    steps = ["fencing", "planned", "precopied", "stopping", "stopped", "placed", "starting", "started", "done"]
    assert [point.removeprefix("stack ") for point in points if point.startswith("stack ")] == steps
    assert {"target fenced", "source fenced", "target opened", "secrets copied", "placed one-config", "placed two-config"} <= set(points)
    assert len(points) > 60


@pytest.mark.parametrize("end", ["resume", "roll back"])
def test_a_kill_at_every_point(end: str, stages: Stages) -> None:
    """Half of the points for each end: even ones go on, odd ones go back."""
    points = points_of(stages.fresh())
    for number in range(int(end == "roll back"), len(points), 2):
        places = stages.fresh()
        status, reached = forked(places.begin, at=number)
        assert (status, reached[-1]) == (9, points[number])
        never_both(places)
        if end == "resume":
            finish(places)
            moved(places)
        else:
            undo(places)
            back(places)


@pytest.mark.parametrize("point", ["stack fencing", "target fenced"])
def test_a_move_that_was_killed_before_it_began_can_begin_again(point: str, stages: Stages) -> None:
    """The same command completes it: what it left is removed first, and no fence stays behind. `--rollback` only removes it."""
    number = points_of(stages.fresh()).index(point)
    for end in ("begin", "roll back", "resume"):
        places = stages.fresh()
        assert forked(places.begin, at=number)[0] == 9
        assert len(places.there().fences()) == int(point == "target fenced")
        if end == "roll back":
            places.roll_back()
            back(places)
        else:
            places.begin() if end == "begin" else places.resume()
            moved(places)


def test_apps_that_were_started_before_the_fence_stop_the_move(stages: Stages) -> None:
    """Killed before the fence, the target can be used. The move then neither begins nor goes on, and the source keeps its apps."""
    number = points_of(stages.fresh()).index("stack fencing")
    for go_on in ("begin", "resume"):
        places = stages.fresh()
        assert forked(places.begin, at=number)[0] == 9
        places.there().up(apps=("two",))
        with pytest.raises(PortableError) as error:
            places.begin() if go_on == "begin" else places.resume()
        codes = {one.code for one in getattr(error.value, "errors", (error.value,))}
        assert "migrate.target-runs" in codes
        assert places.running("old") == APPS
        assert not (places.state("old", "two") / WORK).exists()
        places.there().down(apps=("two",))
        (places.state("new", "two") / "ran").unlink()
        finish(places)
        assert (places.running("old"), places.running("new")) == ((), APPS)


def test_a_killed_rollback_goes_on(stages: Stages) -> None:
    places = stages.fresh()
    places.begin()
    _, points = forked(places.roll_back)
    for number, point in enumerate(points):
        places = stages.fresh()
        places.begin()
        assert forked(places.roll_back, at=number)[0] == 9, point
        never_both(places)
        undo(places)
        back(places)


def test_a_killed_confirmation_goes_on(stages: Stages) -> None:
    places = stages.fresh()
    places.begin()
    _, points = forked(lambda: places.confirm(remove=("one-config",)))
    assert "removed one" in points
    for number, point in enumerate(points):
        places = stages.fresh()
        places.begin()
        assert forked(partial(places.confirm, remove=("one-config",)), at=number)[0] == 9, point
        if file_of("media-old", "media-new").exists():
            places.confirm(remove=("one-config",))
        assert not (places.state("old", "one") / "app.db").exists()
        assert (places.state("old", "two") / "app.db").exists()
        assert places.running("new") == APPS
        assert not list(places.folder.rglob(WORK))
