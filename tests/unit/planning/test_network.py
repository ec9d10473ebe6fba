"""Step 2: groups and their way out, ports, exposures, addresses."""

from pathlib import Path
from typing import Any

import pytest

from portable.model import plan as p
from portable.model.errors import InputError
from portable.model.exposures import Exposure, GatewayRoute, Ingress, Lan, LoadBalancer, Loopback, Reach, Route
from portable.planning.network import address_of
from tests.unit.planning import BASE, CLUSTER, COMPOSE, VPN, Place, app, of_files, port_of


def exposures(place: Place, *apps: str, **changes: Any) -> dict[str, Reach]:
    return {f"{e.app}:{e.port}": e.how for e in place.plan(*apps, **changes).plan.exposures}


# --- groups


def test_an_app_of_its_own_is_a_group_of_its_own(place: Place) -> None:
    place.write(app("one"), app("two"))
    assert place.plan("one", "two").plan.groups == (p.Group(name="one", apps=("one",)), p.Group(name="two", apps=("two",)))


def test_what_needs_the_vpn_shares_its_gateways_group_in_start_order(place: Place) -> None:
    place.write(app("b", egress="vpn"), app("a", egress="vpn", after=[{"app": "b"}]), app("free"))
    networks = {"subnet": "172.20.0.0/16", "local": ["10.0.0.0/8", "10.0.0.0/8"]}
    vpn = {"gateway": "gluetun", "endpoints": [{"cidr": "198.51.100.0/24", "port": 51820}, {"cidr": "192.0.2.0/24"}]}
    first, second = place.plan("a", "b", "free", networks=networks, vpn=vpn).plan.groups
    assert first.apps == ("gluetun", "b", "a")
    assert first.egress == p.Tunnel(
        gateway="gluetun",
        networks=("172.20.0.0/16", "10.0.0.0/8"),
        endpoints=(p.Endpoint(cidr="198.51.100.0/24", port=51820), p.Endpoint(cidr="192.0.2.0/24", port=51820)),
        provider="mullvad",
    )
    assert (second.apps, second.egress) == (("free",), p.Direct())


def test_without_a_vpn_it_is_sealed(place: Place) -> None:
    place.write(app("torrents", egress="vpn"))
    planned = place.plan("torrents", networks={"local": ["10.0.0.0/8"]})
    (group,) = planned.plan.groups
    assert (group.apps, group.egress) == (("seal", "torrents"), p.Sealed(gateway="seal", networks=("10.0.0.0/8",)))
    assert [(f.code, f.field, f.class_, f.verdict) for f in planned.findings] == [("vpn.sealed", "egress", "function", "noted")]


def test_a_group_takes_account_and_nodes_from_the_profile(place: Place) -> None:
    place.write(app("torrents", egress="vpn", zone="downloaders"), app("free", zone="players"))
    accounts = {"downloaders": "loader", "players": "player"}
    first, second = place.plan("torrents", "free", base=CLUSTER, accounts=accounts, nodes={"prefer": ["n1", "n2"]}, **VPN).plan.groups
    assert (first.account, second.account) == ("loader", "player")
    assert first.prefer_nodes == second.prefer_nodes == ("n1", "n2")


# --- ports


def test_a_port_for_both_protocols_becomes_two(place: Place) -> None:
    place.write(app("one", ports={"web": None, "dns": {"number": 53, "protocol": "tcp+udp"}}))
    (one,) = place.plan("one").plan.apps
    assert [(q.name, q.number, q.protocol) for q in one.ports] == [("dns", 53, "tcp"), ("dns-udp", 53, "udp")]


def test_a_port_of_the_stack_holds_everywhere(place: Place) -> None:
    place.write(app("one"))
    (one,) = place.plan("one", stack="portable: 1\nports: {one: {web: 9000}}\n").plan.apps
    assert [(q.name, q.number) for q in one.ports] == [("web", 9000)]


