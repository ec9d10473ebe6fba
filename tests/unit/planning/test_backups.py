"""What the app that backs up sees of the others, and what is said of what it can't copy."""

import json
from typing import Any

import pytest

from portable.model import plan as p
from tests.unit.planning import CLUSTER, Place, app
from tests.unit.planning.test_storage import keeping

STORE: dict[str, Any] = {"storage": {"backups": {"folder": "/srv/backups"}}}


def keeper() -> dict[str, Any]:
    return app(
        "keeper",
        ports=None,
        schedule="0 3 * * *",
        containers={"main": {"backs-up": True, "command": ["keep"], "environment": {"TOLD": "{{ backup }}"}}},
    )


def mounts(plan: p.Plan) -> dict[str, str]:
    """What the keeper sees: volume to path."""
    (found,) = [app for app in plan.apps if app.name == "keeper"]
    return {mount.volume: mount.path for mount in found.containers[0].mounts}


def test_it_sees_state_and_databases_of_all_and_no_cache(place: Place) -> None:
    place.write(keeper(), keeping("one", config="state", db="database", tmp="cache"), keeping("two", config="state"))
    planned = place.plan("keeper", "one", "two", backup={"keep": {"daily": 9}}, **STORE)
    assert mounts(planned.plan) == {
        "one-config": "/state/one-config",
        "one-db": "/state/one-db",
        "two-config": "/state/two-config",
        "backups": "/backups",
    }
    assert {v.id: (v.holds, v.place) for v in planned.plan.volumes}["backups"] == ("backups", p.Folder(path="/srv/backups"))
    told = json.loads(str(next(a for a in planned.plan.apps if a.name == "keeper").containers[0].env["TOLD"]))
    assert told["keep"] == {"last": 3, "daily": 9, "weekly": 4, "monthly": 6}
    assert told["apps"]["two"] == {"image": "registry.test/two:1", "volumes": {"config": {"at": "/state/two-config", "copied": "running"}}}
    assert [f.field for f in planned.findings] == []


def test_a_store_in_the_library_is_hidden_from_its_consumers(place: Place) -> None:
    place.write(keeper(), keeping("one", config="state"))
    found = place.plan("keeper", "one", storage={"backups": {"on": "library", "below": "kept/backups"}}).plan.volumes
    assert next(v for v in found if v.id == "library").hides == ("kept",)


@pytest.mark.parametrize("backups", [None, {"scratch": {}}])
def test_it_needs_a_place_that_stays(place: Place, backups: dict[str, Any] | None) -> None:
    place.write(keeper(), keeping("one", config="state"))
    code = "volume.not-persistent" if backups else "volume.backup-place"
    assert place.told("keeper", "one", storage={"backups": backups}) == [("storage.backups", code)]


def test_what_is_copied_while_its_app_is_stopped_is_said(place: Place) -> None:
    one = keeping("one", search="database")
    one["volumes"]["search"]["copied"] = "stopped"
    place.write(keeper(), one)
    (found,) = place.plan("keeper", "one", **STORE).findings
    assert (found.code, found.field, found.class_, found.app) == ("volume.backup-stopped", "backups", "data", "one")
    assert "one-search" in found.text
    assert "`portable backup --stop one`" in found.remedy


def test_on_a_cluster_it_sees_what_several_nodes_may_mount_safely(place: Place) -> None:
    place.write(keeper(), keeping("one", config="state", db="database"), keeping("two", config="state"))
    shared = {"claim": {"name": "share", "size": "1Ti", "shared": True}}
    planned = place.plan(
        "keeper",
        "one",
        "two",
        base=CLUSTER,
        storage={"state": shared, "backups": {"on": "library", "below": "kept"}, "apps": {"two": {"config": {"claim": {}}}}},
    )
    assert set(mounts(planned.plan)) == {"one-config", "backups"}
    said = {f.path: f.text for f in planned.findings if f.code == "volume.not-backed-up"}
    assert said.keys() == {"volumes.one-db.holds", "volumes.two-config.holds"}
    assert "locks" in said["volumes.one-db.holds"]
    assert "own pod" in said["volumes.two-config.holds"]
