"""`environment` and `privileges` on containers that were created by hand, or changed from inside."""

from typing import Any

import msgspec
import pytest

from portable.backends.common import PlacedContainer, containers
from portable.engines.docker.rights import image_settings, running
from portable.live.compose.rights import planned
from portable.live.view import CommandResult
from portable.model import plan as p
from portable.model.rights import Rights
from portable.model.secret_refs import SecretRef
from portable.secrets.values import Resolved, Secret
from portable.verify import contracts
from portable.verify.contract import about
from tests import factories
from tests.factories import full_plan
from tests.unit.verify.fake import IMAGE, FakeStack, first_process, one, says, verdicts

SECRET = "a value that is never told"
VALUES = Resolved({("vpn-key", "private"): Secret(SECRET), ("player-claim", "value"): Secret("claim")})
BY_NAME = {contract.name: contract for contract in contracts(values=VALUES)}
ENVIRONMENT, PRIVILEGES = BY_NAME["environment"], BY_NAME["privileges"]
EVERYTHING = ("gateway", "torrents", "player", "player-tls", "player-store", "sweep", "cloud shelf")


def placed(stack: FakeStack, name: str) -> PlacedContainer:
    return next(found for found in containers(stack.plan) if about(found) == name)


def healthy() -> FakeStack:
    """Return a stack as planned, with the values of its secrets and the plan's own file in the gateway."""
    plan = full_plan("compose")
    config = p.File(id="gateway-conf", body=("roles = []\n",))
    apps = tuple(
        app if app.name != "gateway" else with_file(app, p.FileMount(file="gateway-conf", path="/gluetun/auth/config.toml"))
        for app in plan.apps
    )
    stack = FakeStack(msgspec.structs.replace(plan, apps=apps, files=(*plan.files, config)), answer=inside)
    for name, variable, value in (("gateway", "KEY", SECRET), ("player", "CLAIM", "claim")):
        stack.changes[name] = {"environment": {**stack.look(placed(stack, name)).environment, variable: value}}
    return stack


def with_file(app: p.App, mount: p.FileMount) -> p.App:
    (main, *rest) = app.containers
    return msgspec.structs.replace(app, containers=(msgspec.structs.replace(main, files=(*main.files, mount)), *rest))


def inside(_name: str, command: Any) -> CommandResult | None:
    if list(command) == ["cat", "/gluetun/auth/config.toml"]:
        return CommandResult(code=0, text="roles = []")
    return None


def given(stack: FakeStack, name: str, **variables: str | None) -> FakeStack:
    """Set variables of a container; None removes one."""
    has = {**stack.look(placed(stack, name)).environment, **variables}
    stack.changes[name] = {**stack.changes.get(name, {}), "environment": {key: v for key, v in has.items() if v is not None}}
    return stack


def entitled(name: str, **rights: Any) -> FakeStack:
    """Return a healthy stack whose container has other rights."""
    stack = healthy()
    has = stack.look(placed(stack, name)).rights
    stack.changes[name] = {**stack.changes.get(name, {}), "rights": msgspec.structs.replace(has, **rights)}
    return stack


def answering(part: str, said: CommandResult) -> FakeStack:
    """Return a healthy stack whose gateway gives this answer to one command."""
    stack = healthy()
    asked = says(part, said, "gateway")
    stack._answer = lambda name, command: asked(name, command) or inside(name, command)
    return stack


def test_all_holds_on_what_the_back_end_made() -> None:
    assert verdicts(ENVIRONMENT, healthy()) == dict.fromkeys(EVERYTHING, "holds")
    assert verdicts(PRIVILEGES, healthy()) == dict.fromkeys(EVERYTHING, "holds")


PAST, EXTRA, CHANGED, MISSING = "past the tunnel", "nor in its image", "in the plan or its image", "missing variables"
"""The kinds of differences, each by the end of its text before the names."""


