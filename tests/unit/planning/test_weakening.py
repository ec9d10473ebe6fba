"""Ways to weaken the fence from outside, by attack or by accident: each is a mistake, a refused finding, or harmless, and here is which."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from portable.catalog.gateways import providers_of, secret_files, settings_of, typed_names
from portable.catalog.shipped import SHIPPED
from portable.formats.emit import dump
from portable.formats.load import load
from portable.model.errors import InputError
from portable.model.ledger import settle, unaccepted
from portable.planning import Planned
from tests.unit.planning import BASE, TUN, VPN, Place, app, cloud, of_files

APPS = ("qbittorrent", "prowlarr", "jellyfin")


def gluetun(**changes: Any) -> dict[str, Any]:
    """An override of the gateway's main container."""
    return {"gluetun": {"containers": {"main": {key.replace("_", "-"): value for key, value in changes.items()}}}}


def variables(**environment: Any) -> dict[str, Any]:
    """An override of the gateway's environment."""
    return gluetun(environment=environment)


def behind(**changes: Any) -> dict[str, Any]:
    """An override of an app behind the gateway."""
    return {"qbittorrent": {"containers": {"main": {key.replace("_", "-"): value for key, value in changes.items()}}}}


class Way(NamedTuple):
    """One way: what the profile says, and what comes of it: a mistake of this code and words, or a refused finding."""

    changes: dict[str, Any]
    mistake: tuple[str, str] = ("", "")
    finding: tuple[str, str] = ("", "")


