"""The section `vpn`: every provider of the pinned Gluetun is one name, and firewall, NetworkPolicy and gateway agree on ports."""

import ipaddress
from typing import Any, NamedTuple

import pytest

from portable.catalog.gateways import providers_of
from portable.catalog.shipped import SHIPPED
from portable.formats.emit import dump
from portable.formats.merge import merged
from portable.model import plan as p
from portable.model.errors import InputError
from portable.planning import Planned
from portable.planning.tunnel import _nearest
from tests.unit.planning import CLUSTER, COMPOSE, Place, app

PROVIDERS = providers_of(SHIPPED / "apps" / "gluetun")
assert PROVIDERS is not None

LOGIN = ("openvpn-login.password", "openvpn-login.user")
CERTIFICATE = ("openvpn-certificate.certificate", "openvpn-certificate.key")
WIREGUARD = ("wireguard-key.addresses", "wireguard-key.private-key")


class Row(NamedTuple):
    """What a provider comes to by its name alone: Gluetun v3.41.3, internal/provider/*/connection.go and configuration/settings."""

    protocol: str
    port: int
    secrets: tuple[str, ...]


NAMES: dict[str, Row] = {
    "airvpn": Row("wireguard", 1637, ("wireguard-key.addresses", "wireguard-key.preshared-key", "wireguard-key.private-key")),
    "cyberghost": Row("openvpn", 443, (*CERTIFICATE, *LOGIN)),
    "expressvpn": Row("openvpn", 1195, LOGIN),
    "fastestvpn": Row("wireguard", 51820, WIREGUARD),
    "giganews": Row("openvpn", 443, LOGIN),
    "hidemyass": Row("openvpn", 553, LOGIN),
    "ipvanish": Row("openvpn", 443, LOGIN),
    "ivpn": Row("wireguard", 58237, WIREGUARD),
    "mullvad": Row("wireguard", 51820, WIREGUARD),
    "nordvpn": Row("wireguard", 51820, ("wireguard-key.private-key",)),
    "perfect privacy": Row("openvpn", 443, LOGIN),
    "privado": Row("openvpn", 1194, LOGIN),
    "private internet access": Row("openvpn", 8080, LOGIN),
    "privatevpn": Row("openvpn", 1194, LOGIN),
    "protonvpn": Row("wireguard", 51820, ("wireguard-key.private-key",)),
    "purevpn": Row("openvpn", 53, LOGIN),
    "slickvpn": Row("openvpn", 443, LOGIN),
    "surfshark": Row("wireguard", 51820, WIREGUARD),
    "torguard": Row("openvpn", 1912, LOGIN),
    "vpn unlimited": Row("openvpn", 1197, (*CERTIFICATE, *LOGIN)),
    "vpnsecure": Row("openvpn", 1282, ("openvpn-certificate.certificate", "openvpn-encrypted-key.key", "openvpn-encrypted-key.passphrase")),
    "vyprvpn": Row("openvpn", 443, LOGIN),
    "windscribe": Row("wireguard", 1194, (*WIREGUARD, "wireguard-preshared-key.value")),
}
"""Gluetun's own list (internal/constants/providers/providers.go, `All`)."""
FILES = {
    "wireguard-key.private-key": "WIREGUARD_PRIVATE_KEY_SECRETFILE",
    "wireguard-key.addresses": "WIREGUARD_ADDRESSES_SECRETFILE",
    "wireguard-key.preshared-key": "WIREGUARD_PRESHARED_KEY_SECRETFILE",
    "wireguard-preshared-key.value": "WIREGUARD_PRESHARED_KEY_SECRETFILE",
    "openvpn-login.user": "OPENVPN_USER_SECRETFILE",
    "openvpn-login.password": "OPENVPN_PASSWORD_SECRETFILE",
    "openvpn-certificate.certificate": "OPENVPN_CLIENTCRT_SECRETFILE",
    "openvpn-certificate.key": "OPENVPN_CLIENTKEY_SECRETFILE",
    "openvpn-encrypted-key.key": "OPENVPN_ENCRYPTED_KEY_SECRETFILE",
    "openvpn-encrypted-key.passphrase": "OPENVPN_KEY_PASSPHRASE_SECRETFILE",
}


