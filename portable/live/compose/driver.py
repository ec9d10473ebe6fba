"""The driver for Docker Compose. Each method of the protocol is in the module of its name."""

import copy
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Self

from portable.engines.docker.address import Address
from portable.engines.docker.engine import Engine, EngineReader
from portable.engines.docker.errors import DockerError
from portable.live.compose import heal, images, verbs
from portable.live.compose.desired import ComposeStack, current, runs_on_other_values
from portable.live.compose.network import ComposeNetwork
from portable.live.compose.recipes import recipes_of
from portable.live.compose.view import ComposeView
from portable.live.driver import Reopen, StackDriver, StackReader
from portable.live.drivers import OpenedStack
from portable.live.fences import LABEL, Fence, fences_of
from portable.live.image_needs import ImageNeed
from portable.live.network import Network
from portable.live.results import ImageStatus, LogLine, Outcome, Repairs, ServiceStatus
from portable.live.stack import Stack
from portable.live.view import View
from portable.local.lock import Lock
from portable.model.changes import Change
from portable.model.engine_facts import EngineFacts
from portable.model.errors import PortableError
from portable.model.plan import Plan
from portable.model.ports import PublishedPort
from portable.model.progress import Progress, silent
from portable.model.registry import Offered
from portable.secrets.generate import known_values
from portable.secrets.owner import is_other_owner, recordable, refuse_other_values
from portable.secrets.sources import FileSource, Source
from portable.secrets.values import Resolved

_HOST_IN_HELPER = "/host"
SECRETS_OWNER = "portable.secrets-owner"


class ComposeReader(StackReader):
    """A read-only view of a stack on a Docker engine."""

    stack: ComposeStack

    def __init__(self, engine: EngineReader, stack: ComposeStack, source: Source) -> None:
        """Connects to nothing yet."""
        self._engine, self.stack, self.source = engine, stack, source
        self.where, self.is_local = engine.address.url, engine.address.is_local

    def rebound(self, stack: Stack, source: Source) -> Self:
        """The same connection with a newly read stack."""
        assert isinstance(stack, ComposeStack)
        again = copy.copy(self)
        again.stack, again.source = stack, source
        return again

    def close(self) -> None:
        """Close the connection; the stack stays as it is."""
        self._engine.close()

    def hide(self, text: str) -> str:
        """The text without the values of secrets."""
        return self._engine.hide(text)

    def check(self) -> str:
        """The versions of the engine and of Docker Compose, as a sentence."""
        versions = self._engine.check()
        return f"engine {versions.engine} (API {versions.api}), Docker Compose {versions.compose} here"

    def apps(self) -> tuple[str, ...]:
        """The names of the stack's apps."""
        return verbs.apps_of(self.stack)

    def diff(self, *, apps: tuple[str, ...] = (), resolved: Resolved | None = None) -> tuple[Change, ...]:
        """The changes that `up` would make."""
        return verbs.diff(self._engine, self.stack, resolved if resolved is not None else self.source, apps=apps)

    def rehearse(self, *, apps: tuple[str, ...] = (), resolved: Resolved) -> tuple[Change, ...]:
        """The changes that `up` would make. Raises every problem that would stop it before its first change."""
        return verbs.rehearse(self._engine, self.stack, resolved, apps=apps)

    def status(self, *, inside: bool = False) -> tuple[ServiceStatus, ...]:
        """The state of every service."""
        return verbs.status(self._engine, self.stack, inside=inside)

    def has_logs(self, apps: tuple[str, ...] = ()) -> bool:
        """Whether one of these apps has a container."""
        return verbs.has_logs(self._engine, self.stack, apps)

    def logs(self, *, apps: tuple[str, ...] = (), tail: int | None = None, follow: bool = False) -> Iterator[LogLine]:
        """The apps' log lines in order of time, without secrets."""
        return verbs.logs(self._engine, self.stack, apps=apps, tail=tail, follow=follow)

    def state_of(self, app: str) -> str:
        """The state of an app's own container, or missing."""
        seen = current(self._engine.observe(self.stack.project)).get(app)
        return seen.state if seen else "missing"

    def running_with(self, app: str) -> set[str]:
        """The apps that run and go down together with that one."""
        seen = self._engine.containers(self.stack.project)
        own = {c.id for c in seen if c.app == app}
        down = [c for c in seen if (c.id in own or c.joins in own) and c.state in ("running", "restarting")]
        return {c.app for c in down} & set(self.apps())

    def images_in_use(self) -> set[tuple[str, str]]:
        """App and image of each container that exists."""
        return set(self.service_images().values())

    def service_images(self) -> dict[str, tuple[str, str]]:
        """App and image of each container that exists, by service."""
        return {name: (seen.app, seen.image) for name, seen in current(self._engine.observe(self.stack.project)).items()}

    def image_table(self) -> tuple[ImageStatus, ...]:
        """The state of each image that the stack needs."""
        return images.table(self._engine, self.stack.images, recipes_of(self.stack.recipes))

    def offered(self, reference: str) -> Offered:
        """The digest that a registry has under a repository and tag, asked from the engine's host."""
        return self._engine.offered(reference)

    def examine(self) -> Repairs:
        """The changes that `heal` would make."""
        return heal.examine(self._engine, self.stack)

    def name_servers(self) -> Mapping[str, tuple[str, ...]]:
        """The name servers that each app's container was created with."""
        return {seen.app: settings.name_servers for seen, settings in self._engine.described(self.stack.project)}

    def published_ports(self) -> tuple[PublishedPort, ...]:
        """Ports of the engine's host that running containers publish."""
        return self._engine.ports()

    def secrets_owner(self) -> str:
        """The user and the file whose secrets the stack was started with; empty if unknown."""
        return self._engine.record(self.stack.project).get(SECRETS_OWNER, "")

    def refuse_other_values(self, resolved: Resolved) -> None:
        """Compare the digests in the containers' labels with those of these values. A stack without containers has none."""
        if not self.stack.secrets:
            return
        self._engine.check()
        owner = self.secrets_owner()
        if is_other_owner(self.source, owner):
            containers = current(self._engine.observe(self.stack.project))
            if runs_on_other_values(self.stack, containers, self.stack.environment(resolved)):
                refuse_other_values(self.source, owner)

    def fences(self) -> tuple[Fence, ...]:
        """The fences of moves, which the engine keeps."""
        return fences_of(self._engine.notes(self.stack.project, LABEL))

    def data_folder(self) -> str:
        """The engine's own folder on its host."""
        return self._engine.data_root()

    def engine_facts(self) -> EngineFacts:
        """The engine's answers about itself and its networks."""
        return self._engine.facts(self._engine.check().compose)