def test_a_container_for_an_exposed_port_is_there_only_then(place: Place) -> None:
    assert [c.name for c in place.plan("plex").plan.apps[0].containers] == ["main"]
    exposed = place.plan("plex", exposure={"apps": {"plex": {"tls": {"lan": {}}}}}).plan.apps[0]
    assert [(c.name, c.role) for c in exposed.containers] == [("main", "main"), ("tls", "sidecar")]
    assert {q.name for q in exposed.ports} == {"web", "tls"}


def test_two_apps_of_a_group_can_not_listen_on_one_port(place: Place) -> None:
    ports = {"web": {"number": 8080}}
    place.write(app("one", egress="vpn", ports=ports), app("two", egress="vpn", ports=ports), app("three", ports=ports))
    report = place.mistakes("one", "two", "three", **VPN)
    assert report.startswith("apps/two/app.yaml:")
    assert all(word in report for word in ("two web", "one web", "8080/tcp", "gluetun"))
    assert "portable.yaml: `ports: {two: {web: N}}`) [port.clash]" in report
    assert len(report.splitlines()) == 1
    remedied = place.plan("one", "two", "three", stack="portable: 1\nports: {two: {web: 8090}}\n", **VPN)
    assert {a.name: a.ports[0].number for a in remedied.plan.apps if a.name != "gluetun"} == {"one": 8080, "two": 8090, "three": 8080}


def test_a_clash_that_the_stack_made_is_told_at_the_stack(place: Place) -> None:
    place.write(app("one", egress="vpn"))
    report = place.mistakes("one", stack="portable: 1\nports:\n  one: {web: 8000}\n", **VPN)
    assert report.startswith("portable.yaml:3:14: ports.web.number: one web and gluetun control ")
    assert "8000/tcp" in report
    assert report.endswith("[port.clash]")


def test_one_number_for_two_protocols_is_no_clash(place: Place) -> None:
    place.write(
        app("one", egress="vpn", ports={"peer": {"number": 6881}}),
        app("two", egress="vpn", ports={"peer": {"number": 6881, "protocol": "udp"}}),
    )
    assert len(place.plan("one", "two", **VPN).plan.groups) == 1


def test_the_gateways_firewall_opens_what_others_may_reach(place: Place) -> None:
    place.write(app("one", egress="vpn", ports={"peer": {"number": 6881}, "own": {"number": 7000, "serves": "http", "private": True}}))
    planned = place.plan("one", **VPN)
    gluetun = next(a for a in planned.plan.apps if a.name == "gluetun")
    assert gluetun.containers[0].env["FIREWALL_INPUT_PORTS"] == str(port_of("one"))


# --- exposures


def test_the_default_exposes_every_web_port(place: Place) -> None:
    place.write(app("one", ports={"admin": {"number": 1, "serves": "http"}}), app("two"), app("three", ports={"web": {"private": True}}))
    assert exposures(place, "one", "two", "three", exposure={"default": "lan"}) == {
        "one:web": Lan(number=port_of("one")),
        "two:web": Lan(number=port_of("two")),
    }
    assert exposures(place, "one", "two") == {}


def test_an_empty_map_hides_what_the_default_exposes(place: Place) -> None:
    place.write(app("one"), app("two"))
    assert set(exposures(place, "one", "two", exposure={"default": "loopback", "apps": {"one": {"web": {}}}})) == {"two:web"}


@pytest.mark.parametrize(
    ("asked", "how"),
    [
        ({"loopback": {}}, Loopback(number=port_of("one"))),
        ({"loopback": {"number": 8}}, Loopback(number=8)),
        ({"loopback": 8}, Loopback(number=8)),
        ({"lan": {"number": 8}}, Lan(number=8)),
        ({"lan": 8}, Lan(number=8)),
        ({"ingress": {}}, Ingress(host="one.example.test", tls_secret="all-tls", ingress_class="nginx", namespace="controllers")),
        (
            {"ingress": {"host": "own.test", "tls-secret": "own", "ingress-class": "other"}},
            Ingress(host="own.test", tls_secret="own", ingress_class="other", namespace="controllers"),
        ),
        ({"route": {}}, Route(host="one.example.test")),
        (
            {"route": {"host": "own.test", "termination": "passthrough", "auth": "oauth-proxy"}},
            Route(host="own.test", termination="passthrough", auth="oauth-proxy"),
        ),
        ({"load-balancer": {}}, LoadBalancer(number=port_of("one"))),
        ({"load-balancer": {"number": 80, "address": "192.0.2.1"}}, LoadBalancer(number=80, address="192.0.2.1")),
    ],
)
def test_every_way_to_expose(place: Place, asked: dict[str, Any], how: Reach) -> None:
    place.write(app("one"))
    named = {"domain": "example.test", "tls-secret": "all-tls", "ingress-class": "nginx", "ingress-namespace": "controllers"}
    exposure = {**named, "apps": {"one": {"web": asked}}}
    assert exposures(place, "one", base=CLUSTER, exposure=exposure) == {"one:web": how}


