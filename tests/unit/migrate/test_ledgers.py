"""What apps lose and gain at a new place: the findings that only one of the two ledgers has."""

from typing import Any

import pytest

from portable.migrate.ledgers import LedgerChange, ledger_changes
from portable.migrate.stack_plan import plan_stack_move
from portable.model import plan as p
from portable.model.findings import Finding
from tests import factories
from tests.moves.two_places import TwoPlaces


def finding(field: str, **changes: Any) -> Finding:
    made: dict[str, Any] = {"path": f"x.{field}", "class_": "function", "text": f"{field} is lost", "remedy": "", "code": f"code.{field}"}
    return Finding(field=field, **(made | changes))


def changes_of(places: TwoPlaces, *names: str) -> tuple[LedgerChange, ...]:
    plan, problems = plan_stack_move(places.side("old"), places.side("new"), places.here(), places.there(), names)
    assert problems == ()
    assert plan.ledger == ledger_changes(places.side("old"), places.side("new"), plan.choice)
    return plan.ledger


def shown(changes: tuple[LedgerChange, ...]) -> list[tuple[str, str, str | None]]:
    return [(one.change, one.finding.field, one.finding.app) for one in changes]


def test_losses_come_first_and_the_worst_of_them(places: TwoPlaces) -> None:
    places.ledgers = {
        "old": (finding("memory", app="one"), finding("both", app="one")),
        "new": (finding("title", class_="cosmetic"), finding("fence", class_="security"), finding("both", app="one"), finding("probe")),
    }
    expected = [("lost", "fence", None), ("lost", "probe", None), ("lost", "title", None), ("gained", "memory", "one")]
    assert shown(changes_of(places)) == expected


def test_equal_places_have_no_difference_whatever_their_paths_and_waivers(places: TwoPlaces) -> None:
    places.ledgers = {
        "old": (finding("fence", text="at /old"), finding("restart", path="groups.gluetun.restart", app="one")),
        "new": (finding("fence", text="at /new", verdict="waived", reason="x"), finding("restart", path="groups.seal.restart", app="one")),
    }
    assert changes_of(places) == ()


@pytest.mark.parametrize("differs", [{"app": "two"}, {"path": "x.other"}, {"code": "code.other"}])
def test_another_app_part_or_cause_is_another_loss(differs: dict[str, Any], places: TwoPlaces) -> None:
    places.ledgers = {"old": (finding("probe", app="one"),), "new": (finding("probe", **({"app": "one"} | differs)),)}
    assert [one.change for one in changes_of(places)] == ["lost", "gained"]


def test_only_moved_apps_and_their_gateways_count(places: TwoPlaces) -> None:
    groups = (p.Group(name="gate", apps=("gate", "one"), egress=p.Tunnel(gateway="gate")), p.Group(name="two", apps=("two",)))
    places.target_changes |= {"apps": (factories.app("gate", ports=()), TwoPlaces.app("one"), TwoPlaces.app("two")), "groups": groups}
    places.ledgers = {"new": tuple(finding("probe", app=app) for app in ("one", "two", "gate", "else"))}
    assert shown(changes_of(places, "one")) == [("lost", "probe", "gate"), ("lost", "probe", "one")]
    assert shown(changes_of(places, "two")) == [("lost", "probe", "two")]