MISTAKES = {
    "the provider": Way({"override": variables(VPN_SERVICE_PROVIDER="nordvpn")}, ("vpn.setting-typed", "write `vpn.provider`")),
    "the protocol": Way({"override": variables(VPN_TYPE="openvpn")}, ("vpn.setting-typed", "write `vpn.protocol`")),
    "the tunnel is called as the uplink": Way(
        {"override": variables(VPN_INTERFACE="eth0")}, ("vpn.setting-typed", "write `vpn.interface`")
    ),
    "the uplink as the profile's interface, by an old name": Way(
        {"override": variables(OPENVPN_INTERFACE="eth0")}, ("vpn.setting-typed", "write `vpn.interface`")
    ),
    "another server, past the list of endpoints": Way(
        {"override": variables(VPN_ENDPOINT_IP="192.168.1.9")}, ("vpn.setting-typed", "write `vpn.endpoint.address`")
    ),
    "a port that the NetworkPolicy would cut off": Way(
        {"override": variables(WIREGUARD_ENDPOINT_PORT="1637")}, ("vpn.setting-typed", "write `vpn.endpoint.port`")
    ),
    "the key's file is another file": Way(
        {"override": variables(WIREGUARD_PRIVATE_KEY_SECRETFILE="/config/key")},
        ("vpn.setting-secret", "`portable secrets set -p test wireguard-key.private-key`"),
    ),
    "the key's file is no file": Way(
        {"override": variables(WIREGUARD_PRIVATE_KEY_SECRETFILE=None)},
        ("vpn.setting-secret", "`portable secrets set -p test wireguard-key.private-key`"),
    ),
    "the key in clear text": Way(
        {"override": variables(WIREGUARD_PRIVATE_KEY="canary")},
        ("vpn.setting-secret", "`portable secrets set -p test wireguard-key.private-key`"),
    ),
    "the key in clear text, accepted by a waiver": Way(
        {
            "override": variables(WIREGUARD_PRIVATE_KEY="canary"),
            "waive": [{"field": "gateway.settings.WIREGUARD_PRIVATE_KEY", "class": "security", "apps": ["gluetun"], "reason": "x"}],
        },
        ("vpn.setting-secret", "WIREGUARD_PRIVATE_KEY is a secret"),
    ),
    "addresses": Way(
        {"override": variables(WIREGUARD_ADDRESSES="10.64.0.2/32")},
        ("vpn.setting-secret", "portable secrets set -p test wireguard-key.addresses"),
    ),
    "a preshared key that the provider has": Way(
        {"vpn": {"provider": "airvpn"}, "override": variables(WIREGUARD_PRESHARED_KEY="canary")},
        ("vpn.setting-secret", "portable secrets set -p test wireguard-key.preshared-key"),
    ),
    "a preshared key that it does not have": Way(
        {"override": variables(WIREGUARD_PRESHARED_KEY="canary")}, ("vpn.setting-secret", "remove it: mullvad with wireguard")
    ),
    "a login by its old name": Way(
        {"vpn": {"provider": "ipvanish"}, "override": variables(PASSWORD="canary")},
        ("vpn.setting-secret", "portable secrets set -p test openvpn-login.password"),
    ),
    "a login from a file of its own": Way(
        {"vpn": {"provider": "ipvanish"}, "override": variables(OPENVPN_USER_FILE="/x")},
        ("vpn.setting-secret", "portable secrets set -p test openvpn-login.user"),
    ),
    "the file of a custom server": Way({"override": variables(OPENVPN_CUSTOM_CONFIG="/x")}, ("vpn.setting-typed", "write `vpn.config`")),
    "the choice of servers is taken back": Way(
        {"vpn": {"servers": {"countries": ["Sweden"]}}, "override": variables(SERVER_COUNTRIES=None)},
        ("vpn.setting-typed", "write `vpn.servers.countries`"),
    ),
    "a command at each new port": Way(
        {"override": variables(VPN_PORT_FORWARDING_UP_COMMAND="iptables -F")}, ("vpn.setting-typed", "write `vpn.port-forwarding`")
    ),
    "a name that Gluetun does not know": Way(
        {"override": variables(FIREWALL_OUTBOUND_SUBNET="192.168.1.0/24")},
        ("vpn.setting-unknown", "did you mean FIREWALL_OUTBOUND_SUBNETS?"),
    ),
    "a name in small letters": Way(
        {"override": variables(vpn_type="openvpn")}, ("vpn.setting-unknown", "did you mean VPN_TYPE? That is `vpn.protocol`")
    ),
    "an endpoint's port that the gateway does not use": Way(
        {"vpn": {"gateway": "gluetun", "endpoints": [{"port": 443}]}}, ("vpn.endpoints-mismatch", "port 443 here")
    ),
    "an endpoint's protocol that the gateway does not use": Way(
        {"vpn": {"gateway": "gluetun", "endpoints": [{"protocol": "tcp"}]}}, ("vpn.endpoints-mismatch", "protocol tcp here")
    ),
    "an app that is no gateway": Way({"vpn": {"gateway": "jellyfin"}}, ("vpn.gateway-kind", "'jellyfin'")),
    "the gateway is none any more": Way({"override": {"gluetun": {"gateway": None}}}, ("vpn.gateway-kind", "'gluetun'")),
    "an app that does not need the VPN any more": Way(
        {"override": {"qbittorrent": {"egress": "direct"}}}, ("vpn.need-removed", "qbittorrent")
    ),
    "the control server on the LAN": Way(
        {"exposure": {"apps": {"gluetun": {"control": {"lan": 8000}}}}}, ("port.private", "port control of gluetun")
    ),
    "the gateway's name server on the LAN": Way(
        {"exposure": {"apps": {"gluetun": {"dns": {"lan": 53}}}}}, ("port.private", "port dns of gluetun")
    ),
    "the name server's port is another app's": Way(
        {"override": {"gluetun": {"ports": {"dns": {"number": 5353}}}}}, ("port.fixed", "gluetun")
    ),
    "an app's alias is the gateway's name": Way(
        {"override": {"prowlarr": {"aliases": ["gluetun"]}}}, ("app.alias-taken", "alias 'gluetun' of 'prowlarr'")
    ),
    "peers on the LAN": Way({"exposure": {"apps": {"qbittorrent": {"peer": {"lan": {}}}}}}, ("port.peers", "port peer of qbittorrent")),
    "a gateway that runs at times": Way({"override": {"gluetun": {"schedule": "30 4 * * *"}}}, ("schedule.gateway", "gluetun")),
    "the gateway is left out": Way({"without": ["gluetun"]}, ("vpn.gateway-left-out", "without gluetun")),
    "a volume for a gateway that has none": Way(
        {"storage": {"apps": {"gluetun": {"config": {"folder": "/srv/x"}}}}}, ("volume.unknown", "volume 'config'")
    ),
}

