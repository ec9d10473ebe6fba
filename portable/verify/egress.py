"""As whom VPN apps are seen outside: with the tunnel's address, which is not the host's. Asks the beacon that the person named."""

from collections.abc import Iterator
from ipaddress import ip_address

from portable.backends.common import Placed, main_container
from portable.live.view import View
from portable.model.plan import App, Direct, Tunnel
from portable.verify.contract import Contract, Found, broken, holds, restart_with_group, running_apps, unknown, untried

SECONDS = 5
_ASK = {
    "curl": ["curl", "--silent", "--fail", "--noproxy", "*", "--max-time", str(SECONDS)],
    "wget": ["wget", "-q", "-O", "-", "-T", str(SECONDS), "-Y", "off"],
}
NO_BEACON = "no beacon was named: `--beacon URL`, an address that answers with the caller's own"


def seen_as(stack: View, placed: Placed, app: App, beacon: str) -> str | None:
    """The address that the beacon tells an app; empty where no answer came, None where the app can't ask."""
    tool = main_container(app).fetch
    if tool not in _ASK:
        return None
    said = stack.inside(placed, [*_ASK[tool], beacon], seconds=SECONDS * 2)
    if untried(said):
        return None
    try:
        return str(ip_address(said.text.strip())) if said.done else ""
    except ValueError:
        return ""  # a page of somebody else's: no answer of a beacon


def behind_tunnels(stack: View) -> Iterator[tuple[tuple[App, Placed], list[tuple[App, Placed]]]]:
    """Each gateway with a tunnel, and the apps behind it, as far as they run."""
    there = {app.name: (app, placed) for app, placed in running_apps(stack)}
    for group in stack.plan.groups:
        egress = group.egress
        if isinstance(egress, Tunnel) and egress.gateway in there:
            yield there[egress.gateway], [there[name] for name in group.apps if name != egress.gateway and name in there]


def hosts_own(stack: View, beacon: str) -> str:
    """The host's own address, as the first app sees it that leaves directly; empty where none could ask."""
    direct = {name for group in stack.plan.groups if isinstance(group.egress, Direct) for name in group.apps}
    askers = ((app, placed) for app, placed in running_apps(stack) if app.name in direct and not app.schedule)
    return next((address for app, placed in askers if (address := seen_as(stack, placed, app, beacon))), "")


def egress(beacon: str | None) -> Contract:
    """The contract, with the beacon to ask."""

    def check(stack: View) -> Iterator[Found]:
        groups = list(behind_tunnels(stack))
        if groups and not beacon:
            yield unknown("the stack", NO_BEACON)
        elif groups and beacon:
            host = hosts_own(stack, beacon)
            for (gateway, placed), apps in groups:
                tunnel = seen_as(stack, placed, gateway, beacon)
                yield from _compared(gateway.name, tunnel, host, [(app, seen_as(stack, at, app, beacon)) for app, at in apps], stack)

    return Contract(name="egress", promise="VPN apps are seen outside with their tunnel's address, not with the host's", check=check)


def _compared(gateway: str, tunnel: str | None, host: str, apps: list[tuple[App, str | None]], stack: View) -> Iterator[Found]:
    up = restart_with_group(stack, gateway)
    # An address of one family says nothing about the host's of the other.
    told = bool(tunnel and host and ip_address(tunnel).version == ip_address(host).version)
    if not tunnel:
        yield unknown(gateway, "it can't ask the beacon" if tunnel is None else "the beacon does not answer through the tunnel")
    elif tunnel == host:
        yield broken(gateway, f"the beacon sees {tunnel}, which is the host's own address: there is no tunnel between", up)
    else:
        against = f"the host as {host}" if host else "no app that leaves directly could ask for the host's"
        yield (holds if told else unknown)(gateway, f"the beacon sees it as {tunnel}, {against}")
    for app, seen in apps:
        if seen is None:
            yield unknown(app.name, "it could not ask the beacon")
        elif not seen:
            yield unknown(app.name, "the beacon does not answer it")
        elif seen == host or (tunnel and seen != tunnel):
            yield broken(app.name, f"the beacon sees it as {seen}, its gateway as {tunnel or 'nobody'}, the host as {host or 'nobody'}", up)
        else:
            yield (holds if told else unknown)(app.name, f"the beacon sees it as {seen}, its gateway as {tunnel or 'nobody'}")
