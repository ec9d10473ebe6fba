"""Step 5: what cuts across the other steps, told before anything runs."""

from typing import Any

import pytest

from tests.unit.planning import CLUSTER, COMPOSE, Place, app


@pytest.mark.parametrize(("base", "words"), [(COMPOSE, "owns the host"), (CLUSTER, "a cluster has none")])
def test_who_would_drive_the_engine_is_refused_by_name(place: Place, base: dict[str, Any], words: str) -> None:
    place.write(app("updater", containers={"main": {"needs": {"engine": True}}}), app("other"))
    (found,) = [f for f in place.plan("updater", "other", base=base).findings if f.field == "needs.engine"]
    assert (found.app, found.class_, found.verdict) == ("updater", "security", "refused")
    assert words in found.text


def test_what_an_app_lacks_is_told(place: Place) -> None:
    place.write(app("one", lacks=["It does not sing", "It does not dance"]))
    found = [(f.app, f.class_, f.text) for f in place.plan("one").findings if f.field == "lacks"]
    assert found == [("one", "function", "one: It does not sing."), ("one", "function", "one: It does not dance.")]


@pytest.mark.parametrize(
    ("upstream", "told"),
    [
        ({"status": "active"}, None),
        ({"status": "quiet"}, None),
        ({"status": "retired", "successor": "two"}, ("function", "one is retired upstream; its successor is two")),
        ({"status": "unmaintained", "note": "since 2022"}, ("security", "one is unmaintained upstream: since 2022")),
    ],
)
def test_how_an_app_is_kept_by_its_makers(place: Place, upstream: dict[str, str], told: tuple[str, str] | None) -> None:
    place.write(app("one", upstream=upstream), app("two"))
    assert [(f.class_, f.text) for f in place.plan("one").findings if f.field == "upstream"] == ([told] if told else [])
