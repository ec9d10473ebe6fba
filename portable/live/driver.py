"""The driver protocol: everything above an engine speaks to a `StackReader`, which looks, or to a `StackDriver`, which also writes.

One driver per kind of engine implements it, in a package of its own (`live/compose`). The same contract suite runs over all of them.
A method that writes can be killed at any moment, and completes when it is called again. Every method raises PortableError for a person.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from portable.live.image_needs import ImageNeed
from portable.live.network import Network
from portable.live.results import Ailing, ImageStatus, LogLine, Outcome, ServiceStatus
from portable.live.stack import Stack
from portable.live.view import View
from portable.local.lock import Lock
from portable.model.changes import Change
from portable.model.plan import Plan
from portable.model.ports import PublishedPort
from portable.model.progress import Progress, silent
from portable.model.registry import Offered
from portable.secrets.sources import Source
from portable.secrets.values import Resolved

Reopen = Callable[[], tuple[Stack, Source]]
"""Reads the files of a place again."""


class StackReader(ABC):
    """A stack on an engine, to look at only: no method writes. `--dry-run`, `diff` and `status` get this."""

    stack: Stack
    source: Source
    where: str
    """The engine, as messages name it."""
    is_local: bool
    """Whether the engine runs on this machine, so that its loopback addresses and folders are this machine's."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def rebound(self, stack: Stack, source: Source) -> Self:
        """The same connection, for the stack as its files say it now."""

    @abstractmethod
    def close(self) -> None:
        """Close connections; the stack stays as it is."""

    @abstractmethod
    def hide(self, text: str) -> str:
        """The text without the values of secrets."""

    @abstractmethod
    def check(self) -> str:
        """The versions of the engine and of what drives it, as a sentence. Raises EngineError where they are absent or too old."""

    @abstractmethod
    def apps(self) -> tuple[str, ...]:
        """The names of the stack's apps."""

    @abstractmethod
    def diff(self, *, apps: tuple[str, ...] = (), resolved: Resolved | None = None) -> tuple[Change, ...]:
        """The changes that `up` would make; `resolved` are values of secrets that do not exist yet."""

    @abstractmethod
    def status(self, *, inside: bool = False) -> tuple[ServiceStatus, ...]:
        """The state of every service. With `inside` gateways are asked for their tunnels too."""

    @abstractmethod
    def has_logs(self, apps: tuple[str, ...] = ()) -> bool:
        """Whether one of these apps was ever started."""

    @abstractmethod
    def logs(self, *, apps: tuple[str, ...] = (), tail: int | None = None, follow: bool = False) -> Iterator[LogLine]:
        """Lines that the apps wrote, in order of time, without secrets. With `follow`, until all have stopped."""

    @abstractmethod
    def state_of(self, app: str) -> str:
        """The state of an app's own container: running, exited, ..., or missing."""

    @abstractmethod
    def running_with(self, app: str) -> set[str]:
        """The apps that run and go down together with that one: itself, and those that share its network."""

    @abstractmethod
    def images_in_use(self) -> set[tuple[str, str]]:
        """App and image of each container that exists."""

    @abstractmethod
    def image_table(self) -> tuple[ImageStatus, ...]:
        """The state of each image that the stack needs. Asks no registry."""

    @abstractmethod
    def offered(self, reference: str) -> Offered:
        """The digest that a registry has under a repository and tag, or why it gave none."""

    @abstractmethod
    def examine(self) -> Ailing:
        """The changes that `heal` would make."""

    @abstractmethod
    def name_servers(self) -> Mapping[str, tuple[str, ...]]:
        """The name servers that each app's container was made with."""

    @abstractmethod
    def published_ports(self) -> tuple[PublishedPort, ...]:
        """Ports of the engine's host that running containers publish, of every project."""

    @abstractmethod
    def data_folder(self) -> str:
        """The folder of the engine's host in which images and containers lie; empty where there is none."""


class StackDriver(StackReader):
    """A stack on an engine, with the methods that write."""

    @abstractmethod
    def up(
        self, *, apps: tuple[str, ...] = (), deadline: float | None = None, progress: Progress = silent, held: Lock | None = None
    ) -> Outcome:
        """Start what differs from the plan, and wait until all is healthy, for at most `deadline` seconds."""

    @abstractmethod
    def down(self, *, apps: tuple[str, ...] = (), progress: Progress = silent, held: Lock | None = None) -> tuple[Change, ...]:
        """Remove workloads and networks; volumes, folders and secrets never."""

    @abstractmethod
    def restart(
        self, *, apps: tuple[str, ...] = (), deadline: float | None = None, progress: Progress = silent, held: Lock | None = None
    ) -> Outcome:
        """Restart apps in their order, and with a gateway all that share its network; wait until they are healthy."""

    @abstractmethod
    def execute(self, app: str, command: Sequence[str], *, interactive: bool, terminal: bool, user: str | None) -> int:
        """Run a command in an app with this process's own input and output; its exit code."""

    @abstractmethod
    def exec_stream(self, app: str, command: Sequence[str], on_line: Callable[[str], None], *, beats: str = "") -> int:
        """Run a command in an app to its end, each line that it prints to `on_line`; its exit code.

        `beats` is for a command that gives signs of life: it tells a person how to end it where those cease.
        """

    @abstractmethod
    def end_copies(self, apps: tuple[str, ...], *, held: Lock, progress: Progress = silent) -> None:
        """End the copying of these apps' state that a killed `backup --stop` left at work."""

    @abstractmethod
    def heal(self, *, deadline: float | None = None, progress: Progress = silent) -> Outcome:
        """Start, restart or make anew what `examine` names."""

    @abstractmethod
    def watch(self, reopen: Reopen, *, every: float, progress: Progress = silent) -> None:
        """Heal every so many seconds, until this process is ended."""

    @abstractmethod
    def bring(self, needs: Sequence[ImageNeed], *, progress: Progress = silent) -> None:
        """Pull or build these images where they are missing."""

    @abstractmethod
    def build_images(self, recipes: Sequence[str] = (), *, progress: Progress = silent) -> tuple[Change, ...]:
        """Build images anew from these recipes; from all that the stack needs where none is named."""

    @property
    @abstractmethod
    def host_root(self) -> str:
        """The folder in which `read_host` sees the tree of the engine's host; empty where that is this machine."""

    @abstractmethod
    def read_host(self, script: str, arguments: Sequence[str]) -> str:
        """The output of a shell script that only reads, on the engine's host or where its tree is seen at `host_root`."""

    @abstractmethod
    def run_as_host(self, script: str, arguments: Sequence[str]) -> str:
        """The output of a shell script that runs as root in the host's own tree."""

    @abstractmethod
    def view(self, plan: Plan) -> View:
        """The stack as contracts look at it, at one moment."""

    @abstractmethod
    def network(self, plan: Plan) -> AbstractContextManager[Network]:
        """The stack's own network, from which apps are reached by their names."""
