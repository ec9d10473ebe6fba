"""`restart`."""

import time
from collections.abc import Sequence

from portable.engines.docker.engine import Engine
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import Observed
from portable.live.compose.apps import plain, refuse_unknown
from portable.live.compose.desired import ComposeStack, Desired, current
from portable.live.compose.preflight import refuse_foreign
from portable.live.compose.reconcile import in_order
from portable.live.compose.status import status
from portable.live.compose.stop import stop_all, stop_order
from portable.live.compose.waiting import Watch
from portable.live.results import Outcome
from portable.local.lock import Lock, locked
from portable.model.changes import Change
from portable.model.progress import Deduplicated, Progress, silent


def restart(
    engine: Engine,
    stack: ComposeStack,
    *,
    apps: tuple[str, ...] = (),
    deadline: float | None = None,
    progress: Progress = silent,
    held: Lock | None = None,
) -> Outcome:
    """Restart apps in order (default: all), a gateway with all apps that share its network; wait until they are healthy."""
    refuse_unknown(stack, apps)
    engine.observe(stack.project)  # without an engine nothing is written, not even the lock
    with locked(stack.project, "restart", progress=progress, held=held):
        observed = engine.observe(stack.project)
        refuse_foreign(observed, stack.project)
        desired = plain(stack)
        containers = current(observed)
        names = [s.name for s in desired.services if (not apps or s.app in apps) and not s.once]
        names += [s.name for s in desired.services if s.owner in names and s.name not in names]
        if missing := [name for name in names if name not in containers or containers[name].state == "created"]:
            raise DockerError(
                "failed", f"not created yet: {', '.join(missing)}", code="up.not-created", where=stack.project, remedy="run `portable up`"
            )
        changes = tuple(
            Change(
                kind="restart",
                service=name,
                app=desired.service(name).app,
                cause="asked for"
                if desired.service(name).app in apps or not apps
                else f"it shares the network of {desired.service(name).owner}, which is restarted",
            )
            for name in in_order(desired)
            if name in names
        )
        until = None if deadline is None else time.monotonic() + deadline
        watch = Watch(engine, desired, set(names), Deduplicated(progress), until)
        restart_in_order(engine, desired, observed, names, watch)
        watch.until_well()
    return Outcome(changes=changes, rows=status(engine, stack))


def restart_in_order(engine: Engine, desired: Desired, observed: Observed, names: Sequence[str], watch: Watch) -> None:
    """Stop sharers of a network before its owner, and start them after it: a start makes them join the owner's new namespace."""
    containers = current(observed)
    chosen = [containers[name] for name in names if name in containers]
    for level in stop_order(chosen):
        stop_all(engine, level)
    for name in in_order(desired):
        if name not in names or name not in containers:
            continue
        service = desired.service(name)
        before = {b for b, how in service.after.items() if how == "service_healthy" and b in names}
        while before:
            if any(v.failed and s.name in before for s, v in watch.look_in_time()):
                watch.until_well()  # reports the failure
            seen = current(engine.observe(desired.project))
            before = {b for b in before if not (b in seen and (seen[b].health in ("healthy", None)) and seen[b].state == "running")}
            if before:
                time.sleep(0.3)
        engine.start(containers[name].id)
