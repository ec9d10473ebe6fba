"""What goes wrong in a home while its apps call the outside, each a way from health to health: nothing of it may leave past the tunnel."""

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.lab.home.box import BEACON
from tests.lab.home.home import Home

GATEWAY = "gluetun"
# The real program has no traffic of its own without a torrent: what its user could run in it.
_CALLS = f"while :; do timeout 1 bash -c 'exec 3<>/dev/tcp/{BEACON}/80; echo x >/dev/udp/{BEACON}/80' 2>/dev/null; sleep 0.05; done"


def healed(home: Home, seconds: float = 180) -> float:
    """Wait until the stack is well, with the healer's help alone; the seconds that it took."""
    began = time.monotonic()
    with healing(home):
        while home.stack.portable("status", code=None).code != 0:
            assert time.monotonic() - began < seconds, f"it does not heal: {home.stack.ran[-1]}"
            time.sleep(0.5)
    return time.monotonic() - began


@contextlib.contextmanager
def healing(home: Home) -> Iterator[None]:
    """The healer at work, as its unit runs it."""
    healer = home.stack.start("heal", "--watch", "--every", "1")
    try:
        yield
    finally:
        healer.terminate()
        healer.wait(60)


def names(home: Home, *services: str) -> list[str]:
    """Ids of their containers."""
    seen = home.stack.inspected()
    return [str(seen[service]["Id"]) for service in services]


def tunnel_lost(home: Home) -> None:
    """The provider is gone for a while."""
    home.provider.pause()
    time.sleep(4)
    home.provider.resume()


def gateway_killed(home: Home) -> None:
    """Its process ends at once; the engine starts it anew in a namespace that nobody else is in."""
    home.host.sh(f"kill -KILL {home.stack.inspected()[GATEWAY]['State']['Pid']}")


def gateway_restarted(home: Home) -> None:
    """By somebody else than `portable`."""
    home.stack.docker("restart", "-t", "1", *names(home, GATEWAY))


def started_in_any_order(home: Home) -> None:
    """Everything of the namespace is stopped and started at once, as after a crash of the engine's; who comes first is chance."""
    group = names(home, GATEWAY, *home.behind)
    home.stack.docker("stop", "-t", "1", *group)
    random.shuffle(group)
    home.host.sh("\n".join(f"docker start {one} &" for one in group) + "\nwait", code=None)


def group_restarted(home: Home) -> None:
    """By `portable`, while the apps call."""
    home.stack.portable("restart", GATEWAY, code=None)


def firewall_fails(home: Home) -> None:
    """A rule of the gateway's firewall fails at each start: Gluetun opens everything and ends. Apps are started meanwhile."""
    gateway, *apps = names(home, GATEWAY, *home.behind)
    home.host.sh(post_rules(gateway, "iptables -A OUTPUT -m no-such-match -j ACCEPT"))
    try:
        again = f"docker restart -t 0 {' '.join(apps)} >/dev/null 2>&1"
        home.host.sh(f"docker restart -t 1 {gateway}; end=$((SECONDS + 8)); while [ $SECONDS -lt $end ]; do {again}; sleep 0.1; done")
        said = home.host.sh(f"docker logs --since 10s {gateway} 2>&1", code=None)
        assert 'command failed: "iptables -A OUTPUT -m no-such-match -j ACCEPT"' in said, f"its firewall did not fail: {said[-1500:]}"
    finally:
        home.host.sh(post_rules(gateway, "# all well"))
    home.host.sh(f"docker restart -t 1 {gateway}")  # the engine would wait longer each time


def post_rules(gateway: str, line: str) -> str:
    """A script that puts a line into the gateway's file of a person's own rules, which are run at the end of its firewall's start."""
    return f"mkdir -p /tmp/own/iptables && echo '{line}' >/tmp/own/iptables/post-rules.txt && docker cp /tmp/own/iptables {gateway}:/"


TROUBLES: tuple[Callable[[Home], None], ...] = (
    tunnel_lost,
    gateway_killed,
    gateway_restarted,
    started_in_any_order,
    group_restarted,
    firewall_fails,
)


def calls(home: Home) -> Mapping[str, Mapping[str, Any]]:
    """What each stand-in behind the gateway has tried, and what was answered, since it was started."""
    return {
        service: json.loads(home.stack.inside(service, "cat", "/tmp/outside.json"))  # the stand-in's own file
        for service in home.behind
        if service != "qbittorrent"
    }


def call_from_the_real_one(home: Home) -> None:
    """Let qBittorrent's container call the outside as well, until it ends."""
    home.stack.docker("exec", "-d", home.stack.container("qbittorrent"), "bash", "-c", _CALLS)