def tunnelled(place: Place, **vpn: Any) -> Planned:
    """A place with that section `vpn`, and an app behind its gateway."""
    place.write(app("one", egress="vpn"))
    return place.plan("one", vpn={key.replace("_", "-"): value for key, value in vpn.items()})


def gateway(planned: Planned) -> p.Container:
    (found,) = [a for a in planned.plan.apps if a.name == "gluetun"]
    return found.containers[0]


def way(planned: Planned) -> p.Tunnel:
    egress = planned.plan.groups[0].egress
    assert isinstance(egress, p.Tunnel)
    return egress


def told(place: Place, **vpn: Any) -> list[tuple[str, str]]:
    place.write(app("one", egress="vpn"))
    return place.told("one", vpn={key.replace("_", "-"): value for key, value in vpn.items()})


def test_the_table_has_each_provider_of_gluetun() -> None:
    assert PROVIDERS is not None
    assert PROVIDERS.providers.keys() == {*NAMES, "custom"}


@pytest.mark.parametrize(("name", "row"), NAMES.items(), ids=NAMES.keys())
def test_a_provider_is_one_name(name: str, row: Row, place: Place) -> None:
    planned = tunnelled(place, provider=name)
    assert way(planned).endpoints == (p.Endpoint(cidr="0.0.0.0/0", port=row.port),)
    assert (way(planned).provider, way(planned).protocol) == (name, row.protocol)
    container = gateway(planned)
    keys = {f"{mount.secret}.{key}": f"{mount.path}/{key}" for mount in container.secrets for key in mount.keys}
    assert tuple(sorted(keys)) == row.secrets
    environment = dict(container.env)
    assert (environment["VPN_SERVICE_PROVIDER"], environment["VPN_TYPE"]) == (name, row.protocol)
    assert {FILES[key]: path for key, path in keys.items()} == {k: v for k, v in environment.items() if k.endswith("_SECRETFILE")}
    assert {mount.secret for mount in container.secrets} <= planned.secrets.keys()
    assert all(planned.secrets[mount.secret].about for mount in container.secrets)
    assert not [f for f in planned.findings if f.verdict == "refused"]
    optional = {mount.secret for mount in container.secrets if mount.optional}
    assert optional == {"wireguard-preshared-key"} & {key.partition(".")[0] for key in row.secrets}


@pytest.mark.parametrize("name", NAMES)
def test_both_protocols_of_a_provider(name: str, place: Place) -> None:
    """By the other protocol it is one word more, and its ports are of that one; what it does not have is a mistake."""
    assert PROVIDERS is not None
    facts = PROVIDERS.providers[name]
    assert facts.openvpn is not None
    planned = tunnelled(place, provider=name, protocol="openvpn")
    assert [(e.port, e.protocol) for e in way(planned).endpoints] == [(facts.openvpn.udp.port, "udp")]
    assert "openvpn" in " ".join(mount.secret for mount in gateway(planned).secrets)
    by_tcp: dict[str, Any] = {"provider": name, "protocol": "openvpn", "endpoint": {"protocol": "tcp"}}
    if facts.openvpn.tcp is None:
        assert told(place, **by_tcp) == [("vpn.endpoint.protocol", "vpn.transport")]
    else:
        planned = tunnelled(place, **by_tcp)
        assert [(e.port, e.protocol) for e in way(planned).endpoints] == [(facts.openvpn.tcp.port, "tcp")]
        assert gateway(planned).env["OPENVPN_PROTOCOL"] == "tcp"
    if facts.wireguard is None:
        place.refuses("one", vpn={"provider": name, "protocol": "wireguard"}, wanted=[("vpn.protocol", "vpn.protocol", "WireGuard", name)])


