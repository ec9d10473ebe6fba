"""How the tunnel of a gateway is doing, from its log and from the counters of its device."""

import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from portable.live import tunnel
from portable.live.tunnel import LINES, Restarts, Traffic, ago, carries, made_at, restarts, traffic, tunnels
from portable.model import plan as p
from tests.factories import full_plan
from tests.unit.verify.fake import TRAFFIC

START = 1_795_990_000.0
WIREGUARD = (
    (0.1, "2026-11-29T20:00:00Z INFO [vpn] starting"),
    (1.0, "2026-11-29T20:00:01Z INFO [wireguard] Wireguard setup is complete. Note Wireguard is a silent protocol"),
    (2.0, "2026-11-29T20:00:02Z INFO [healthcheck] listening on 127.0.0.1:9999"),
)
BROKEN = "WARN [vpn] restarting VPN because it failed to pass the healthcheck: small periodic check: all check tries failed:"
ATTEMPT = "\tattempt 1 (5001ms): waiting for echo reply: context deadline exceeded"
CRASHED = "INFO [vpn] retrying in 15s"
OPENVPN = "INFO [openvpn] SIGUSR1[soft,ping-restart] received, process restarting"


def log(*rows: tuple[float, str]) -> list[tuple[float, str]]:
    return [(START + seconds, text) for seconds, text in (*WIREGUARD, *rows)]


@pytest.mark.parametrize(
    ("rows", "sentence", "recent"),
    [
        ([], "", 0),
        (
            [(300, BROKEN), (300, ATTEMPT), (300, "INFO [vpn] stopping"), (301, "INFO [vpn] starting")],
            "VPN restarted once, last 55 min ago",
            0,
        ),
        ([(300, BROKEN), (900, CRASHED), (3360, OPENVPN)], "VPN restarted 3 times, last 4 min ago", 1),
        ([(3595, BROKEN), (3596, BROKEN), (3597, BROKEN), (3598, BROKEN)], "VPN restarted 4 times, last 2 s ago", 4),
        # Lines of other parts, and of the VPN's own that are no restart.
        (
            [
                (9, "INFO [dns] retrying in 10s"),
                (9, "INFO [http server] restarting VPN because"),
                (9, "INFO [vpn] starting"),
                (9, "WARN [vpn] (ignored) healthcheck failed: x"),
                (9, "INFO [openvpn] Initialization Sequence Completed"),
            ],
            "",
            0,
        ),
    ],
)
def test_restarts_are_counted_from_the_log(rows: list[tuple[float, str]], sentence: str, recent: int) -> None:
    found = restarts(log(*rows), started=START, now=START + 3600)
    assert (found.sentence(), found.recent) == (sentence, recent)


def test_when_the_device_was_made() -> None:
    assert made_at(log()) == START + 1
    again = (400, "INFO [wireguard] Wireguard setup is complete. Note Wireguard is a silent protocol")
    assert made_at(log(again, (500, BROKEN))) == START + 400
    assert made_at([(START, "INFO [openvpn] TUN/TAP device tun0 opened"), (START + 1, OPENVPN)]) == START
    kept = "INFO [openvpn] Preserving previous TUN/TAP instance: tun0"
    assert made_at([(START, kept), (START, "INFO [openvpn] Initialization Sequence Completed")]) == 0
    assert made_at([]) == 0


def test_only_restarts_since_the_start_count() -> None:
    """The same container may have run before, and its log goes on."""
    earlier = [(START - 50, BROKEN), *log()]
    assert restarts(earlier, started=START, now=START + 60) == Restarts()


def test_a_log_without_its_beginning_tells_the_least() -> None:
    rotated = [(START + 5000, BROKEN)]
    assert restarts(rotated, started=START, now=START + 5010).sentence() == "VPN restarted at least 1 time, last 10 s ago"
    long = log(*[(100 + n / 10, "INFO x") for n in range(LINES)], (400, BROKEN))[-LINES:]
    assert restarts(long, started=START, now=START + 520).sentence() == "VPN restarted at least 1 time, last 2 min ago"


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (400000, "4 days")]
)
def test_spans(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_what_the_script_prints_is_read() -> None:
    assert traffic(TRAFFIC) == Traffic(now=1795997415, received=300, sent=200, has_device=True, asked=True)
    assert traffic("now 5\nbefore tun0 1 1\nwaited\n") == Traffic(now=5, timed_out=True), "the device went away meanwhile"
    assert traffic("") == Traffic()
    renewed = "before tun0 5000 9000\nafter tun0 0 120\n"
    assert carries(traffic(renewed))[0] == "unknown", "a device that was made anew begins at 0"


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Traffic(has_device=True, received=300, sent=200), "carries"),
        (Traffic(has_device=True, received=1, timed_out=True), "carries"),
        (Traffic(has_device=True, sent=200), "silent"),
        (Traffic(has_device=True, sent=200, timed_out=True), "silent"),
        # The kernel's WireGuard sends nothing into a session that ended; nobody answers either.
        (Traffic(has_device=True, timed_out=True), "silent"),
        # The gateway asks no name server through the tunnel, so nothing is shown.
        (Traffic(has_device=True), "unknown"),
        (Traffic(timed_out=True), "unknown"),
    ],
)
def test_whether_a_tunnel_carries_anything(seen: Traffic, verdict: str) -> None:
    assert carries(seen)[0] == verdict


def asked(folder: Path, *, idle: bool) -> tuple[Traffic, list[str]]:
    """What the script itself finds with one device, on which something comes in by itself or not, and the addresses that it asked for."""
    device, log = folder / "net/tun0", folder / "asked"
    (device / "statistics").mkdir(parents=True)
    for name, text in (("type", "65534"), ("statistics/rx_bytes", "1000"), ("statistics/tx_bytes", "2000")):
        (device / name).write_text(f"{text}\n")
    received = f"echo {{}} >{device}/statistics/rx_bytes"
    for name, text in (
        ("sleep", "" if idle else received.format(1100)),
        ("wget", f'for last; do :; done; echo "$last" >>{log}; {received.format(1300)}'),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    script = tunnel.TRAFFIC.script.replace("/sys/class/net", str(folder / "net"))
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    said = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=30)
    return traffic(said.stdout), log.read_text().split() if log.exists() else []


def test_nobody_is_asked_where_something_comes_in_anyway(tmp_path: Path) -> None:
    seen, names = asked(tmp_path, idle=False)
    assert names == []
    assert carries(seen) == ("carries", "traffic comes through the tunnel (100 bytes without a DNS query)")


def test_the_name_that_is_asked_for_tells_nothing(tmp_path: Path) -> None:
    found = []
    for turn in ("first", "second"):
        seen, (name,) = asked(tmp_path / turn, idle=True)
        assert carries(seen) == ("carries", "traffic comes through the tunnel (300 bytes during a DNS query)")
        assert re.fullmatch(r"http://[a-z0-9]{12}\.example\.com/", name)
        found.append(name)
    assert found[0] != found[1]


def test_gateways_with_a_tunnel() -> None:
    plan = full_plan("compose")
    assert tunnels(plan) == {"gateway": "gateway"}
    groups = tuple(msgspec.structs.replace(g, egress=p.Sealed(gateway="gateway")) if g.name == "gateway" else g for g in plan.groups)
    assert tunnels(msgspec.structs.replace(plan, groups=groups)) == {}
    assert tunnels(None) == {}
