"""An app that peers call through the tunnel listens on the tunnel that is there now. Only looked at, from inside the gateway."""

import time
from collections.abc import Iterator

from portable.backends.common import Placed
from portable.backends.listening import LISTENING, Sockets, judged, listeners_of, parsed, peer_ports
from portable.verify.contract import Contract, Found, broken, holds, running_apps, unknown
from portable.verify.stack import Stack

_AGAIN_SECONDS = 3.0
"""An app that notices a new tunnel needs a moment to listen on it."""


def check(stack: Stack) -> Iterator[Found]:
    """Each app behind a gateway with a tunnel that has a port for peers."""
    there = {app.name: placed for app, placed in running_apps(stack)}
    listeners = [(gateway, app) for gateway, app in listeners_of(stack.plan) if gateway in there and app.name in there]
    for gateway in dict.fromkeys(name for name, _ in listeners):
        behind = [app for name, app in listeners if name == gateway]
        ports = sorted({port for app in behind for port in peer_ports(app)})
        first = _asked(stack, there[gateway], ports)
        again: Sockets | str | None = None
        for app in behind:
            started = stack.look(there[app.name]).since
            verdict, why = ("unknown", first) if isinstance(first, str) else judged(first, peer_ports(app), started=started)
            if verdict == "deaf":
                if again is None:
                    time.sleep(_AGAIN_SECONDS)
                    again = _asked(stack, there[gateway], ports)
                verdict, why = ("unknown", again) if isinstance(again, str) else judged(again, peer_ports(app), started=started)
            if verdict == "deaf":
                remedy = f"`portable heal -p {stack.plan.profile}`, or `portable restart -p {stack.plan.profile} {app.name}`"
                yield broken(app.name, f"{why}: peers can't reach it", remedy)
            else:
                yield (holds if verdict == "listens" else unknown)(app.name, why)


def _asked(stack: Stack, gateway: Placed, ports: list[int]) -> Sockets | str:
    """What listens in the network namespace of a gateway; why that is not known."""
    said = stack.inside(gateway, LISTENING.command(*map(str, ports)), user="0")
    return parsed(said.text) if said.done else f"its gateway can't be asked what listens there: {said.text or said.code}"


CONTRACT = Contract(name="listener", promise="apps that peers call listen on the tunnel that is there now", check=check)