def test_the_default_is_mullvad(place: Place) -> None:
    assert way(tunnelled(place)).provider == "mullvad"


def test_a_provider_that_gluetun_does_not_know(place: Place) -> None:
    place.write(app("one", egress="vpn"))
    report = place.mistakes("one", vpn={"provider": "protonvp"})
    assert "VPN provider 'protonvp'" in report
    assert "'protonvpn'?) [vpn.provider-unknown]" in report


@pytest.mark.parametrize("name", NAMES)
def test_a_port_is_one_that_gluetun_takes(name: str, place: Place) -> None:
    """A port of the endpoint goes to gateway and firewall alike, or is refused by both."""
    assert PROVIDERS is not None
    facts = PROVIDERS.providers[name]
    for protocol, by in (("wireguard", facts.wireguard), ("openvpn", facts.openvpn.udp if facts.openvpn else None)):
        if by is None:
            continue
        asked: dict[str, Any] = {"provider": name, "protocol": protocol, "endpoint": {"port": 4321}}
        if by.ports == "any":
            planned = tunnelled(place, **asked)
            assert [e.port for e in way(planned).endpoints] == [4321]
            assert gateway(planned).env[f"{protocol.upper()}_ENDPOINT_PORT"] == "4321"
            continue
        assert told(place, **asked) == [("vpn.endpoint.port", "vpn.endpoint-port")]
        for port in by.ports:
            assert [e.port for e in way(tunnelled(place, **{**asked, "endpoint": {"port": port}})).endpoints] == [port]
        assert by.port in by.ports or not by.ports or name == "private internet access"


def test_a_server_of_ones_own_by_wireguard(place: Place) -> None:
    key = "A" * 43 + "="
    planned = tunnelled(place, provider="custom", endpoint={"address": "198.51.100.7", "port": 1637, "public-key": key})
    assert way(planned).endpoints == (p.Endpoint(cidr="198.51.100.7/32", port=1637),)
    environment = gateway(planned).env
    assert environment["WIREGUARD_ENDPOINT_IP"] == "198.51.100.7"
    assert environment["WIREGUARD_ENDPOINT_PORT"] == "1637"
    assert environment["WIREGUARD_PUBLIC_KEY"] == key
    missing = [f"vpn.endpoint.{key}" for key in ("address", "port", "public-key")]
    assert told(place, provider="custom") == [(path, "vpn.endpoint-missing") for path in missing]


def test_a_file_of_openvpn(place: Place) -> None:
    planned = tunnelled(place, provider="custom", protocol="openvpn", endpoint={"port": 1195}, config="work-vpn")
    assert way(planned).endpoints == (p.Endpoint(cidr="0.0.0.0/0", port=1195),)
    environment = gateway(planned).env
    assert environment["OPENVPN_CUSTOM_CONFIG"] == "/run/secrets/work-vpn/value"
    assert environment["OPENVPN_ENDPOINT_PORT"] == "1195"
    mounts = [(m.secret, m.keys, m.optional) for m in gateway(planned).secrets]
    assert sorted(mounts) == [("openvpn-login", ("user", "password"), True), ("work-vpn", ("value",), False)]
    assert environment["OPENVPN_USER_SECRETFILE"] == "/run/secrets/openvpn-login/user"
    assert environment["OPENVPN_PASSWORD_SECRETFILE"] == "/run/secrets/openvpn-login/password"
    assert told(place, provider="custom", protocol="openvpn") == [("vpn.endpoint.port", "vpn.endpoint-missing")]
    place.refuses("one", vpn={"config": "work-vpn"}, wanted=[("vpn.config", "vpn.config", "mullvad", "WireGuard")])