def test_both_halves_of_a_port_are_exposed(place: Place) -> None:
    place.write(app("one", ports={"web": None, "dns": {"number": 53, "protocol": "tcp+udp"}}))
    found = exposures(place, "one", exposure={"apps": {"one": {"dns": {"lan": {"number": 5353}}}}})
    assert found == {"one:dns": Lan(number=5353), "one:dns-udp": Lan(number=5353)}


LAN_BASE = BASE.replace("vpn: {}\n", "apps: [sonarr]\nexposure: {apps: {sonarr: {web: {lan: 8990}}}}\n")


@pytest.mark.parametrize(
    ("own", "sets", "remedy"),
    [
        (
            "{loopback: {}}",
            (),
            "`lan` comes from base.yaml: write `exposure: {apps: {sonarr: {web: {lan: null}}}}` beside your own",
        ),
        (
            "{lan: 8991}",
            ("exposure.apps.sonarr.web.loopback=81",),
            "`lan` comes from top.yaml: add `--set exposure.apps.sonarr.web.lan=null`",
        ),
        ("{lan: 8991, loopback: {}}", (), "keep one of them"),
    ],
)
def test_of_several_exposures_the_inherited_ones_become_null(tmp_path: Path, own: str, sets: tuple[str, ...], remedy: str) -> None:
    top = f"portable: 1\nname: top\nextends: base\nexposure: {{apps: {{sonarr: {{web: {own}}}}}}}\n"
    with pytest.raises(InputError) as caught:
        of_files(tmp_path, sets, base=LAN_BASE, top=top)
    assert [(m.code, m.remedy) for m in caught.value.mistakes] == [("port.several-exposures", remedy)]
    if remedy.startswith("`lan` comes from base"):
        repaired = top.replace("{loopback: {}}", "{loopback: {}, lan: null}")
        assert [e.how for e in of_files(tmp_path, base=LAN_BASE, top=repaired).plan.exposures] == [Loopback(number=8989)]


@pytest.mark.parametrize(
    ("port", "asked", "code", "words"),
    [
        ("web", {"lan": {}, "loopback": {}}, "port.several-exposures", ""),
        *(("web", {"lan": {}, way: {"host": "x.test"}}, "port.several-exposures", "") for way in ("ingress", "gateway", "route")),
        ("web", {"ingress": {}}, "port.host-missing", ""),
        ("web", {"gateway": {}}, "port.host-missing", ""),
        ("web", {"gateway": {"host": "x..test"}}, "port.host-name", "'x..test'"),
        ("web", {"route": {}}, "port.host-missing", ""),
        ("web", {"load-balancer": {"address": "1.2.3"}}, "port.balancer-address", "'1.2.3'"),
        ("wbe", {"lan": {}}, "port.unknown", "'wbe'; known: own, peer, web"),
        ("own", {"lan": {}}, "port.private", "port own of one"),
        ("peer", {"ingress": {"host": "x.test"}}, "port.raw-host", "port peer of one"),
        ("peer", {"gateway": {"host": "x.test"}}, "port.raw-host", "port peer of one"),
        ("peer", {"route": {"host": "x.test"}}, "port.raw-host", "port peer of one"),
    ],
)
def test_exposures_that_can_not_be(place: Place, port: str, asked: dict[str, Any], code: str, words: str) -> None:
    place.write(app("one", ports={"own": {"number": 1, "private": True}, "peer": {"number": 2}}))
    place.refuses("one", exposure={"apps": {"one": {port: asked}}}, wanted=[(f"exposure.apps.one.{port}", code, words)])


