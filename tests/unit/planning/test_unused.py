"""Keys that change nothing are mistakes with their place."""

from typing import Any

import pytest

from tests.unit.planning import CLUSTER, COMPOSE, Place, app


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