class ComposeDriver(ComposeReader, StackDriver):
    """A stack on a Docker engine, with the methods that write."""

    def __init__(self, engine: Engine, stack: ComposeStack, source: Source) -> None:
        """Connects to nothing yet."""
        super().__init__(engine, stack, source)
        self._writer = engine

    @property
    def host_root(self) -> str:
        """The folder in which `read_host` sees the tree of the engine's host."""
        return "" if self.is_local else _HOST_IN_HELPER

    def up(
        self, *, apps: tuple[str, ...] = (), deadline: float | None = None, progress: Progress = silent, held: Lock | None = None
    ) -> Outcome:
        """Apply the differences from the plan, and wait until all services are healthy. Refuses another user's secrets."""
        if isinstance(self.source, FileSource):  # another source has no owner, and may be slow or ask a person
            self.refuse_other_values(known_values(self.stack.secrets, self.source))
        return verbs.up(self._writer, self.stack, self.source, apps=apps, deadline=deadline, progress=progress, held=held)

    def record_secrets_owner(self, owner: str) -> None:
        """Store whose secrets the stack runs on. A record of another file, or of this machine under another name, is replaced."""
        if owner and (line := recordable(self.source, self.secrets_owner())):
            self._writer.replace_record(self.stack.project, {SECRETS_OWNER: line})

    def add_fence(self, fence: Fence) -> None:
        """Keep apps from starting here."""
        self._writer.add_note(self.stack.project, fence.name, {LABEL: fence.text()})

    def remove_fence(self, fence: Fence) -> None:
        """Let the apps of a fence start here again."""
        self._writer.remove_note(self.stack.project, fence.name)

    def down(self, *, apps: tuple[str, ...] = (), progress: Progress = silent, held: Lock | None = None) -> tuple[Change, ...]:
        """Remove containers and networks."""
        return verbs.down(self._writer, self.stack, apps=apps, progress=progress, held=held)

    def restart(
        self, *, apps: tuple[str, ...] = (), deadline: float | None = None, progress: Progress = silent, held: Lock | None = None
    ) -> Outcome:
        """Restart apps in their order."""
        return verbs.restart(self._writer, self.stack, apps=apps, deadline=deadline, progress=progress, held=held)

    def execute(self, app: str, command: Sequence[str], *, interactive: bool, terminal: bool, user: str | None) -> int:
        """Run a command in an app with this process's own input and output."""
        return verbs.execute(self._writer, self.stack, app, command, interactive=interactive, terminal=terminal, user=user)

    def exec_stream(self, app: str, command: Sequence[str], on_line: Callable[[str], None], *, beats: str = "") -> int:
        """Run a command in an app to its end, each line that it prints to `on_line`."""
        seen = current(self._engine.observe(self.stack.project)).get(app)
        if seen is None or seen.state != "running":
            raise DockerError(
                "failed", f"{app} is not running", code="up.not-running", where=self.stack.project, remedy=f"run `portable up {app}`"
            )
        return self._writer.exec_stream(seen.id, command, on_line, beats=beats)

    def end_copies(self, apps: tuple[str, ...], *, held: Lock, progress: Progress = silent) -> None:
        """End copies that a killed `backup --stop` left running."""
        verbs.end_copies(self._writer, self.stack, apps, held=held, progress=progress)

    def heal(self, *, deadline: float | None = None, progress: Progress = silent) -> Outcome:
        """Start, restart or recreate the services that `examine` names."""
        return heal.heal(self._writer, self.stack, self.source, deadline=deadline, progress=progress)

    def watch(self, reopen: Reopen, *, every: float, progress: Progress = silent) -> None:
        """Heal every `every` seconds until this process ends."""

        def opened() -> tuple[ComposeStack, Source]:
            stack, source = reopen()
            assert isinstance(stack, ComposeStack)
            return stack, source

        heal.Healer(opened, every=every, progress=progress).run(self._writer)

    def bring(self, needs: Sequence[ImageNeed], *, progress: Progress = silent) -> None:
        """Pull or build missing images."""
        images.resolve(self._writer, needs, recipes=recipes_of(self.stack.recipes), progress=progress)

    def build_images(self, recipes: Sequence[str] = (), *, progress: Progress = silent) -> tuple[Change, ...]:
        """Rebuild images from these recipes."""
        return images.build(self._writer, recipes, self.stack.images, recipes=recipes_of(self.stack.recipes), progress=progress)

    def read_host(self, script: str, arguments: Sequence[str]) -> str:
        """The output of a script on this machine, or in a helper on the engine's host."""
        if not self.is_local:
            return self._writer.on_host(self._tools_image(), script, arguments)
        # The script expects numbers in the C locale.
        environment = {**os.environ, "LC_ALL": "C"}
        return subprocess.run(["sh", "-c", script, "sh", *arguments], capture_output=True, text=True, check=False, env=environment).stdout

    def run_as_host(self, script: str, arguments: Sequence[str]) -> str:
        """The output of a script that runs as root in the host's own tree, in a helper."""
        return self._writer.run_as_host(self._tools_image(), script, arguments)

    def view(self, plan: Plan) -> View:
        """The stack in the form that contracts check."""
        return ComposeView(self._writer, plan, self._tools_image, names=self.stack.names)

    def network(self, plan: Plan) -> AbstractContextManager[Network]:
        """The project's network, reached through a helper container."""
        return ComposeNetwork(self._writer, plan, self._effective_tools(plan))

    def _effective_tools(self, plan: Plan) -> str:
        tools = plan.tools.image.reference
        needs = [need for need in self.stack.images if need.reference == tools]
        return images.foresee(self._engine, needs, recipes_of(self.stack.recipes)).effective.get(tools, tools)

    def _tools_image(self) -> str:
        """The image for a helper container. Raises PortableError where the engine does not have it yet."""
        assert self.stack.plan is not None  # only stacks in tests have no plan
        image = self._effective_tools(self.stack.plan)
        if not self._engine.image_ids([image]):
            raise PortableError(
                "the tools image, from which portable starts its helper containers, is missing",
                code="up.tools-image",
                where=self.where,
                remedy="run `portable up`, which pulls or builds it",
            )
        return image


def opened(stack: ComposeStack, source: Source, address: Address) -> OpenedStack:
    """A stack on the engine at that address, not connected yet."""
    return OpenedStack(
        stack=stack,
        where=address.url,
        is_local=address.is_local,
        reader=lambda hide: ComposeReader(EngineReader(address, hide=hide), stack, source),
        driver=lambda hide: ComposeDriver(Engine(address, hide=hide), stack, source),
    )
