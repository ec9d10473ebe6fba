"""Every app behind a gateway is in the gateway's current network namespace (promise 2)."""

from collections.abc import Iterator

from portable.backends.common import PlacedContainer, gateway_of
from portable.live.view import CommandResult, View
from portable.verify.contract import Contract, Found, about, broken, holds, running, unknown

_NAMESPACE = ["readlink", "/proc/self/ns/net"]


def check(stack: View) -> Iterator[Found]:
    """Compare the kernel's names: an engine shows the gateway even after the joined namespace no longer exists."""
    by_app: dict[str, list[PlacedContainer]] = {}
    for placed in running(stack):
        if placed.app:
            by_app.setdefault(placed.app.name, []).append(placed)
    for group in stack.plan.groups:
        gateway = gateway_of(group)
        if gateway is None:
            continue
        if gateway not in by_app:
            yield from (
                broken(name, f"its gateway {gateway} does not run", f"run `portable up -p {stack.plan.profile}`")
                for name in group.apps
                if name in by_app
            )
            continue
        own = stack.inside(by_app[gateway][0], _NAMESPACE)
        if not _is_namespace(own):
            yield unknown(gateway, f"its network namespace is unknown: {own.text}")
            continue
        for placed in (placed for name in group.apps for placed in by_app.get(name, ()) if name != gateway):
            answer = stack.inside(placed, _NAMESPACE)
            if not _is_namespace(answer):
                yield unknown(about(placed), f"its network namespace is unknown: {answer.text}")
            elif answer.text != own.text:
                text = f"is not in the network namespace of {gateway}: it joined an earlier one, or never joined it"
                yield broken(about(placed), text, f"run `portable up -p {stack.plan.profile}`, which recreates it in the current one")
            else:
                yield holds(about(placed), f"shares the network namespace of {gateway}")


def _is_namespace(answer: CommandResult) -> bool:
    """Whether the answer is the name of a namespace."""
    return answer.done and answer.text.startswith("net:[") and answer.text.endswith("]")


CONTRACT = Contract(name="shares", promise="every VPN app is in its gateway's network namespace", check=check)