@pytest.mark.parametrize(
    ("name", "variables", "said"),
    [
        ("torrents", {"HTTP_PROXY": "http://x", "http_proxy": "http://x"}, f"{PAST}: HTTP_PROXY, http_proxy"),
        ("torrents", {"ALL_PROXY": "x"}, f"{PAST}: ALL_PROXY"),
        ("gateway", {"https_proxy": "x"}, f"{PAST}: https_proxy"),
        ("player", {"HTTPS_PROXY": "x"}, "proxy variables: HTTPS_PROXY"),
        ("gateway", {"DNS_KEEP_NAMESERVER": "on"}, f"{EXTRA}: DNS_KEEP_NAMESERVER"),
        ("gateway", {"FIREWALL_INPUT_PORTS": "8080,22"}, f"{CHANGED}: FIREWALL_INPUT_PORTS"),
        ("gateway", {"FIREWALL_INPUT_PORTS": None}, f"{MISSING}: FIREWALL_INPUT_PORTS"),
        ("gateway", {"KEY": "another"}, f"{CHANGED}: KEY"),
        ("gateway", {"KEY": None}, f"{MISSING}: KEY"),
        ("torrents", {"PUID": "0", "UMASK": "000"}, f"{CHANGED}: PUID, UMASK"),
        ("torrents", {"PATH": "/mine:/bin"}, f"{CHANGED}: PATH"),
        ("player-tls", {"TZ": None}, f"{MISSING}: TZ"),
        ("cloud shelf", {"RCLONE_CONFIG": "x"}, f"{EXTRA}: RCLONE_CONFIG"),
    ],
)
def test_other_variables_are_told_by_name(name: str, variables: dict[str, str | None], said: str) -> None:
    stack = given(healthy(), name, **variables)
    told = [held for held in ENVIRONMENT.tried(stack) if held.verdict == "broken" and "first process" not in held.text]
    assert [held.subject for held in told] == [name]
    assert told[0].text.endswith(said)
    assert "portable down" in told[0].remedy
    assert not any(value in held.text for held in ENVIRONMENT.tried(stack) for value in ("http://x", SECRET, "another", "/mine"))


def test_a_proxy_of_an_image_leads_vpn_apps_past_the_tunnel_too() -> None:
    stack = healthy()
    image = msgspec.structs.replace(IMAGE, environment={**IMAGE.environment, "http_proxy": "http://x"})
    for name in ("torrents", "player"):
        stack.changes[name] = {**stack.changes.get(name, {}), "image": image}
        given(stack, name, http_proxy="http://x")
    assert f"{PAST}: http_proxy" in one(ENVIRONMENT, stack).text
    assert one(ENVIRONMENT, stack).subject == "torrents"


def test_what_is_not_known_is_not_said_to_hold() -> None:
    unknown = {contract.name: contract for contract in contracts()}["environment"]
    held = next(h for h in unknown.tried(healthy()) if h.subject == "gateway")
    assert (held.verdict, held.text.endswith(": KEY")) == ("unknown", True)
    stack = healthy()
    stack.changes["player-tls"] = {"image": None}
    held = one(ENVIRONMENT, stack, "unknown")
    assert (held.subject, "image" in held.text) == ("player-tls", True)


@pytest.mark.parametrize("program", [{"command": ("run", "--proxy")}, {"entrypoint": ("/bin/sh",)}])
def test_another_program_is_told(program: dict[str, tuple[str, ...]]) -> None:
    stack = healthy()
    stack.changes["player-tls"] = dict(program)
    held = one(ENVIRONMENT, stack)
    assert (held.subject, "command" in held.text, "; " in held.text) == ("player-tls", True, False)
    plan = full_plan("compose")
    guarded = factories.container(command=("/bin/sh", "/guard.sh"))
    stack = FakeStack(factories.plan(factories.app("app", containers=(guarded,)), tools=plan.tools))
    assert verdicts(ENVIRONMENT, stack) == {"app": "holds"}
    stack.changes["app"] = {"entrypoint": IMAGE.entrypoint}
    assert "command" in one(ENVIRONMENT, stack).text


@pytest.mark.parametrize(
    "path",
    [
        "/iptables/post-rules.txt",
        "/gluetun/wireguard/wg0.conf",
        "/run/secrets/wg0.conf",
        "/gluetun/firewall",
        "/gluetun/firewall_outbound_subnets",
        "/run/secrets/dns_keep_nameserver",
        "/gluetun/client.key",
    ],
)
def test_a_file_that_overrides_the_gateways_settings_is_told(path: str) -> None:
    stack = answering("post-rules.txt", CommandResult(code=0, text=f"/gluetun/servers.json\n{path}"))
    assert path in one(ENVIRONMENT, stack).text
    assert "servers.json" not in one(ENVIRONMENT, stack).text


