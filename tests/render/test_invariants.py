"""The rules of `invariants.py` hold for the full plan, and each of them can fail."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from portable.backends.compose import render
from tests.factories import full_plan
from tests.render.invariants import check_compose

PLAN = full_plan("compose")


def project() -> dict[str, Any]:
    return copy.deepcopy(render(PLAN).documents[0].body)


def test_full_plan() -> None:
    assert check_compose(project(), PLAN) == []


def _torrents(document: dict[str, Any]) -> dict[str, Any]:
    service: dict[str, Any] = document["services"]["torrents"]
    return service


BREAKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "config files: init-script is not declared": lambda d: d["configs"].pop("init-script"),
    "volumes: shelf-cache is not declared": lambda d: d["volumes"].pop("shelf-cache"),
    "secrets: torrents-conf is not declared": lambda d: d["secrets"].pop("torrents-conf"),
    "networks: default is not declared": lambda d: d["networks"].pop("default"),
    "there is no service": lambda d: d["services"].pop("init"),
    "which has no check": lambda d: d["services"]["gateway"].pop("healthcheck"),
    "in a circle": lambda d: d["services"]["gateway"]["depends_on"].update(torrents={"condition": "service_started"}),
    "is also published": lambda d: d["services"]["player-store"]["ports"].append({"target": 1, "published": "8080", "protocol": "tcp"}),
    "which it doesn't need": lambda d: _torrents(d)["cap_add"].append("NET_ADMIN"),
    "keeps the engine's capabilities": lambda d: _torrents(d).pop("cap_drop"),
    "may gain privileges": lambda d: _torrents(d).pop("security_opt"),
    "apparmor:unconfined": lambda d: _torrents(d)["security_opt"].append("apparmor:unconfined"),
    "torrents: privileged": lambda d: _torrents(d).update(privileged=True),
    "the host's network": lambda d: _torrents(d).update(network_mode="host"),
    "engine's socket": lambda d: _torrents(d)["volumes"].append({"type": "bind", "source": "/run/docker.sock", "target": "/s"}),
    "has no mem_limit": lambda d: _torrents(d).pop("mem_limit"),
    "not in the namespace of its gateway": lambda d: _torrents(d).update(network_mode="service:player"),
    "may start before its gateway": lambda d: _torrents(d)["depends_on"]["gateway"].update(condition="service_started"),
    "is not known in the network": lambda d: d["services"]["gateway"]["extra_hosts"].pop("transfer"),
    "player, player-store has a network, and all share one": lambda d: d["services"]["player"].pop("network_mode"),
    "somebody but the gateway has a network": lambda d: _torrents(d).update(ports=[]),
    "the library is mounted elsewhere": lambda d: _torrents(d)["volumes"][1].update(target="/tv"),
    "sees appdata": lambda d: _torrents(d)["volumes"].pop(),
    "is mounted twice": lambda d: _torrents(d)["volumes"].append(_torrents(d)["volumes"][0]),
    "won't see clouds": lambda d: d["services"]["player"]["volumes"][-1]["bind"].pop("propagation"),
    "binds a mount": lambda d: d["services"]["player"]["volumes"][-1].update(target="/mnt/clouds/shelf"),
    "more than a reference": lambda d: d["secrets"].update({"player-tls-tls.crt": {"content": "x"}}),
    "holds a secret": lambda d: d["configs"].update({"torrents-conf": {"content": "x"}}),
    "is not what Compose fills in": lambda d: d["services"]["player"]["environment"].update(CLAIM="value"),
}


@pytest.mark.parametrize("line", BREAKS)
def test_a_broken_rule_is_told(line: str) -> None:
    document = project()
    BREAKS[line](document)
    assert any(line.removeprefix("config files: ") in told for told in check_compose(document, PLAN))
