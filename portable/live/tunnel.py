"""The state of a gateway's tunnel: how often the VPN was restarted, and whether traffic comes back. The judgement is pure.

A gateway restarts its VPN in place, so neither the state nor the health of its container shows a restart; its log does. It also reports
healthy until all tries of its own check have failed. Gluetun v3.41.3 takes up to 140 s for that, after the minute until its next check.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from portable.backends.common import gateway_of
from portable.model.base import Struct
from portable.model.plan import Plan, Tunnel
from portable.model.question import Question

LINES = 2000
"""Lines that are read from the end of a log."""
RECENT_SECONDS = 600
MANY = 3
"""With more restarts than this in the last `RECENT_SECONDS`, the VPN does not work."""
_BEGIN_SECONDS = 60
"""A log whose first line is later than this after the start has lost its beginning (rotation)."""
_RESTARTS = re.compile(
    r"\[vpn\] restarting VPN because it failed to pass the healthcheck"  # its own check failed: Gluetun v3.41.3, internal/vpn/tunnelup.go
    r"|\[vpn\] retrying in "  # the VPN ended or could not start: internal/vpn/helpers.go
    r"|\[openvpn\] .*received, process restarting"  # by OpenVPN itself, for example after --ping-restart: init.c of OpenVPN 2.6
)

_MADE = re.compile(
    r"\[wireguard\] Wireguard setup is complete"  # Gluetun v3.41.3, internal/wireguard/run.go
    r"|\[openvpn\] .*TUN/TAP device \S+ opened"  # tun.c of OpenVPN 2.6: not logged by a restart that keeps the device
)

Carries = Literal["carries", "silent", "unknown"]


class Restarts(Struct, frozen=True, kw_only=True):
    """Restarts of a gateway's VPN since the gateway was started."""

    count: int = 0
    is_least: bool = False
    """The beginning of the log is lost, so there may have been more."""
    recent: int = 0
    """Restarts in the last ten minutes."""
    last: float = 0.0
    """Seconds since the last restart; 0 without one."""

    def sentence(self) -> str:
        """For example `VPN restarted at least 3 times, last 4 min ago`; empty without a restart."""
        if not self.count:
            return ""
        times = "once" if self.count == 1 and not self.is_least else f"{self.count} time{'s' if self.count > 1 else ''}"
        return f"VPN restarted {'at least ' if self.is_least else ''}{times}, last {ago(self.last)} ago"


def ago(seconds: float) -> str:
    """A time span in the largest unit that gives a number of at least two."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def restarts(lines: Iterable[tuple[float, str]], *, started: float, now: float) -> Restarts:
    """Count the restarts in a gateway's log since its start. Lines are (time, text), oldest first; times are of the engine's clock."""
    own = [(moment, text) for moment, text in lines if moment >= started - 1]
    times = [moment for moment, text in own if _RESTARTS.search(text)]
    is_cut = len(own) >= LINES or bool(own and own[0][0] > started + _BEGIN_SECONDS)
    return Restarts(
        count=len(times),
        is_least=is_cut,
        recent=sum(now - moment <= RECENT_SECONDS for moment in times),
        last=max(0.0, now - times[-1]) if times else 0.0,
    )


def made_at(lines: Iterable[tuple[float, str]]) -> float:
    """The time at which the tunnel's device was created, from a gateway's log; 0 if unknown."""
    return max((moment for moment, text in lines if _MADE.search(text)), default=0.0)


TRAFFIC = Question(__name__, "tunnel.sh")
"""Reads the byte counters of the tunnel's devices; if nothing comes in, it makes a DNS query and reads them again."""


class Traffic(Struct, frozen=True, kw_only=True):
    """Traffic through the tunnel's devices in a short time, or during a DNS query."""

    now: float = 0.0
    """Seconds since 1970, by the clock of the engine's host; 0 if unknown."""
    received: int = 0
    sent: int = 0
    has_device: bool = False
    asked: bool = False
    """A DNS query was made, since nothing came in by itself."""
    timed_out: bool = False
    """The DNS query was not answered within 3 s."""


def traffic(text: str) -> Traffic:
    """Parse the output of the script."""
    counted: dict[str, dict[str, tuple[int, int]]] = {"before": {}, "after": {}}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 4 and words[0] in counted and words[2].isdigit() and words[3].isdigit():
            counted[words[0]][words[1]] = (int(words[2]), int(words[3]))
    both = counted["before"].keys() & counted["after"].keys()
    differences = [tuple(b - a for a, b in zip(counted["before"][d], counted["after"][d], strict=True)) for d in both]
    clock = next((float(words[1]) for words in map(str.split, text.splitlines()) if words[:1] == ["now"] and words[-1].isdigit()), 0.0)
    return Traffic(
        now=clock,
        received=sum(received for received, _ in differences),
        sent=sum(sent for _, sent in differences),
        has_device=bool(both),
        asked="asked" in text.split(),
        timed_out="waited" in text.split(),
    )


def look_through(ask: Callable[[], Traffic | str]) -> tuple[Carries, str, float]:
    """Whether a tunnel carries traffic, a sentence about it, and the clock of the engine's host (0 if unknown).

    `ask` returns a sentence if the gateway cannot be asked. A silent tunnel is checked twice: one answer may be late.
    """
    verdict, text, clock = _through(ask())
    if verdict != "silent":
        return verdict, text, clock
    verdict, text, later = _through(ask())
    return verdict, text, later or clock


def _through(seen: Traffic | str) -> tuple[Carries, str, float]:
    return ("unknown", seen, 0.0) if isinstance(seen, str) else (*carries(seen), seen.now)


def carries(seen: Traffic) -> tuple[Carries, str]:
    """Whether a tunnel carries traffic, and a sentence about it."""
    if not seen.has_device:
        return "unknown", "the gateway has no tunnel at the moment: it is connecting"
    if seen.received > 0:
        return "carries", f"traffic comes through the tunnel ({seen.received} bytes {'during' if seen.asked else 'without'} a DNS query)"
    if seen.sent > 0:
        return "silent", f"nothing comes back through the tunnel: {seen.sent} bytes were sent, and none received"
    if seen.timed_out:
        return "silent", "nothing comes back through the tunnel: a DNS query was not answered within 3 s"
    return "unknown", "nothing was sent through the tunnel"


def tunnels(plan: Plan | None) -> Mapping[str, str]:
    """Gateways with a tunnel; the values are the names of their groups."""
    groups = plan.groups if plan else ()
    return {gateway: g.name for g in groups if isinstance(g.egress, Tunnel) and (gateway := gateway_of(g)) is not None}
