"""How the tunnel of a gateway is doing: how often the gateway restarted its VPN, and whether anything comes back through it. Judged purely.

A gateway restarts its VPN in place, so its container and its health show nothing of it; its log does. And it calls itself healthy until all
tries of its own check have failed, which takes Gluetun v3.41.3 up to 140 s after the minute in which it checks next.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from portable.backends.common import gateway_of
from portable.model.base import Struct
from portable.model.plan import Plan, Tunnel
from portable.model.question import Question

LINES = 2000
"""How much of the end of a log is read."""
RECENT_SECONDS = 600
MANY = 3
"""With more restarts than this within the last `RECENT_SECONDS` the VPN does not work."""
_BEGIN_SECONDS = 60
"""A log whose first line is later than this after the start has lost its beginning."""
_RESTARTS = re.compile(
    r"\[vpn\] restarting VPN because it failed to pass the healthcheck"  # its own check failed: Gluetun v3.41.3, internal/vpn/tunnelup.go
    r"|\[vpn\] retrying in "  # the VPN ended or could not start: internal/vpn/helpers.go
    r"|\[openvpn\] .*received, process restarting"  # OpenVPN's own doing, such as after --ping-restart: init.c of OpenVPN 2.6
)

_MADE = re.compile(
    r"\[wireguard\] Wireguard setup is complete"  # Gluetun v3.41.3, internal/wireguard/run.go
    r"|\[openvpn\] .*TUN/TAP device \S+ opened"  # tun.c of OpenVPN 2.6: not said of a restart that keeps the device
)

Carries = Literal["carries", "silent", "unknown"]


class Restarts(Struct, frozen=True, kw_only=True):
    """How often a gateway restarted its VPN since it was started."""

    count: int = 0
    is_least: bool = False
    """The beginning of the log is gone, so there may have been more."""
    recent: int = 0
    """Of those, within the last ten minutes."""
    last: float = 0.0
    """Seconds since the last one; 0 where there was none."""

    def sentence(self) -> str:
        """As `VPN restarted at least 3 times, last 4 min ago`; empty where it never was."""
        if not self.count:
            return ""
        times = "once" if self.count == 1 and not self.is_least else f"{self.count} time{'s' if self.count > 1 else ''}"
        return f"VPN restarted {'at least ' if self.is_least else ''}{times}, last {ago(self.last)} ago"


def ago(seconds: float) -> str:
    """A span in the largest unit of which there are two or more."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def restarts(lines: Iterable[tuple[float, str]], *, started: float, now: float) -> Restarts:
    """What a gateway's log tells since its start. Each line comes with its moment, the oldest first; moments are of the engine's clock."""
    own = [(moment, text) for moment, text in lines if moment >= started - 1]
    found = [moment for moment, text in own if _RESTARTS.search(text)]
    is_cut = len(own) >= LINES or bool(own and own[0][0] > started + _BEGIN_SECONDS)
    return Restarts(
        count=len(found),
        is_least=is_cut,
        recent=sum(now - moment <= RECENT_SECONDS for moment in found),
        last=max(0.0, now - found[-1]) if found else 0.0,
    )


def made_at(lines: Iterable[tuple[float, str]]) -> float:
    """When the tunnel's device was made, by a gateway's log; 0 where that does not tell."""
    return max((moment for moment, text in lines if _MADE.search(text)), default=0.0)


TRAFFIC = Question(__name__, "tunnel.sh")
"""The bytes that the tunnel's devices have counted tell whether anything comes in; where nothing does, a name server is asked."""


class Traffic(Struct, frozen=True, kw_only=True):
    """What went through the tunnel's devices in a moment, or while a name was asked for."""

    now: float = 0.0
    """Seconds since 1970, by the clock of the engine's host; 0 where it was not told."""
    received: int = 0
    sent: int = 0
    has_device: bool = False
    asked: bool = False
    """A name was asked for, since nothing came in by itself."""
    timed_out: bool = False
    """The question was not answered within 3 s."""


def traffic(text: str) -> Traffic:
    """What the script printed."""
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
    """Whether a tunnel carries anything, what was found, and the clock of the engine's host, 0 where it was not told.

    `ask` gives a sentence where the gateway can't be asked. A silent tunnel is looked at twice: one answer may come late.
    """
    verdict, text, clock = _through(ask())
    if verdict != "silent":
        return verdict, text, clock
    verdict, text, later = _through(ask())
    return verdict, text, later or clock


def _through(seen: Traffic | str) -> tuple[Carries, str, float]:
    return ("unknown", seen, 0.0) if isinstance(seen, str) else (*carries(seen), seen.now)


def carries(seen: Traffic) -> tuple[Carries, str]:
    """Whether a tunnel carries anything, and what was found."""
    if not seen.has_device:
        return "unknown", "there is no tunnel now: it is being made"
    if seen.received > 0:
        meanwhile = "while a name was asked for" if seen.asked else "at once, without a question"
        return "carries", f"answers come through the tunnel ({seen.received} bytes {meanwhile})"
    if seen.sent > 0:
        return "silent", f"nothing comes back through the tunnel: {seen.sent} bytes were sent, and none received"
    if seen.timed_out:
        return "silent", "nothing comes back through the tunnel: a name was asked for, and no answer came within 3 s"
    return "unknown", "nothing was sent through the tunnel"


def tunnels(plan: Plan | None) -> Mapping[str, str]:
    """The gateways with a tunnel, each with the name of its group."""
    groups = plan.groups if plan else ()
    return {gateway: g.name for g in groups if isinstance(g.egress, Tunnel) and (gateway := gateway_of(g)) is not None}
