"""Every container of the plan runs, and its own check says that it is well."""

from collections.abc import Iterator

from portable.backends.common import containers
from portable.verify.contract import Contract, Found, about, broken, holds, unknown
from portable.verify.stack import Stack


def check(stack: Stack) -> Iterator[Found]:
    """Each container but `init`, which ends when it has prepared."""
    up = f"`portable status -p {stack.plan.profile}` says more, `portable up -p {stack.plan.profile}` starts it"
    for placed in containers(stack.plan):
        if not (placed.app or placed.cloud):
            continue
        seen, subject = stack.look(placed), about(placed)
        if not seen.is_running:
            yield broken(subject, f"{seen.state}{f': {seen.said}' if seen.said else ''}", up)
        elif seen.health == "unhealthy":
            yield broken(subject, f"runs, and its check fails: {seen.said or 'without a word'}", up)
        elif seen.health == "starting":
            yield unknown(subject, "runs, and its check has not said yet whether it is well")
        else:
            yield holds(subject, seen.health or "runs; nothing asks it whether it is well")


CONTRACT = Contract(name="runs", promise="every container of the stack runs and is well", check=check)
