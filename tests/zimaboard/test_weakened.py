"""What somebody weakens by hand, with `docker` and a shell, on a stack with a tunnel: `verify` says so, by the right contract.

Each is put into the running gateway or beside it, and taken back. The gateway is a stand-in around a real tunnel.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.home.home import Home
from tests.lab.home.trouble import healed

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]
Act = Callable[[Home], object]
GATEWAY = "gluetun"
LOOKED_AT = ("shares", "fence", "names", "environment", "privileges")


@dataclass(frozen=True)
class Weakened:
    """What is done, what takes it back, and the subjects by contract that must be broken."""

    put: Act
    back: Act
    broken: dict[str, set[str]]


def broken(home: Home) -> dict[str, set[str]]:
    """The subjects of each contract about the fence that does not hold."""
    ran = home.stack.portable("verify", *LOOKED_AT, "--format", "json", code=None)
    found: dict[str, set[str]] = {}
    for row in json.loads(ran.out)["verify"]:
        if row["verdict"] == "broken":
            found.setdefault(row["contract"], set()).add(row["subject"])
    return found


def inside(service: str, script: str) -> Act:
    """A shell of root's in a container."""
    return lambda home: home.stack.docker("exec", "-u", "0", home.stack.container(service), "sh", "-c", script)


def rule(put: str, back: str, contract: str = "fence") -> Weakened:
    """Something that is done in the gateway by a command, and undone by another."""
    return Weakened(inside(GATEWAY, put), inside(GATEWAY, back), {contract: {GATEWAY}})


def joined(home: Home) -> None:
    """A container of somebody's that may change the rules of the network that it shares."""
    image = home.stack.inspected()["autobrr"]["Config"]["Image"]
    shared = f"container:{home.stack.container(GATEWAY)}"
    name = f"{home.stack.project}-guest"
    home.stack.docker("run", "-d", "--name", name, "--network", shared, "--cap-add", "NET_ADMIN", "--entrypoint", "sleep", image, "600")


def by_hand(service: str, *flags: str, keep_servers: bool = True) -> Act:
    """Somebody's own container in the place of a service: the same files, labels and variables, with what they wanted beside."""

    def run(home: Home) -> None:
        found = home.stack.inspected()[service]
        config, host, name = found["Config"], found["HostConfig"], found["Name"].lstrip("/")
        mode = host["NetworkMode"]
        owns = not mode.startswith("container:")
        given = [
            *(word for label, value in config["Labels"].items() for word in ("--label", f"{label}={value}")),
            *(word for variable in config["Env"] for word in ("--env", variable)),
            *(word for m in found["Mounts"] for word in ("--volume", f"{m['Source']}:{m['Destination']}{'' if m['RW'] else ':ro'}")),
            *(word for capability in host["CapAdd"] or () for word in ("--cap-add", capability)),
            *(word for device in host["Devices"] or () for word in ("--device", device["PathOnHost"])),
            *(word for server in (host["Dns"] or () if keep_servers else ()) for word in ("--dns", server)),
            *(word for extra in host["ExtraHosts"] or () for word in ("--add-host", extra)),
            *(word for alias in ((service, "qbittorrent", "autobrr", "prowlarr") if owns else ()) for word in ("--network-alias", alias)),
        ]
        image = home.stack.docker("commit", found["Id"]).strip()
        home.stack.docker("rm", "--force", found["Id"])
        made = home.stack.docker("run", "-d", "--name", name, "--network", mode, *given, *flags, image).strip()
        time.sleep(1)
        state = home.stack.docker("inspect", "-f", "{{.State.Status}}", made).strip()
        assert state == "running", f"what was made by hand does not run: {home.stack.docker('logs', made)[-800:]}"

    return run


def anew(home: Home) -> None:
    """As the remedy says, with all that share the network."""
    home.stack.portable("down", GATEWAY)
    home.stack.portable("up")


def app_anew(home: Home) -> None:
    """As the remedy says."""
    home.stack.portable("down", "autobrr")
    home.stack.portable("up")


