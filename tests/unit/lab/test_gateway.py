"""The stand-in of Gluetun decides as the real one does: names, rules of a person's file, commands for a port, NAT-PMP, who may call."""

import dataclasses
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.lab.home.gateway.gluetun import command, control, firewall, forwarding, names
from tests.lab.home.gateway.gluetun.log import Failure
from tests.lab.home.gateway.gluetun.settings import Settings, read, validate

SUFFIXES = names.suffixes(
    """\
// ===BEGIN ICANN DOMAINS===
com
org
uk
co.uk
onion
network
*.ck
!www.ck
// ===END ICANN DOMAINS===
// ===BEGIN PRIVATE DOMAINS===
dyndns.org
*.compute.example.invalid
// ===END PRIVATE DOMAINS===
"""
)


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("localhost", True),
        ("SONARR", True),
        ("printer.lan", True),
        ("nas.home", True),
        ("x.internal", True),
        ("foo.i2p", True),
        ("x.nonexisting", True),
        ("x.com", False),
        ("x.co.uk", False),
        ("x.dyndns.org", False),
        ("weBsItE.Eu.oRG", False),
        ("orpheus.network", False),
        ("hidden.onion", False),
        ("x.y.ck", False),
        ("www.ck", False),
        ("vm.compute.example.invalid", False),
        ("", False),
    ],
)
def test_what_has_no_public_suffix_is_local(name: str, local: bool) -> None:
    """The first rows are the real one's own tests (qdm12/dns, internal/local)."""
    assert names.is_local(name, SUFFIXES) is local
    assert names.is_local(f"{name}.", SUFFIXES) is local


def test_resolv_conf_is_read_and_written_as_the_real_one_does() -> None:
    text = "# nameserver 10.0.0.1\nnameserver 127.0.0.11\nnameserver 1.1.1.1 192.168.1.1\nsearch lan\noptions ndots:0\n"
    assert names.local_resolvers(text) == ["127.0.0.11", "192.168.1.1"]
    ours = "nameserver 127.0.0.1\n# nameserver 10.0.0.1\nsearch lan\noptions ndots:0\n"
    assert names.with_server(text, "127.0.0.1") == ours
    assert names.with_server(ours, "127.0.0.1") == ours
    assert names.local_resolvers(ours) == ["127.0.0.1"]
    assert names.with_server("search lan", "1.1.1.1") == "nameserver 1.1.1.1\nsearch lan"
    assert names.local_resolvers("nameserver 100.64.0.10\n") == [], "a service address of the range for carriers is not private to it"


def test_messages() -> None:
    asked = names.question("printer.lan")
    assert names.asked(asked) == ("printer.lan", names.A)
    refused = names.refusal(asked, names.NAME_ERROR)
    assert (refused[:2], names.rcode(refused), names.asked(refused)) == (asked[:2], names.NAME_ERROR, ("printer.lan", names.A))
    one = asked[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + asked[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4"
    assert list(names.records(one + b"\x0a\0\0\1")) == [(names.A, 60, b"\x0a\0\0\1")]
    assert names.points_inside(one + b"\x0a\0\0\1")
    assert not names.points_inside(one + b"\xc6\x12\x07\x14")
    with pytest.raises(ValueError, match="one question"):
        names.asked(b"\0" * 12)


def test_rules_of_a_persons_file() -> None:
    text = "# a comment\niptables -A INPUT -j ACCEPT\nip6tables-nft --append OUTPUT -j DROP\n"
    text += " iptables -A OUTPUT\niptables-legacy -I X 1\necho no\n"
    assert firewall.post_rules(text) == [(4, "-A INPUT -j ACCEPT"), (6, "--append OUTPUT -j DROP"), (4, "-I X 1")]
    flips = {"-A X": "-D X", "--append X": "-D X", "-D X": "-A X", "--delete X": "-A X", "-I X": "-I X"}
    assert {rule: firewall.flipped(rule) for rule in flips} == flips


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ('/bin/sh -c "echo {{PORTS}}-{{PORT}}-{{VPN_INTERFACE}}"', ["/bin/sh", "-c", "echo 1234,5678-1234-tun0"]),
        ('  wget -qO-  \'a b\'\\ c\t"x \\"y\\" \\n"', ["wget", "-qO-", "a b c", 'x "y" \\n']),
        ("one\\\ntwo", ["onetwo"]),
        ("a \\\n b", ["a", "b"]),
        ("sh -c 'echo $HOME {{ PORT }}'", ["sh", "-c", "echo $HOME {{ PORT }}"]),
    ],
)
def test_commands_for_a_port(template: str, words: list[str]) -> None:
    assert command.for_ports(template, [1234, 5678], "tun0") == words


@pytest.mark.parametrize(
    ("text", "why"), [("", "empty"), ("a 'b", "single-quoted"), ('a "b', "double-quoted"), ("a\\", "backslash-escape")]
)
def test_commands_that_cannot_be_split(text: str, why: str) -> None:
    with pytest.raises(Failure, match=why):
        command.split(text)


def test_nat_pmp() -> None:
    """RFC 6886: a request for any port for a minute, and what is answered."""
    assert forwarding.mapping(forwarding.UDP, 0, 1) == b"\0\1\0\0\0\0\0\1\0\0\0\x3c"
    assert forwarding.mapped(b"\0\x82\0\0\0\0\0\7\0\0\x9c\x41\0\0\0\x3c", forwarding.TCP) == (0, 40001, 60)
    assert forwarding.external_address(b"\0\x80\0\0\0\0\0\7\xc6\x12\x07\x0a") == "198.18.7.10"
    with pytest.raises(Failure, match="not for this request"):
        forwarding.mapped(b"\0\x81\0\0\0\0\0\7\0\0\x9c\x41\0\0\0\x3c", forwarding.TCP)
    with pytest.raises(Failure, match="result code 2"):
        forwarding.mapped(b"\0\x82\0\2\0\0\0\7\0\0\0\0\0\0\0\0", forwarding.TCP)


