"""No value of a secret is seen where anybody may look: environment listings, labels, logs."""

from collections.abc import Callable, Iterator, Sequence

from portable.live.view import View
from portable.verify.contract import Contract, Found, about, broken, holds, running, unknown

_LINES = 2000
Told = Callable[[str], Sequence[str]]
"""The names of the secrets whose value a text holds."""


def secrecy(told: Told, missing: Sequence[str] = (), *, known: bool = True) -> Contract:
    """The contract for a stack whose secrets that function knows; those that are missing can't be looked for."""

    def check(stack: View) -> Iterator[Found]:
        if missing:
            yield unknown("the stack", f"not looked for, since their values are not known here: {', '.join(missing)}")
        if not known:
            return
        for placed in running(stack):
            seen, wrong = stack.look(placed), []
            by_environment = set(placed.container.secret_env)
            others = {name: value for name, value in seen.environment.items() if name not in by_environment}
            for where, text in (
                *((f"the variable {name}", value) for name, value in others.items()),
                *((f"the label {name}", value) for name, value in seen.labels.items()),
                (f"the last {_LINES} lines of its log", stack.logs(placed, _LINES)),
            ):
                wrong += [f"{secret} in {where}" for secret in told(text)]
            if wrong:
                anew = f"`portable up -p {stack.plan.profile}` makes it anew; change the secret if others may have seen it"
                yield broken(about(placed), f"seen: {'; '.join(wrong)}", anew)
            elif by_environment:
                names = ", ".join(sorted(by_environment))
                yield holds(about(placed), f"none but in {names}, by which its image takes it (`portable explain`)")
            else:
                yield holds(about(placed), "none in variables, labels and logs")

    return Contract(name="secrecy", promise="no secret is seen in environment listings, labels or logs", check=check)
