"""An app that peers call through the tunnel listens on the current tunnel. The check only reads, from inside the gateway."""

from collections.abc import Iterator

from portable.backends.common import PlacedContainer
from portable.live.listening import LISTENING, Sockets, listeners_of, look_at, parsed, peer_ports, remedy_of
from portable.live.tunnel import LINES
from portable.live.view import View
from portable.verify.contract import Contract, Found, broken, holds, running_apps, unknown


def check(stack: View) -> Iterator[Found]:
    """Check each app with a peer port behind a gateway with a tunnel."""
    apps = {app.name: placed for app, placed in running_apps(stack)}
    listeners = [(gateway, app) for gateway, app in listeners_of(stack.plan) if gateway in apps and app.name in apps]
    for gateway in dict.fromkeys(name for name, _ in listeners):
        behind = [app for name, app in listeners if name == gateway]
        ports = sorted({port for app in behind for port in peer_ports(app)})
        looks = look_at(
            ((app, stack.look(apps[app.name]).since) for app in behind),
            lambda placed=apps[gateway], ports=ports: _sockets(stack, placed, ports),  # type: ignore[misc]
            lambda placed=apps[gateway]: stack.dated_logs(placed, LINES),  # type: ignore[misc]
        )
        for look in looks:
            name = look.app.name
            if look.verdict in ("deaf", "absent"):
                heals = f"run `portable heal -p {stack.plan.profile}`, or `portable restart -p {stack.plan.profile} {name}`"
                remedy = heals if look.verdict == "deaf" else remedy_of(look.app)
                yield broken(name, f"{look.text}: peers cannot reach it", remedy)
            else:
                yield (holds if look.verdict == "listens" else unknown)(name, look.text)


def _sockets(stack: View, gateway: PlacedContainer, ports: list[int]) -> Sockets | str:
    """Return the listening sockets in a gateway's network namespace, or the reason why they are unknown."""
    answer = stack.inside(gateway, LISTENING.command(*map(str, ports)), user="0")
    return parsed(answer.text) if answer.done else f"the listening sockets in its gateway are unknown: {answer.text or answer.code}"


CONTRACT = Contract(name="listener", promise="apps that peers call listen on the current tunnel", check=check)