FINDINGS = {
    "the firewall is off": Way(
        {"override": variables(FIREWALL_ENABLED_DISABLING_IT_SHOOTS_YOU_IN_YOUR_FOOT="off")},
        finding=("gateway.settings.FIREWALL_ENABLED_DISABLING_IT_SHOOTS_YOU_IN_YOUR_FOOT", "gluetun"),
    ),
    "half of the Internet past the tunnel": Way(
        {"override": variables(FIREWALL_OUTBOUND_SUBNETS="128.0.0.0/1")}, finding=("gateway.settings.FIREWALL_OUTBOUND_SUBNETS", "gluetun")
    ),
    "the same by its old name": Way(
        {"override": variables(EXTRA_SUBNETS="128.0.0.0/1")}, finding=("gateway.settings.EXTRA_SUBNETS", "gluetun")
    ),
    "the same from a file": Way(
        {"override": variables(FIREWALL_OUTBOUND_SUBNETS_SECRETFILE="/etc/hostname")},
        finding=("gateway.settings.FIREWALL_OUTBOUND_SUBNETS_SECRETFILE", "gluetun"),
    ),
    "the same from another kind of file": Way(
        {"override": variables(DNS_KEEP_NAMESERVER_FILE="/x")}, finding=("gateway.settings.DNS_KEEP_NAMESERVER_FILE", "gluetun")
    ),
    "the ports of the firewall as the image has them": Way(
        {"override": variables(FIREWALL_INPUT_PORTS=None)}, finding=("gateway.settings.FIREWALL_INPUT_PORTS", "gluetun")
    ),
    "names asked outside": Way(
        {"override": variables(DNS_KEEP_NAMESERVER="on")}, finding=("gateway.settings.DNS_KEEP_NAMESERVER", "gluetun")
    ),
    "the control server for everybody": Way(
        {"override": variables(HTTP_CONTROL_SERVER_AUTH_DEFAULT_ROLE='{"auth":"none"}')},
        finding=("gateway.settings.HTTP_CONTROL_SERVER_AUTH_DEFAULT_ROLE", "gluetun"),
    ),
    "the control server as the image has it": Way(
        {"override": variables(HTTP_CONTROL_SERVER_ADDRESS="")}, finding=("gateway.settings.HTTP_CONTROL_SERVER_ADDRESS", "gluetun")
    ),
    "a proxy for the LAN": Way({"override": variables(HTTPPROXY="on")}, finding=("gateway.settings.HTTPPROXY", "gluetun")),
    "only some addresses through the tunnel": Way(
        {"override": variables(WIREGUARD_ALLOWED_IPS="10.0.0.0/8")}, finding=("gateway.settings.WIREGUARD_ALLOWED_IPS", "gluetun")
    ),
    "options for OpenVPN": Way(
        {"override": variables(OPENVPN_FLAGS="--route-nopull")}, finding=("gateway.settings.OPENVPN_FLAGS", "gluetun")
    ),
    "WireGuard's own file": Way(
        {"override": variables(WIREGUARD_CONF_SECRETFILE="/run/secrets/wg0")},
        finding=("gateway.settings.WIREGUARD_CONF_SECRETFILE", "gluetun"),
    ),
    "a dead tunnel stays dead": Way(
        {"override": variables(HEALTH_RESTART_VPN="off")}, finding=("gateway.settings.HEALTH_RESTART_VPN", "gluetun")
    ),
    "a library in front of iptables": Way({"override": variables(LD_PRELOAD="/x.so")}, finding=("gateway.settings.LD_PRELOAD", "gluetun")),
    "a proxy for the gateway itself": Way(
        {"override": variables(HTTPS_PROXY="http://192.168.1.2:3128")}, finding=("gateway.settings.HTTPS_PROXY", "gluetun")
    ),
    "a command in the place of the guard": Way(
        {"override": gluetun(command=["/gluetun-entrypoint"])}, finding=("gateway.command", "gluetun")
    ),
    "arguments": Way({"override": gluetun(args=["healthcheck"])}, finding=("gateway.args", "gluetun")),
    "no guard and no roles": Way({"override": gluetun(files=[])}, finding=("gateway.files", "gluetun")),
    "a probe that is always well": Way({"override": gluetun(probe={"exec": ["true"]})}, finding=("gateway.probe", "gluetun")),
    "no probe": Way({"override": gluetun(probe=None)}, finding=("gateway.probe", "gluetun")),
    "FUSE, and with it the host": Way({"override": gluetun(needs={"fuse": True})}, finding=("gateway.needs", "gluetun")),
    "files that Gluetun reads before its environment": Way(
        {"override": {"gluetun": {"volumes": {"own": {"holds": "state"}}, "containers": {"main": {"volumes": {"own": "/gluetun"}}}}}},
        finding=("gateway.volumes", "gluetun"),
    ),
    "a secret that Gluetun reads before its environment": Way(
        {
            "override": {
                "gluetun": {
                    "secrets": {"own": {"about": "x", "keys": ["firewall_outbound_subnets"]}},
                    "containers": {"main": {"secrets": {"own": "/run/secrets"}}},
                }
            }
        },
        finding=("gateway.secrets", "gluetun"),
    ),
    "the library for a program that is root": Way({"override": gluetun(library="rw")}, finding=("gateway.library", "gluetun")),
    "a container beside the gateway": Way(
        {
            "override": {
                "gluetun": {
                    "containers": {
                        "spy": {
                            "image": {"repository": "registry.test/spy", "tag": "1"},
                            "identity": "fixed",
                            "needs": {"net-admin": True},
                            "resources": {"memory": {"request": "8Mi", "limit": "8Mi"}},
                        }
                    }
                }
            }
        },
        finding=("gateway.containers", "gluetun"),
    ),
    "a port that the firewall opens": Way(
        {"override": {"gluetun": {"ports": {"proxy": {"number": 8888, "serves": "http"}}}}}, finding=("gateway.ports", "gluetun")
    ),
    "a private port that is not": Way(
        {"override": {"gluetun": {"ports": {"control": {"private": False}}}}}, finding=("gateway.ports", "gluetun")
    ),
    "an image of somebody else": Way(
        {"override": gluetun(image={"repository": "registry.test/gluetun", "digest": None})}, finding=("gateway.image", "gluetun")
    ),
    "an app behind it may change the firewall": Way(
        {"override": behind(needs={"net-admin": True})}, finding=("egress.privileged", "qbittorrent")
    ),
    "an app behind it may make another tunnel": Way(
        {"override": behind(needs={"tun": True})}, finding=("egress.privileged", "qbittorrent")
    ),
    "an app behind it may mount": Way({"override": behind(needs={"fuse": True})}, finding=("egress.privileged", "qbittorrent")),
    "an app behind it calls a proxy": Way(
        {"override": behind(environment={"HTTP_PROXY": "http://10.0.0.1:3128"})}, finding=("egress.proxy", "qbittorrent")
    ),
    "an app behind it calls a proxy, in small letters": Way(
        {"override": behind(environment={"all_proxy": "socks5://10.0.0.1"})}, finding=("egress.proxy", "qbittorrent")
    ),
    "an app is its own gateway": Way(
        {"vpn": {"gateway": "qbittorrent"}, "override": {"qbittorrent": {"gateway": "tunnel"}}}, finding=("gateway.gateway", "qbittorrent")
    ),
    "both halves of the Internet": Way({"networks": {"local": ["0.0.0.0/1", "128.0.0.0/1"]}}, finding=("egress.networks", "gluetun")),
    "half of IPv6": Way({"networks": {"local": ["::/1"]}}, finding=("egress.networks", "gluetun")),
    "IPv4 inside IPv6": Way({"networks": {"local": ["::ffff:0:0/96"]}}, finding=("egress.networks", "gluetun")),
    "the tunnel's own network": Way({"networks": {"local": ["10.0.0.0/8"]}}, finding=("egress.tunnel", "gluetun")),
    "the egress of all apps is waived": Way(
        {"networks": {"local": ["128.0.0.0/1"]}, "waive": [{"field": "egress.networks", "class": "security", "reason": "x"}]},
        finding=("egress.networks", "gluetun"),
    ),
    "all settings are waived by the family's name": Way(
        {
            "override": variables(HTTPPROXY="on"),
            "waive": [{"field": "gateway.settings", "class": "security", "apps": ["gluetun"], "reason": "x"}],
        },
        finding=("gateway.settings.HTTPPROXY", "gluetun"),
    ),
}