def test_a_file_of_the_plan_overrides_nothing() -> None:
    stack = answering("post-rules.txt", CommandResult(code=0, text="/gluetun/auth/config.toml\n/gluetun/firewall"))
    mount = p.FileMount(file="gateway-conf", path="/gluetun/firewall")
    apps = tuple(with_file(app, mount) if app.name == "gateway" else app for app in stack.plan.apps)
    stack.plan = msgspec.structs.replace(stack.plan, apps=apps)
    asked = stack._answer
    stack._answer = lambda name, command: (
        CommandResult(code=0, text="roles = []") if "/gluetun/firewall" in command else asked(name, command)
    )
    assert verdicts(ENVIRONMENT, stack)["gateway"] == "holds"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (CommandResult(code=0, text='[[roles]]\nname = "all"\nauth = "none"'), "broken"),
        (CommandResult(code=1, text="cat: can't open '/gluetun/auth/config.toml'"), "broken"),
        (CommandResult(code=127, text="cat: not found"), "unknown"),
    ],
)
def test_the_gateways_own_files_are_those_of_the_plan(said: CommandResult, verdict: str) -> None:
    assert "/gluetun/auth/config.toml" in one(ENVIRONMENT, answering("config.toml", said), verdict).text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("FIREWALL_INPUT_PORTS=8080", "FIREWALL_INPUT_PORTS=8080,22", ": FIREWALL_INPUT_PORTS"),
        ("FIREWALL_INPUT_PORTS=8080\0", "", ": FIREWALL_INPUT_PORTS"),
        ("HOME=/root", "HOME=/root\0FIREWALL=off", ": FIREWALL"),
        ("KEY=", "KEY=other-than-", ": KEY"),
    ],
)
def test_what_the_gateways_process_really_has(old: str, new: str, said: str) -> None:
    text = first_process(healthy().look(placed(healthy(), "gateway")).environment)
    assert old in text
    text = text.replace(old, new)
    stack = answering("/proc/1/environ", CommandResult(code=0, text=text))
    held = one(ENVIRONMENT, stack)
    assert (held.subject, "first process" in held.text, held.text.endswith(said)) == ("gateway", True, True)
    assert SECRET not in held.text


@pytest.mark.parametrize("part", ["/proc/1/environ", "post-rules.txt"])
def test_a_gateway_that_tells_nothing_is_not_said_to_hold(part: str) -> None:
    assert verdicts(ENVIRONMENT, answering(part, CommandResult(code=1, text="Permission denied")))["gateway"] == "unknown"


@pytest.mark.parametrize(
    ("name", "rights", "said"),
    [
        ("torrents", {"capabilities": frozenset({"NET_ADMIN", "CHOWN"})}, "capabilities: NET_ADMIN"),
        ("torrents", {"privileged": True}, "it is privileged"),
        ("torrents", {"network": "its own"}, "a network of its own instead of the network of gateway"),
        ("torrents", {"network": "the host's"}, "the host's network instead of the network of gateway"),
        ("torrents", {"network": "the network of player"}, "the network of player instead of the network of gateway"),
        ("torrents", {"networks": frozenset({"bridge"})}, "networks: bridge"),
        ("torrents", {"namespaces": frozenset({"PID of gateway"})}, "namespaces: PID of gateway"),
        ("torrents", {"devices": frozenset({"/dev/net/tun"})}, "devices: /dev/net/tun"),
        ("gateway", {"networks": frozenset({"media-test_default", "bridge"})}, "networks: bridge"),
        ("gateway", {"name_servers": ("198.51.100.53",)}, "name servers are 198.51.100.53 instead of"),
        ("gateway", {"hosts": frozenset({"torrents 192.0.2.1"})}, "host names: torrents 192.0.2.1"),
        ("gateway", {"security": frozenset({"seccomp:unconfined"})}, "seccomp:unconfined; its programs may gain privileges"),
        ("player", {"folders": {"/run/docker.sock": "/run/docker.sock"}}, "folders of the host: /run/docker.sock at /run/docker.sock"),
    ],
)
def test_rights_beside_the_plans_are_told(name: str, rights: dict[str, Any], said: str) -> None:
    found = one(PRIVILEGES, entitled(name, **rights))
    assert found.subject == name
    assert said in found.text


def test_fewer_rights_weaken_nothing() -> None:
    stack = entitled("gateway", capabilities=frozenset(), devices=frozenset(), folders={}, networks=frozenset())
    assert verdicts(PRIVILEGES, stack)["gateway"] == "holds"


