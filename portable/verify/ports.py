"""What the plan publishes is reached on the host, and nothing else is published."""

import http.client
import socket
import ssl
from collections.abc import Iterator

from portable.backends.common import containers, port_of
from portable.model.plan import Lan, Loopback, Port
from portable.verify.contract import Contract, Found, broken, holds, running, unknown
from portable.verify.stack import Published, Stack

_SECONDS = 5.0


def check(stack: Stack) -> Iterator[Found]:
    """Compared as a whole: the container that owns a network publishes for all that share it."""
    promised: dict[tuple[int, str], tuple[str, Port, bool]] = {}
    for exposure in stack.plan.exposures:
        port = port_of(next((app for app in stack.plan.apps if app.name == exposure.app), None), exposure.port)
        if port is not None and isinstance(exposure.how, Loopback | Lan):
            promised[exposure.how.number, port.protocol] = (exposure.app, port, isinstance(exposure.how, Loopback))
    seen = [published for placed in running(stack) for published in stack.look(placed).published]
    by_port: dict[tuple[int, str], list[Published]] = {}
    for published in seen:
        by_port.setdefault((published.number, published.protocol), []).append(published)
    up = f"`portable up -p {stack.plan.profile}` publishes what the plan says"
    for (number, protocol), (app, port, only_here) in sorted(promised.items(), key=lambda item: item[0]):
        found = by_port.pop((number, protocol), [])
        if not found:
            yield broken(app, f"port {number}/{protocol} is not published", up)
        elif only_here and any(p.address not in ("127.0.0.1", "::1") for p in found):
            yield broken(app, f"port {number}/{protocol} is for this host only, and open at {', '.join(p.address for p in found)}", up)
        else:
            yield _reached(stack, app, port, number)
    for (number, protocol), found in sorted(by_port.items()):
        yield broken(_whose(stack, found[0]), f"port {number}/{protocol} is published, and no exposure says so", up)


def _reached(stack: Stack, app: str, port: Port, number: int) -> Found:
    if not stack.here:
        return unknown(app, f"port {number}/{port.protocol} is published; the host is not this machine, so it was not called")
    if port.protocol != "tcp":
        return unknown(app, f"port {number}/{port.protocol} is published; what speaks UDP answers only who knows its language")
    try:
        _called(port, number)
    except (OSError, http.client.HTTPException) as error:
        why = str(getattr(error, "strerror", None) or error or type(error).__name__)
        remedy = f"`portable status -p {stack.plan.profile}`; a firewall of this machine may close it"
        return broken(app, f"port {number} is published, and nobody answers there: {why}", remedy)
    return holds(app, f"port {number} answers")


def _called(port: Port, number: int) -> None:
    """An engine's proxy takes every connection, so what speaks HTTP is asked for any answer."""
    if port.serves == "raw":
        with socket.create_connection(("127.0.0.1", number), timeout=_SECONDS):
            return
    trusting = ssl._create_unverified_context()  # noqa: S323  # whether it answers, not who it is
    secure = port.serves == "https"
    asked = (
        http.client.HTTPSConnection("127.0.0.1", number, timeout=_SECONDS, context=trusting)
        if secure
        else http.client.HTTPConnection("127.0.0.1", number, timeout=_SECONDS)
    )
    try:
        asked.request("GET", "/")
        asked.getresponse()
    finally:
        asked.close()


def _whose(stack: Stack, published: Published) -> str:
    for placed in containers(stack.plan):
        if placed.app and published in stack.look(placed).published:
            return placed.app.name
    return "the stack"


CONTRACT = Contract(name="ports", promise="published ports are reached, and no others are published", check=check)