HARMLESS = {
    "a probe that asks the same more often": {"override": gluetun(probe={"period": "2s", "startup": "5m"})},
    "memory": {"override": gluetun(resources={"memory": {"limit": "512Mi"}})},
    "another tag of the same image": {"override": gluetun(image={"tag": "v3.41.4", "digest": None})},
    "times, logs and health targets": {
        "override": variables(TZ="Europe/Berlin", LOG_LEVEL="debug", HEALTH_TARGET_ADDRESSES="192.0.2.1:443", WIREGUARD_MTU="1280")
    },
    "what the image does anyway": {"override": variables(DNS_KEEP_NAMESERVER="off", SHADOWSOCKS="off", HEALTH_RESTART_VPN="ON")},
    "what planning says anyway": {
        "vpn": {"servers": {"countries": ["Sweden", "Norway"]}},
        "networks": {"subnet": "172.20.0.0/16", "local": ["192.168.1.0/24"]},
        "override": variables(
            DNS_ADDRESS="127.0.0.1",
            FIREWALL_OUTBOUND_SUBNETS="192.168.1.0/24,172.20.0.0/16",
            FIREWALL_VPN_INPUT_PORTS="6881",
            SERVER_COUNTRIES="Norway,Sweden",
            VPN_PORT_FORWARDING="off",
            VPN_SERVICE_PROVIDER="mullvad",
            WIREGUARD_PRIVATE_KEY_SECRETFILE="/run/secrets/wireguard-key/private-key",
        ),
    },
    "what is not set is taken back": {"override": variables(SERVER_COUNTRIES=None, DNS_ADDRESS=None)},
    "no proxy": {"override": {**behind(environment={"HTTP_PROXY": "", "all_proxy": ""}), **variables(HTTPS_PROXY="")}},
    "nobody calls in": {"override": variables(FIREWALL_VPN_INPUT_PORTS="", FIREWALL_OUTBOUND_SUBNETS="")},
    "what the catalog says anyway": {"override": variables(HTTPPROXY="off", VPN_TYPE="{{ vpn.protocol }}")},
    "start order": {"override": {"qbittorrent": {"after": [], "needs-apps": []}, "gluetun": {"after": [{"app": "jellyfin"}]}}},
    "a proxy for an app that the VPN does not concern": {
        "override": {"jellyfin": {"containers": {"main": {"environment": {"HTTP_PROXY": "http://10.0.0.1:3128"}}}}}
    },
}