@pytest.mark.parametrize("name", ["custom", "mullvad"])
@pytest.mark.parametrize("protocol", ["wireguard", "openvpn"])
def test_a_key_of_the_endpoint_is_taken_or_told(name: str, protocol: str, place: Place) -> None:
    """Whatever stands under `endpoint`, planning ends with a plan or with mistakes."""
    end = {"address": "198.51.100.7", "port": 1194, "protocol": "udp", "public-key": "A" * 43 + "="}
    refused: set[str] = set()
    try:
        tunnelled(place, provider=name, protocol=protocol, endpoint=end)
    except InputError as error:
        refused = {mistake.path for mistake in error.mistakes}
    assert ("vpn.endpoint.public-key" in refused) == ((name, protocol) != ("custom", "wireguard"))
    assert refused <= {"vpn.endpoint.public-key"}


def test_openvpn_has_no_public_key(place: Place) -> None:
    end = {"address": "198.51.100.7", "port": 1194, "public-key": "A" * 43 + "="}
    place.write(app("one", egress="vpn"))
    wanted = [("vpn.endpoint.public-key", "vpn.endpoint-key", "OpenVPN")]
    place.refuses("one", vpn={"provider": "custom", "protocol": "openvpn", "endpoint": end}, wanted=wanted)


def test_servers_are_chosen_by_what_the_provider_has(place: Place) -> None:
    planned = tunnelled(place, servers={"countries": ["Sweden", "Switzerland"], "owned-only": True})
    assert gateway(planned).env["SERVER_COUNTRIES"] == "Sweden,Switzerland"
    assert gateway(planned).env["OWNED_ONLY"] == "on"
    place.refuses("one", vpn={"servers": {"regions": ["Europe"]}}, wanted=[("vpn.servers.regions", "vpn.servers", "mullvad", "regions")])


@pytest.mark.parametrize(
    ("vpn", "path", "code"),
    [
        ({"endpoint": {"protocol": "tcp"}}, "vpn.endpoint.protocol", "vpn.transport"),
        ({"endpoint": {"public-key": "A" * 43 + "="}}, "vpn.endpoint.public-key", "vpn.endpoint-key"),
        ({"endpoint": {"address": "1.2.3"}}, "vpn.endpoint.address", "vpn.endpoint-address"),
        (
            {"endpoint": {"address": "198.51.100.7"}, "endpoints": [{"cidr": "192.0.2.0/24"}]},
            "vpn.endpoints[0].cidr",
            "vpn.endpoints-mismatch",
        ),
        ({"endpoint": {"port": 1637}, "endpoints": [{"port": 51820}]}, "vpn.endpoints[0].port", "vpn.endpoints-mismatch"),
        ({"provider": "airvpn", "endpoints": [{"port": 51820}]}, "vpn.endpoints[0].port", "vpn.endpoints-mismatch"),
    ],
)
def test_what_would_cut_the_tunnel_off(vpn: dict[str, Any], path: str, code: str, place: Place) -> None:
    assert told(place, **vpn) == [(path, code)]


@pytest.mark.parametrize(
    ("address", "code", "words", "base"),
    [
        ("2001:db8::7", "vpn.endpoint-ipv6", "", COMPOSE),
        ("2001:db8::7", "", "", CLUSTER),
        ("127.0.0.1", "vpn.endpoint-address", "", COMPOSE),
        ("::1", "vpn.endpoint-address", "", CLUSTER),
        ("0.0.0.0", "vpn.endpoint-address", "", COMPOSE),
        ("224.0.0.1", "vpn.endpoint-address", "", COMPOSE),
        ("172.20.0.9", "vpn.endpoint-local", "172.20.0.0/16", COMPOSE),
        ("192.168.1.9", "vpn.endpoint-local", "192.168.1.0/24", COMPOSE),
        ("192.168.2.9", "", "", COMPOSE),
    ],
)
def test_a_tunnel_ends_where_there_is_an_outside(address: str, code: str, words: str, base: dict[str, Any], place: Place) -> None:
    place.write(app("one", egress="vpn"))
    end = {"address": address, "port": 1637, "public-key": "A" * 43 + "="}
    said: dict[str, Any] = {
        "base": base,
        "vpn": {"provider": "custom", "endpoint": end},
        "networks": {"subnet": "172.20.0.0/16", "local": ["192.168.1.0/24"]},
    }
    if not code:
        place.plan("one", **said)
        return
    place.refuses("one", wanted=[("vpn.endpoint.address", code, address, words)], **said)


