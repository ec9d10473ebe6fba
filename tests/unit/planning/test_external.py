"""`secrets.source: external-secrets`: the place of each value in the store."""

from typing import Any

import pytest

from portable.model.external import ExternalSecrets, RemoteValue
from tests.unit.planning import CLUSTER, Place, app

KEYS = {"key": {"about": "a key"}, "pair": {"about": "two", "keys": ["user", "password"]}, "extra": {"about": "one more"}}


def write(place: Place) -> None:
    """An app with a value, an optional one, and keys as files."""
    environment = {"KEY": {"secret": "key"}, "EXTRA": {"secret": "extra", "optional": True}}
    place.write(app("one", containers={"main": {"environment": environment, "secrets": {"pair": "/run/pair"}}}, secrets=KEYS))


def external(place: Place, **changes: Any) -> ExternalSecrets | None:
    """The store of the plan."""
    write(place)
    secrets = {"source": "external-secrets", "external": {"store": "vault"} | changes}
    return place.plan("one", base=CLUSTER, namespace="there", secrets=secrets).plan.external_secrets


def places(found: ExternalSecrets | None) -> dict[str, str]:
    """The places by NAME.KEY."""
    return {f"{value.secret}.{value.key}": value.place for value in found.values} if found else {}


def test_every_required_value_has_a_place_by_the_pattern(place: Place) -> None:
    found = external(place)
    assert found is not None
    assert (found.store, found.kind, found.refresh, found.creation) == ("vault", "SecretStore", "1h", "Owner")
    assert found.values[0] == RemoteValue(secret="key", key="value", remote="media/key", field="value")
    assert places(found) == {
        "key.value": "media/key, property value",
        "pair.password": "media/pair, property password",
        "pair.user": "media/pair, property user",
    }


def test_patterns_know_the_stack_the_profile_and_the_namespace(place: Place) -> None:
    found = external(place, key="{stack}-{profile}-{namespace}-{name}-{key}", property="")
    assert places(found)["key.value"] == "media-test-there-key-value"


def test_single_values_have_places_of_their_own(place: Place) -> None:
    remote = {"pair": {"key": "vpn/{key}", "property": ""}, "pair.user": {"version": "7"}, "key": {"property": "api"}}
    assert places(external(place, remote=remote)) == {
        "key.value": "media/key, property api",
        "pair.password": "vpn/password",
        "pair.user": "vpn/user, version 7",
    }


@pytest.mark.parametrize("name", ["extra", "extra.value"])
def test_an_optional_value_is_fetched_where_it_is_named(place: Place, name: str) -> None:
    assert places(external(place, remote={name: {}}))["extra.value"] == "media/extra, property value"


def test_another_source_has_no_store(place: Place) -> None:
    write(place)
    assert place.plan("one", base=CLUSTER).plan.external_secrets is None


@pytest.mark.parametrize(
    ("secrets", "wanted"),
    [
        ({"source": "external-secrets"}, ("secrets.external", "plan.secret-store", "needs the store")),
        ({"external": {"store": "vault"}}, ("secrets.external", "plan.no-effect", "`file`")),
        ({"external": {"remote": {"kye": {}}}}, ("secrets.external.remote.kye", "plan.secret-unknown", "'kye'")),
        ({"external": {"key": "{nmae}/{name}/{key}"}}, ("secrets.external.key", "plan.secret-pattern", "{nmae}")),
        ({"external": {"property": "{x}{key}"}}, ("secrets.external.property", "plan.secret-pattern", "{x}")),
        ({"external": {"remote": {"key": {"key": "{x}"}}}}, ("secrets.external.remote.key.key", "plan.secret-pattern", "{x}")),
        ({"external": {"remote": {"key": {"property": "{x}"}}}}, ("secrets.external.remote.key.property", "plan.secret-pattern", "{x}")),
        ({"external": {"key": "{stack}"}}, ("secrets.external.key", "plan.secret-pattern", "{name}")),
        ({"external": {"property": ""}}, ("secrets.external.key", "plan.secret-pattern", "{key}")),
        ({"file": "/x", "external": {}}, ("secrets.file", "plan.no-effect", "`external-secrets`")),
        ({"command": ["x"], "external": {}}, ("secrets.command", "plan.no-effect", "`external-secrets`")),
    ],
)
def test_what_cannot_be_fetched_is_a_mistake(place: Place, secrets: dict[str, Any], wanted: tuple[str, ...]) -> None:
    write(place)
    if secrets != {"external": {"store": "vault"}} and "external" in secrets:
        secrets = secrets | {"source": "external-secrets", "external": {"store": "vault"} | secrets["external"]}
    place.refuses("one", base=CLUSTER, secrets=secrets, wanted=[wanted])