def refused(planned: Planned) -> set[tuple[str, str | None]]:
    """Field and app of what stops `up` after the profile's waivers; a waiver that matches nothing is no acceptance either."""
    try:
        ledger = settle(planned.findings, planned.waivers, {a.name for a in planned.plan.apps})
    except InputError:
        ledger = tuple(planned.findings)
    return {(f.field, f.app) for f in unaccepted(ledger, strict=False)}


def plan(place: Place, **changes: Any) -> Planned:
    return place.plan(*APPS, **{**VPN, **changes})


@pytest.mark.parametrize("way", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_with_its_place(way: Way, place: Place) -> None:
    with pytest.raises(InputError) as caught:
        plan(place, **way.changes)
    code, words = way.mistake
    assert any(m.code == code and words in str(m) for m in caught.value.mistakes), caught.value
    assert all(m.source.file and m.source.line > 1 and m.text for m in caught.value.mistakes)


def code_of(field: str) -> str:
    """The code of a finding of that field."""
    others = {"gateway.image": "image-repository", "egress.privileged": "privileged", "egress.proxy": "proxy"}
    others |= {"egress.networks": "networks", "egress.tunnel": "tunnel-range"}
    return f"vpn.{others.get(field, 'override')}"


@pytest.mark.parametrize("way", FINDINGS.values(), ids=FINDINGS.keys())
def test_a_refused_finding_with_its_place(way: Way, place: Place) -> None:
    planned = plan(place, **way.changes)
    assert way.finding in refused(planned)
    found = next(f for f in planned.findings if (f.field, f.app) == way.finding)
    assert found.class_ == "security"
    assert found.code == code_of(found.field)
    assert found.where is not None
    assert (found.where.file, found.where.line > 1) == ("test.yaml", True)
    assert found.remedy


@pytest.mark.parametrize("changes", HARMLESS.values(), ids=HARMLESS.keys())
def test_harmless(changes: dict[str, Any], place: Place) -> None:
    assert refused(plan(place, **changes)) == set()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("FIREWALL_OUTBOUND_SUBNETS", "write `networks: {local: [...]}`"),
        ("EXTRA_SUBNETS", "write `networks: {local: [...]}`"),
        ("FIREWALL_OUTBOUND_SUBNETS_SECRETFILE", "write `networks: {local: [...]}`"),
        ("FIREWALL_INPUT_PORTS", "`override: {APP: {ports: ...}}`"),
        ("FIREWALL_VPN_INPUT_PORTS", "`override: {qbittorrent: {ports: {peer: {number: N}}}}`"),
        ("FIREWALL_VPN_INPUT_PORTS", "`vpn: {port-forwarding: true}`"),
        ("WIREGUARD_ENDPOINT_IP_FILE", "write `vpn.endpoint.address`"),
    ],
)
def test_a_remedy_names_where_it_is_said_instead(name: str, remedy: str, place: Place) -> None:
    planned = plan(place, override=variables(**{name: "7"}))
    (found,) = [f for f in planned.findings if f.field == f"gateway.settings.{name}"]
    assert remedy in found.remedy


