"""Keys that change nothing are mistakes with their place."""

from pathlib import Path
from typing import Any

import pytest

from portable.model.errors import InputError
from tests.unit.planning import BASE, CLUSTER, COMPOSE, TUN, Place, app, of_files

_OTHER_SOURCES: tuple[dict[str, Any], ...] = (
    {},
    {"source": "file", "file": "/x.yaml"},
    {"source": "cluster"},
    {"source": "environment"},
    {"source": "sops", "file": "/x.yaml"},
    {"source": "command", "command": ["pass"]},
)
"""Every source of secrets but that of an operator, with its own settings alone."""


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
        *(
            (COMPOSE, {"secrets": {**source, "command": ["pass"]}}, "secrets.command")
            for source in _OTHER_SOURCES
            if "command" not in source
        ),
        (COMPOSE, {"secrets": {"source": "environment", "file": "/x.yaml"}}, "secrets.file"),
        (COMPOSE, {"secrets": {"source": "command", "command": ["pass"], "file": "/x.yaml"}}, "secrets.file"),
        (CLUSTER, {"secrets": {"source": "external-secrets", "external": {"store": "v"}, "file": "/x.yaml"}}, "secrets.file"),
        (CLUSTER, {"secrets": {"source": "external-secrets", "external": {"store": "v"}, "command": ["pass"]}}, "secrets.command"),
        *((CLUSTER, {"secrets": {**source, "external": {"store": "v"}}}, "secrets.external") for source in _OTHER_SOURCES),
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
    for source in _OTHER_SOURCES:
        place.plan("one", base=COMPOSE, secrets=source)
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
    if path.endswith(".lan"):
        assert "the name of the port is missing" in mistake.text
        assert "`exposure: {apps: {sonarr: {web: {lan: null}}}}`" in mistake.remedy


def test_a_null_that_removes_an_exposure_is_none(tmp_path: Path) -> None:
    base = f"{BASE}{TUN}exposure: {{default: lan, apps: {{sonarr: {{web: {{}}}}, radarr: {{web: {{loopback: 7000}}}}}}}}\n"
    top = f"{_TOP}apps: [sonarr, radarr]\nexposure: {{apps: {{sonarr: null, radarr: {{web: null}}}}}}\n"
    plan = of_files(tmp_path, base=base, top=top).plan
    assert sorted((e.app, type(e.how).__name__) for e in plan.exposures) == [("radarr", "Lan"), ("sonarr", "Lan")]


@pytest.mark.parametrize("source", ["file", "sops", "cluster"])
@pytest.mark.parametrize("file", ["", "/", "~/", "~", "secrets.yaml", "./s.yaml", "/srv/secrets/", "~anna/s.yaml"])
def test_a_file_of_secrets_has_an_absolute_path(place: Place, source: str, file: str) -> None:
    """An empty one would be read as the stack's own file, and with `sops` that would be taken for an encrypted one."""
    place.write(app("one"))
    with pytest.raises(InputError) as caught:
        place.plan("one", base=COMPOSE, secrets={"source": source, "file": file})
    (mistake,) = caught.value.mistakes
    assert (mistake.path, mistake.code) == ("secrets.file", "secret.file-path")
    assert ("source: sops, file: ~/" in mistake.remedy) == (source == "sops")
