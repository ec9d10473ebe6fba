"""What the plan publishes is reached on the host and leads to the app, and nothing else is published."""

import http.client
import socket
import ssl
from collections.abc import Iterator

from portable.backends.common import on_host
from portable.live.view import Published, View
from portable.model.plan import Loopback, Port
from portable.verify.contract import Contract, Found, broken, holds, running, unknown

_SECONDS = 5.0
_HERE = ("127.0.0.1", "::1")
_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - as an engine tells them


def check(stack: View) -> Iterator[Found]:
    """Compared as a whole: the container that owns a network publishes for all that share it."""
    promised: dict[tuple[int, str], tuple[str, Port, bool]] = {
        (how.number, port.protocol): (exposure.app, port, isinstance(how, Loopback)) for exposure, how, port in on_host(stack.plan)
    }
    by_port: dict[tuple[int, str], list[Published]] = {}
    for published in (
        *(p for placed in running(stack) for p in stack.look(placed).published),
        *(p for o in stack.others() for p in o.published),
    ):
        by_port.setdefault((published.number, published.protocol), []).append(published)
    up = f"`portable up -p {stack.plan.profile}` publishes what the plan says"
    for (number, protocol), (app, port, only_here) in sorted(promised.items(), key=lambda item: item[0]):
        found = by_port.pop((number, protocol), [])
        at = ", ".join(p.address or "every address" for p in found)
        if not found:
            yield broken(app, f"port {number}/{protocol} is not published", up)
        elif any(p.inside != port.number for p in found):
            yield broken(app, f"port {number}/{protocol} leads to port {found[0].inside} inside, which is not {app}'s {port.name}", up)
        elif only_here and any(p.address not in _HERE for p in found):
            yield broken(app, f"port {number}/{protocol} is for this host only, and open at {at}", up)
        elif not only_here and all(p.address in _HERE for p in found):
            yield broken(
                app, f"port {number}/{protocol} is for the LAN, and open at {at} only", f"look at `ip` in the engine's daemon.json; {up}"
            )
        else:
            yield _reached(stack, app, port, found[0])
    for (number, protocol), found in sorted(by_port.items()):
        text = f"port {number}/{protocol} leads to port {found[0].inside} inside, and no exposure says so"
        yield broken(_whose(stack, found[0]), text, up)


def _reached(stack: View, app: str, port: Port, published: Published) -> Found:
    number = published.number
    if not stack.here and published.address in _HERE:
        return unknown(app, f"port {number}/{port.protocol} is published for the host itself, which is not this machine: it was not called")
    if port.protocol != "tcp":
        return unknown(app, f"port {number}/{port.protocol} is published; what speaks UDP answers only who knows its language")
    try:
        _called(port, stack.host.strip("[]") if published.address in _ANY else published.address, number)
    except socket.gaierror:
        return unknown(
            app, f"port {number}/{port.protocol} is published; this machine knows no address of {stack.host}, so it was not called"
        )
    except (OSError, http.client.HTTPException) as error:
        why = str(getattr(error, "strerror", None) or error or type(error).__name__)
        remedy = f"`portable status -p {stack.plan.profile}`; a firewall of this machine may close it"
        return broken(app, f"port {number} is published, and nobody answers there: {why}", remedy)
    return holds(app, f"port {number} answers")


def _called(port: Port, address: str, number: int) -> None:
    """An engine's proxy takes every connection, so what speaks HTTP is asked for any answer."""
    if port.serves == "raw":
        with socket.create_connection((address, number), timeout=_SECONDS):
            return
    trusting = ssl._create_unverified_context()  # noqa: S323  # whether it answers, not who it is
    asked = (
        http.client.HTTPSConnection(address, number, timeout=_SECONDS, context=trusting)
        if port.serves == "https"
        else http.client.HTTPConnection(address, number, timeout=_SECONDS)
    )
    try:
        asked.request("GET", "/")
        asked.getresponse()
    finally:
        asked.close()


def _whose(stack: View, published: Published) -> str:
    names = [placed.app.name for placed in running(stack) if placed.app and published in stack.look(placed).published]
    return next(iter([*names, *(other.name for other in stack.others() if published in other.published)]), "a container")


CONTRACT = Contract(name="ports", promise="published ports lead to their apps, and no others are published", check=check, inside=False)