GIVEN = {
    "VPN_SERVICE_PROVIDER": "custom",
    "VPN_TYPE": "wireguard",
    "WIREGUARD_PRIVATE_KEY": "A" * 43 + "=",
    "WIREGUARD_PUBLIC_KEY": "B" * 42 + "A=",
    "WIREGUARD_ADDRESSES": "10.64.0.2",
    "WIREGUARD_ENDPOINT_IP": "198.18.7.10",
    "WIREGUARD_ENDPOINT_PORT": "51820",
}


def settings(**more: str) -> Settings:
    return read({**GIVEN, **more})


def test_settings(tmp_path: Path) -> None:
    secret = tmp_path / "addresses"
    secret.write_text("10.64.0.3/32\n")
    found = settings(
        WIREGUARD_ADDRESSES_SECRETFILE=str(secret), FIREWALL_VPN_INPUT_PORTS="6881,6882", NOBODY_KNOWS="this", HEALTH_RESTART_VPN="Off"
    )
    assert (found.addresses, found.vpn_input_ports, found.health_restart) == (("10.64.0.3/32",), (6881, 6882), False)
    assert (found.dns_type, found.health_small, found.minute, found.keepalive) == ("dot", "icmp", 60.0, "0")
    validate(found, ipv6=False)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"VPN_SERVICE_PROVIDER": "nobody"}, "provider name is not valid"),
        ({"VPN_TYPE": "ipsec"}, "VPN type is not valid"),
        ({"WIREGUARD_PRIVATE_KEY": "short"}, "private key is not valid"),
        ({"WIREGUARD_PRIVATE_KEY": ""}, "private key is not set"),
        ({"WIREGUARD_ADDRESSES": "fd00::2/128"}, "IPv6 is not supported"),
        ({"WIREGUARD_ENDPOINT_PORT": ""}, "endpoint port is not set"),
        ({"VPN_SERVICE_PROVIDER": "airvpn"}, "pre-shared key is not set"),
        ({"VPN_PORT_FORWARDING": "on"}, "port forwarding cannot be enabled"),
        ({"FIREWALL_OUTBOUND_SUBNETS": "0.0.0.0/1"}, "unspecified address"),
        ({"FIREWALL_INPUT_PORTS": "0"}, "zero port"),
        ({"HEALTH_SMALL_CHECK_TYPE": "http"}, "small check type"),
        ({"DNS_UPSTREAM_RESOLVERS": "nobody"}, "DNS provider"),
    ],
)
def test_settings_that_are_refused_when_the_firewall_stands(more: dict[str, str], why: str) -> None:
    with pytest.raises(Failure, match=why):
        validate(settings(**more), ipv6=False)


@pytest.mark.parametrize(
    "more",
    [
        {"FIREWALL_INPUT_PORTS": "http"},
        {"FIREWALL_OUTBOUND_SUBNETS": "lan"},
        {"WIREGUARD_ENDPOINT_IP": "vpn.example.com"},
        {"DNS_CACHING": "maybe"},
    ],
)
def test_settings_that_are_refused_before(more: dict[str, str]) -> None:
    with pytest.raises(Failure, match=next(iter(more))):
        settings(**more)


def test_port_forwarding_of_another_provider_than_the_own() -> None:
    found = settings(VPN_PORT_FORWARDING="on", VPN_PORT_FORWARDING_PROVIDER="protonvpn")
    validate(found, ipv6=False)
    assert dataclasses.replace(found, forwarding_provider="").forwarding


ROLES = """\
[[roles]]
name = "reader"
auth = "apikey"
apikey = "key"
routes = ["GET /v1/portforward", "GET /v1/vpn/status"]
"""


def test_who_may_call_the_control_server(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    default = control.roles_of(path)
    assert control.status_of(default, "GET", "/v1/vpn/status", {}) == HTTPStatus.OK
    assert control.status_of(default, "GET", "/v1/vpn/settings", {}) == HTTPStatus.UNAUTHORIZED
    path.write_text(ROLES)
    roles = control.roles_of(path)
    key = {"X-API-Key": "key"}
    asked = {
        ("GET", "/v1/portforward"): (HTTPStatus.UNAUTHORIZED, HTTPStatus.OK),
        ("GET", "/v1/vpn/settings"): (HTTPStatus.UNAUTHORIZED, HTTPStatus.UNAUTHORIZED),
        ("PUT", "/v1/vpn/status"): (HTTPStatus.UNAUTHORIZED, HTTPStatus.UNAUTHORIZED),
        ("DELETE", "/v1/vpn/status"): (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.METHOD_NOT_ALLOWED),
        ("GET", "/v1/nothing"): (HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND),
    }
    assert {route: (control.status_of(roles, *route, {}), control.status_of(roles, *route, key)) for route in asked} == asked
    assert control.status_of(roles, "GET", "/v1/vpn/status?api_key=key", {}) == HTTPStatus.OK


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"apikey"', '"magic"', "method not supported"),
        ('"key"', '""', "api key is empty"),
        ("GET /v1/vpn", "GET /v9/vpn", "route"),
        ("[[", "[", "toml"),
    ],
)
def test_roles_that_cannot_be(tmp_path: Path, old: str, new: str, why: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(ROLES.replace(old, new, 1))
    with pytest.raises(Failure, match=why):
        control.roles_of(path)