def test_the_port_of_that_remedy_is_one(place: Place) -> None:
    planned = plan(place, override={"qbittorrent": {"ports": {"peer": {"number": 41234}}}})
    gateway = next(a for a in planned.plan.apps if a.name == "gluetun")
    assert gateway.containers[0].env["FIREWALL_VPN_INPUT_PORTS"] == "41234"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("cloudflare.com:443,github.com:443", []),
        ("1.1.1.1:443", []),
        ("192.168.1.9:80,1.1.1.1:443", ["192.168.1.9"]),
        ("127.0.0.1:9", ["127.0.0.1"]),
        ("router:80", ["router"]),
        ("203.0.113.9:80", ["203.0.113.9"]),
    ],
)
def test_a_health_target_that_needs_no_tunnel_is_noted(value: str, told: list[str], place: Place) -> None:
    planned = plan(place, networks={"local": ["203.0.113.0/24"]}, override=variables(HEALTH_TARGET_ADDRESSES=value))
    found = [f for f in planned.findings if f.field == "gateway.settings.HEALTH_TARGET_ADDRESSES"]
    assert [(f.code, f.verdict, f.class_) for f in found] == [("vpn.health-target", "noted", "function")] * len(told)
    assert all(host in f.text for host, f in zip(told, found, strict=True))


def test_a_waiver_of_one_setting_accepts_that_one_only(place: Place) -> None:
    waiver = {"field": "gateway.settings.HTTPPROXY", "class": "security", "apps": ["gluetun"], "reason": "a proxy for the television"}
    assert refused(plan(place, override=variables(HTTPPROXY="on"), waive=[waiver])) == set()
    both = plan(place, override=variables(HTTPPROXY="on", DNS_KEEP_NAMESERVER="on"), waive=[waiver])
    assert refused(both) == {("gateway.settings.DNS_KEEP_NAMESERVER", "gluetun")}


@pytest.mark.parametrize("way", FINDINGS.values(), ids=FINDINGS.keys())
def test_the_waiver_of_a_remedy_is_one_when_a_reason_is_written(way: Way, place: Place) -> None:
    planned = plan(place, **way.changes)
    found = next(f for f in planned.findings if (f.field, f.app) == way.finding)
    (text,) = re.findall(r"`(waive: \[\{.*?\}\])`", found.remedy)
    pasted = load(("pasted", text.encode())).data["waive"]
    said = {**way.changes, "waive": pasted}
    with pytest.raises(InputError, match=r"\[plan\.waiver-reason\]"):
        plan(place, **said)
    said["waive"] = [{**one, "reason": "a test"} for one in pasted]
    assert way.finding not in refused(plan(place, **said))


@pytest.mark.parametrize("reason", ["...", ". .", "\u2026"])
def test_dots_are_no_reason(reason: str, place: Place) -> None:
    waiver = {"field": "egress", "class": "security", "apps": ["qbittorrent"], "reason": reason}
    assert place.told(*APPS, **VPN, waive=[waiver])[0] == ("waive[0].reason", "plan.waiver-reason")


def test_another_version_of_the_gateway_is_noted(place: Place) -> None:
    planned = plan(place, override=gluetun(image={"tag": "v3.39.0", "digest": None}))
    (found,) = [f for f in planned.findings if f.field == "gateway.image.tag"]
    assert (found.code, found.verdict, found.class_, found.app) == ("vpn.image-tag", "noted", "function", "gluetun")
    assert found.text.index("v3.39.0") < found.text.index("v3.41.3")
    assert not [f for f in plan(place).findings if f.field == "gateway.image.tag"]


def test_the_waivers_in_the_documents_are_valid(place: Place) -> None:
    text = (Path(__file__).parents[3] / "docs" / "how-to" / "set-up-the-vpn.md").read_text()
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "waive:" in block]
    assert len(blocks) == 2
    for block in blocks:
        said = load(("docs", block.encode())).data
        assert refused(place.plan(*APPS, **{**VPN, **said})) == set()
        assert len(refused(place.plan(*APPS, **{**VPN, **said, "waive": []}))) == 1


def test_no_waiver_changes_a_plan(place: Place) -> None:
    """Of every way to weaken the fence that ends in a finding, and of an app that is let out."""
    ways = {name: way.changes for name, way in FINDINGS.items()}
    changed = 0
    for changes in (*ways.values(), {"egress": {"direct": ["qbittorrent"]}}):
        without = {key: value for key, value in changes.items() if key != "waive"}
        before = plan(place, **without)
        every = [{"field": f.field, "class": f.class_, "reason": "x"} | ({"apps": [f.app]} if f.app else {}) for f in before.findings]
        after = plan(place, **without, waive=every)
        assert after.plan == before.plan
        assert refused(after) == set()
        changed += len(refused(before))
    assert changed >= len(ways)


