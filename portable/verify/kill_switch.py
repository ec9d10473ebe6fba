"""The kill switch, tried: the tunnel is cut, and no VPN app may reach the beacon. It disturbs them, so it is only tried when asked for."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from urllib.parse import urlsplit

from portable.backends.common import Placed
from portable.live.view import View
from portable.model.plan import App, Tunnel
from portable.model.shell import script
from portable.verify.contract import Contract, Found, broken, holds, restart_with_group, unknown
from portable.verify.egress import NO_BEACON, behind_tunnels, hosts_own, seen_as

NAME = "kill-switch"
_BACK_SECONDS = 180
"""How long a gateway may take to bring its tunnel back by itself: Gluetun asks once a minute (docs/facts/gluetun.md#health-server)."""


def kill_switch(beacon: str | None) -> Contract:
    """The contract, with the beacon that must not be reached."""

    def check(stack: View) -> Iterator[Found]:
        for gateway, apps in behind_tunnels(stack):
            if beacon is None:
                yield unknown(gateway[0].name, NO_BEACON)
            elif not _is_address(urlsplit(beacon).hostname or ""):
                # Names are asked for through the tunnel: without it, one that isn't found would look like an app that is kept in.
                yield unknown(gateway[0].name, "the beacon has a name: name it by its IP address")
            else:
                yield from _tried(stack, gateway, apps, beacon)

    return Contract(name=NAME, promise="with the tunnel cut, no VPN app reaches the outside", check=check)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _tried(stack: View, gateway: tuple[App, Placed], apps: list[tuple[App, Placed]], beacon: str) -> Iterator[Found]:
    app, placed = gateway
    before = {a.name: seen_as(stack, at, a, beacon) for a, at in (gateway, *apps)}
    mend = script(__name__, "kill_switch_mend.sh")
    try:
        cut = stack.inside(
            placed, ["sh", "-c", f"{mend}\n{script(__name__, 'kill_switch_cut.sh')}", "sh", _device_of(stack, app)], user="0"
        )
        # All at once: a gateway that heals itself has its tunnel back in seconds.
        with ThreadPoolExecutor() as pool:
            asked = [pool.submit(_judged, stack, a, at, beacon, before) for a, at in apps] if cut.done else []
            alive = pool.submit(hosts_own, stack, beacon)
        found = [one.result() for one in asked]
    finally:
        mended = stack.inside(placed, ["sh", "-c", mend], user="0")
    if not cut.done:
        yield unknown(app.name, f"its tunnel could not be cut: {cut.text or cut.code}")
        return
    for subject, verdict, text, remedy in found:
        if verdict == "holds" and not alive.result():
            yield unknown(subject, "no app that leaves directly reached the beacon meanwhile: perhaps nobody could")
        else:
            yield subject, verdict, text, remedy
    end = time.monotonic() + _BACK_SECONDS
    while before[app.name] and not (back := seen_as(stack, placed, app, beacon)) and time.monotonic() < end:
        time.sleep(1)
    if before[app.name] and not back:
        remedy = restart_with_group(stack, app.name)
        yield broken(app.name, f"its tunnel was cut and did not come back: {mended.text or 'the beacon does not answer'}", remedy)
    else:
        yield holds(app.name, f"{cut.text.split()[-1]} was cut, and is back")


def _device_of(stack: View, gateway: App) -> str:
    """The device of a gateway's tunnel."""
    tunnels = (group.egress for group in stack.plan.groups if isinstance(group.egress, Tunnel))
    return next(egress.interface for egress in tunnels if egress.gateway == gateway.name)


def _judged(stack: View, app: App, placed: Placed, beacon: str, before: dict[str, str | None]) -> Found:
    if not before[app.name]:
        return unknown(app.name, "it did not reach the beacon with the tunnel either, so that nothing is shown")
    seen = seen_as(stack, placed, app, beacon)
    if seen is None:
        return unknown(app.name, "it could not be asked")
    if not seen:
        return holds(app.name, "with the tunnel cut it reached nothing")
    if seen == before[app.name]:
        return unknown(app.name, "the gateway had its tunnel back before this app was asked")
    return broken(app.name, f"with the tunnel cut the beacon saw it as {seen}", f"`portable verify -p {stack.plan.profile} fence` says why")
