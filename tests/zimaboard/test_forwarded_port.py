"""Ports that others reach through the tunnel: one that the provider forwards, and may change; and those that a person opens."""

import json
import time
from collections.abc import Callable

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.home.box import PROVIDER
from tests.lab.home.home import Home
from tests.lab.home.pod import APP, SIDECAR, Pod, pod_up

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]
FORWARDING = {
    "VPN_PORT_FORWARDING": "on",
    "VPN_PORT_FORWARDING_PROVIDER": "protonvpn",
    "VPN_PORT_FORWARDING_UP_COMMAND": '/bin/sh -c "echo up {{PORTS}} {{PORT}} {{VPN_INTERFACE}} >>/tmp/told"',
    "VPN_PORT_FORWARDING_DOWN_COMMAND": '/bin/sh -c "echo down {{PORTS}} >>/tmp/told"',
    "HTTP_CONTROL_SERVER_AUTH_CONFIG_FILEPATH": "/tmp/auth.toml",
}
ROLES = '[[roles]]\nname = "reader"\nauth = "apikey"\napikey = "key"\nroutes = ["GET /v1/portforward"]\n'
FIRST, SECOND = 40001, 40002
# Tells every caller its own number and who they are, by TCP and by UDP.
_LISTEN = """
import socket, sys, threading
port = int(sys.argv[1])
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", port))
def answer():
    while True:
        _, caller = udp.recvfrom(100)
        udp.sendto(f"udp {port}".encode(), caller)
threading.Thread(target=answer, daemon=True).start()
tcp = socket.create_server(("", port))
while True:
    one, _ = tcp.accept()
    one.sendall(f"tcp {port}".encode())
    one.close()
"""


def heard(home: Home, port: int) -> set[str]:
    """What somebody in the internet is told at that port of the provider's address, by TCP and by UDP."""
    tcp = f"cat </dev/tcp/{PROVIDER}/{port}"
    udp = f"exec 3<>/dev/udp/{PROVIDER}/{port} && echo x >&3 && head -c 9 <&3"
    said = home.internet.sh(f"for ask in '{tcp}' '{udp}'; do timeout 1 bash -c \"$ask\" 2>/dev/null; echo; done", code=None)
    return {line for line in said.splitlines() if line}


def until(true: Callable[[], bool], why: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, why
        time.sleep(0.5)


def is_reached(home: Home, port: int) -> bool:
    """Whether somebody in the internet gets a connection there."""
    return home.internet.ends_well(f"timeout 2 bash -c 'exec 3<>/dev/tcp/{PROVIDER}/{port}'")


def listen(home: Home, port: int) -> None:
    home.host.sh(f"docker exec -i -d {APP} python3 -c '{_LISTEN}' {port}")


def told(pod: Pod) -> list[str]:
    """What the up and down commands wrote."""
    return pod.inside(SIDECAR, "cat", "/tmp/told", code=None).splitlines()


def asked(pod: Pod, route: str) -> str:
    """What the gateway's control server answers to who has the key of a role; empty where it refuses."""
    with_key = ("wget", "-q", "-O-", "--header", "X-API-Key: key", f"http://127.0.0.1:8000/v1/{route}")
    return pod.inside(SIDECAR, *with_key, code=None).strip()


def test_a_port_that_the_provider_forwards_and_changes(home: Home) -> None:
    home.provider.forward(FIRST)
    with home.capture() as seen, pod_up(home, FORWARDING, {"auth.toml": ROLES}) as pod:
        for port in (FIRST, SECOND):
            listen(home, port)
        until(lambda: told(pod) == [f"up {FIRST} {FIRST} tun0"], f"no port was told: {pod.log()[-2000:]}")
        assert pod.inside(SIDECAR, "cat", "/tmp/gluetun/forwarded_port") == str(FIRST)
        assert heard(home, FIRST) == {f"tcp {FIRST}", f"udp {FIRST}"}
        assert heard(home, SECOND) == set()
        assert json.loads(asked(pod, "portforward")) == {"port": FIRST, "ports": [FIRST]}
        assert asked(pod, "vpn/settings") == ""
        home.provider.forward(SECOND)
        until(lambda: told(pod)[-1:] == [f"up {SECOND} {SECOND} tun0"], f"the new port was not told: {pod.log()[-2000:]}")
        assert told(pod)[1] == f"down {FIRST}"
        assert f"external port changed: {FIRST} changed to {SECOND}" in pod.log()
        assert heard(home, SECOND) == {f"tcp {SECOND}", f"udp {SECOND}"}
        assert heard(home, FIRST) == set()
        opened = [line for line in pod.rules() if "tun0" in line and "--dport" in line and line.startswith("-A INPUT")]
        assert {line.split()[line.split().index("--dport") + 1] for line in opened} - {"6881"} == {str(SECOND)}
    assert seen.leaked == [], f"{seen}: {seen.leaked[:5]}"


def test_who_has_no_key_is_told_nothing(home: Home) -> None:
    """The control server, with the file that the stack renders: no route is open."""
    ask = "wget -q -S -O- http://127.0.0.1:8000/v1/{} 2>&1 | grep -m 1 HTTP/"
    for route in ("portforward", "vpn/status", "vpn/settings", "publicip/ip"):
        assert "401" in home.stack.inside("gluetun", "sh", "-c", ask.format(route), code=None), route


def test_ports_that_are_opened_by_hand(home: Home) -> None:
    """FIREWALL_VPN_INPUT_PORTS: who is in the tunnel reaches them, at the customer's own address."""
    with pod_up(home, {"FIREWALL_VPN_INPUT_PORTS": "40010"}) as pod:
        for port in (40010, 40011):
            listen(home, port)

        def reached(port: int) -> str:
            return home.provider.sh(f"timeout 2 bash -c 'cat </dev/tcp/10.64.0.3/{port}'", code=None)

        until(lambda: reached(40010) == "tcp 40010", f"nobody is reached: {pod.log()[-2000:]}")
        assert reached(40011) == ""


def test_a_peer_reaches_qbittorrent_at_the_forwarded_port(home: Home, here: Engine) -> None:
    """The profile's section `vpn` asks for the port; qBittorrent, the real one, listens at it, also after it changed."""
    home.provider.forward(FIRST)
    home.take(here, "zimaboard", {"vpn": {"port-forwarding": "protonvpn"}})
    try:
        home.stack.portable("up")
        home.stack.portable("wire", "qbittorrent")
        with home.capture() as seen:
            until(lambda: is_reached(home, FIRST), f"no peer reaches it: {home.stack.logs_of('gluetun')[-2000:]}", 60)
            home.provider.forward(SECOND)
            until(lambda: is_reached(home, SECOND), f"no peer reaches it: {home.stack.logs_of('gluetun')[-2000:]}", 60)
            assert not is_reached(home, FIRST)
        assert seen.leaked == [], f"{seen}: {seen.leaked[:5]}"
    finally:
        home.take(here, "zimaboard")
        home.stack.portable("up")
