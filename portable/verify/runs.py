"""Every container of the plan runs, its own check says that it is well, and no other container is left in the stack."""

from collections.abc import Iterator

from portable.live.view import View
from portable.verify.contract import Contract, Found, about, broken, holds, parts, unknown


def check(stack: View) -> Iterator[Found]:
    """Each container but `init`, which ends when it has prepared; then those that the plan does not know."""
    profile = stack.plan.profile
    up = f"`portable status -p {profile}` says more, `portable up -p {profile}` starts it"
    for placed in parts(stack):
        seen, subject = stack.look(placed), about(placed)
        if not seen.is_running:
            yield broken(subject, f"{seen.state}{f': {seen.said}' if seen.said else ''}", up)
        elif seen.health == "unhealthy":
            yield broken(subject, f"runs, and its check fails: {seen.said or 'without a word'}", up)
        elif seen.health == "starting":
            yield unknown(subject, "runs, and its check has not said yet whether it is well")
        else:
            yield holds(subject, seen.health or "runs; nothing asks it whether it is well")
    for other in stack.others():
        # It has a network and mounts of its own, and nothing else here looks at them.
        text = f"it is {other.state}, and no part of the plan: what it sends and sees is not looked at"
        yield broken(other.name, text, f"`portable up -p {profile}` removes it; its data stays")


CONTRACT = Contract(name="runs", promise="every container of the stack runs and is well, and there is no other", check=check, inside=False)
