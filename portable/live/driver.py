"""The driver protocol: commands use a `StackReader`, which only reads, or a `StackDriver`, which also writes.

Each kind of engine has one driver, in a package of its own (`live/compose`). The same contract suite tests all of them.
A method that writes can be killed at any moment; the next call completes it. Every method raises PortableError.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from portable.live.fences import Fence
from portable.live.image_needs import ImageNeed
from portable.live.network import Network
from portable.live.results import ImageStatus, LogLine, Outcome, Repairs, ServiceStatus
from portable.live.stack import Stack
from portable.live.view import View
from portable.local.lock import Lock
from portable.model.backups import BACKUP_PROGRAM
from portable.model.changes import Change
from portable.model.contracts import Diagnosis
from portable.model.engine_facts import EngineFacts
from portable.model.errors import PortableError, Refused
from portable.model.plan import Plan
from portable.model.ports import PublishedPort
from portable.model.progress import Progress, silent
from portable.model.registry import Offered
from portable.secrets.sources import Source
from portable.secrets.values import Resolved

Reopen = Callable[[], tuple[Stack, Source]]
"""Reads the files of a profile again."""


class StackReader(ABC):
    """A read-only view of a stack on an engine, for `--dry-run`, `diff` and `status`."""

    stack: Stack
    source: Source
    where: str
    """The name of the engine in messages."""
    is_local: bool
    """Whether the engine runs on this machine, so that its loopback addresses and folders are those of this machine."""
    has_host: bool = True
    """Whether the engine has one host, on which scripts can run."""
    can_list_backups: bool = True
    """Whether the store of backups is read without starting anything."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def rebound(self, stack: Stack, source: Source) -> Self:
        """The same connection with a newly read stack."""

    @abstractmethod
    def close(self) -> None:
        """Close connections; the stack stays as it is."""

    @abstractmethod
    def hide(self, text: str) -> str:
        """The text without the values of secrets."""

    @abstractmethod
    def check(self) -> str:
        """The versions of the engine and its tools, as a sentence. Raises EngineError if one is absent or too old."""

    @abstractmethod
    def apps(self) -> tuple[str, ...]:
        """The names of the stack's apps."""

    @abstractmethod
    def diff(self, *, apps: tuple[str, ...] = (), resolved: Resolved | None = None) -> tuple[Change, ...]:
        """The changes that `up` would make. `resolved` replaces the source of secrets, for values that are not stored yet."""

    @abstractmethod
    def rehearse(self, *, apps: tuple[str, ...] = (), resolved: Resolved) -> tuple[Change, ...]:
        """The changes that `up` would make, with values that are not stored yet.

        Raises every problem that would stop it before its first change, together.
        """

    @abstractmethod
    def status(self, *, inside: bool = False) -> tuple[ServiceStatus, ...]:
        """The state of every service. With `inside`, gateways are also asked for the state of their tunnels."""

    @abstractmethod
    def has_logs(self, apps: tuple[str, ...] = ()) -> bool:
        """Whether one of these apps has a container."""

    @abstractmethod
    def logs(self, *, apps: tuple[str, ...] = (), tail: int | None = None, follow: bool = False) -> Iterator[LogLine]:
        """The apps' log lines in order of time, without secrets. With `follow`, until all apps have stopped."""

    @abstractmethod
    def state_of(self, app: str) -> str:
        """The state of an app's own container: running, exited, ..., or missing."""

    @abstractmethod
    def running_with(self, app: str) -> set[str]:
        """The running apps that stop together with an app: itself, and those that share its network."""

    def service_images(self) -> dict[str, tuple[str, str]]:
        """App and image of each container that exists, by the name of the service as the engine has it."""
        return {}

    @abstractmethod
    def images_in_use(self) -> set[tuple[str, str]]:
        """App and image of each container that exists."""

    @abstractmethod
    def image_table(self) -> tuple[ImageStatus, ...]:
        """The state of each image that the stack needs. Asks no registry."""

    @abstractmethod
    def offered(self, reference: str) -> Offered:
        """The digest that a registry offers for a repository and tag, or why it offers none."""

    @abstractmethod
    def examine(self) -> Repairs:
        """The changes that `heal` would make."""

    def diagnose(self) -> tuple[Diagnosis, ...] | None:
        """The results of the engine's own checks for `doctor`; None if `doctor` examines a host instead."""
        return None

    @abstractmethod
    def name_servers(self) -> Mapping[str, tuple[str, ...]]:
        """The name servers that each app's container was created with."""

    @abstractmethod
    def published_ports(self) -> tuple[PublishedPort, ...]:
        """Ports of the engine's host that running containers publish, of every project."""

    def secrets_owner(self) -> str:
        """The user and the file whose secrets the stack was started with; empty if unknown."""
        return ""

    def refuse_other_values(self, resolved: Resolved) -> None:
        """Raise Refused where the containers run on other values, and were started with another user's file of secrets."""
        del resolved

    def fences(self) -> tuple[Fence, ...]:
        """The fences of moves that keep apps from starting here."""
        return ()

    @abstractmethod
    def data_folder(self) -> str:
        """The folder of the engine's host that holds images and containers; empty if there is none."""

    @abstractmethod
    def engine_facts(self) -> EngineFacts | None:
        """The engine's answers about itself and its networks; None for a cluster, whose nodes differ."""


