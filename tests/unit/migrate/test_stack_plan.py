"""What the preflight of a move of apps names: volumes, losses, and every obstacle, before anything changes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.live.drivers import OpenedStack
from portable.migrate.choosing import choose
from portable.migrate.sides import MoveSide, refuse_pair
from portable.migrate.stack_plan import StackMovePlan, plan_stack_move, refuse_open
from portable.migrate.weighing import parse_waivers
from portable.model import plan as p
from portable.model.codes import Code
from portable.model.errors import Holder, PortableError, Refused, SeveralErrors, UsageError
from portable.secrets.sources import EnvironmentSource
from tests import factories
from tests.moves.two_places import PlaceDriver, TwoPlaces


def planned(places: TwoPlaces, *names: str, **changes: Any) -> tuple[StackMovePlan, tuple[PortableError, ...]]:
    return plan_stack_move(places.side("old"), places.side("new"), places.here(), places.there(), names, **changes)


def codes(places: TwoPlaces, *names: str, **changes: Any) -> set[str]:
    """The codes of all findings that stop the move, and of all other obstacles."""
    plan, problems = planned(places, *names, **changes)
    return {finding.code for finding in plan.refused} | {error.code for error in problems}


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def made(folder: Path, **target: Any) -> TwoPlaces:
    return TwoPlaces(folder / "other", **target)


@pytest.fixture
def other(tmp_path: Path, places: TwoPlaces) -> Callable[..., TwoPlaces]:
    """Make two places with another target."""
    del places  # it sets the environment
    return lambda **target: made(tmp_path, **target)


def test_a_plan_names_each_volume_and_changes_nothing(places: TwoPlaces) -> None:
    before = listing(places.folder)
    plan, problems = planned(places)
    assert problems == ()
    assert {volume.id: volume.how for volume in plan.choice.volumes} == {
        "library": "shared",
        "one-cache": "cache",
        "one-config": "move",
        "two-config": "move",
    }
    assert {size.id for size in plan.sizes} == {"one-config", "two-config"}
    assert all(0 < size.bytes < size.free and size.files == 2 for size in plan.sizes)
    assert plan.refused == ()
    assert listing(places.folder) == before


def test_apps_that_the_target_lacks_stay_and_are_named(other: Callable[..., TwoPlaces]) -> None:
    places = other(apps=(TwoPlaces.app("two"),))
    plan, _ = planned(places)
    assert (plan.choice.apps, plan.choice.absent) == (("two",), ("one",))
    assert any("one" in note and "stay" in note for note in plan.notes)


def test_unknown_apps_and_no_apps_at_all(other: Callable[..., TwoPlaces]) -> None:
    places = other(apps=(TwoPlaces.app("two"),))
    for name, code in (("three", "app.unknown"), ("one", "migrate.no-apps")):
        with pytest.raises(UsageError) as error:
            planned(places, name)
        assert error.value.code == code


@pytest.mark.parametrize("which", ["engine", "machine", "project"])
def test_other_pairs_are_refused_with_those_that_work(places: TwoPlaces, which: str) -> None:
    side = places.side("new")
    stack = side.stack if which != "project" else msgspec.structs.replace(side.stack, project="media-old")
    where = "fake://second" if which == "engine" else "fake://engine"
    opened = OpenedStack(
        stack=stack, where=where, is_local=which != "machine", reader=side.place.opened.reader, driver=side.place.opened.driver
    )
    changed = MoveSide(profile="new", plan=side.plan, place=type(side.place)(source=EnvironmentSource(), opened=opened))
    with pytest.raises(Refused, match="Docker Compose") as error:
        refuse_pair(places.side("old"), changed)
    assert error.value.code == "migrate.pair"


def gated(egress: Any) -> dict[str, Any]:
    """A target, or a source, in which `one` is behind a gateway."""
    gate = factories.app("gate", ports=())
    groups = (p.Group(name="gate", apps=("gate", "one"), egress=egress), p.Group(name="two", apps=("two",)))
    return {"apps": (gate, TwoPlaces.app("one"), TwoPlaces.app("two")), "groups": groups}


def egress_codes(places: TwoPlaces, before: dict[str, Any], **changes: Any) -> list[str]:
    """The codes of a move away from a place with these groups."""
    side = places.side("old")
    apps = before.pop("apps")
    source = msgspec.structs.replace(side.plan, apps=apps, **before)
    plan, _ = plan_stack_move(
        MoveSide(profile="old", plan=source, place=side.place), places.side("new"), places.here(), places.there(), **changes
    )
    return [finding.code for finding in plan.refused]


def test_an_app_never_leaves_its_gateway_without_a_waiver(places: TwoPlaces) -> None:
    for egress in (p.Tunnel(gateway="gate"), p.Sealed(gateway="gate")):
        assert egress_codes(places, gated(egress)) == ["migrate.egress"]
        assert egress_codes(places, gated(egress), waive={"egress.two": "another app"}) == ["migrate.egress"]
        assert egress_codes(places, gated(egress), waive={"egress.one": "for this test"}) == []


def test_a_seal_becomes_a_tunnel(other: Callable[..., TwoPlaces]) -> None:
    places = other(**gated(p.Tunnel(gateway="gate")))
    assert egress_codes(places, gated(p.Sealed(gateway="gate"))) == []


def test_an_older_image_is_refused_and_a_newer_one_is_not(other: Callable[..., TwoPlaces]) -> None:
    places = other(apps=(TwoPlaces.app("one", tag="0.9"), TwoPlaces.app("two", tag="1.1")))
    plan, _ = planned(places)
    assert [(finding.app, finding.code) for finding in plan.refused] == [("one", "migrate.version")]
    assert planned(places, waive={"version.one": "for this test"})[0].refused == ()


def test_the_image_that_ran_counts_not_only_the_planned_one(places: TwoPlaces) -> None:
    places.images = {"two": "registry.test/app:1.5"}
    assert codes(places) == {"migrate.version"}


def test_a_shared_folder_has_no_way_back_from_a_newer_image(tmp_path: Path, places: TwoPlaces) -> None:
    del places
    shared = TwoPlaces(tmp_path / "shared", shared=True, apps=(TwoPlaces.app("one", tag="1.1"), TwoPlaces.app("two")))
    plan, _ = planned(shared)
    assert [(finding.app, finding.code) for finding in plan.refused] == [("one", "migrate.version")]


def test_files_of_another_owner_are_refused(other: Callable[..., TwoPlaces]) -> None:
    foreign = 4321 if os.geteuid() == 0 else os.geteuid() + 1
    apps = (TwoPlaces.app("one", identity=p.Identity(how="user", uid=foreign, gid=foreign)), TwoPlaces.app("two"))
    places = other(apps=apps)
    plan, _ = planned(places)
    assert [(finding.app, finding.code) for finding in plan.refused] == [("one", "migrate.owner")]
    assert f"chown -R {foreign}:{foreign}" in plan.refused[0].remedy
    assert str(places.state("old", "one")) in plan.refused[0].remedy


def test_another_library_is_refused_waived_or_copied(other: Callable[..., TwoPlaces], tmp_path: Path) -> None:
    library = p.Volume(id="library", holds="library", place=p.Folder(path=str(tmp_path / "films")))
    places = other()
    places.target_changes["volumes"] = (library, *places.plan("old").volumes[1:2], *places.plan("new").volumes[2:])
    assert codes(places) == {"migrate.library"}
    assert codes(places, waive={"library": "it has the same films"}) == set()
    assert codes(places, with_library=True) == set()
    plan, _ = planned(places, with_library=True)
    assert {volume.id for volume in plan.choice.those("move")} == {"library", "one-config", "two-config"}
    assert codes(places, "one", with_library=True) == {"migrate.library"}


def test_a_target_that_runs_or_has_data_is_refused_with_all_reasons(places: TwoPlaces) -> None:
    places.there().up(apps=("one",))
    assert codes(places) == {"migrate.target-runs", "migrate.target-not-empty"}


def test_an_app_that_stays_must_not_write_what_moves(places: TwoPlaces) -> None:
    side = places.side("old")
    both = TwoPlaces.app("two", mounts=(p.Mount(volume="one-config", path="/other"), p.Mount(volume="two-config", path="/config")))
    source = msgspec.structs.replace(side.plan, apps=(TwoPlaces.app("one"), both))
    plan, _ = plan_stack_move(
        MoveSide(profile="old", plan=source, place=side.place), places.side("new"), places.here(), places.there(), ("one",)
    )
    assert [finding.code for finding in plan.refused] == ["migrate.other-writer"]


def test_a_volume_without_a_folder_at_the_target(other: Callable[..., TwoPlaces]) -> None:
    places = other()
    places.target_changes["volumes"] = places.plan("old").volumes[:1]
    assert codes(places) == {"migrate.no-volume"}


def test_an_empty_source_is_refused(places: TwoPlaces) -> None:
    for app in ("one", "two"):
        for path in places.state("old", app).iterdir():
            path.unlink()
    choice = choose(places.plan("old"), places.plan("new"))
    assert {volume.how for volume in choice.volumes if volume.holds == "state"} == {"empty"}
    assert codes(places) == {"migrate.source-empty"}
    assert codes(places, waive={"empty": "they are new"}) == set()


@pytest.mark.parametrize(
    ("holders", "remains"),
    [
        ((Holder("media-old", "one", "any-name"),), False),
        ((Holder("media-old", "one", "a"), Holder("media-old", "two", "b")), False),
        ((Holder("media-old", "one", "a"), Holder("media-old", "three", "b")), True),
        ((Holder("other", "one", "media-old-one-1"),), True),
        ((), True),
    ],
)
@pytest.mark.parametrize("code", ["host.port", "up.shared-data"])
def test_what_ends_with_the_source_is_no_obstacle(
    holders: tuple[Holder, ...], remains: bool, code: Code, places: TwoPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error's text is for people: only its holders count."""

    def rehearse(*_: Any, **__: Any) -> Any:
        error = Refused("port 80/tcp of one is in use by the container media-old-one-1", code=code)
        error.holders = holders
        raise error

    monkeypatch.setattr(PlaceDriver, "rehearse", rehearse)
    assert codes(places) == ({code} if remains else set())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can tell whether an app has a database open")
def test_a_damaged_database_is_refused_before_the_first_byte_or_waived(places: TwoPlaces) -> None:
    (places.state("old", "two") / "bad.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 4080)
    assert codes(places) == {"migrate.database-damaged"}
    assert codes(places, waive={"damaged-databases": "a cache"}) == set()
    assert codes(places, reads=False) == set()
    assert codes(places, "one") == set()


def test_obstacles_are_raised_together(places: TwoPlaces) -> None:
    places.there().up(apps=("one",))
    plan, problems = planned(places)
    with pytest.raises(SeveralErrors) as several:
        refuse_open(plan, problems, "old to new")
    assert {error.code for error in several.value.errors} == {"migrate.target-runs", "migrate.target-not-empty"}


@pytest.mark.parametrize("text", ["ownership", "ownership= ", "nothing=because", "egress=all", "egress.ONE=x", "version=x"])
def test_waivers_need_a_known_kind_and_a_reason(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_waivers([text])
    assert error.value.code == "migrate.unknown-waiver"


def test_waivers_are_read() -> None:
    assert parse_waivers(["times=the disk is old", "egress.qbittorrent=a=b"]) == {"times": "the disk is old", "egress.qbittorrent": "a=b"}