@pytest.mark.parametrize("asked", [{"lan": 9}, {"loopback": {"number": 9}}, {"load-balancer": {"number": 9}}])
def test_an_app_that_checks_its_own_number_is_published_at_it(place: Place, asked: dict[str, Any]) -> None:
    place.write(app("one", ports={"web": {"own-number": True}}))
    wanted = [("exposure.apps.one.web", "port.own-number", "one", " 9,")]
    place.refuses("one", base=CLUSTER, exposure={"apps": {"one": {"web": asked}}}, wanted=wanted)
    own: dict[str, Any] = {key: {} for key in asked}
    assert len(exposures(place, "one", base=CLUSTER, exposure={"apps": {"one": {"web": own}}})) == 1


def test_peers_of_a_vpn_app_come_through_the_tunnel(place: Place) -> None:
    wanted = [("exposure.apps.qbittorrent.peer", "port.peers", "port peer of qbittorrent")]
    place.refuses("qbittorrent", exposure={"apps": {"qbittorrent": {"peer": {"lan": {}}}}}, wanted=wanted, **VPN)


def test_the_default_publishes_no_raw_port_of_a_vpn_app(place: Place) -> None:
    raw = {"web": {"serves": "raw"}}
    place.write(app("one", egress="vpn", ports=raw), app("two", ports=raw))
    assert set(exposures(place, "one", "two", exposure={"default": "lan"}, **VPN)) == {"two:web"}


def test_a_default_that_lacks_a_domain_is_one_mistake_for_all(place: Place) -> None:
    place.write(app("one"), app("two"))
    assert place.told("one", "two", exposure={"default": "ingress"}) == [("exposure.default", "port.host-missing")]


def test_two_ports_can_not_have_one_number_of_the_host(place: Place) -> None:
    place.write(app("one"), app("two"), app("three"))
    apps = {
        "one": {"web": {"lan": {"number": 80}}},
        "two": {"web": {"loopback": {"number": 80}}},
        "three": {"web": {"lan": {"number": 81}}},
    }
    wanted = [("exposure.apps.two.web", "port.taken", "two web and one web", "80/tcp")]
    place.refuses("one", "two", "three", exposure={"apps": apps}, wanted=wanted)


@pytest.mark.parametrize(("first", "second"), [("ingress", "route"), ("gateway", "gateway"), ("gateway", "ingress")])
def test_two_apps_can_not_have_one_name(place: Place, first: str, second: str) -> None:
    place.write(app("one"), app("two"))
    apps = {"one": {"web": {first: {"host": "x.test"}}}, "two": {"web": {second: {"host": "x.test"}}}}
    wanted = [("exposure.apps.two.web", "port.taken", "two web and one web", "x.test")]
    place.refuses("one", "two", base=CLUSTER, exposure={"apps": apps, "gateway": {"name": "edge"}}, wanted=wanted)


def test_load_balancers_share_a_number_but_no_address(place: Place) -> None:
    place.write(app("one"), app("two"))
    asked: dict[str, Any] = {"load-balancer": {"number": 80}}
    assert len(exposures(place, "one", "two", base=CLUSTER, exposure={"apps": {"one": {"web": asked}, "two": {"web": asked}}})) == 2
    asked = {"load-balancer": {"number": 80, "address": "192.0.2.1"}}
    wanted = [("exposure.apps.two.web", "port.taken", "two web and one web", "192.0.2.1:80")]
    place.refuses("one", "two", base=CLUSTER, exposure={"apps": {"one": {"web": asked}, "two": {"web": asked}}}, wanted=wanted)