def test_the_stacks_override_counts_as_the_profiles(place: Place) -> None:
    stack = 'portable: 1\noverride:\n  gluetun:\n    containers: {main: {environment: {DNS_KEEP_NAMESERVER: "on"}}}\n'
    planned = plan(place, stack=stack)
    (found,) = [f for f in planned.findings if f.field.startswith("gateway.")]
    assert (str(found.where), found.verdict) == ("portable.yaml:4:60", "refused")


def test_a_stacks_number_for_a_loopback_port_is_harmless(place: Place) -> None:
    planned = plan(place, stack="portable: 1\nports: {gluetun: {control: 8010}}\n")
    assert refused(planned) == set()
    environment = next(a for a in planned.plan.apps if a.name == "gluetun").containers[0].env
    assert environment["HTTP_CONTROL_SERVER_ADDRESS"] == "127.0.0.1:8010"
    assert "8010" not in str(environment["FIREWALL_INPUT_PORTS"])


def test_newer_images_can_only_be_others_of_the_same_repository(place: Place) -> None:
    pinned = place.plan("qbittorrent", **VPN).plan.apps[0].containers[0].image.reference
    digest = "sha256:" + "c" * 64
    entry = f"{{at: '2026-11-01T00:00:00Z', containers: {{main: {{instead-of: '{pinned}', digest: '{digest}'}}}}}}"
    planned = plan(place, images=f"portable: 1\nimages: {{gluetun: {entry}}}\n")
    assert refused(planned) == set()
    assert planned.plan.apps[0].containers[0].image.reference == pinned.partition("@")[0] + "@" + digest


def test_a_gateway_of_ones_own_is_refused_by_name(place: Place) -> None:
    place.write(app("gluetun", gateway="tunnel"))
    planned = plan(place)
    assert ("gateway.own", "gluetun") in refused(planned)
    assert "vpn.own-gateway" in {f.code for f in planned.findings}


def test_so_is_a_second_gateway_of_ones_own(place: Place) -> None:
    place.write(app("second", gateway="tunnel", ports={"web": None}))
    assert ("gateway.own", "second") in refused(plan(place, vpn={"gateway": "second", "endpoints": [{"port": 1}]}))


def test_so_is_a_seal_of_ones_own_image(place: Place) -> None:
    recipe = place.folder / "seal" / "image"
    recipe.mkdir(parents=True)
    (recipe / "Dockerfile").write_text("FROM scratch\n")
    planned = place.plan("qbittorrent")
    assert refused(planned) == {("gateway.image", "seal")}
    assert "vpn.own-image" in {f.code for f in planned.findings}


def test_so_are_changes_of_the_seal(place: Place) -> None:
    override = {"seal": {"containers": {"main": {"environment": {"LOCAL_NETWORKS": "0.0.0.0/0"}}}}}
    assert refused(place.plan("qbittorrent", override=override)) == {("gateway.settings.LOCAL_NETWORKS", "seal")}
    unknown = {"seal": {"containers": {"main": {"environment": {"LOCAL_NETWORK": "10.0.0.0/8"}}}}}
    report = place.mistakes("qbittorrent", override=unknown)
    assert "seal has no setting LOCAL_NETWORK" in report
    assert "[vpn.setting-unknown]" in report


def test_so_is_an_app_of_ones_own_that_does_not_need_the_vpn_any_more(place: Place) -> None:
    place.write(app("qbittorrent"))
    assert ("egress", "qbittorrent") in refused(plan(place))
    assert "vpn.own-app" in {f.code for f in plan(place).findings}
    waiver = {"field": "egress", "class": "security", "apps": ["qbittorrent"], "reason": "it downloads the news"}
    assert refused(plan(place, waive=[waiver])) == set()


def test_so_is_a_proxy_of_what_mounts_a_cloud_in_the_pod(place: Place) -> None:
    place.write(app("one", egress="vpn", clouds=["store"]), clouds=(cloud("store", environment={"https_proxy": "http://10.0.0.1:3128"}),))
    assert ("egress.proxy", "one") in refused(place.plan("one", clouds=["store"], **VPN))


