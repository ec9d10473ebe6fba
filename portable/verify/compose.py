"""A stack on a Compose engine, as contracts look at it."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from portable.backends.common import Placed, containers
from portable.backends.compose.engine import Described, Engine, Seen
from portable.backends.compose.names import project_name, service_name
from portable.model.plan import Plan
from portable.verify.stack import Other, Published, Runs, Said


class ComposeStack:
    """What an engine has of a plan. Containers are looked up once: what contracts tell is of one moment."""

    def __init__(self, engine: Engine, plan: Plan) -> None:
        self.plan = plan
        self.here, self.host = engine.address.is_local, engine.address.host
        self._engine, self._project = engine, project_name(plan)

    def look(self, placed: Placed) -> Runs:
        """How that container is now."""
        if (both := self._services.get(service_name(placed))) is None:
            return Runs(state="missing")
        seen, given = both
        return Runs(
            state=seen.state,
            health=seen.health or "",
            said=seen.health_output if seen.health == "unhealthy" else seen.error,
            environment=given.environment,
            labels=given.labels,
            mounts=given.mounts,
            published=_published(given),
        )

    def inside(self, placed: Placed, command: Sequence[str], *, user: str | None = None, seconds: float = 20.0) -> Said:
        """Run a command in that container."""
        if (both := self._services.get(service_name(placed))) is None:
            return Said(code=None, text="it is not there")
        code, text = self._engine.inside(both[0].id, command, user=user, seconds=seconds)
        return Said(code=code, text=text.strip())

    def logs(self, placed: Placed, lines: int) -> str:
        """The last lines that it wrote, as they are."""
        both = self._services.get(service_name(placed))
        return "\n".join(self._engine.logs(both[0].id, tail=lines, hidden=False)) if both else ""

    def others(self) -> tuple[Other, ...]:
        """Containers of the project that are not the one of a service of the plan."""
        known = {service_name(placed) for placed in containers(self.plan)}
        mine = {seen.id for service, (seen, _) in self._services.items() if service in known}
        return tuple(
            Other(name=seen.name, state=seen.state, published=_published(given)) for seen, given in self._all if seen.id not in mine
        )

    @cached_property
    def _all(self) -> tuple[tuple[Seen, Described], ...]:
        return self._engine.described(self._project)

    @cached_property
    def _services(self) -> Mapping[str, tuple[Seen, Described]]:
        # Of two containers of a service, as while one is replaced, the one that runs.
        found = sorted(self._all, key=lambda both: (both[0].state == "running", both[0].started_at))
        return {both[0].service: both for both in found}


def _published(given: Described) -> tuple[Published, ...]:
    return tuple(Published(address=a, number=n, protocol=p, inside=i) for a, n, p, i in given.published)
