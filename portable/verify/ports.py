"""The ports that the plan publishes are reachable on the host and lead to the app, and no others are published."""

import http.client
import socket
import ssl
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from portable.backends.common import on_host
from portable.live.view import PublishedAddress, View
from portable.model.exposures import Lan, Loopback, in_url
from portable.model.plan import Port
from portable.verify.contract import Contract, Found, broken, holds, running, unknown

_SECONDS = 5.0
_WORKERS = 8
"""Ports that are called at the same time, and names of each."""
_HERE = ("127.0.0.1", "::1")
_REFUSALS = (400, 401, 403, 421)
"""What apps answer to a name that they do not know (docs/facts/probes.md#host-checks)."""
_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - an engine's own words


class _Call(NamedTuple):
    """A port to call."""

    app: str
    port: Port
    published: PublishedAddress
    names: Sequence[str]
    """The names of the host by which browsers come."""


def check(stack: View) -> Iterator[Found]:
    """Compare the ports, and call those that are published as planned, side by side: a call that hangs takes seconds."""
    compared = tuple(_compared(stack))
    with ThreadPoolExecutor(_WORKERS) as pool:
        results = [pool.submit(_reach, stack, each) if isinstance(each, _Call) else each for each in compared]
        yield from (each.result() if isinstance(each, Future) else each for each in results)


def _compared(stack: View) -> Iterator[Found | _Call]:
    """Compare all ports at once: the container that owns a network namespace publishes the ports of all apps in it."""
    promised = {(how.number, port.protocol): (exposure.app, port, how) for exposure, how, port in on_host(stack.plan)}
    by_port: dict[tuple[int, str], list[PublishedAddress]] = {}
    for published in (
        *(p for placed in running(stack) for p in stack.look(placed).published),
        *(p for o in stack.others() for p in o.published),
    ):
        by_port.setdefault((published.number, published.protocol), []).append(published)
    up = f"run `portable up -p {stack.plan.profile}`, which publishes the ports of the plan"
    for (number, protocol), (app, port, how) in sorted(promised.items(), key=lambda item: item[0]):
        published_at = by_port.pop((number, protocol), [])
        addresses = ", ".join(p.address or "every address" for p in published_at)
        if not published_at:
            yield broken(app, f"port {number}/{protocol} is not published", up)
        elif any(p.inside != port.number for p in published_at):
            yield broken(app, f"port {number}/{protocol} leads to container port {published_at[0].inside}, not to {app}'s {port.name}", up)
        elif isinstance(how, Loopback) and any(p.address not in _HERE for p in published_at):
            yield broken(app, f"port {number}/{protocol} must be open on this host only, but is open at {addresses}", up)
        elif isinstance(how, Lan) and how.address and any(p.address != how.address for p in published_at):
            yield broken(app, f"port {number}/{protocol} must be open at {how.address} only, but is open at {addresses}", up)
        elif isinstance(how, Lan) and all(p.address in _HERE for p in published_at):
            text = f"port {number}/{protocol} must be open to the LAN, but is open at {addresses} only"
            yield broken(app, text, f"check `ip` in the engine's daemon.json, then {up}")
        else:
            names = stack.names if isinstance(how, Lan) and not how.address else ()
            yield _Call(app, port, published_at[0], names)
    for (number, spoken), published_at in sorted(by_port.items()):
        text = f"port {number}/{spoken} leads to container port {published_at[0].inside}, but no exposure publishes it"
        yield broken(_owner(stack, published_at[0]), text, up)


def _reach(stack: View, call: _Call) -> Found:
    """Call a port, and as browsers do that come by each of the names of the host."""
    app, port, published, names = call
    number = published.number
    if not stack.here and published.address in _HERE:
        return unknown(app, f"port {number}/{port.protocol} is published on the host's loopback, which this machine cannot reach")
    if port.protocol != "tcp":
        return unknown(app, f"port {number}/{port.protocol} is published, but a UDP port cannot be tested without its own protocol")
    address = stack.host.strip("[]") if published.address in _ANY else published.address
    refused: list[str] = []
    try:
        own = _call(port, address, number, f"{app}:{number}")
        if port.serves != "raw":
            with ThreadPoolExecutor(_WORKERS) as pool:
                answers = list(pool.map(lambda name: _call(port, address, number, f"{in_url(name)}:{number}"), names))
            refused = [name for name, status in zip(names, answers, strict=True) if _is_refused(status, own)]
    except socket.gaierror:
        return unknown(app, f"port {number}/{port.protocol} is published, but this machine cannot resolve {stack.host}")
    except (OSError, http.client.HTTPException) as error:
        why = str(getattr(error, "strerror", None) or error or type(error).__name__)
        remedy = f"run `portable status -p {stack.plan.profile}`, and check whether a firewall of this machine blocks the port"
        return broken(app, f"port {number} is published, but does not answer: {why}", remedy)
    if refused:
        text = f"port {number} answers, but refuses browsers that come by the name {', '.join(refused)}"
        remedy = f"run `portable wire -p {stack.plan.profile}`, or add the name to the host check in the settings of {app}"
        return broken(app, text, remedy)
    return holds(app, f"port {number} answers")


def _is_refused(status: int, own: int) -> bool:
    """Whether the host check of an app turns a name away: it lets its own name in, which the catalog sets for each that has one."""
    return status in _REFUSALS and own not in _REFUSALS


def _call(port: Port, address: str, number: int, host: str) -> int:
    """Connect to a port, by HTTP to get an answer, since an engine's proxy accepts every connection. Raises OSError, HTTPException.

    Return the status of the answer to a request for that host; 0 if the port has no HTTP.
    """
    if port.serves == "raw":
        with socket.create_connection((address, number), timeout=_SECONDS):
            return 0
    unverified = ssl._create_unverified_context()  # noqa: S323  # tests whether it answers, not its identity
    connection = (
        http.client.HTTPSConnection(address, number, timeout=_SECONDS, context=unverified)
        if port.serves == "https"
        else http.client.HTTPConnection(address, number, timeout=_SECONDS)
    )
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


def _owner(stack: View, published: PublishedAddress) -> str:
    names = [placed.app.name for placed in running(stack) if placed.app and published in stack.look(placed).published]
    return next(iter([*names, *(other.name for other in stack.others() if published in other.published)]), "a container")


CONTRACT = Contract(name="ports", promise="published ports lead to their apps, and no others are published", check=check, inside=False)
