"""Every app behind a gateway is in the gateway's network, the one that runs now (promise 2)."""

from collections.abc import Iterator

from portable.backends.common import Placed, gateway_of
from portable.live.view import Said, View
from portable.verify.contract import Contract, Found, about, broken, holds, running, unknown

_NAMESPACE = ["readlink", "/proc/self/ns/net"]


def check(stack: View) -> Iterator[Found]:
    """Asked of the kernel: an engine goes on naming the gateway when the namespace that it joined is long gone."""
    by_app: dict[str, list[Placed]] = {}
    for placed in running(stack):
        if placed.app:
            by_app.setdefault(placed.app.name, []).append(placed)
    for group in stack.plan.groups:
        gateway = gateway_of(group)
        if gateway is None:
            continue
        if gateway not in by_app:
            yield from (
                broken(name, f"its gateway {gateway} does not run", f"`portable up -p {stack.plan.profile}`")
                for name in group.apps
                if name in by_app
            )
            continue
        own = stack.inside(by_app[gateway][0], _NAMESPACE)
        if not _told(own):
            yield unknown(gateway, f"its network can't be told: {own.text}")
            continue
        for placed in (placed for name in group.apps for placed in by_app.get(name, ()) if name != gateway):
            said = stack.inside(placed, _NAMESPACE)
            if not _told(said):
                yield unknown(about(placed), f"its network can't be told: {said.text}")
            elif said.text != own.text:
                text = f"it is in another network than {gateway}: the one that it joined is gone, or was never {gateway}'s"
                yield broken(about(placed), text, f"`portable up -p {stack.plan.profile}` makes it anew in the right one")
            else:
                yield holds(about(placed), f"shares the network of {gateway}")


def _told(said: Said) -> bool:
    """Whether it is a namespace's name."""
    return said.done and said.text.startswith("net:[") and said.text.endswith("]")


CONTRACT = Contract(name="shares", promise="every VPN app is in the network of its gateway", check=check)
