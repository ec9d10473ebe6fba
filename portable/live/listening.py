"""Whether an app behind a gateway listens on the current tunnel. One script in the gateway collects the facts; the judgement is pure.

A gateway that loses its tunnel recreates its device. A program that is bound to the device, for example qBittorrent, may keep a socket of
the previous device: the socket has the tunnel's address in every listing, but receives nothing. A connection from inside the namespace
shows the difference, since the kernel (4.11 and later) treats one to the tunnel's address as if it came by the tunnel's device.
"""

import ipaddress
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Literal

from portable.backends.common import gateway_of
from portable.live.tunnel import made_at
from portable.model.base import Struct
from portable.model.plan import App, Plan, Tunnel
from portable.model.question import Question

GRACE_SECONDS = 60
"""Time in which an app may start to listen, and in which the apps of a gateway may notice a new tunnel."""
AGAIN_SECONDS = 3.0
"""Seconds before the second look: an app needs a moment to listen on a new tunnel."""
_ANY = ("0.0.0.0", "::")  # noqa: S104 - in the form of the kernel
LISTENING = Question(__name__, "listening.sh")
"""Arguments: the ports of the plan. A tunnel is a device without a link layer (type 65534), by WireGuard as well as by OpenVPN."""

_LISTED = re.compile(r"([0-9A-Fa-f]{8}|[0-9A-Fa-f]{32}):[0-9A-Fa-f]{4}")
Call = Literal["accepted", "refused", "unknown"]


class Sockets(Struct, frozen=True, kw_only=True):
    """The listening sockets in the network namespace of a gateway, at one moment."""

    now: int = 0
    """Seconds since 1970, by the clock of the engine's host."""
    forwarded: int = 0
    """The port that the provider forwards; 0 for none."""
    devices: tuple[str, ...] = ()
    """The tunnel's devices, each with its interface index: a recreated device gets another one."""
    tunnel: tuple[str, ...] = ()
    """The addresses of the tunnel."""
    listeners: frozenset[tuple[str, str, int]] = frozenset()
    """Protocol (tcp or udp), address and port."""
    calls: Mapping[int, Call] = {}
    """Result of a connection to the tunnel's address, for each port that was tried."""


Verdict = Literal["listens", "deaf", "absent", "unknown"]
"""`deaf`: the app's socket or start is from before the current tunnel, so a restart helps. `absent`: it may listen at another port."""


def parsed(text: str) -> Sockets:
    """Parse the output of the script; unknown lines are skipped."""
    rows: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        kind, *fields = line.split() or [""]
        rows.setdefault(kind, []).append(fields)
    listed = (_listener(*fields) for fields in rows.get("listens", ()) if len(fields) == 2)
    now, forwarded = (next(iter(rows.get(kind, [[]])), []) for kind in ("now", "forwarded"))
    return Sockets(
        now=int(now[0]) if now and now[0].isdigit() else 0,
        forwarded=int(forwarded[0]) if forwarded and forwarded[0].isdigit() else 0,
        devices=tuple(" ".join(fields) for fields in rows.get("device", ())),
        tunnel=tuple(fields[1] for fields in rows.get("tunnel", ()) if len(fields) == 2),
        listeners=frozenset(listener for listener in listed if listener),
        calls={int(fields[0]): _how(fields[1]) for fields in rows.get("call", ()) if len(fields) == 2 and fields[0].isdecimal()},
    )


def _how(word: str) -> Call:
    return "accepted" if word == "accepted" else "refused" if word == "refused" else "unknown"


def _listener(table: str, address: str) -> tuple[str, str, int] | None:
    """A line of /proc/net/tcp or a similar table. An address is words of four bytes, each in the machine's order (little-endian)."""
    if not _LISTED.fullmatch(address):
        return None
    host, _, port = address.partition(":")
    words = b"".join(bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8))
    parsed_address = ipaddress.ip_address(words)
    if isinstance(parsed_address, ipaddress.IPv6Address) and parsed_address.ipv4_mapped:
        parsed_address = parsed_address.ipv4_mapped
    return table.removesuffix("6"), str(parsed_address), int(port, 16)


