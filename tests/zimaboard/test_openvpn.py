"""The gateway by OpenVPN instead of WireGuard: another tunnel, and the same promises. The gateway is a stand-in, the tunnel is real."""

import json
from collections.abc import Iterator

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.home.box import BEACON, HOST, PROVIDER
from tests.lab.home.home import OPENVPN, Home
from tests.zimaboard.test_kill_switch import cycles

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def by_openvpn(home: Home, here: Engine) -> Iterator[Home]:
    """The owner's profile with a provider of OpenVPN; afterwards as it was before."""
    home.take(here, "zimaboard", tunnel="openvpn")
    home.stack.portable("secrets", "set", OPENVPN, given=home.provider.openvpn())
    home.stack.portable("up")
    yield home
    home.take(here, "zimaboard")
    home.stack.portable("up")


def test_vpn_apps_are_seen_with_the_tunnels_address(by_openvpn: Home) -> None:
    assert {service: by_openvpn.address_of(service) for service in by_openvpn.behind} == dict.fromkeys(by_openvpn.behind, PROVIDER)
    assert by_openvpn.address_of("sonarr") == HOST
    assert "10.65.0." in by_openvpn.stack.inside("gluetun", "ip", "-4", "-o", "address", "show", "dev", "tun0")


def test_the_contracts_of_the_tunnel_hold(by_openvpn: Home) -> None:
    """It is cut, too, and comes back."""
    asked = ("fence", "egress", "kill-switch")
    ran = by_openvpn.stack.portable("verify", *asked, "--beacon", f"http://{BEACON}/", "--disruptive", "--format", "json", code=None)
    held = {(row["contract"], row["subject"]) for row in json.loads(ran.out)["verify"] if row["verdict"] == "holds"}
    assert ran.code == 0, str(ran)
    assert ("fence", "gluetun") in held, str(ran)
    for contract in ("egress", "kill-switch"):
        assert {subject for of, subject in held if of == contract} == {"gluetun", *by_openvpn.behind}, str(ran)


def test_no_packet_leaves_past_it(by_openvpn: Home) -> None:
    """The provider is gone for a while, and every packet of the uplink is looked at."""
    cycles(by_openvpn, 1)
