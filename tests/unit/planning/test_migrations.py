"""An app whose version may migrate its state for hours gets the time to start."""

import pytest

from portable.catalog.catalog import Catalog
from portable.planning.migrations import MIGRATION_SECONDS
from tests.unit.planning import Place, app

SLOW = [{"version": "2.1", "source": "one/one#1", "slow": True}, {"version": "3", "source": "one/one#2"}]


def startup(place: Place, tag: str, one_way: list[dict[str, object]], **more: object) -> int:
    facts = app("one", one_way=one_way, **more)
    facts["containers"]["main"] |= {"probe": {"tcp": "web", "startup": "90s", "period": "30s"}}
    facts["containers"]["main"]["image"]["tag"] = tag
    (container,) = place.write(facts).plan("one").plan.apps[0].containers
    check = container.probes.startup
    assert check is not None
    return check.period * check.failures


@pytest.mark.parametrize(
    ("tag", "one_way", "seconds"),
    [
        ("2.1", SLOW, MIGRATION_SECONDS),
        ("v2.1.0-ls3", SLOW, MIGRATION_SECONDS),
        ("4.0", SLOW, MIGRATION_SECONDS),
        ("2.0.9", SLOW, MIGRATION_SECONDS),
        ("edge", SLOW, MIGRATION_SECONDS),
        ("4.0", SLOW[1:], 90),
        ("4.0", [], 90),
    ],
)
def test_only_apps_with_a_slow_migration_get_the_time(place: Place, tag: str, one_way: list[dict[str, object]], seconds: int) -> None:
    assert startup(place, tag, one_way) == seconds


def test_other_containers_of_the_app_do_not_wait_for_it(place: Place) -> None:
    facts = app("one", one_way=SLOW)
    facts["containers"]["main"]["image"]["tag"] = "3"
    side = {**facts["containers"]["main"], "probe": {"exec": ["true"], "startup": "60s"}}
    facts["containers"]["side"] = side
    containers = {c.name: c for c in place.write(facts).plan("one").plan.apps[0].containers}
    check = containers["side"].probes.startup
    assert check is not None
    assert check.period * check.failures == 60


def test_the_shipped_jellyfin_gets_the_time() -> None:
    facts, _ = Catalog().app("jellyfin")
    assert [one.version for one in facts.one_way if one.slow] == ["10.11", "12"]
