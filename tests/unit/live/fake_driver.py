"""A driver without an engine, for unit tests of everything above the protocol. It passes the contract of drivers."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

from portable.live.driver import Reopen, StackDriver, StackReader
from portable.live.image_needs import ImageNeed
from portable.live.network import Network
from portable.live.results import ImageStatus, LogLine, Outcome, Repairs, ServiceStatus
from portable.live.stack import Stack
from portable.live.view import View
from portable.local.lock import Lock, locked
from portable.model.base import Struct
from portable.model.changes import Change
from portable.model.engine_facts import EngineFacts
from portable.model.errors import EngineError, UsageError
from portable.model.plan import Plan
from portable.model.ports import PublishedPort
from portable.model.progress import Event, Progress, silent
from portable.model.registry import Offered
from portable.secrets.sources import Source
from portable.secrets.values import Resolved


class FakeApp(Struct, frozen=True, kw_only=True):
    """An app of the fake: what it needs, what it writes, and how its commands end."""

    image: str = "registry.test/app:1"
    after: tuple[str, ...] = ()
    owner: str | None = None
    """The app whose network it shares."""
    ends: bool = False
    says: tuple[str, ...] = ()


class World:
    """What runs, shared by a reader and a driver of one stack."""

    def __init__(self, apps: Mapping[str, FakeApp], hidden: Sequence[str] = ()) -> None:
        self.apps, self.hidden = dict(apps), tuple(hidden)
        self.states: dict[str, str] = {}
        self.written: list[LogLine] = []
        self.network = False

    def start(self, name: str) -> None:
        """Start an app."""
        app = self.apps[name]
        self.states[name] = "exited" if app.ends else "running"
        for text in app.says:
            self.written.append(LogLine(service=name, text=text, moment=f"{len(self.written):09}"))

    def needed(self, names: Sequence[str]) -> list[str]:
        """These apps and those that they need, in order of start."""
        found: list[str] = []

        def visit(name: str) -> None:
            app = self.apps[name]
            for other in (*app.after, *((app.owner,) if app.owner else ())):
                visit(other)
            if name not in found:
                found.append(name)

        for name in names:
            visit(name)
        return found

    def with_sharers(self, names: Sequence[str]) -> list[str]:
        """These apps and those in their network."""
        return [name for name, app in self.apps.items() if name in names or app.owner in names]


class FakeReader(StackReader):
    """The fake, to look at only."""

    def __init__(self, world: World, stack: Stack, source: Source) -> None:
        self.world, self.stack, self.source = world, stack, source
        self.where, self.is_local = "fake://engine", True

    def rebound(self, stack: Stack, source: Source) -> Self:
        again = copy.copy(self)
        again.stack, again.source = stack, source
        return again

    def close(self) -> None:
        """Nothing is open."""

    def hide(self, text: str) -> str:
        for value in self.world.hidden:
            text = text.replace(value, "<secret>")
        return text

    def check(self) -> str:
        return "a fake engine"

    def apps(self) -> tuple[str, ...]:
        return tuple(sorted(self.world.apps))

    def _known(self, apps: Sequence[str]) -> None:
        if unknown := [app for app in apps if app not in self.world.apps]:
            raise UsageError(f"no app {', '.join(unknown)}", code="up.unknown-app", remedy=f"use one of: {', '.join(self.apps())}")

    def _is_well(self, name: str) -> bool:
        return self.world.states.get(name) == ("exited" if self.world.apps[name].ends else "running")

    def diff(self, *, apps: tuple[str, ...] = (), resolved: Resolved | None = None) -> tuple[Change, ...]:
        self._known(apps)
        wanted = self.world.needed(apps or self.apps())
        return tuple(
            Change(kind="start" if name in self.world.states else "create", service=name, app=name, cause="it does not run")
            for name in wanted
            if not self._is_well(name)
        )

    def rehearse(self, *, apps: tuple[str, ...] = (), resolved: Resolved) -> tuple[Change, ...]:
        return self.diff(apps=apps, resolved=resolved)

    def status(self, *, inside: bool = False) -> tuple[ServiceStatus, ...]:
        rows = []
        for name in self.apps():
            state = self.world.states.get(name, "missing")
            state = "finished" if self.world.apps[name].ends and state == "exited" else state
            reason = "" if self._is_well(name) else f"it is {state}"
            shares = any(app.owner == name for app in self.world.apps.values())
            health = "healthy" if shares and state == "running" else "-"
            rows.append(
                ServiceStatus(
                    app=name, service=name, state=state, health=health, since="", reason=reason, image=self.world.apps[name].image
                )
            )
        return tuple(rows)

    def has_logs(self, apps: tuple[str, ...] = ()) -> bool:
        self._known(apps)
        return any(name in self.world.states for name in apps or self.apps())

    def logs(self, *, apps: tuple[str, ...] = (), tail: int | None = None, follow: bool = False) -> Iterator[LogLine]:
        self._known(apps)
        chosen = [line for line in self.world.written if not apps or line.service in apps]
        for line in chosen if tail is None else chosen[len(chosen) - tail :]:
            yield LogLine(service=line.service, text=self.hide(line.text), moment=line.moment)

    def state_of(self, app: str) -> str:
        return self.world.states.get(app, "missing")

    def running_with(self, app: str) -> set[str]:
        return {name for name in self.world.with_sharers([app]) if self.world.states.get(name) == "running"}

    def service_images(self) -> dict[str, tuple[str, str]]:
        return {name: (name, self.world.apps[name].image) for name in self.world.states}

    def images_in_use(self) -> set[tuple[str, str]]:
        return {(name, self.world.apps[name].image) for name in self.world.states}

    def image_table(self) -> tuple[ImageStatus, ...]:
        by_image: dict[str, list[str]] = {}
        for name in self.apps():
            by_image.setdefault(self.world.apps[name].image, []).append(name)
        return tuple(
            ImageStatus(reference=image, apps=tuple(apps), present=True, recipe=None, built=None, outcome="there")
            for image, apps in sorted(by_image.items())
        )

    def offered(self, reference: str) -> Offered:
        return Offered(why="unknown")

    def examine(self) -> Repairs:
        crashed = [name for name, state in self.world.states.items() if state == "exited" and not self.world.apps[name].ends]
        return Repairs(changes=tuple(Change(kind="start", service=name, app=name, cause="it crashed") for name in crashed))

    def name_servers(self) -> Mapping[str, tuple[str, ...]]:
        return {}

    def published_ports(self) -> tuple[PublishedPort, ...]:
        return ()

    def engine_facts(self) -> EngineFacts | None:
        """A fake has no engine to ask."""
        return None

    def data_folder(self) -> str:
        return ""


class FakeDriver(FakeReader, StackDriver):
    """The fake, with the methods that write."""

    host_root = ""

    def up(
        self, *, apps: tuple[str, ...] = (), deadline: float | None = None, progress: Progress = silent, held: Lock | None = None
    ) -> Outcome:
        self._known(apps)
        with locked(self.stack.project, "up", progress=progress, held=held, wait=0):
            changes = self.diff(apps=apps)
            for change in changes:
                progress(Event(what="doing", subject=change.service, text=change.cause))
                self.world.start(change.service)
        return Outcome(changes=changes, rows=self.status())

    def down(self, *, apps: tuple[str, ...] = (), progress: Progress = silent, held: Lock | None = None) -> tuple[Change, ...]:
        self._known(apps)
        with locked(self.stack.project, "down", progress=progress, held=held, wait=0):
            gone = [name for name in self.world.with_sharers(apps or self.apps()) if name in self.world.states]
            for name in gone:
                del self.world.states[name]
        return tuple(Change(kind="remove", service=name, app=name, cause="asked for") for name in gone)

    def restart(
        self, *, apps: tuple[str, ...] = (), deadline: float | None = None, progress: Progress = silent, held: Lock | None = None
    ) -> Outcome:
        self._known(apps)
        names = [name for name in self.world.with_sharers(apps or self.apps()) if not self.world.apps[name].ends]
        if missing := [name for name in names if name not in self.world.states]:
            raise EngineError(f"not created: {', '.join(missing)}", code="up.not-created", remedy="run `portable up`")
        with locked(self.stack.project, "restart", progress=progress, held=held, wait=0):
            for name in names:
                self.world.start(name)
        return Outcome(
            changes=tuple(Change(kind="restart", service=name, app=name, cause="asked for") for name in names), rows=self.status()
        )

    def execute(self, app: str, command: Sequence[str], *, interactive: bool, terminal: bool, user: str | None) -> int:
        return self.exec_stream(app, command, lambda _: None)

    def exec_stream(self, app: str, command: Sequence[str], on_line: Callable[[str], None], *, beats: str = "") -> int:
        """Understands `echo` and `exit` of a shell, which is what tests ask."""
        if self.state_of(app) != "running":
            raise EngineError(f"{app} is not running", code="up.not-running", remedy=f"run `portable up {app}`")
        for part in command[-1].split("; "):
            word, _, rest = part.partition(" ")
            if word == "echo":
                on_line(rest)
            if word == "exit":
                return int(rest)
        return 0

    def end_copies(self, apps: tuple[str, ...], *, held: Lock, progress: Progress = silent) -> None:
        """Nothing copies."""

    def heal(self, *, deadline: float | None = None, progress: Progress = silent) -> Outcome:
        changes = self.examine().changes
        for change in changes:
            self.world.start(change.service)
        return Outcome(changes=changes, rows=self.status())

    def watch(self, reopen: Reopen, *, every: float, progress: Progress = silent) -> None:
        self.stack, self.source = reopen()
        self.heal(progress=progress)

    def bring(self, needs: Sequence[ImageNeed], *, progress: Progress = silent) -> None:
        """Every image is there."""

    def build_images(self, recipes: Sequence[str] = (), *, progress: Progress = silent) -> tuple[Change, ...]:
        return tuple(Change(kind="build", service=name, cause="it was asked for") for name in recipes)

    def read_host(self, script: str, arguments: Sequence[str]) -> str:
        return ""

    def run_as_host(self, script: str, arguments: Sequence[str]) -> str:
        return ""

    def view(self, plan: Plan) -> View:
        raise NotImplementedError

    def network(self, plan: Plan) -> AbstractContextManager[Network]:
        nothing: Any = nullcontext()
        return nothing  # type: ignore[no-any-return]