@pytest.mark.parametrize(
    ("how", "serves", "address"),
    [
        (Loopback(number=80), "http", "http://127.0.0.1:80"),
        (Lan(number=80), "https", "https://nas:80"),
        (Lan(number=53), "raw", "tcp://nas:53"),
        (Ingress(host="x.test"), "http", "http://x.test"),
        (Ingress(host="x.test", tls_secret="tls"), "http", "https://x.test"),
        (Route(host="x.test"), "http", "https://x.test"),
        (GatewayRoute(host="x.test", gateway="edge"), "http", "https://x.test"),
        (LoadBalancer(number=80, address="192.0.2.1"), "http", "http://192.0.2.1:80"),
        (LoadBalancer(number=80), "http", None),
    ],
)
def test_the_address_that_a_person_types(how: Reach, serves: Any, address: str | None) -> None:
    exposure, port = Exposure(app="one", port="web", how=how), p.Port(name="web", number=1, serves=serves)
    assert address_of(exposure, port, "nas") == address


# --- addresses and networks

SUBNET = {"subnet": "172.20.0.0/16"}


def test_fixed_addresses_go_to_groups(place: Place) -> None:
    place.write(app("one"), app("two", egress="vpn"))
    planned = place.plan("one", "two", networks=SUBNET, addresses={"one": "172.20.0.10", "two": "172.20.0.11"}, **VPN).plan
    assert {g.name: g.address for g in planned.groups} == {"gluetun": "172.20.0.11", "one": "172.20.0.10"}
    assert planned.subnet == "172.20.0.0/16"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"addresses": {"one": "10.0.0.1"}, "networks": SUBNET}, ("addresses.one", "plan.address-outside", "10.0.0.1", "172.20.0.0/16")),
        ({"addresses": {"one": "fd00::1"}, "networks": SUBNET}, ("addresses.one", "plan.address-outside", "fd00::1", "172.20.0.0/16")),
        ({"addresses": {"one": "1.2.3"}, "networks": SUBNET}, ("addresses.one", "plan.address", "'1.2.3'")),
        ({"addresses": {"one": "172.20.0.9"}}, ("addresses.one", "plan.subnet-missing")),
        *(
            ({"addresses": {"one": address}, "networks": SUBNET}, ("addresses.one", "plan.address-reserved", address, "172.20.0.0/16"))
            for address in ("172.20.0.0", "172.20.0.1", "172.20.255.255")
        ),
        (
            {"addresses": {"one": "172.20.0.9", "two": "172.20.0.9"}, "networks": SUBNET},
            ("addresses.two", "plan.address-taken", "172.20.0.9", "one"),
        ),
        (
            {"addresses": {"gluetun": "172.20.0.8", "two": "172.20.0.9"}, "networks": SUBNET},
            ("addresses.two", "plan.address-shared", "two", "gluetun"),
        ),
        ({"networks": {"subnet": "172.20.0.1/16"}}, ("networks", "plan.network", "'172.20.0.1/16'", "has host bits set")),
        ({"vpn": {"endpoints": [{"cidr": "1.2.3.4/8"}]}}, ("vpn.endpoints", "plan.network", "'1.2.3.4/8'", "has host bits set")),
    ],
)
def test_addresses_that_can_not_be(place: Place, changes: dict[str, Any], wanted: tuple[str, ...]) -> None:
    place.write(app("one"), app("two", egress="vpn"))
    place.refuses("one", "two", wanted=[wanted], **({"vpn": {}} | changes))


@pytest.mark.parametrize("address", ["172.20.0.2", "172.20.0.255", "172.20.1.0", "172.20.255.254"])
def test_all_addresses_but_the_networks_own_can_be_given(place: Place, address: str) -> None:
    place.write(app("one"))
    assert [g.address for g in place.plan("one", networks=SUBNET, addresses={"one": address}).plan.groups] == [address]


def test_an_address_of_an_app_that_is_not_here_hides_no_other(place: Place) -> None:
    place.write(app("absent"), app("one"))
    told = place.told("one", networks=SUBNET, addresses={"absent": "172.20.0.9", "one": "10.0.0.1"})
    assert "addresses.one" in [path for path, _ in told]


def test_a_wrong_local_network_is_told_with_its_place_in_the_list(place: Place) -> None:
    place.refuses(networks={"local": ["10.0.0.0/8", "300.0.0.0/8"]}, wanted=[("networks", "plan.network", "'300.0.0.0/8'")])


