"""VPN apps appear outside with the tunnel's address, which is not the host's. Requests the beacon that the person named."""

from collections.abc import Iterator
from ipaddress import ip_address

from portable.backends.common import PlacedContainer, main_container
from portable.live.view import View
from portable.model.plan import App, Direct, Tunnel
from portable.verify.contract import Contract, Found, broken, holds, restart_with_group, running_apps, unknown, untried

SECONDS = 5
_ASK = {
    "curl": ["curl", "--silent", "--fail", "--noproxy", "*", "--max-time", str(SECONDS)],
    "wget": ["wget", "-q", "-O", "-", "-T", str(SECONDS), "-Y", "off"],
}
_SEES = "the beacon sees it as "
NO_BEACON = "no beacon: pass `--beacon URL`, a page that returns the caller's address"


def seen_as(stack: View, placed: PlacedContainer, app: App, beacon: str) -> str | None:
    """Return the address that the beacon sees for an app; empty without an answer, None if the app cannot make requests."""
    tool = main_container(app).fetch
    if tool not in _ASK:
        return None
    answer = stack.inside(placed, [*_ASK[tool], beacon], seconds=SECONDS * 2)
    if untried(answer):
        return None
    try:
        return str(ip_address(answer.text.strip())) if answer.done else ""
    except ValueError:
        return ""  # not an address: another page answered


def address_in(text: str) -> str:
    """Return the address that a result of the contract names as the subject's own; empty if it names none."""
    word = text.removeprefix(_SEES).partition(",")[0] if text.startswith(_SEES) else ""
    try:
        return str(ip_address(word))
    except ValueError:
        return ""


def behind_tunnels(stack: View) -> Iterator[tuple[tuple[App, PlacedContainer], list[tuple[App, PlacedContainer]]]]:
    """Yield each running gateway with a tunnel, and the running apps behind it."""
    apps = {app.name: (app, placed) for app, placed in running_apps(stack)}
    for group in stack.plan.groups:
        egress = group.egress
        if isinstance(egress, Tunnel) and egress.gateway in apps:
            yield apps[egress.gateway], [apps[name] for name in group.apps if name != egress.gateway and name in apps]


def hosts_own(stack: View, beacon: str) -> str:
    """Return the host's own address: that of the first app with direct egress that gets an answer; empty if none does."""
    direct = {name for group in stack.plan.groups if isinstance(group.egress, Direct) for name in group.apps}
    callers = ((app, placed) for app, placed in running_apps(stack) if app.name in direct and not app.schedule)
    return next((address for app, placed in callers if (address := seen_as(stack, placed, app, beacon))), "")


def egress(beacon: str | None) -> Contract:
    """Return the contract for that beacon."""

    def check(stack: View) -> Iterator[Found]:
        groups = list(behind_tunnels(stack))
        if groups and not beacon:
            yield unknown("the stack", NO_BEACON)
        elif groups and beacon:
            host = hosts_own(stack, beacon)
            for (gateway, placed), apps in groups:
                tunnel = seen_as(stack, placed, gateway, beacon)
                yield from _compare(gateway.name, tunnel, host, [(app, seen_as(stack, at, app, beacon)) for app, at in apps], stack)

    return Contract(name="egress", promise="VPN apps appear outside with their tunnel's address, not with the host's", check=check)


def _compare(gateway: str, tunnel: str | None, host: str, apps: list[tuple[App, str | None]], stack: View) -> Iterator[Found]:
    up = restart_with_group(stack, gateway)
    # Addresses of different families prove nothing about each other.
    is_comparable = bool(tunnel and host and ip_address(tunnel).version == ip_address(host).version)
    if not tunnel:
        yield unknown(gateway, "it cannot request the beacon" if tunnel is None else "the beacon does not answer through the tunnel")
    elif tunnel == host:
        yield broken(gateway, f"the beacon sees {tunnel}, the host's own address: traffic does not use a tunnel", up)
    else:
        against = f"and the host as {host}" if host else "but no app with direct egress could get the host's address"
        yield (holds if is_comparable else unknown)(gateway, f"{_SEES}{tunnel}, {against}")
    for app, address in apps:
        if address is None:
            yield unknown(app.name, "it cannot request the beacon")
        elif not address:
            yield unknown(app.name, "the beacon does not answer it")
        elif address == host or (tunnel and address != tunnel):
            text = f"{_SEES}{address}, its gateway as {tunnel or 'unknown'}, the host as {host or 'unknown'}"
            yield broken(app.name, text, up)
        else:
            yield (holds if is_comparable else unknown)(app.name, f"{_SEES}{address}, its gateway as {tunnel or 'unknown'}")
