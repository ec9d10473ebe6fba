"""Every container of the plan runs and is healthy, and the stack has no other containers."""

from collections.abc import Iterator

from portable.live.view import View
from portable.verify.contract import Contract, Found, about, broken, holds, parts, unknown


def check(stack: View) -> Iterator[Found]:
    """Check each container except `init`, which ends after its preparations; then list containers that the plan does not have."""
    profile = stack.plan.profile
    up = f"run `portable status -p {profile}` for the reason, then `portable up -p {profile}`"
    for placed in parts(stack):
        state, subject = stack.look(placed), about(placed)
        if state.is_idle:
            yield holds(subject, f"runs at its times; {state.said}")
        elif not state.is_running:
            yield broken(subject, f"{state.state}{f': {state.said}' if state.said else ''}", up)
        elif state.health == "unhealthy":
            yield broken(subject, f"runs, but its health check fails: {state.said or 'without output'}", up)
        elif state.health == "starting":
            yield unknown(subject, "runs, but its health check has no result yet")
        else:
            yield holds(subject, state.health or "runs, without a health check")
    for other in stack.others():
        # No other contract checks its network and mounts.
        text = f"is {other.state} but not in the plan: no contract checks its traffic and mounts"
        yield broken(other.name, text, other.remedy or f"run `portable up -p {profile}`, which removes it and keeps its data")


CONTRACT = Contract(
    name="runs",
    promise="every container of the stack runs and is healthy, and no other container belongs to it",
    check=check,
    inside=False,
)
