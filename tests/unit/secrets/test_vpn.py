"""Values of a tunnel's secrets with which the gateway would not start, or would leave its own tunnel: refused before anything starts."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.backends.prepare import prepare
from portable.engines.docker.errors import DockerError
from portable.live.compose.desired import ComposeStack
from portable.live.compose.up import diff, up
from portable.live.place import place_of
from portable.model import plan as p
from portable.model.errors import Refused
from portable.model.plan import Plan
from portable.secrets.sources import FileSource
from portable.secrets.values import Resolved, Secret
from portable.secrets.vpn import check_tunnel
from tests import factories
from tests.unit.planning import Place, app

CUSTOM = {"provider": "custom", "protocol": "openvpn", "endpoint": {"address": "198.51.100.7", "port": 1194}}


def plan(folder: Path, vpn: dict[str, Any], **networks: Any) -> Plan:
    return Place(folder).write(app("one", egress="vpn")).plan("one", vpn=vpn, networks=networks).plan


def addresses(value: str) -> Resolved:
    return Resolved({("wireguard-key", "addresses"): Secret(value)})


def file(value: str) -> Resolved:
    return Resolved({("openvpn-config", "value"): Secret(value)})


@pytest.mark.parametrize("value", ["10.64.0.2/32", "10.64.0.2", " 10.64.0.2/32 , ", ""])
def test_addresses_that_are_well(value: str, tmp_path: Path) -> None:
    check_tunnel(plan(tmp_path, {}, subnet="172.20.0.0/16", local=["192.168.1.0/24"]), addresses(value))


@pytest.mark.parametrize(
    ("value", "code", "named", "remedy"),
    [
        ("10.64.0.2/32,fc00:bbbb::2/128", "secret.wireguard-ipv6", "fc00:bbbb::2/128", "portable secrets set wireguard-key.addresses"),
        ("192.168.1.7/32", "secret.wireguard-local", "192.168.1.7/32", "192.168.1.0/24"),
        ("172.20.9.9", "secret.wireguard-local", "172.20.0.0/16", "172.20.0.0/16"),
        ("10.64.0", "secret.wireguard-address", "'10.64.0' in wireguard-key", "portable secrets set wireguard-key.addresses"),
        ("canary", "secret.wireguard-address", "'canary' in wireguard-key", "portable secrets set wireguard-key.addresses"),
        ("Canary", "secret.wireguard-address", "a part in wireguard-key", "portable secrets set wireguard-key.addresses"),
    ],
)
def test_addresses_that_are_not(value: str, code: str, named: str, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        check_tunnel(plan(tmp_path, {}, subnet="172.20.0.0/16", local=["192.168.1.0/24"]), addresses(value))
    assert (caught.value.code, caught.value.where) == (code, "secrets")
    assert named in caught.value.text
    assert "wireguard-key.addresses" in caught.value.text
    assert remedy in (caught.value.remedy or "")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        check_tunnel(plan(tmp_path, {}, subnet="172.20.0.0/16", local=["192.168.1.0/24"]), addresses("10.64.0,192.168.1.7"))
    assert caught.value.code == "secret.wireguard-address"
    assert all(part in caught.value.text for part in ("10.64.0", "192.168.1.7"))


@pytest.mark.parametrize("value", [",192.168.1.7", "fc00:bbbb::2/128,192.168.1.7", "10.64.0,192.168.1.7"])
def test_what_is_before_an_address_does_not_hide_it(value: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"192\.168\.1\.7"):
        check_tunnel(plan(tmp_path, {}, local=["192.168.1.0/24"]), addresses(value))


def gateway(egress: p.Tunnel | p.Sealed, *names: str) -> Plan:
    """A gateway with a file of OpenVPN in the key `conf`, and a login."""
    secrets = (p.SecretMount(secret="s", keys=("conf",), path="/s"), p.SecretMount(secret="l", keys=("user",), path="/l"))
    env = {"OPENVPN_CUSTOM_CONFIG": "/s/conf", "OPENVPN_USER_SECRETFILE": "/l/user"}
    apps = [factories.app(name, containers=(factories.container(env=env, secrets=secrets),)) for name in names]
    return factories.plan(*apps, groups=tuple(p.Group(name=name, apps=(name,), egress=egress) for name in names))


def test_the_file_may_be_in_any_key_and_all_servers_are_named() -> None:
    ends = (p.Endpoint(cidr="198.51.100.7/32", port=1194), p.Endpoint(cidr="192.0.2.0/24", port=443, protocol="tcp"))
    made = gateway(p.Tunnel(gateway="gw", endpoints=ends), "gw")
    with pytest.raises(Refused) as caught:
        check_tunnel(made, Resolved({("s", "conf"): Secret("remote 198.51.100.8\nauth-user-pass")}))
    assert caught.value.text == (
        "the tunnel cannot work: s.conf connects by udp to a server that the profile does not allow; "
        "it allows 198.51.100.7/32 port 1194/udp, 192.0.2.0/24 port 443/tcp; "
        "s.conf asks for a login (`auth-user-pass`), and l.user is not set"
    )


def test_a_group_that_goes_out_itself_does_not_hide_the_tunnel() -> None:
    made = gateway(p.Tunnel(gateway="gw"), "gw")
    made = msgspec.structs.replace(made, groups=(p.Group(name="all", apps=()), *made.groups))
    with pytest.raises(Refused) as caught:
        check_tunnel(made, Resolved({("s", "conf"): Secret("wrong")}))
    assert caught.value.code == "secret.openvpn-remote"


@pytest.mark.parametrize("egress", [p.Sealed(gateway="gw"), p.Tunnel(gateway="elsewhere")])
def test_only_the_gateway_of_a_tunnel_is_checked(egress: p.Tunnel | p.Sealed) -> None:
    check_tunnel(gateway(egress, "gw"), Resolved({("s", "conf"): Secret("wrong")}))


def test_a_cluster_takes_an_address_of_ipv6(tmp_path: Path) -> None:
    check_tunnel(plan(tmp_path, {}, subnet="172.20.0.0/16"), addresses("10.64.0.2/32,fc00:bbbb::2/128"), cluster=True)


@pytest.mark.parametrize(
    "text",
    [
        "client\nproto udp\nremote 198.51.100.7 1194\n",
        "remote 198.51.100.7 # here\n",
        "remote 198.51.100.7 1194 udp\nproto tcp\n",
        "remote 198.51.100.7#here\n",
        "cipher tcp\nremote 198.51.100.7\n",
        "proto udp\nproto tcp\nremote 198.51.100.7\n",
        "proto\nremote 198.51.100.7\n",
        "remote\nremote 198.51.100.7\n",
        "remote 198.51.100.7 1194\nremote 198.51.100.8 1194\n",
    ],
)
def test_a_file_that_the_firewall_lets_out(text: str, tmp_path: Path) -> None:
    check_tunnel(plan(tmp_path, CUSTOM), file(text))


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("remote 198.51.100.8 1194\n", "secret.openvpn-endpoint", "198.51.100.7/32 port 1194/udp"),
        ("proto tcp\nremote 198.51.100.7 1194\n", "secret.openvpn-endpoint", "connects by tcp"),
        ("remote 198.51.100.7 1194 tcp-client\n", "secret.openvpn-endpoint", "connects by tcp"),
        ("remote 198.51.100.7 1194\nproto tcp\n", "secret.openvpn-endpoint", "connects by tcp"),
        ("remote\n", "secret.openvpn-remote", "`remote`"),
        ("remote vpn.example.test 1194\n", "secret.openvpn-name", "`remote`"),
        ("# remote 198.51.100.7\n", "secret.openvpn-remote", "`remote`"),
    ],
)
def test_a_file_that_it_would_cut_off(text: str, code: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="openvpn-config") as caught:
        check_tunnel(plan(tmp_path, CUSTOM), file(text))
    assert caught.value.code == code
    assert named in caught.value.text
    assert "198.51.100.8" not in str(caught.value)


KEY = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="


@pytest.mark.parametrize(
    ("value", "well"),
    [
        (KEY, True),
        (f"{KEY}\n", True),
        ("", True),
        ("canary", False),
        (KEY[:-1], False),
        (KEY[4:], False),
        (f"{KEY}{KEY}", False),
        (f"[Interface]\nPrivateKey = {KEY}", False),
        ("ключ", False),
    ],
)
@pytest.mark.parametrize("key", ["private-key", "preshared-key"])
def test_a_key_of_wireguard_has_its_shape(key: str, value: str, well: bool, tmp_path: Path) -> None:
    planned = plan(tmp_path, {"provider": "airvpn"})
    resolved = Resolved({("wireguard-key", key): Secret(value)})
    if well:
        check_tunnel(planned, resolved)
        return
    with pytest.raises(Refused) as caught:
        check_tunnel(planned, resolved)
    assert caught.value.code == "secret.wireguard-key"
    assert f"wireguard-key.{key} " in caught.value.text
    assert f"`portable secrets set wireguard-key.{key}`" in (caught.value.remedy or "")
    assert value not in str(caught.value)


def test_a_file_that_is_missing_is_not_told_as_a_wrong_one(tmp_path: Path) -> None:
    check_tunnel(plan(tmp_path, CUSTOM), Resolved({}))


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("remote", "add the line to the file: run `portable secrets set openvpn-config`, which asks for its value"),
        ("remote a.test", "write the server's IP address there: run `portable secrets set openvpn-config`, which asks for its value"),
        ("remote 198.51.100.8", "set `vpn.endpoint` in the profile to the server of the file"),
        (
            "remote 198.51.100.7\nauth-user-pass",
            "run `portable secrets set openvpn-login.user`, `portable secrets set openvpn-login.password`, which ask for their values",
        ),
    ],
)
def test_a_remedy_can_be_typed(text: str, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        check_tunnel(plan(tmp_path, CUSTOM), file(text))
    assert caught.value.remedy == remedy


def login(text: str, **keys: str) -> Resolved:
    known = {("openvpn-login", key): Secret(value) for key, value in keys.items()}
    return Resolved({("openvpn-config", "value"): Secret(f"remote 198.51.100.7 1194\n{text}\n"), **known})


@pytest.mark.parametrize("line", ["auth-user-pass", "  auth-user-pass login.txt # mine", "auth-user-pass#mine"])
def test_a_file_that_asks_for_a_login_needs_one(line: str, tmp_path: Path) -> None:
    planned = plan(tmp_path, CUSTOM)
    with pytest.raises(Refused) as caught:
        check_tunnel(planned, login(line))
    assert caught.value.code == "secret.openvpn-login"
    for name in ("openvpn-login.user", "openvpn-login.password"):
        assert name in caught.value.text
        assert f"`portable secrets set {name}`" in (caught.value.remedy or "")
    with pytest.raises(Refused, match=r"openvpn-login\.password") as caught:
        check_tunnel(planned, login(line, user="me"))
    assert (caught.value.code, "openvpn-login.user" in caught.value.text) == ("secret.openvpn-login", False)
    check_tunnel(planned, login(line, user="me", password="canary"))


@pytest.mark.parametrize("line", ["", "# auth-user-pass", "<auth-user-pass>\nme\ncanary\n</auth-user-pass>", "auth-user-pass-optional"])
def test_a_file_that_asks_for_none_needs_none(line: str, tmp_path: Path) -> None:
    check_tunnel(plan(tmp_path, CUSTOM), login(line))


def test_a_place_without_a_tunnel_is_asked_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path).write(app("one", egress="vpn"))
    check_tunnel(place.plan("one").plan, addresses("fc00::2"))
    check_tunnel(None, addresses("fc00::2"))


class Engine:
    """One that only answers that it is there, and goes away then: what is known without it must still be told."""

    def check(self) -> None:
        pass

    def image_ids(self, _references: object) -> None:
        raise DockerError("gone", "the engine went away")

    def notes(self, _project: str, _label: str) -> dict[str, str]:
        return {}


def test_diff_and_up_tell_it_whatever_the_engine_says(tmp_path: Path) -> None:
    stack = place_of(prepare("zimaboard", folder=tmp_path, sets=("apps=[qbittorrent]",)), {"HOME": str(tmp_path)}).stack
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text("qbittorrent-password: abcdefgh\nwireguard-key: {private-key: x, addresses: 172.20.9.9}\n")
    secrets.chmod(0o600)
    assert isinstance(stack, ComposeStack)
    engine: Any = Engine()
    for command in (diff, up):
        with pytest.raises(Refused, match=r"172\.20\.9\.9") as caught:
            command(engine, stack, FileSource(path=str(secrets)))
        assert caught.value.code == "secret.wireguard-local"