def test_a_cluster_may_reach_a_server_by_ipv6(place: Place) -> None:
    end = {"address": "2001:db8::7", "port": 1637, "public-key": "A" * 43 + "="}
    place.write(app("one", egress="vpn"))
    planned = place.plan("one", base=CLUSTER, vpn={"provider": "custom", "endpoint": end})
    assert [e.cidr for e in way(planned).endpoints] == ["2001:db8::7/128"]


@pytest.mark.parametrize(
    ("provider", "here", "offered"),
    [
        ("mullvad", {"port": 443}, True),
        ("nordvpn", {"port": 443}, False),
        ("airvpn", {"port": 443}, False),
        ("airvpn", {"port": 47107}, True),
        ("mullvad", {"protocol": "tcp"}, False),
        ("purevpn", {"protocol": "tcp"}, True),
        ("vyprvpn", {"protocol": "tcp"}, False),
    ],
)
def test_a_remedy_offers_only_what_the_provider_takes(provider: str, here: dict[str, Any], offered: bool, place: Place) -> None:
    place.write(app("one", egress="vpn"))
    report = place.mistakes("one", vpn={"provider": provider, "endpoints": [here]})
    assert "remove `" in report
    assert report.endswith("[vpn.endpoints-mismatch]")
    assert ("write `vpn: {endpoint: {" in report) == offered


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("pia", "private internet access"),
        ("Private-Internet-Access", "private internet access"),
        ("privateinternetaccess", "private internet access"),
        ("proton", "protonvpn"),
        ("Proton VPN", "protonvpn"),
        ("perfect-privacy", "perfect privacy"),
        ("nord", "nordvpn"),
        ("mullvad vpn", "mullvad"),
        ("vpn-unlimited", "vpn unlimited"),
        ("pp", "perfect privacy"),
    ],
)
def test_a_provider_by_another_spelling(written: str, meant: str, place: Place) -> None:
    place.write(app("one", egress="vpn"))
    assert f"did you mean '{meant}'?" in place.mistakes("one", vpn={"provider": written})


@pytest.mark.parametrize(
    ("written", "known", "meant"),
    [
        ("Proton-VPN", ["protonvpn"], "protonvpn"),
        ("ab", ["alpha beta"], "alpha beta"),
        ("a", ["alpha"], None),
        ("alph", ["alpha one"], "alpha one"),
        ("alp", ["alpha one"], None),
        ("alpha one and two", ["alpha one"], "alpha one"),
        ("alpha", ["alpha one", "alpha two"], None),
        ("gamma", ["alpha one"], None),
    ],
)
def test_a_name_is_near_as_a_whole_by_its_initials_or_by_one_part(written: str, known: list[str], meant: str | None) -> None:
    assert _nearest(written, known) == meant


def test_an_endpoint_behind_one_that_is_none_is_checked_too(place: Place) -> None:
    place.write(app("one", egress="vpn"))
    found = place.told("one", vpn={"endpoints": [{"cidr": "192.0.2.7/24"}, {"cidr": "192.0.2.0/24", "port": 443}]})
    assert ("vpn.endpoints[1].port", "vpn.endpoints-mismatch") in found


@pytest.mark.parametrize(("provider", "title"), [("nordvpn", "WireGuard"), ("privado", "OpenVPN")])
def test_protocols_are_written_as_their_makers_do(provider: str, title: str, place: Place) -> None:
    place.write(app("one", egress="vpn"))
    report = place.mistakes("one", vpn={"provider": provider, "config": "openvpn-config"})
    assert f"{provider} with {title} does not use a configuration file" in report