def test_a_pod_of_several_zones_says_whose_account_it_has(place: Place) -> None:
    place.write(app("one", egress="vpn", zone="managers"), app("two", egress="vpn", zone="front"), app("three", zone="front"))
    accounts = {"managers": "managers", "front": "pages"}
    planned = place.plan("one", "two", "three", base=CLUSTER, accounts=accounts, **VPN)
    assert {group.name: group.account for group in planned.plan.groups} == {"gluetun": "managers", "three": "pages"}
    found = [(f.code, f.app, f.path) for f in planned.findings if f.field == "accounts"]
    assert found == [("plan.account", "two", "groups.gluetun.account")]


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("a" * 63 + ".test", None),
        ("a" * 64 + ".test", "too long"),
        (".".join(["a" * 60] * 4) + ".example.test", "too long"),
        ("a..test", "letter or digit"),
        ("a-.test", "letter or digit"),
    ],
)
def test_a_host_is_a_name_that_dns_takes(place: Place, host: str, words: str | None) -> None:
    place.write(app("one"))
    exposure = {"apps": {"one": {"web": {"ingress": {"host": host}}}}}
    if words is None:
        assert place.plan("one", base=CLUSTER, exposure=exposure).addresses["one", "web"] == f"http://{host}"
    else:
        wanted = [("exposure.apps.one.web", "port.host-name", f"{host!r}", words)]
        place.refuses("one", base=CLUSTER, exposure=exposure, wanted=wanted)


# --- the subnet


def subnet_mistakes(place: Place, subnet: str, count: int, *, base: dict[str, Any] = COMPOSE, **changes: Any) -> list[tuple[str, str]]:
    names = [f"app-{index}" for index in range(count)]
    place.write(*(app(name) for name in names))
    networks = {"subnet": subnet, **changes.pop("networks", {})}
    try:
        place.plan(*names, base=base, networks=networks, **changes)
    except InputError as error:
        return [(mistake.path, mistake.code) for mistake in error.mistakes]
    return []


SMALL = [("networks.subnet", "plan.subnet-small")]


@pytest.mark.parametrize(
    ("subnet", "count", "changes", "wanted"),
    [
        ("10.77.0.0/29", 5, {}, []),
        ("10.77.0.0/29", 6, {}, SMALL),
        ("10.77.0.0/30", 1, {}, []),
        ("10.77.0.0/30", 2, {}, SMALL),
        ("10.77.0.0/31", 1, {}, SMALL),
        ("10.77.0.0/32", 1, {}, SMALL),
        ("10.77.0.0/29", 0, {}, []),
        # One is fixed at 2, so the others get the upper half: 4 to 6, since 7 is the broadcast address.
        ("10.77.0.0/29", 4, {"addresses": {"app-0": "10.77.0.2"}}, []),
        ("10.77.0.0/29", 5, {"addresses": {"app-0": "10.77.0.2"}}, SMALL),
    ],
)
def test_a_subnet_with_too_few_addresses(
    place: Place, subnet: str, count: int, changes: dict[str, Any], wanted: list[tuple[str, str]]
) -> None:
    assert subnet_mistakes(place, subnet, count, **changes) == wanted


def test_apps_of_one_group_need_one_address_and_clouds_one_each(place: Place) -> None:
    place.write(*(app(f"vpn-{index}", egress="vpn") for index in range(9)), app("one"))
    names = [f"vpn-{index}" for index in range(9)]
    assert place.plan(*names, networks={"subnet": "10.77.0.0/30"}, **VPN).plan.subnet == "10.77.0.0/30"
    assert place.told("one", networks={"subnet": "10.77.0.0/30"}, clouds=["torbox"]) == SMALL


def test_a_subnet_of_ipv6_is_refused_where_the_engine_uses_it(place: Place) -> None:
    wanted = [("networks.subnet", "plan.subnet-ipv6")]
    assert subnet_mistakes(place, "fd00:77::/64", 1) == wanted
    assert subnet_mistakes(place, "fd00:77::/64", 1, networks={"local": ["fd00::/8"]}) == wanted
    assert subnet_mistakes(place, "fd00:77::/64", 1, base=CLUSTER) == []


SUBNET_IS_LOCAL = [("networks.subnet", "plan.subnet-local")]