WEAKENED = {
    "the first fence opened": rule("iptables -P OUTPUT ACCEPT", "iptables -P OUTPUT DROP"),
    "a hole in the first fence": rule("iptables -I OUTPUT -o eth0 -j ACCEPT", "iptables -D OUTPUT -o eth0 -j ACCEPT"),
    "the second fence taken off": rule("iptables -t mangle -D POSTROUTING -j PORTABLE", "iptables -t mangle -I POSTROUTING -j PORTABLE"),
    "a hole in the second fence": rule(
        "iptables -t mangle -I PORTABLE -o eth0 -j ACCEPT", "iptables -t mangle -D PORTABLE -o eth0 -j ACCEPT"
    ),
    "the second fence emptied at its end": rule("iptables -t mangle -D PORTABLE -j DROP", "iptables -t mangle -A PORTABLE -j DROP"),
    "names asked of the engine": Weakened(
        inside(GATEWAY, "sed 's/^nameserver .*/nameserver 127.0.0.11/' /etc/resolv.conf >/tmp/r && cat /tmp/r >/etc/resolv.conf"),
        inside(GATEWAY, "sed 's/^nameserver .*/nameserver 127.0.0.1/' /etc/resolv.conf >/tmp/r && cat /tmp/r >/etc/resolv.conf"),
        {"names": {GATEWAY, "autobrr", "prowlarr", "qbittorrent"}},
    ),
    "rules that fail at the next start": rule(
        "mkdir -p /iptables && echo 'iptables -A OUTPUT -m no-such-match -j ACCEPT' >/iptables/post-rules.txt",
        "rm -r /iptables",
        "environment",
    ),
    "a file in the place of a setting": rule("echo off >/gluetun/firewall", "rm /gluetun/firewall", "environment"),
    "everybody may call the control server": rule(
        'cp /gluetun/auth/config.toml /tmp/c && printf \'[[roles]]\\nname = "all"\\nauth = "none"\\nroutes = ["PUT /v1/vpn/status"]\\n\' '
        ">/gluetun/auth/config.toml",
        "cat /tmp/c >/gluetun/auth/config.toml",
        "environment",
    ),
    "a stranger in the gateway's network": Weakened(
        joined, lambda home: home.stack.docker("rm", "-f", f"{home.stack.project}-guest"), {"privileges": {GATEWAY}}
    ),
    "a proxy that a client's configuration added": Weakened(
        by_hand("autobrr", "--env", "HTTP_PROXY=http://172.20.0.9:3128"), app_anew, {"environment": {"autobrr"}}
    ),
    "an app that may change the rules": Weakened(by_hand("autobrr", "--cap-add", "NET_ADMIN"), app_anew, {"privileges": {"autobrr"}}),
    "a gateway without the name server of the plan, and with a setting of somebody's": Weakened(
        by_hand(GATEWAY, "--env", "DNS_KEEP_NAMESERVER=on", keep_servers=False),
        anew,
        {"environment": {GATEWAY}, "privileges": {GATEWAY}},
    ),
}


@pytest.fixture(scope="module", autouse=True)
def complete(home: Home, here: Engine) -> None:
    """The whole stack, which a test before this one may have taken away."""
    home.take(here, "zimaboard")
    home.stack.portable("up")


@pytest.mark.parametrize("name", WEAKENED)
def test_what_is_weakened_by_hand_is_named(home: Home, name: str) -> None:
    weakened = WEAKENED[name]
    weakened.put(home)
    try:
        found = broken(home)
        missing = {contract: subjects - found.get(contract, set()) for contract, subjects in weakened.broken.items()}
        assert not any(missing.values()), f"{name}: {found}, and {home.stack.ran[-1]}"
    finally:
        weakened.back(home)


def test_nothing_is_left_of_it(home: Home) -> None:
    """The last of them made the gateway anew, by the remedy."""
    healed(home)
    assert broken(home) == {}
