"""Namespaces, names, ports, and what is refused."""

from portable.backends.common import PlacedContainer, index
from portable.backends.compose.network import network, network_findings, networks
from portable.model import plan as p
from portable.model.exposures import Exposure, Ingress, Lan
from tests.factories import app, container, plan

GATEWAY = app("gateway", containers=(container(probes=p.Probes(ready=p.Check(how=p.Exec(command=("ok",))))),))
GROUP = p.Group(name="vpn", apps=("gateway", "demo"), egress=p.Tunnel(gateway="gateway"), address="172.20.0.2")


def test_the_owner_speaks_for_its_group() -> None:
    demo = app("demo", aliases=("old-name",), ports=(p.Port(name="web", number=80), p.Port(name="peer", number=81, protocol="udp")))
    known = index(plan(GATEWAY, demo, groups=(GROUP,), exposures=(Exposure(app="demo", port="peer", how=Lan(number=6881)),)))
    keys = network(PlacedContainer("", GATEWAY.containers[0], app=GATEWAY), known).keys
    assert keys["networks"]["default"] == {"aliases": ["demo", "gateway", "old-name"], "ipv4_address": "172.20.0.2"}
    assert keys["extra_hosts"] == {"demo": "127.0.0.1", "gateway": "127.0.0.1", "old-name": "127.0.0.1"}
    assert keys["ports"] == [{"target": 81, "published": "6881", "protocol": "udp"}]
    assert keys["expose"] == ["80", "8000", "81/udp"]
    assert keys["dns"] == ["192.0.2.53"], "what the engine's resolver does not know, nobody is asked"
    assert network(PlacedContainer("", demo.containers[0], app=demo), known).keys == {"network_mode": "service:gateway"}


def test_an_app_without_gateway_is_found_at_its_own_address() -> None:
    demo = app("demo", aliases=("old-name",))
    keys = network(PlacedContainer("", demo.containers[0], app=demo), index(plan(demo))).keys
    assert keys["networks"]["default"]["aliases"] == ["demo", "old-name"]
    assert "extra_hosts" not in keys


def test_a_sealed_owner_asks_nobody_for_foreign_names() -> None:
    known = index(plan(GATEWAY, groups=(p.Group(name="vpn", apps=("gateway",), egress=p.Sealed(gateway="gateway")),)))
    assert network(PlacedContainer("", GATEWAY.containers[0], app=GATEWAY), known).keys["dns"] == ["127.0.0.1"]


def test_what_no_group_has_gets_no_network_and_is_refused() -> None:
    demo = app()
    known = index(plan(demo, groups=()))
    assert network(PlacedContainer("", demo.containers[0], app=demo), known).keys == {"network_mode": "none"}
    assert ("apps.demo", "refused") in [(finding.path, finding.verdict) for finding in network_findings(known)]


def test_a_gateway_outside_its_group_is_refused() -> None:
    group = p.Group(name="vpn", apps=("demo",), egress=p.Tunnel(gateway="gateway"))
    found = network_findings(index(plan(GATEWAY, app("demo"), groups=(group, p.Group(name="gateway", apps=("gateway",))))))
    assert [f.path for f in found if f.verdict == "refused"] == ["groups.vpn.egress.gateway"]


def test_a_gateway_without_probe_is_refused() -> None:
    found = network_findings(index(plan(app("gateway"), app("demo"), subnet="172.20.0.0/16", groups=(GROUP,))))
    assert [(f.path, f.class_) for f in found if f.verdict == "refused"] == [("groups.vpn.egress.gateway", "security")]


def test_an_address_needs_a_subnet() -> None:
    found = network_findings(index(plan(GATEWAY, app("demo"), groups=(GROUP,))))
    assert "groups.vpn.address" in [f.path for f in found if f.verdict == "refused"]


def test_reach_of_a_cluster_is_refused() -> None:
    demo = app()
    known = index(plan(demo, exposures=(Exposure(app="demo", port="web", how=Ingress(host="demo.test")),)))
    part = network(PlacedContainer("", demo.containers[0], app=demo), known)
    assert part.keys["ports"] == []
    assert [(f.path, f.verdict) for f in part.findings] == [("exposures.demo:web.how", "refused")]


def test_a_private_port_is_a_matter_of_security() -> None:
    known = index(plan(app(ports=(p.Port(name="rpc", number=5001, private=True),))))
    assert [(f.path, f.class_) for f in network_findings(known) if f.field == "ports.private"] == [("apps.demo.ports.rpc", "security")]


def test_network_without_subnet_is_the_engines_choice() -> None:
    assert networks(index(plan())) == {"default": {}}


def test_addresses_that_nobody_fixed_come_from_where_none_is_fixed() -> None:
    def config(subnet: str, *addresses: str) -> object:
        groups = tuple(p.Group(name=f"g{n}", apps=(), address=address) for n, address in enumerate(addresses))
        return networks(index(plan(subnet=subnet, groups=groups)))["default"]["ipam"]["config"]

    free = {"subnet": "172.20.0.0/16", "gateway": "172.20.0.1"}
    assert config("172.20.0.0/16") == [{"subnet": "172.20.0.0/16"}]
    assert config("172.20.0.0/16", "172.20.0.2", "172.20.0.10") == [{**free, "ip_range": "172.20.128.0/17"}]
    assert config("172.20.0.0/16", "172.20.0.2", "172.20.200.1") == [{**free, "ip_range": "172.20.128.0/18"}]
    assert config("fd00::/64", "fd00::2") == [{"subnet": "fd00::/64", "gateway": "fd00::1", "ip_range": "fd00::8000:0:0:0/65"}]
    assert config("10.0.0.0/30", "10.0.0.2") == [{"subnet": "10.0.0.0/30"}]
    assert config("no subnet", "172.20.0.2") == [{"subnet": "no subnet"}]
