"""The kill switch (promise 2): whatever goes wrong, no packet of a VPN app leaves the host but in the tunnel. The gateway is a stand-in."""

import os
import random
import time
from collections.abc import Callable

import pytest

from tests.lab.home.box import BEACON
from tests.lab.home.home import Home
from tests.lab.home.internet import NAME
from tests.lab.home.trouble import TROUBLES, call_from_the_real_one, calls, healed

pytestmark = [pytest.mark.compose_lab]
Record = Callable[[str, object], None]
CYCLES = int(os.environ.get("PORTABLE_CYCLES", str(len(TROUBLES))))
TARGET = f"tcp://{BEACON}:80"
# A request that is never done, a line of its head at a time; the beacon lets one have a hundred.
KEPT = f"exec 3<>/dev/tcp/{BEACON}/80; echo GET / HTTP/1.1 >&3; while echo a: b >&3; do sleep 0.1; done"
SEED = int(os.environ.get("PORTABLE_SEED", "0")) or random.SystemRandom().randrange(2**32)


def until(true: Callable[[], bool]) -> None:
    """Apps count anew when they are started, and write down once a second; one that calls nobody proves nothing."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "an app behind the gateway does not reach the outside, or does not try"
        time.sleep(0.5)


def cycles(home: Home, count: int) -> str:
    """Go from trouble to trouble, each healed; fails where a packet left past the tunnel. Says what was seen."""
    random.seed(SEED)
    took = []
    inspected = in_tunnel = 0
    for number in range(count):
        trouble = TROUBLES[number % len(TROUBLES)]
        with home.capture() as seen:
            call_from_the_real_one(home)
            trouble(home)
            took.append(healed(home))
        assert seen.leaked == [], f"seed {SEED}, cycle {number}, {trouble.__name__}: {seen}: {seen.leaked[:5]}"
        inspected, in_tunnel = inspected + seen.inspected, in_tunnel + seen.in_tunnel
        assert seen.in_tunnel > 0, "there was no tunnel"
        until(lambda: all(of[TARGET]["tried"] > 0 and of[TARGET]["answered"] > 0 for of in calls(home).values()))
    tried = {service: int(sum(target["tried"] for target in of.values())) for service, of in calls(home).items()}
    return (
        f"stand-in gateway, real tunnel: {count} cycles, {inspected} packets inspected on the uplink, {in_tunnel} of them in the tunnel, "
        f"0 past it; healed in {sum(took) / len(took):.1f} s, {max(took):.1f} s at most; last tries {tried}; seed {SEED}"
    )


@pytest.mark.timeout(4500)
def test_no_packet_leaves_past_the_tunnel(home: Home, record_property: Record) -> None:
    record_property("kill_switch", cycles(home, CYCLES))


@pytest.mark.timeout(300)
def test_what_is_left_of_a_connection_leaves_by_no_device_that_came_later(home: Home) -> None:
    """The gateway joins another network, its tunnel goes, and all would be sent there, for which the firewall's rules have no word."""
    network, gateway = f"{home.stack.project}-later", home.stack.container("gluetun")
    home.stack.docker("network", "create", network)
    try:
        home.stack.docker("exec", "-d", home.stack.container("autobrr"), "timeout", "30", "bash", "-c", KEPT)
        time.sleep(1)
        home.stack.docker("network", "connect", network, gateway)
        router = home.stack.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", network).strip()
        with home.capture() as seen:
            device = f"ip -o -4 address | awk '$4 ~ /^{router.rpartition('.')[0]}[.]/ {{print $2}}'"
            turn = f"ip route replace default via {router} dev $({device}) && ip rule del priority 101 && sleep 1"
            home.stack.inside("gluetun", "sh", "-c", turn)
            rules = home.stack.inside("gluetun", "iptables", "-t", "mangle", "-nvxL").splitlines()
            dropped = next(line.split() for line in rules if "DROP" in line and "limit-out" in line)
        assert seen.leaked == [], f"{seen}: {seen.leaked[:5]}"
        assert int(dropped[0]) > 0, f"nothing tried to leave: {dropped}"
    finally:
        home.stack.docker("network", "disconnect", "-f", network, gateway, code=None)
        home.stack.portable("restart", "gluetun")
        home.stack.docker("network", "rm", network, code=None)


@pytest.mark.timeout(300)
def test_a_deliberate_leak_is_seen(home: Home) -> None:
    """The same check, with an app that calls the same from outside the gateway's network."""
    with home.capture() as seen:
        home.stack.inside(
            "sonarr", "bash", "-c", f"exec 3<>/dev/tcp/{BEACON}/80; echo x >/dev/udp/{BEACON}/80; getent hosts {NAME}", code=None
        )
        time.sleep(0.5)
    told = "\n".join(seen.leaked)
    for packet in (f"> {BEACON}.80: Flags [S]", f"> {BEACON}.80: UDP", f"A? {NAME}"):
        assert packet in told, str(seen)
