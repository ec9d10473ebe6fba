"""An app that peers call through the tunnel listens on the tunnel that is there now. Only looked at, from inside the gateway."""

from collections.abc import Iterator

from portable.backends.common import Placed
from portable.live.listening import LISTENING, Sockets, listeners_of, look_at, parsed, peer_ports, remedy_of
from portable.live.tunnel import LINES
from portable.live.view import View
from portable.verify.contract import Contract, Found, broken, holds, running_apps, unknown


def check(stack: View) -> Iterator[Found]:
    """Each app behind a gateway with a tunnel that has a port for peers."""
    there = {app.name: placed for app, placed in running_apps(stack)}
    listeners = [(gateway, app) for gateway, app in listeners_of(stack.plan) if gateway in there and app.name in there]
    for gateway in dict.fromkeys(name for name, _ in listeners):
        behind = [app for name, app in listeners if name == gateway]
        ports = sorted({port for app in behind for port in peer_ports(app)})
        looks = look_at(
            ((app, stack.look(there[app.name]).since) for app in behind),
            lambda placed=there[gateway], ports=ports: _asked(stack, placed, ports),  # type: ignore[misc]
            lambda placed=there[gateway]: stack.dated_logs(placed, LINES),  # type: ignore[misc]
        )
        for look in looks:
            name = look.app.name
            if look.verdict in ("deaf", "absent"):
                heals = f"`portable heal -p {stack.plan.profile}`, or `portable restart -p {stack.plan.profile} {name}`"
                remedy = heals if look.verdict == "deaf" else remedy_of(look.app)
                yield broken(name, f"{look.text}: peers can't reach it", remedy)
            else:
                yield (holds if look.verdict == "listens" else unknown)(name, look.text)


def _asked(stack: View, gateway: Placed, ports: list[int]) -> Sockets | str:
    """What listens in the network namespace of a gateway; why that is not known."""
    said = stack.inside(gateway, LISTENING.command(*map(str, ports)), user="0")
    return parsed(said.text) if said.done else f"its gateway can't be asked what listens there: {said.text or said.code}"


CONTRACT = Contract(name="listener", promise="apps that peers call listen on the tunnel that is there now", check=check)
