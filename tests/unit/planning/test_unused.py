"""Keys that change nothing are mistakes with their place."""

from pathlib import Path
from typing import Any

import pytest

from portable.model.errors import InputError
from tests.unit.planning import BASE, CLUSTER, COMPOSE, TUN, Place, app, of_files


@pytest.mark.parametrize(
    ("base", "changes", "path"),
    [
        (COMPOSE, {"exposure": {"domain": "example.test"}}, "exposure.domain"),
        (COMPOSE, {"exposure": {"tls-secret": "tls"}}, "exposure.tls-secret"),
        (COMPOSE, {"exposure": {"ingress-class": "nginx"}}, "exposure.ingress-class"),
        (COMPOSE, {"exposure": {"ingress-namespace": "nginx"}}, "exposure.ingress-namespace"),
        (COMPOSE, {"exposure": {"gateway": {"name": "home"}}}, "exposure.gateway"),
        (COMPOSE, {"networks": {"namespaces": ["monitoring"]}}, "networks.namespaces"),
        (COMPOSE, {"networks": {"cluster-domain": "k8s.lan"}}, "networks.cluster-domain"),
        (COMPOSE, {"nodes": {"weight": 50}}, "nodes.weight"),
        (CLUSTER, {"engine": "ssh://root@host"}, "engine"),
        (CLUSTER, {"exposure": {"address": "host.test"}}, "exposure.address"),
        (CLUSTER, {"exposure": {"addresses": ["host.test"]}}, "exposure.addresses"),
        (CLUSTER, {"exposure": {"lan": "192.168.7.0/24"}}, "exposure.lan"),
        (CLUSTER, {"nodes": {"weight": 50}}, "nodes.weight"),
        (CLUSTER, {"exposure": {"lan-address": "192.168.7.2"}}, "exposure.lan-address"),
        (COMPOSE, {"exposure": {"default": "loopback", "lan-address": "192.168.7.2"}}, "exposure.lan-address"),
    ],
)
def test_what_is_passed_over_is_told(place: Place, base: dict[str, Any], changes: dict[str, Any], path: str) -> None:
    place.write(app("one"))
    assert place.told("one", base=base, **changes) == [(path, "plan.no-effect")]


def test_what_counts_is_no_mistake(place: Place) -> None:
    place.write(app("one"))
    networks = {"namespaces": ["monitoring"], "cluster-domain": "k8s.lan"}
    exposure = {"domain": "example.test", "tls-secret": "t", "ingress-class": "c", "ingress-namespace": "n", "gateway": {"name": "g"}}
    cluster = place.plan("one", base=CLUSTER, nodes={"prefer": ["n1"], "weight": 50}, exposure=exposure, networks=networks)
    assert cluster.plan.node_weight == 50
    exposure = {"address": "host.test", "addresses": ["other.test"], "lan": "192.168.7.0/24"}
    assert place.plan("one", base=COMPOSE, engine="ssh://root@host", exposure=exposure).given.profile.engine is not None
    ways: tuple[dict[str, Any], ...] = ({"lan": "192.168.7.0/24"}, {"default": "lan"}, {"apps": {"one": {"web": {"lan": {}}}}})
    for lan in ways:
        place.plan("one", base=COMPOSE, exposure={"lan-address": "192.168.7.2", **lan})


_TOP = "portable: 1\nname: top\nextends: base\n"


@pytest.mark.parametrize(
    ("below", "above", "path"),
    [
        ("{default: lan}", "{apps: {sonarr: null}}", "exposure.apps.sonarr"),
        ("{default: lan}", "{apps: {sonarr: {web: null}}}", "exposure.apps.sonarr.web"),
        ("{default: lan}", "{apps: {sonarr: {lan: null}}}", "exposure.apps.sonarr.lan"),
        ("{default: lan, apps: {sonarr: {web: {}}}}", "{apps: {radarr: null}}", "exposure.apps.radarr"),
    ],
)
def test_a_null_that_removes_no_exposure_is_a_mistake(tmp_path: Path, below: str, above: str, path: str) -> None:
    """It would look as if the port were hidden, and the default would publish it."""
    with pytest.raises(InputError) as caught:
        of_files(tmp_path, base=f"{BASE}{TUN}exposure: {below}\n", top=f"{_TOP}apps: [sonarr, radarr]\nexposure: {above}\n")
    (mistake,) = caught.value.mistakes
    assert (mistake.path, mistake.code, mistake.source.line) == (path, "plan.no-effect", 5)
    assert "to hide a port, write `exposure: {apps: {" in mistake.remedy


def test_a_null_that_removes_an_exposure_is_none(tmp_path: Path) -> None:
    base = f"{BASE}{TUN}exposure: {{default: lan, apps: {{sonarr: {{web: {{}}}}, radarr: {{web: {{loopback: 7000}}}}}}}}\n"
    top = f"{_TOP}apps: [sonarr, radarr]\nexposure: {{apps: {{sonarr: null, radarr: {{web: null}}}}}}\n"
    plan = of_files(tmp_path, base=base, top=top).plan
    assert sorted((e.app, type(e.how).__name__) for e in plan.exposures) == [("radarr", "Lan"), ("sonarr", "Lan")]