def test_who_shares_the_gateways_network_unasked_is_told() -> None:
    stack = healthy()
    stack.strangers = ("stranger",)
    found = one(PRIVILEGES, stack)
    assert (found.code, found.subject, "remove stranger from gateway" in found.remedy) == ("verify.privileges", "gateway", True)


# --- from a Compose engine -------------------------------------------------------------------------------------------


def inspected(**host: Any) -> dict[str, Any]:
    return {"HostConfig": {"NetworkMode": "media_default", **host}, "NetworkSettings": {"Networks": {"media_default": {}}}, "Mounts": []}


def called(container: str) -> str:
    return {"1" * 64: "gateway"}.get(container, "another container")


@pytest.mark.parametrize(
    ("host", "rights"),
    [
        ({"CapDrop": ["ALL"], "CapAdd": ["CAP_NET_ADMIN", "CHOWN"]}, {"capabilities": frozenset({"NET_ADMIN", "CHOWN"})}),
        ({"CapDrop": ["ALL"], "Privileged": True}, {"privileged": True}),
        ({"CapDrop": ["ALL"], "NetworkMode": f"container:{'1' * 64}"}, {"network": "the network of gateway"}),
        ({"CapDrop": ["ALL"], "NetworkMode": "host"}, {"network": "the host's"}),
        ({"CapDrop": ["ALL"], "PidMode": "host", "IpcMode": "private"}, {"namespaces": frozenset({"PID of the host"})}),
        ({"CapDrop": ["ALL"], "IpcMode": f"container:{'1' * 64}"}, {"namespaces": frozenset({"IPC of gateway"})}),
        ({"CapDrop": ["ALL"], "Dns": ["192.0.2.53"]}, {"name_servers": ("192.0.2.53",)}),
        (
            {"CapDrop": ["ALL"], "ExtraHosts": ["a:192.0.2.1", "b=[2001:db8::1]"]},
            {"hosts": frozenset({"a 192.0.2.1", "b 2001:db8::1"})},
        ),
        (
            {"CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges", "seccomp=" + "{" * 500]},
            {"security": frozenset({"no-new-privileges:true", "seccomp:another profile"})},
        ),
        ({"CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges=false"]}, {"security": frozenset()}),
        (
            {"CapDrop": ["ALL"], "Devices": [{"PathOnHost": "/dev/net/tun"}], "DeviceCgroupRules": ["c 10:200 rwm"]},
            {"devices": frozenset({"/dev/net/tun", "rule c 10:200 rwm"})},
        ),
    ],
)
def test_what_an_engine_tells_of_rights(host: dict[str, Any], rights: dict[str, Any]) -> None:
    assert running(inspected(**host), called) == Rights(**{"network": "its own", "networks": frozenset({"media_default"}), **rights})


def test_what_nobody_took_away_is_a_right() -> None:
    assert "NET_RAW" in running(inspected(), called).capabilities
    assert "NET_RAW" not in running(inspected(CapDrop=["CAP_NET_RAW"]), called).capabilities


def test_what_a_service_gives_its_container() -> None:
    plan = full_plan("compose")
    by_name = {about(found): planned(found, plan) for found in containers(plan)}
    gateway, torrents = by_name["gateway"], by_name["torrents"]
    assert gateway.environment["KEY"] == SecretRef(name="vpn-key", key="private", optional=True)
    assert torrents.environment.items() >= {"PUID": "1000", "WEBUI_PORT": "8080", "TZ": plan.timezone}.items()
    assert "NET_ADMIN" in gateway.rights.capabilities
    assert gateway.rights.networks == {f"{plan.stack}-{plan.profile}_default"}
    assert by_name["cloud shelf"].rights.networks == gateway.rights.networks, "Compose puts it there"
    assert (torrents.rights.network, torrents.rights.networks) == ("the network of gateway", frozenset())
    assert torrents.rights.folders["/mnt/media"] == "/mnt/storage"
    assert torrents.rights.security == {"no-new-privileges:true"}


def test_what_an_engine_tells_of_an_image() -> None:
    found = image_settings({"Config": {"Env": ["PATH=/bin", "EMPTY=", "EQUAL=a=b"], "Entrypoint": None, "Cmd": ["run"]}})
    assert found.environment == {"PATH": "/bin", "EMPTY": "", "EQUAL": "a=b"}
    assert (found.entrypoint, found.command) == ((), ("run",))
