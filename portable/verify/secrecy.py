"""No value of a secret is seen where anybody may look: environment listings, labels, logs."""

from collections.abc import Callable, Iterator

from portable.model.plan import SecretRef
from portable.verify.contract import Contract, Found, about, broken, holds, running
from portable.verify.stack import Stack

_LINES = 2000
Told = Callable[[str], bool]
"""Whether a text holds a value of a secret."""


def secrecy(told: Told) -> Contract:
    """The contract for a stack whose secrets that function knows."""

    def check(stack: Stack) -> Iterator[Found]:
        for placed in running(stack):
            seen, wrong = stack.look(placed), []
            by_environment = {name for name, value in placed.container.env.items() if isinstance(value, SecretRef)}
            others = {name: value for name, value in seen.environment.items() if name not in by_environment}
            wrong += [f"the variable {name} holds one" for name, value in others.items() if told(value)]
            wrong += [f"the label {name} holds one" for name, value in seen.labels.items() if told(value)]
            if told(stack.logs(placed, _LINES)):
                wrong.append(f"its last {_LINES} lines of logs hold one")
            if wrong:
                anew = f"`portable up -p {stack.plan.profile}` makes it anew; change the secret if others may have seen it"
                yield broken(about(placed), f"a secret is seen: {'; '.join(wrong)}", anew)
            elif by_environment:
                names = ", ".join(sorted(by_environment))
                yield holds(about(placed), f"none but in {names}, by which its image takes it (`portable explain`)")
            else:
                yield holds(about(placed), "none in variables, labels and logs")

    return Contract(name="secrecy", promise="no secret is seen in environment listings, labels or logs", check=check)
