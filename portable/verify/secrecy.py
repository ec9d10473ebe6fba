"""No value of a secret is visible in places that many can read: environment listings, labels, logs."""

from collections.abc import Callable, Iterator, Sequence

from portable.live.view import View
from portable.verify.contract import Contract, Found, about, broken, holds, running, unknown

_LINES = 2000
Told = Callable[[str], Sequence[str]]
"""Returns the names of the secrets whose values a text contains."""


def secrecy(told: Told, missing: Sequence[str] = (), *, known: bool = True) -> Contract:
    """Return the contract for the secrets that `told` knows; the `missing` ones cannot be searched for."""

    def check(stack: View) -> Iterator[Found]:
        if missing:
            yield unknown("the stack", f"secrets whose values are unknown here are not searched for: {', '.join(missing)}")
        if not known:
            return
        for placed in running(stack):
            state, leaks = stack.look(placed), []
            by_environment = set(placed.container.secret_env)
            others = {name: value for name, value in state.environment.items() if name not in by_environment}
            for where, text in (
                *((f"the variable {name}", value) for name, value in others.items()),
                *((f"the label {name}", value) for name, value in state.labels.items()),
                (f"the last {_LINES} lines of its log", stack.logs(placed, _LINES)),
            ):
                leaks += [f"{secret} in {where}" for secret in told(text)]
            if leaks:
                profile = stack.plan.profile
                remedy = f"run `portable up -p {profile}`, which recreates it; change the secret if others may have seen it"
                yield broken(about(placed), f"visible: {'; '.join(leaks)}", remedy)
            elif by_environment:
                names = ", ".join(sorted(by_environment))
                yield holds(about(placed), f"visible only in {names}, since its image reads the secret there (`portable explain`)")
            else:
                yield holds(about(placed), "not visible in variables, labels and logs")

    return Contract(name="secrecy", promise="no secret is visible in environment listings, labels or logs", check=check)
