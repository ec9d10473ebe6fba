"""A stack on a Compose engine, in the form that contracts check."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from portable.backends.common import PlacedContainer, containers
from portable.backends.compose.names import project_name, service_name
from portable.engines.docker.engine import Engine
from portable.engines.docker.observed import Described, ObservedContainer
from portable.engines.docker.rights import running
from portable.live.compose.rights import planned
from portable.live.view import CommandResult, ContainerState, ExtraContainer, HostFolder, PublishedAddress
from portable.local.network import lan_addresses
from portable.model.errors import PortableError
from portable.model.folders import folder_of
from portable.model.moments import seconds_of
from portable.model.plan import Plan, Volume
from portable.model.rights import ImageSettings, PlannedContainer
from portable.model.shell import script


class ComposeView:
    """The containers of a plan on an engine. They are looked up once, so that all contracts see the same moment."""

    one_host = True

    def __init__(self, engine: Engine, plan: Plan, helper: Callable[[], str] | None = None, *, names: tuple[str, ...] = ()) -> None:
        """`helper` returns the image of a helper container for the host of a remote engine; raises PortableError if it is missing."""
        self.plan, self.names = plan, names
        self._helper = helper
        self.here, self.host = engine.address.is_local, engine.address.host
        self.lan = lan_addresses() if self.here else ()
        self._images: dict[str, ImageSettings | None] = {}
        self._engine, self._project = engine, project_name(plan)

    def look(self, placed: PlacedContainer) -> ContainerState:
        """The state of a container."""
        if (both := self._services.get(service_name(placed))) is None:
            return ContainerState(state="missing")
        seen, settings = both
        return ContainerState(
            state=seen.state,
            health=seen.health or "",
            said=seen.health_output if seen.health == "unhealthy" else seen.error,
            since=seconds_of(seen.started_at),
            environment=settings.environment,
            labels=settings.labels,
            mounts=settings.mounts,
            published=_published(settings),
            entrypoint=settings.entrypoint,
            command=settings.command,
            rights=running(settings.whole, self._called),
            image=self._image(seen.image_id),
        )

    def planned(self, placed: PlacedContainer) -> PlannedContainer:
        """The settings of its service."""
        return planned(placed, self.plan)

    def guests(self, placed: PlacedContainer) -> tuple[str, ...]:
        """Names of the containers in its network that are not part of this project."""
        if (both := self._services.get(service_name(placed))) is None:
            return ()
        mine = {seen.id for seen, _ in self._all}
        return tuple(name for other, name in self._engine.guests(both[0].id) if other not in mine)

    def source(self, volume: Volume) -> str | None:
        """The folder of the host."""
        return folder_of(volume)

    def guest_remedy(self, placed: PlacedContainer, name: str) -> str:
        """The engine's own command."""
        del placed
        return f"remove that container with `docker rm -f {name}`"

    def _called(self, container: str) -> str:
        return next((seen.service for seen, _ in self._all if seen.id == container), f"another container, {container[:12]}")

    def _image(self, image: str) -> ImageSettings | None:
        if image not in self._images:
            self._images[image] = self._engine.image_settings(image)
        return self._images[image]

    def inside(self, placed: PlacedContainer, command: Sequence[str], *, user: str | None = None, seconds: float = 20.0) -> CommandResult:
        """Run a command in that container."""
        if (both := self._services.get(service_name(placed))) is None:
            return CommandResult(code=None, text="the container does not exist")
        try:
            code, text = self._engine.inside(both[0].id, command, user=user, seconds=seconds)
        except PortableError as error:
            return CommandResult(code=None, text=error.text)
        return CommandResult(code=code, text=text.strip(), hangs=code is None)

    def logs(self, placed: PlacedContainer, lines: int) -> str:
        """The last lines of its log, secrets included."""
        both = self._services.get(service_name(placed))
        return "\n".join(self._engine.logs(both[0].id, tail=lines, hidden=False)) if both else ""

    def dated_logs(self, placed: PlacedContainer, lines: int) -> Sequence[tuple[float, str]]:
        """The last lines of its log since its start, as (time, text)."""
        both = self._services.get(service_name(placed))
        return self._engine.dated_logs(both[0].id, tail=lines, since=seconds_of(both[0].started_at)) if both else ()

    def on_host(self, folders: Sequence[str]) -> Mapping[str, HostFolder] | None:
        """The state of folders on the host; None if the host cannot be read from here."""
        folders_script = script(__name__, "view.sh")
        try:
            if self.here:
                output = subprocess.run(
                    ["sh", "-c", f"ROOT=; {folders_script}", "sh", *folders], capture_output=True, text=True, check=False
                ).stdout
            elif self._helper is None:
                return None
            else:
                output = self._engine.on_host(self._helper(), f"ROOT=/host; {folders_script}", folders)
        except PortableError:
            return None
        lines = [line.split() for line in output.splitlines()]
        if len(lines) != len(folders):
            return None
        return {
            folder: HostFolder(identity=identity.removeprefix("-"), mounted=mounted == "yes")
            for folder, (identity, mounted) in zip(folders, lines, strict=True)
        }

    def others(self) -> tuple[ExtraContainer, ...]:
        """Containers of the project that do not belong to a service of the plan, and second containers of a service."""
        planned_services = {service_name(placed) for placed in containers(self.plan)}
        mine = {seen.id for service, (seen, _) in self._services.items() if service in planned_services}
        return tuple(
            ExtraContainer(name=seen.name, state=seen.state, published=_published(settings))
            for seen, settings in self._all
            if seen.id not in mine
        )

    @cached_property
    def _all(self) -> tuple[tuple[ObservedContainer, Described], ...]:
        return self._engine.described(self._project)

    @cached_property
    def _services(self) -> Mapping[str, tuple[ObservedContainer, Described]]:
        # Of two containers of a service, for example while one is replaced, the running one counts.
        ordered = sorted(self._all, key=lambda both: (both[0].state == "running", both[0].started_at))
        return {both[0].service: both for both in ordered}


def _published(settings: Described) -> tuple[PublishedAddress, ...]:
    return tuple(PublishedAddress(address=a, number=n, protocol=p, inside=i) for a, n, p, i in settings.published)
