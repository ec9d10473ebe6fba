"""What a place gives containers, against what their limits come to."""

from typing import Any

import pytest

from portable.catalog.quantities import amount
from tests.unit.planning import CLUSTER, Place, app, cloud

MI = 2**20


def using(name: str, limit: str, **changes: Any) -> dict[str, Any]:
    """An app with that limit."""
    return app(name, containers={"main": {"resources": {"memory": {"request": "1Mi", "limit": limit}}}}, **changes)


def told(place: Place, *apps: str, **changes: Any) -> list[tuple[str, str | None, str]]:
    findings = place.plan(*apps, **changes).findings
    assert all(f.where is not None and f.where.file == "test.yaml" for f in findings)
    return [(f.path, f.app, f.text) for f in findings if f.code == "memory.exceeded" and f.field == "memory" and f.verdict == "refused"]


@pytest.fixture
def apps(place: Place) -> Place:
    return place.write(using("one", "256Mi"), using("two", "512Mi"), using("three", "64Mi"), using("four", "32Mi"))


def test_what_fits_is_no_finding(apps: Place) -> None:
    shares = {"both": {"apps": ["one", "two", "three"], "limit": "768Mi"}}
    assert told(apps, "one", "two", memory={"total": "768Mi", "shares": shares}) == []
    assert told(apps, "one", "two") == []


def test_too_much_is_refused_with_its_figures_and_the_largest_app(apps: Place) -> None:
    ((path, app, text),) = told(apps, "one", "two", "three", "four", memory={"total": "863Mi"})
    assert (path, app) == ("memory.total", "two")
    assert "864Mi: two 512Mi, one 256Mi, three 64Mi and 1 more;" in text
    assert "863Mi, 1Mi" in text


def test_a_share_is_its_apps_alone(apps: Place) -> None:
    shares = {"small": {"apps": ["one", "three"], "limit": "300Mi"}, "fits": {"apps": ["two"], "limit": "1Gi"}}
    ((path, app, text),) = told(apps, "one", "two", "three", memory={"total": "1Gi", "shares": shares})
    assert (path, app) == ("memory.shares.small", "one")
    assert "320Mi: one 256Mi, three 64Mi; share small" in text
    assert "300Mi, 20Mi" in text


def test_every_container_counts_and_on_a_cluster_the_mounter_of_every_pod(place: Place) -> None:
    one = using("one", "256Mi", clouds=["shelf"])
    one["containers"]["side"] = one["containers"]["main"]
    rclone = app("rclone", fuse_mount=True, containers={"main": {"environment": {"RCLONE_CONFIG": "/rclone.conf"}}})  # 128Mi
    place.write(one, using("two", "256Mi", clouds=["shelf"]), rclone, clouds=(cloud("shelf"),))
    asked: dict[str, Any] = {"clouds": ["shelf"], "memory": {"total": "1Mi"}}
    (_, _, on_compose), *_ = told(place, "one", "two", **asked)
    (_, _, on_cluster), *_ = told(place, "one", "two", base=CLUSTER, **asked)
    assert "896Mi: one 512Mi, two 256Mi, cloud shelf 128Mi;" in on_compose
    assert "1Gi: one 512Mi, cloud shelf 256Mi, two 256Mi;" in on_cluster


@pytest.mark.parametrize(
    ("shares", "wanted"),
    [
        ({"a": {"apps": ["nobody"], "limit": "1Gi"}}, ("memory.shares.a.apps", "app.unknown", "'nobody'")),
        (
            {"a": {"apps": ["one"], "limit": "1Gi"}, "b": {"apps": ["one"], "limit": "1Gi"}},
            ("memory.shares.b.apps", "memory.counted-twice", "one", "share a"),
        ),
    ],
)
def test_an_app_is_in_one_share(apps: Place, shares: dict[str, Any], wanted: tuple[str, ...]) -> None:
    apps.refuses("one", memory={"total": "2Gi", "shares": shares}, wanted=[wanted])


@pytest.mark.parametrize(("number", "text"), [(2**30, "1Gi"), (3 * 2**29, "1.5Gi"), (512 * MI, "512Mi"), (2**10, "1Ki"), (7, "7")])
def test_amounts_as_people_write_them(number: int, text: str) -> None:
    assert amount(number) == text
