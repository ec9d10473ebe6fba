"""`exec`."""

from collections.abc import Sequence

from portable.engines.docker.engine import Engine
from portable.engines.docker.errors import DockerError
from portable.live.compose.apps import plain, refuse_unknown
from portable.live.compose.desired import ComposeStack, current


def execute(
    engine: Engine,
    stack: ComposeStack,
    app: str,
    command: Sequence[str],
    *,
    service: str | None = None,
    interactive: bool = False,
    terminal: bool = False,
    user: str | None = None,
) -> int:
    """Run a command in an app's main container, or in that of `service`; returns its exit code."""
    refuse_unknown(stack, (app,))
    seen = current(engine.observe(stack.project))
    name = service or next((s.name for s in plain(stack).services if s.app == app and s.name in (app, f"cloud-{app}")), app)
    if name not in seen or seen[name].state != "running":
        raise DockerError(
            "failed",
            f"{name} is not running",
            code="up.not-running",
            where=stack.project,
            remedy="see why with `portable status`, then start it with `portable up`",
        )
    return engine.execute(seen[name].id, command, interactive=interactive, terminal=terminal, user=user)