def judged(sockets: Sockets, ports: Collection[int], *, started: float, made: Callable[[], float] = lambda: 0.0) -> tuple[Verdict, str]:
    """Whether an app listens on the tunnel at one of its ports or at the forwarded one, and a sentence about it.

    `started` is the start of the app, by the clock of `sockets`. `made` returns the creation time of the tunnel's device, or 0; it is
    called only if needed.
    """
    wanted = sorted({*ports, sockets.forwarded} - {0})
    shown = f"port{'s' if len(wanted) > 1 else ''} {' or '.join(map(str, wanted))}"
    if not sockets.tunnel:
        return "unknown", "the gateway has no tunnel at the moment"
    on_tunnel = {(p, port) for p, at, port in sockets.listeners if port in wanted and (at in _ANY or at in sockets.tunnel)}
    by_tcp = sorted(port for protocol, port in on_tunnel if protocol == "tcp")
    heard = [port for port in by_tcp if sockets.calls.get(port) != "refused"]
    if heard or (on_tunnel and not by_tcp):
        return "listens", f"it listens on the tunnel at port {(heard or sorted(port for _, port in on_tunnel))[0]}"
    if 0 <= sockets.now - started < GRACE_SECONDS:
        return "unknown", f"it started less than {GRACE_SECONDS} s ago and may not listen yet"
    if by_tcp:
        return "deaf", f"it listens at port {by_tcp[0]} on a tunnel that is gone: the gateway has recreated its tunnel"
    nothing = f"nothing listens on the tunnel ({', '.join(sockets.tunnel)}) at {shown}"
    elsewhere = sorted(
        port
        for protocol, at, port in sockets.listeners
        if protocol == "tcp" and at in sockets.tunnel and port not in wanted and sockets.calls.get(port) == "accepted"
    )
    if elsewhere:  # this program has noticed the tunnel
        return "absent", f"{nothing}; something listens at port {elsewhere[0]} instead, which is closed to peers"
    if 0 < started < made():
        return "deaf", f"{nothing}, and it started before that tunnel was created"
    return "absent", nothing


class Look(Struct, frozen=True, kw_only=True):
    """The result for one app."""

    app: App
    verdict: Verdict
    text: str
    devices: tuple[str, ...] = ()
    """Devices of the tunnel, see `Sockets.devices`."""


def look_at(
    apps: Iterable[tuple[App, float]], ask: Callable[[], Sockets | str], log: Callable[[], Iterable[tuple[float, str]]]
) -> Iterator[Look]:
    """Check each (app, start) behind one gateway; an app that does not listen is checked a second time.

    `ask` returns a sentence if the gateway cannot be asked; `log` returns the lines of the gateway's log.
    """
    made: list[float] = []

    def made_once() -> float:
        made.extend([] if made else [made_at(log())])
        return made[0]

    def of(app: App, started: float, sockets: Sockets | str) -> Look:
        if isinstance(sockets, str):
            return Look(app=app, verdict="unknown", text=sockets)
        verdict, text = judged(sockets, peer_ports(app), started=started, made=made_once)
        return Look(app=app, verdict=verdict, text=text, devices=sockets.devices)

    apps = list(apps)
    first = ask() if apps else ""
    again: Sockets | str | None = None
    for app, started in apps:
        look = of(app, started, first)
        if look.verdict in ("deaf", "absent"):
            if again is None:
                time.sleep(AGAIN_SECONDS)
                again = ask()
                made.clear()
            look = of(app, started, again)
        yield look


def remedy_of(app: App) -> str:
    """The remedy for an app that listens at another port than planned."""
    port = next(port for port in app.ports if port.number in peer_ports(app))
    return (
        f"set the listening port of {app.name} to {port.number} in its own settings, "
        f"or set its current port in portable.yaml: `ports: {{{app.name}: {{{port.name}: N}}}}`"
    )


def peer_ports(app: App) -> tuple[int, ...]:
    """The ports at which peers call an app through its tunnel: raw ports that are not private."""
    return tuple(sorted({port.number for port in app.ports if port.serves == "raw" and not port.private}))


def listeners_of(plan: Plan) -> Iterable[tuple[str, App]]:
    """Yield each app that must listen on a tunnel, with the name of its gateway first."""
    apps = {app.name: app for app in plan.apps}
    for group in plan.groups:
        gateway = gateway_of(group)
        if gateway and isinstance(group.egress, Tunnel):
            for name in group.apps:
                if name != gateway and not apps[name].schedule and peer_ports(apps[name]):
                    yield gateway, apps[name]