def test_a_server_of_the_place_itself_is_told_though_another_network_is_wrong(place: Place) -> None:
    place.write(app("one", egress="vpn"))
    end = {"address": "192.168.1.9", "port": 1637, "public-key": "A" * 43 + "="}
    found = place.told("one", vpn={"provider": "custom", "endpoint": end}, networks={"local": ["192.168.2.7/24", "192.168.1.0/24"]})
    assert ("vpn.endpoint.address", "vpn.endpoint-local") in found


def test_a_place_without_the_device_of_a_tunnel(place: Place) -> None:
    place.write(app("one", egress="vpn"))
    with pytest.raises(InputError) as caught:
        place.plan("one", base={**COMPOSE, "devices": {}}, vpn={"provider": "protonvpn"})
    (mistake,) = caught.value.mistakes
    assert mistake.code == "app.device"
    assert "add `devices: {tun: {host: {path: /dev/net/tun}}}`" in mistake.remedy
    text = dump({**COMPOSE, "devices": {}, "apps": ["one"], "vpn": {"provider": "protonvpn"}})
    assert "provider: protonvpn" in "\n".join(text.splitlines()[mistake.source.line - 2 : mistake.source.line + 1])


@pytest.mark.parametrize("interface", ["eth0", "lo", "tun", "wlan0", "tun+", "docker0"])
def test_the_tunnel_is_never_called_as_another_device(interface: str, place: Place) -> None:
    """Gluetun's firewall lets everything out through the device of that name."""
    place.write(app("one", egress="vpn"))
    report = place.mistakes("one", vpn={"interface": interface})
    assert f" vpn.interface: string `{interface}` " in report
    assert report.endswith("[value.format]")


def test_the_tunnels_name_reaches_gateway_plan_and_torrents(place: Place) -> None:
    planned = place.plan("qbittorrent", vpn={"interface": "wg7"})
    assert way(planned).interface == "wg7"
    assert gateway(planned).env["VPN_INTERFACE"] == "wg7"
    (conf,) = [f for f in planned.plan.files if f.id == "qbittorrent-qbittorrent-conf"]
    assert "Session\\InterfaceName=wg7\n" in "".join(part for part in conf.body if isinstance(part, str))


def test_clusters_have_the_same(place: Place) -> None:
    place.write(app("one", egress="vpn"))
    planned = place.plan("one", base=CLUSTER, vpn={"provider": "airvpn", "endpoints": [{"cidr": "192.0.2.0/24"}]})
    assert way(planned).endpoints == (p.Endpoint(cidr="192.0.2.0/24", port=1637),)


def test_a_gateway_without_facts_of_providers_needs_the_port(place: Place) -> None:
    place.write(app("one", egress="vpn"), app("own", gateway="tunnel", ports={"web": None}))
    wanted = [("vpn.endpoints[0]", "vpn.endpoints-port", "own")]
    place.refuses("one", vpn={"gateway": "own", "endpoints": [{"cidr": "192.0.2.0/24"}]}, wanted=wanted)


def test_a_gateway_without_facts_of_providers_has_what_the_profile_names(place: Place) -> None:
    place.write(app("one", egress="vpn"), app("own", gateway="tunnel", ports={"web": None}))
    ends = [{"cidr": "192.0.2.0/24", "port": 443}, {"cidr": "198.51.100.0/24", "port": 1194, "protocol": "tcp"}]
    made = way(place.plan("one", vpn={"gateway": "own", "endpoints": ends}))
    endpoints = (p.Endpoint(cidr="192.0.2.0/24", port=443), p.Endpoint(cidr="198.51.100.0/24", port=1194, protocol="tcp"))
    assert made == p.Tunnel(gateway="own", networks=made.networks, endpoints=endpoints)
    said = {"provider": "mine", "protocol": "openvpn", "interface": "wg7", "port-forwarding": True}
    made = way(place.plan("one", vpn={"gateway": "own", "endpoints": ends, **said}))
    told: dict[str, Any] = {"provider": "mine", "protocol": "openvpn", "interface": "wg7", "port_forwarding": True}
    assert made == p.Tunnel(gateway="own", networks=made.networks, endpoints=endpoints, **told)