def test_an_override_that_is_inherited_is_told_where_it_stands(tmp_path: Path) -> None:
    override = 'override:\n  gluetun: {containers: {main: {environment: {FIREWALL_DEBUG: "on", DNS_SERVER: "off"}}}}\n'
    top = "portable: 1\nname: top\nextends: base\nback-end: compose\napps: [qbittorrent]\n"
    planned = of_files(tmp_path, top=top, base=f"{BASE}{TUN}{override}")
    found = {f.field: Path(f.where.file).name for f in planned.findings if f.field.startswith("gateway.") and f.where}
    assert found == {"gateway.settings.FIREWALL_DEBUG": "base.yaml", "gateway.settings.DNS_SERVER": "base.yaml"}
    assert refused(planned) == {(field, "gluetun") for field in found}


def test_so_is_one_of_the_command_line(tmp_path: Path) -> None:
    key = "override.gluetun.containers.main.environment.DNS_KEEP_NAMESERVER"
    top = f"{BASE}{TUN}apps: [qbittorrent]\n".replace("name: base", "name: top")
    planned = of_files(tmp_path, (f'{key}="on"',), top=top)
    (found,) = [f for f in planned.findings if f.field.startswith("gateway.")]
    assert found.where is not None
    assert found.where.file == f"--set {key}"


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("", False),
        ("waive: [{field: gateway.settings.DNS_SERVER, class: security, apps: [gluetun], reason: x}]\n", True),
        ("waive: []\n", True),
        ("waive: [{field: gateway.settings.FIREWALL_DEBUG, class: security, apps: [gluetun], reason: mine}]\n", False),
    ],
)
def test_a_list_of_waivers_that_replaces_an_inherited_one_is_told(own: str, told: bool, tmp_path: Path) -> None:
    override = 'override:\n  gluetun: {containers: {main: {environment: {FIREWALL_DEBUG: "on", DNS_SERVER: "off"}}}}\n'
    waive = (
        "waive:\n"
        "  - {field: gateway.settings.FIREWALL_DEBUG, class: security, apps: [gluetun], reason: theirs}\n"
        "  - {field: egress, class: security, apps: [sonarr], reason: it matches nothing here}\n"
    )
    top = f"portable: 1\nname: top\nextends: base\nback-end: compose\napps: [qbittorrent]\n{own}"
    planned = of_files(tmp_path, top=top, base=f"{BASE}{TUN}{override}{waive}")
    found = [f for f in planned.findings if f.field == "waive"]
    assert [(f.class_, f.verdict) for f in found] == [("function", "noted")] * told
    for finding in found:
        assert finding.code == "plan.waivers-replaced"
        assert "base.yaml, which accepted gateway.settings.FIREWALL_DEBUG:" in finding.text
        assert finding.where is not None
        assert Path(finding.where.file).name == "top.yaml"


# --- the data


def test_every_variable_of_the_catalog_is_one_that_the_gateway_knows() -> None:
    for gateway in ("gluetun", "seal"):
        folder = SHIPPED / "apps" / gateway
        settings = settings_of(folder)
        assert settings is not None
        typed, files = typed_names(providers_of(folder), settings), secret_files(providers_of(folder))
        assert set(settings.plain.values()) <= files
        assert not set(settings.plain) & (typed.keys() | files)
        assert {name for group in settings.fence for name in (*group.harmless, *group.remedies)} <= settings.known
        fence = [name for group in settings.fence for name in group.names]
        assert len(fence) == len(set(fence))
        assert not set(fence) & (set(settings.free) | typed.keys())
        assert not set(settings.free) & typed.keys()
        known = {*typed, *settings.known}
        assert len(settings.known) == sum(map(len, (fence, settings.typed, settings.plain, settings.targets, settings.free)))
        assert load(folder / "app.yaml").data["containers"]["main"]["environment"].keys() <= known


@pytest.mark.parametrize(
    "name",
    [
        "FIREWALL_VPN_INPUT_PORTS",
        "HEALTH_SMALL_CHECK_TYPE",
        "PUBLICIP_ENABLED",
        "GOMEMLIMIT",
        "DOT",
        "VPNSP",
        "TINYPROXY",
        "HTTPPROXY_LISTENING_ADDRESS",
    ],
)
def test_names_of_gluetun_old_and_new_are_known(name: str) -> None:
    folder = SHIPPED / "apps" / "gluetun"
    settings = settings_of(folder)
    assert settings is not None
    assert name in {*typed_names(providers_of(folder), settings), *settings.known}


def test_data_that_is_wrong_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text(dump({"portable": 1, "fence": [{"names": ["A"]}]}))
    with pytest.raises(InputError, match=r"settings\.yaml:.*changes"):
        settings_of(tmp_path)
