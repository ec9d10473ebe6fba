"""An app that a list names by an alias says where the state of that name is looked for."""

from pathlib import Path
from typing import Any

import pytest

from portable.catalog.catalog import Catalog
from portable.formats.merge import merged
from portable.model.findings import Finding
from tests.unit.planning import CLUSTER, COMPOSE, Place, app

SHARED = merged(CLUSTER, {"storage": {"state": {"claim": {"name": "state", "size": "10Gi"}, "below": "config"}}})


def found(place: Place, *apps: str, **changes: Any) -> list[Finding]:
    return [f for f in place.plan(*apps, **changes).findings if f.code == "app.alias-state"]


@pytest.mark.parametrize(
    ("base", "words", "remedy"),
    [
        (COMPOSE, ("in /srv/state/mylar3, not in /srv/state/mylar;",), "`mv /srv/state/mylar /srv/state/mylar3`"),
        (
            CLUSTER,
            ("claim mylar3-config, not in claim mylar-config;",),
            "{mylar3: {config: {claim: {name: mylar-config, existing: true}}}}",
        ),
        (SHARED, ("config/mylar3 of claim state",), "folder config/mylar of claim state to config/mylar3"),
    ],
    ids=["folder", "claim", "shared claim"],
)
def test_an_alias_says_where_the_old_state_is_looked_for(place: Place, base: dict[str, Any], words: tuple[str, ...], remedy: str) -> None:
    (finding,) = found(place, "mylar", base=base)
    assert (finding.class_, finding.app, finding.field) == ("data", "mylar3", "apps.alias")
    assert [word for word in words if word not in finding.text] == []
    assert remedy in finding.remedy
    assert finding.remedy.endswith("write `mylar3` instead of `mylar`")
    assert finding.where == place.plan("mylar", base=base).given.profile_source("apps", 0)
    assert found(place, "mylar3", base=base) == []


@pytest.mark.parametrize(
    ("alias", "name"), [(alias, name) for name in Catalog().names() for alias in Catalog().app(name)[0].aliases], ids=str
)
def test_every_alias_of_the_catalog_has_its_finding(place: Place, alias: str, name: str) -> None:
    (finding,) = found(place, alias)
    assert finding.text.startswith(f"{alias} is {name} here: its state is looked for in /srv/state/{name}")


def test_the_list_of_the_stack_is_named(place: Place) -> None:
    (finding,) = found(place, stack="portable: 1\napps: [mylar]\n")
    assert str(finding.where).startswith("portable.yaml:2:")


def test_several_volumes_and_caches(place: Place) -> None:
    volumes = {"config": {"holds": "state"}, "index": {"holds": "database"}, "cache": {"holds": "cache"}}
    mounts = {name: f"/{name}" for name in volumes}
    place.write(app("one", aliases=["uno"], volumes=volumes, containers={"main": {"volumes": mounts}}))
    (finding,) = found(place, "uno")
    assert "in /srv/state/one and /srv/state/one-index, not in /srv/state/uno and /srv/state/uno-index;" in finding.text


def test_an_app_without_state_has_no_finding(place: Place, tmp_path: Path) -> None:
    place.write(app("one", aliases=["uno"], volumes={"cache": {"holds": "cache"}}, containers={"main": {"volumes": {"cache": "/c"}}}))
    assert found(place, "uno") == []