# --- networks


@pytest.mark.parametrize(
    ("provider", "networks", "verdicts"),
    [
        ("mullvad", {"local": ["10.96.0.0/12"]}, ["noted"]),
        ("mullvad", {"local": ["10.0.0.0/8"]}, ["refused"]),
        ("mullvad", {"subnet": "10.77.0.0/24"}, ["noted"]),
        ("mullvad", {"subnet": "172.20.0.0/16", "local": ["192.168.0.0/16", "10.128.0.0/14"]}, []),
        ("protonvpn", {"local": ["10.2.0.0/16"]}, ["refused"]),
        ("protonvpn", {"local": ["10.96.0.0/12"]}, []),
        ("nordvpn", {"local": ["10.5.1.0/24"]}, ["noted"]),
        ("airvpn", {"local": ["10.128.0.0/14"]}, ["noted"]),
        ("torguard", {"local": ["10.0.0.0/8"]}, []),
    ],
)
def test_networks_of_the_place_and_of_the_tunnel(provider: str, networks: dict[str, Any], verdicts: list[str], place: Place) -> None:
    place.write(app("one", egress="vpn"))
    found = [f for f in place.plan("one", vpn={"provider": provider}, networks=networks).findings if f.field == "egress.tunnel"]
    assert [f.verdict for f in found] == verdicts
    assert {f.code for f in found} <= {"vpn.tunnel-range"}
    assert all(f.class_ == "security" and f.app == "gluetun" and f.where and f.where.line > 1 for f in found)


def test_the_networks_of_the_table_are_networks() -> None:
    assert PROVIDERS is not None
    known = {name: [ipaddress.ip_network(cidr) for cidr in facts.networks] for name, facts in PROVIDERS.providers.items()}
    assert sum(map(bool, known.values())) >= 5


# --- port forwarding

FORWARDING = ("perfect privacy", "private internet access", "privatevpn", "protonvpn")


@pytest.mark.parametrize("name", [*NAMES, "custom"])
def test_a_port_is_forwarded_by_those_that_offer_it(name: str, place: Place) -> None:
    if name in FORWARDING:
        planned = tunnelled(place, provider=name, port_forwarding=True)
        assert way(planned).port_forwarding
        assert gateway(planned).env["VPN_PORT_FORWARDING"] == "on"
        found = [(f.code, f.class_, f.app) for f in planned.findings if f.field == "egress.port-forwarding"]
        assert found == [("vpn.forwarding-unused", "function", "gluetun")], "no app behind it can receive the number"
        return
    end = {"address": "198.51.100.7", "port": 1, "public-key": "A" * 43 + "="} if name == "custom" else {}
    if name == "airvpn":
        return  # it has words of its own
    (mistake,) = told(place, provider=name, port_forwarding=True, endpoint=end)
    assert mistake == ("vpn.port-forwarding", "vpn.forwarding-method" if name == "custom" else "vpn.forwarding-unsupported")
    place.write(app("one", egress="vpn"))
    report = place.mistakes("one", vpn={"provider": name, "port-forwarding": True, "endpoint": end})
    assert all(known in report for known in FORWARDING)


def test_a_port_of_airvpn_is_reserved_on_its_site(place: Place) -> None:
    place.write(app("one", egress="vpn"))
    report = place.mistakes("one", vpn={"provider": "airvpn", "port-forwarding": True})
    assert "`override: {qbittorrent: {ports: {peer: {number: N}}}}`" in report
    assert report.endswith("[vpn.forwarding-reserved]")