@pytest.mark.parametrize(
    ("local", "wanted"),
    [
        ("192.168.1.0/24", SUBNET_IS_LOCAL),
        ("192.168.1.128/25", SUBNET_IS_LOCAL),
        ("192.168.0.0/16", []),
        ("192.168.2.0/24", []),
        ("fd00::/8", []),
    ],
)
def test_a_subnet_that_is_or_covers_a_local_network(place: Place, local: str, wanted: list[tuple[str, str]]) -> None:
    assert subnet_mistakes(place, "192.168.1.0/24", 1, networks={"local": [local]}) == wanted


def test_a_subnet_that_is_the_lan_of_the_exposure(place: Place) -> None:
    place.write(app("one", ports={"web": {"number": 80, "serves": "http"}}))
    exposure = {"default": "loopback", "lan": "192.168.1.0/24"}
    assert place.told("one", networks={"subnet": "192.168.1.0/24"}, exposure=exposure) == SUBNET_IS_LOCAL


@pytest.mark.parametrize(
    ("local", "base", "is_found"),
    [
        ("192.168.0.0/16", COMPOSE, True),
        ("192.168.2.0/24", COMPOSE, False),
        ("fd00::/8", COMPOSE, False),
        ("192.168.0.0/16", CLUSTER, False),
    ],
)
def test_a_subnet_inside_a_local_network_is_a_finding(place: Place, local: str, base: dict[str, Any], is_found: bool) -> None:
    place.write(app("one"))
    found = place.plan("one", base=base, networks={"subnet": "192.168.1.0/24", "local": ["10.0.0.0/8", local]}).findings
    wanted = [("networks.subnet", "function", "noted")] if is_found else []
    assert [(f.field, f.class_, f.verdict) for f in found if f.code == "network.subnet-inside"] == wanted
    assert all("inside 192.168.0.0/16" in f.text and f.where is not None for f in found if f.code == "network.subnet-inside")


@pytest.mark.parametrize("vpn", [VPN, {}], ids=["tunnel", "seal"])
def test_a_gateway_on_a_cluster_must_know_the_clusters_networks(place: Place, vpn: dict[str, Any]) -> None:
    place.write(app("one", egress="vpn"), app("two"))

    def found(*apps: str, base: dict[str, Any] = CLUSTER, **changes: Any) -> list[tuple[str, str | None]]:
        planned = place.plan(*apps, base=base, **changes)
        return [(f.class_, f.app) for f in planned.findings if f.code == "vpn.cluster-networks"]

    assert found("one", **vpn) == [("function", "gluetun" if vpn else "seal")]
    assert found("one", networks={"local": ["10.244.0.0/16"]}, **vpn) == []
    assert found("two") == []
    assert found("one", base=COMPOSE) == []


def test_a_gateway_carries_host_names(place: Place) -> None:
    place.write(app("one"), app("two"))
    exposure = {"default": "gateway", "domain": "home.test", "gateway": {"name": "edge", "namespace": "infra", "section": "https"}}
    apps = {"two": {"web": {"gateway": {"host": "second.test"}}}}
    found = exposures(place, "one", "two", base=CLUSTER, exposure={**exposure, "apps": apps, "ingress-namespace": "envoy"})
    route = GatewayRoute(host="one.home.test", gateway="edge", gateway_namespace="infra", section="https", namespace="envoy")
    assert found == {
        "one:web": route,
        "two:web": GatewayRoute(host="second.test", gateway="edge", gateway_namespace="infra", section="https", namespace="envoy"),
    }
    planned = place.plan("one", base=CLUSTER, exposure=exposure)
    assert planned.addresses == {("one", "web"): "https://one.home.test"}


@pytest.mark.parametrize(
    ("exposure", "code"),
    [
        ({"default": "gateway", "domain": "home.test"}, "port.gateway-missing"),
        ({"default": "gateway", "gateway": {"name": "edge"}}, "port.host-missing"),
    ],
)
def test_an_incomplete_gateway_is_a_mistake(place: Place, exposure: dict[str, Any], code: str) -> None:
    place.write(app("one"))
    assert place.told("one", base=CLUSTER, exposure=exposure) == [("exposure.default", code)]
