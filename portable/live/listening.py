"""Whether an app behind a gateway listens on the tunnel that is there now. The look is one script in the gateway; the judgement is pure.

A gateway that loses its tunnel makes its device anew. A program that is bound to the device, as qBittorrent is, may keep a socket of the
device that is gone: it has the tunnel's address in every listing, and hears nothing. A connection from inside the namespace tells the two
apart, since the kernel (4.11 and later) treats one to the tunnel's address as if it came by the tunnel's device.
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
"""How long an app may run before it listens, and a gateway before its apps have noticed the tunnel."""
AGAIN_SECONDS = 3.0
"""An app that notices a new tunnel needs a moment to listen on it."""
_ANY = ("0.0.0.0", "::")  # noqa: S104 - as the kernel lists them
LISTENING = Question(__name__, "listening.sh")
"""Arguments: the ports of the plan. A tunnel is a device without a link layer (type 65534), by WireGuard as well as by OpenVPN."""

_LISTED = re.compile(r"([0-9A-Fa-f]{8}|[0-9A-Fa-f]{32}):[0-9A-Fa-f]{4}")
Call = Literal["accepted", "refused", "unknown"]


class Sockets(Struct, frozen=True, kw_only=True):
    """What listens in the network namespace of a gateway, at one moment."""

    now: int = 0
    """Seconds since 1970, by the clock of the engine's host."""
    forwarded: int = 0
    """The port that the provider forwards; 0 for none."""
    devices: tuple[str, ...] = ()
    """The tunnel's devices, each with its number: one that is made anew gets another number."""
    tunnel: tuple[str, ...] = ()
    """The addresses of the tunnel."""
    listeners: frozenset[tuple[str, str, int]] = frozenset()
    """Protocol (tcp or udp), address and port."""
    calls: Mapping[int, Call] = {}
    """How a connection to the tunnel's address ended, by port, where one was tried."""


Verdict = Literal["listens", "deaf", "absent", "unknown"]
"""Who is deaf listens again after a restart: its socket, or its start, is of a tunnel that is gone. Who is absent may listen elsewhere."""


def parsed(text: str) -> Sockets:
    """What the script printed; a line that says nothing of the kind is passed over."""
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
        listeners=frozenset(found for found in listed if found),
        calls={int(fields[0]): _how(fields[1]) for fields in rows.get("call", ()) if len(fields) == 2 and fields[0].isdecimal()},
    )


def _how(word: str) -> Call:
    return "accepted" if word == "accepted" else "refused" if word == "refused" else "unknown"


def _listener(table: str, address: str) -> tuple[str, str, int] | None:
    """A line of /proc/net/tcp or its like: addresses are words of four bytes, each in the order of the machine (little-endian)."""
    if not _LISTED.fullmatch(address):
        return None
    host, _, port = address.partition(":")
    words = b"".join(bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8))
    found = ipaddress.ip_address(words)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return table.removesuffix("6"), str(found), int(port, 16)


def judged(sockets: Sockets, ports: Collection[int], *, started: float, made: Callable[[], float] = lambda: 0.0) -> tuple[Verdict, str]:
    """Whether an app listens on the tunnel at one of its ports, or at the forwarded one; and what was found, in words for a person.

    `started` is when the app started, by the clock of `sockets`; `made` tells when the tunnel's device was made, or 0, and is asked only
    where that matters.
    """
    wanted = sorted({*ports, sockets.forwarded} - {0})
    shown = f"port{'s' if len(wanted) > 1 else ''} {' or '.join(map(str, wanted))}"
    if not sockets.tunnel:
        return "unknown", "there is no tunnel now"
    on_tunnel = {(p, port) for p, at, port in sockets.listeners if port in wanted and (at in _ANY or at in sockets.tunnel)}
    by_tcp = sorted(port for protocol, port in on_tunnel if protocol == "tcp")
    heard = [port for port in by_tcp if sockets.calls.get(port) != "refused"]
    if heard or (on_tunnel and not by_tcp):
        return "listens", f"it listens on the tunnel at port {(heard or sorted(port for _, port in on_tunnel))[0]}"
    if 0 <= sockets.now - started < GRACE_SECONDS:
        return "unknown", f"it started less than {GRACE_SECONDS} s ago and may not listen yet"
    if by_tcp:
        return "deaf", f"it listens at port {by_tcp[0]} on a tunnel that is gone: the gateway has made its tunnel anew"
    nothing = f"nothing listens on the tunnel ({', '.join(sockets.tunnel)}) at {shown}"
    elsewhere = sorted(
        port
        for protocol, at, port in sockets.listeners
        if protocol == "tcp" and at in sockets.tunnel and port not in wanted and sockets.calls.get(port) == "accepted"
    )
    if elsewhere:  # whoever that is has noticed this tunnel
        return "absent", f"{nothing}; something does at port {elsewhere[0]}, which is closed to peers"
    if 0 < started < made():
        return "deaf", f"{nothing}, and it started before that tunnel was made"
    return "absent", nothing


class Look(Struct, frozen=True, kw_only=True):
    """What was found of one app."""

    app: App
    verdict: Verdict
    text: str
    devices: tuple[str, ...] = ()
    """The tunnel's, as in `Sockets`."""


def look_at(
    apps: Iterable[tuple[App, float]], ask: Callable[[], Sockets | str], log: Callable[[], Iterable[tuple[float, str]]]
) -> Iterator[Look]:
    """Each of the apps behind one gateway, with its start, as `ask` finds it; who does not listen is looked at a second time.

    `ask` gives a sentence where the gateway can't be asked, and `log` is that of the gateway.
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
    """What mends an app that listens elsewhere than planned."""
    port = next(port for port in app.ports if port.number in peer_ports(app))
    return (
        f"set the listening port of {app.name} to {port.number} in its own settings, "
        f"or give the port that it has in portable.yaml: `ports: {{{app.name}: {{{port.name}: N}}}}`"
    )


def peer_ports(app: App) -> tuple[int, ...]:
    """The ports at which an app is called through its tunnel: those that speak a protocol of their own."""
    return tuple(sorted({port.number for port in app.ports if port.serves == "raw" and not port.private}))


def listeners_of(plan: Plan) -> Iterable[tuple[str, App]]:
    """Each app that is to listen on a tunnel, with the name of its gateway."""
    apps = {app.name: app for app in plan.apps}
    for group in plan.groups:
        gateway = gateway_of(group)
        if gateway and isinstance(group.egress, Tunnel):
            for name in group.apps:
                if name != gateway and not apps[name].schedule and peer_ports(apps[name]):
                    yield gateway, apps[name]