class StackDriver(StackReader):
    """A stack on an engine, with the methods that write."""

    @abstractmethod
    def up(
        self, *, apps: tuple[str, ...] = (), deadline: float | None = None, progress: Progress = silent, held: Lock | None = None
    ) -> Outcome:
        """Apply the differences from the plan, and wait at most `deadline` seconds until all services are healthy."""

    def record_secrets_owner(self, owner: str) -> None:
        """Store whose secrets the stack runs on."""

    def add_fence(self, fence: Fence) -> None:
        """Keep apps from starting here, for every user of the engine, until `remove_fence`. Repeating it changes nothing."""
        raise Refused("no fence of a move can be kept here", code="migrate.pair", where=fence.to, remedy="use profiles for Docker Compose")

    def remove_fence(self, fence: Fence) -> None:
        """Let the apps of a fence start here again."""

    @abstractmethod
    def down(self, *, apps: tuple[str, ...] = (), progress: Progress = silent, held: Lock | None = None) -> tuple[Change, ...]:
        """Remove workloads and networks, never volumes, folders or secrets."""

    @abstractmethod
    def restart(
        self, *, apps: tuple[str, ...] = (), deadline: float | None = None, progress: Progress = silent, held: Lock | None = None
    ) -> Outcome:
        """Restart apps in order, a gateway with all apps that share its network; wait until they are healthy."""

    @abstractmethod
    def execute(self, app: str, command: Sequence[str], *, interactive: bool, terminal: bool, user: str | None) -> int:
        """Run a command in an app with this process's own input and output; returns its exit code."""

    @abstractmethod
    def exec_stream(self, app: str, command: Sequence[str], on_line: Callable[[str], None], *, beats: str = "") -> int:
        """Run a command in an app to its end, pass each line of its output to `on_line`, and return its exit code.

        `beats` is for a command that gives signs of life: a remedy that tells the user how to end it if they cease.
        """

    def run_backup(
        self,
        runner: str,
        verb: str,
        apps: Sequence[str],
        options: Sequence[str],
        on_line: Callable[[str], None],
        *,
        progress: Progress = silent,
    ) -> int:
        """Run a command of the backup program where it has the state of these apps (default: all) and the store.

        Each line that it prints goes to `on_line`; returns its exit code. `runner` is the app that makes backups.
        Raises PortableError where that does not run.
        """
        del progress
        self.refuse_backup(runner, apps)
        command = [*BACKUP_PROGRAM, verb, *apps, *options, "--json"]
        return self.exec_stream(runner, command, on_line, beats=f"`portable restart {runner}` ends it")

    def refuse_backup(self, runner: str, apps: Sequence[str]) -> None:
        """Raise PortableError if the state of these apps could not be copied even while they are stopped."""
        del apps
        if self.state_of(runner) != "running":
            raise PortableError(
                f"backups are made by the app {runner}, which is not running",
                code="backup.not-running",
                where=self.stack.project,
                remedy=f"run `portable up {runner}`, then this command again",
            )

    def run_scheduled(self, app: str, command: Sequence[str], on_line: Callable[[str], None], *, progress: Progress = silent) -> int:
        """Run the command of an app on a schedule now; each line that it prints goes to `on_line`. Returns its exit code.

        Raises PortableError where the app does not run.
        """
        del progress
        if self.state_of(app) != "running":
            remedy = f"start it with `portable up {app}`"
            raise PortableError("not running", code="up.not-running", where=self.stack.project, remedy=remedy)
        return self.exec_stream(app, command, on_line)

    def refuse_stop(self, apps: tuple[str, ...]) -> None:
        """Raise Refused if these apps cannot be stopped for work on their state."""

    def stop(self, *, apps: tuple[str, ...], why: str, progress: Progress = silent, held: Lock | None = None) -> None:
        """Stop apps for work on their state, until `up`. `why` names the command."""
        del why
        self.down(apps=apps, progress=progress, held=held)

    def start_again(self, apps: tuple[str, ...], *, progress: Progress = silent, held: Lock | None = None) -> None:
        """Start apps that `stop` ended, and wait until they are ready."""
        self.up(apps=apps, progress=progress, held=held)

    def paused_with(self, app: str) -> set[str]:
        """The apps that `stop` ended together with an app and that no command started again, where the engine knows it."""
        del app
        return set()

    def note_restore(self, app: str, at: str | None) -> None:
        """Note on the engine that an app is being restored from a backup, or with None that it may run, where the engine can."""

    def noted_restore(self, app: str) -> str:
        """The backup from which an app is being restored, where the engine knows it; empty if none or unknown."""
        del app
        return ""

    def exclusive(self, doing: str) -> AbstractContextManager[object]:
        """Keep commands of other machines out while a block runs, where the engine can."""
        del doing
        return contextlib.nullcontext()

    @abstractmethod
    def end_copies(self, apps: tuple[str, ...], *, held: Lock, progress: Progress = silent) -> None:
        """End copies of these apps' state that a killed `backup --stop` left running."""

    @abstractmethod
    def heal(self, *, deadline: float | None = None, progress: Progress = silent) -> Outcome:
        """Start, restart or recreate the services that `examine` names."""

    @abstractmethod
    def watch(self, reopen: Reopen, *, every: float, progress: Progress = silent) -> None:
        """Heal every `every` seconds until this process ends."""

    @abstractmethod
    def bring(self, needs: Sequence[ImageNeed], *, progress: Progress = silent) -> None:
        """Pull or build missing images."""

    @abstractmethod
    def build_images(self, recipes: Sequence[str] = (), *, progress: Progress = silent) -> tuple[Change, ...]:
        """Rebuild images from these recipes (default: all that the stack needs)."""

    @property
    @abstractmethod
    def host_root(self) -> str:
        """The folder in which `read_host` sees the file tree of the engine's host; empty if that is this machine."""

    @abstractmethod
    def read_host(self, script: str, arguments: Sequence[str]) -> str:
        """The output of a shell script that only reads the engine's host, whose file tree is at `host_root`."""

    @abstractmethod
    def run_as_host(self, script: str, arguments: Sequence[str]) -> str:
        """The output of a shell script that runs as root in the host's own file tree."""

    @abstractmethod
    def view(self, plan: Plan) -> View:
        """A snapshot of the running stack, for the contracts of `verify`."""

    @abstractmethod
    def network(self, plan: Plan) -> AbstractContextManager[Network]:
        """The stack's own network, in which apps have their names."""