def test_a_custom_server_names_whose_way_of_forwarding_it_has(place: Place) -> None:
    end = {"address": "198.51.100.7", "port": 1, "public-key": "A" * 43 + "="}
    planned = tunnelled(place, provider="custom", port_forwarding="protonvpn", endpoint=end)
    assert gateway(planned).env["VPN_PORT_FORWARDING_PROVIDER"] == "protonvpn"
    assert told(place, provider="privatevpn", port_forwarding="protonvpn") == [("vpn.port-forwarding", "vpn.forwarding-method")]


def test_a_lent_way_of_forwarding_asks_for_what_it_takes(place: Place) -> None:
    """Without login and name of the server, Gluetun does not start."""
    end = {"address": "198.51.100.7", "port": 1, "public-key": "A" * 43 + "="}
    pia: dict[str, Any] = {"provider": "custom", "port_forwarding": "private internet access", "endpoint": end}
    planned = tunnelled(place, **pia, servers={"names": ["stockholm403"]})
    environment = gateway(planned).env
    assert environment["SERVER_NAMES"] == "stockholm403"
    assert environment["VPN_PORT_FORWARDING_USERNAME_SECRETFILE"] == "/run/secrets/forwarding-login/user"
    assert environment["VPN_PORT_FORWARDING_PASSWORD_SECRETFILE"] == "/run/secrets/forwarding-login/password"
    assert {m.secret for m in gateway(planned).secrets if not m.optional} == {"wireguard-key", "forwarding-login"}
    assert told(place, **pia) == [("vpn.servers.names", "vpn.forwarding-server")]
    assert told(place, **pia, servers={"names": ["a", "b"]}) == [("vpn.servers.names", "vpn.forwarding-server")]


RAW = {"number": 6881, "serves": "raw"}
WEB = {"number": 8080, "serves": "http"}
LISTENS: dict[str, Any] = {
    "egress": "vpn",
    "interface": {"speaks": "qbittorrent", "secret": "login", "user": "admin"},
    "ports": {"web": WEB, "peer": RAW, "other": {"number": 7000, "serves": "raw"}},
    "secrets": {"login": {"about": "the login"}},
}


@pytest.mark.parametrize(
    ("changes", "direct", "receives"),
    [
        ({}, [], True),
        ({"egress": "direct"}, [], False),
        ({}, ["two"], False),
        ({"interface": None}, [], False),
        ({"interface": {"speaks": "sonarr"}}, [], False),
        ({"ports": {"peer": None, "other": None}}, [], False),
        ({"ports": {"peer": {"private": True}, "other": {"private": True}}}, [], False),
        ({"ports": {"peer": {"private": True}}}, [], True),
    ],
)
def test_the_forwarded_port_goes_to_who_listens(changes: dict[str, Any], direct: list[str], receives: bool, place: Place) -> None:
    place.write(app("one", egress="vpn"), app("two", **merged(LISTENS, changes)), app("three", egress="vpn"))
    vpn = {"provider": "protonvpn", "port-forwarding": True}
    planned = place.plan("one", "two", "three", vpn=vpn, egress={"direct": direct})
    assert ("vpn.forwarding-unused" not in {finding.code for finding in planned.findings}) == receives
    scripts = ["".join(map(str, file.body)) for file in planned.plan.files if file.id.endswith("forwarded-sh")]
    assert len(scripts) == receives
    for script in scripts:
        assert "\nurl=http://127.0.0.1:8080\nuser=admin\n" in script
        assert "port=${1:-7000}" in script
        assert "two listens at port" in script
        assert "the secret login is not its password" in script


def test_no_port_is_asked_for_unless_the_profile_says_so(place: Place) -> None:
    assert gateway(tunnelled(place, provider="protonvpn")).env["VPN_PORT_FORWARDING"] == "off"
