"""The kill switch, tested: with the tunnel cut, no VPN app may reach the beacon. This disturbs the apps, so it runs only on request."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from urllib.parse import urlsplit

from portable.backends.common import PlacedContainer
from portable.live.view import View
from portable.model.plan import App, Tunnel
from portable.model.shell import script
from portable.verify.contract import Contract, Found, broken, holds, restart_with_group, unknown
from portable.verify.egress import NO_BEACON, behind_tunnels, hosts_own, seen_as

NAME = "kill-switch"
_BACK_SECONDS = 180
"""How long a gateway may take to restore its tunnel by itself: Gluetun checks once a minute (docs/facts/gluetun.md#health-server)."""


def kill_switch(beacon: str | None) -> Contract:
    """Return the contract for a beacon that must become unreachable."""

    def check(stack: View) -> Iterator[Found]:
        for gateway, apps in behind_tunnels(stack):
            if beacon is None:
                yield unknown(gateway[0].name, NO_BEACON)
            elif not _is_address(urlsplit(beacon).hostname or ""):
                # Names are resolved through the tunnel: a failed lookup would look like a working kill switch.
                yield unknown(gateway[0].name, "the URL of the beacon must have an IP address instead of a host name")
            else:
                yield from _cut(stack, gateway, apps, beacon)

    return Contract(name=NAME, promise="with the tunnel cut, no VPN app reaches the internet", check=check)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _cut(stack: View, gateway: tuple[App, PlacedContainer], apps: list[tuple[App, PlacedContainer]], beacon: str) -> Iterator[Found]:
    app, placed = gateway
    before = {a.name: seen_as(stack, at, a, beacon) for a, at in (gateway, *apps)}
    mend = script(__name__, "kill_switch_mend.sh")
    try:
        cut = stack.inside(
            placed, ["sh", "-c", f"{mend}\n{script(__name__, 'kill_switch_cut.sh')}", "sh", _device_of(stack, app)], user="0"
        )
        # All at once: a gateway that heals itself restores its tunnel within seconds.
        with ThreadPoolExecutor() as pool:
            attempts = [pool.submit(_attempt, stack, a, at, beacon, before) for a, at in apps] if cut.done else []
            direct = pool.submit(hosts_own, stack, beacon)
        results = [attempt.result() for attempt in attempts]
    finally:
        mended = stack.inside(placed, ["sh", "-c", mend], user="0")
    if not cut.done:
        yield unknown(app.name, f"its tunnel could not be cut: {cut.text or cut.code}")
        return
    for subject, verdict, text, remedy in results:
        if verdict == "holds" and not direct.result():
            yield unknown(subject, "no app with direct egress reached the beacon meanwhile either, so the test proves nothing")
        else:
            yield subject, verdict, text, remedy
    end = time.monotonic() + _BACK_SECONDS
    while before[app.name] and not (address := seen_as(stack, placed, app, beacon)) and time.monotonic() < end:
        time.sleep(1)
    if before[app.name] and not address:
        remedy = restart_with_group(stack, app.name)
        yield broken(app.name, f"its tunnel did not come back after the cut: {mended.text or 'the beacon does not answer'}", remedy)
    else:
        yield holds(app.name, f"{cut.text.split()[-1]} was cut, and works again")


def _device_of(stack: View, gateway: App) -> str:
    """Return the device of a gateway's tunnel."""
    tunnels = (group.egress for group in stack.plan.groups if isinstance(group.egress, Tunnel))
    return next(egress.interface for egress in tunnels if egress.gateway == gateway.name)


def _attempt(stack: View, app: App, placed: PlacedContainer, beacon: str, before: dict[str, str | None]) -> Found:
    if not before[app.name]:
        return unknown(app.name, "it did not reach the beacon through the tunnel either, so the test proves nothing")
    address = seen_as(stack, placed, app, beacon)
    if address is None:
        return unknown(app.name, "it cannot request the beacon")
    if not address:
        return holds(app.name, "with the tunnel cut, it did not reach the beacon")
    if address == before[app.name]:
        return unknown(app.name, "the gateway restored its tunnel before the request of this app")
    remedy = f"run `portable verify -p {stack.plan.profile} fence` to find the open rule"
    return broken(app.name, f"with the tunnel cut, it reached the beacon as {address}", remedy)
