"""The state of a running stack in the form that contracts check. Each driver implements `View`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from portable.backends.common import PlacedContainer
from portable.model.base import Struct
from portable.model.plan import Plan, Volume
from portable.model.rights import ImageSettings, PlannedContainer, Rights
from portable.model.secret_refs import SecretRef


class CommandResult(Struct, frozen=True, kw_only=True):
    """The result of a command inside a container."""

    code: int | None
    """None if it did not end in time, could not start, or its output was cut short; `text` says which."""
    text: str
    """Its output, or why that is unknown."""
    hangs: bool = False
    """Whether it did not end in time."""

    @property
    def done(self) -> bool:
        """Whether its exit code is 0."""
        return self.code == 0


class PublishedAddress(Struct, frozen=True, order=True, kw_only=True):
    """A published port of a container."""

    address: str
    number: int
    protocol: str
    inside: int


class ContainerState(Struct, frozen=True, kw_only=True):
    """The state of a container."""

    state: str
    """running, exited, restarting, paused, created or missing; scheduled for a job between its runs."""
    health: str = ""
    """healthy, starting or unhealthy; empty without a health check."""
    said: str = ""
    """Why it is not healthy, in the words of its health check or of the engine."""
    since: float = 0.0
    """Start time in seconds since 1970, by the clock of its host; 0 if unknown."""
    environment: Mapping[str, str] = {}
    secret_env: Mapping[str, SecretRef] = {}
    """Variables whose values the engine reads from secrets, where it shows the reference instead of the value."""
    has_image_variables: bool = True
    """Whether `environment` includes the variables of the image."""
    labels: Mapping[str, str] = {}
    mounts: Mapping[str, str] = {}
    """By path inside: the mounted folder of the host, or the engine's name of the volume."""
    published: tuple[PublishedAddress, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    rights: Rights = Rights()
    image: ImageSettings | None = None
    """The settings of its image; None if unknown."""

    @property
    def is_running(self) -> bool:
        """Whether commands can run in it."""
        return self.state == "running"

    @property
    def is_idle(self) -> bool:
        """Whether it rightly does not run now."""
        return self.state == "scheduled"


class ExtraContainer(Struct, frozen=True, kw_only=True):
    """A container of the stack that is not in the plan: of a removed app, a second one, or one that somebody added."""

    name: str
    state: str
    published: tuple[PublishedAddress, ...] = ()
    remedy: str = ""
    """How it goes away, where `up` does not remove it."""


class HostFolder(Struct, frozen=True, kw_only=True):
    """The state of a folder on the host."""

    identity: str
    """`device:inode` in decimal digits; empty if the folder does not exist."""
    mounted: bool = False
    """Whether it is the root of a file system of its own."""


class View(Protocol):
    """A running stack, whose containers can be inspected and can run commands."""

    plan: Plan
    here: bool
    """Whether it runs on this machine, so that its loopback addresses and folders are those of this machine."""
    host: str
    """The address of its host from here, in the form of a URL; empty for a cluster."""
    one_host: bool
    """Whether all containers run on one host, so that a device number means the same in each."""
    lan: tuple[str, ...]
    """Addresses of its host on the LAN, if that is this machine; empty if it has none, or runs elsewhere."""
    names: tuple[str, ...]
    """The names and addresses by which people reach its host, as the profile has them."""

    def look(self, placed: PlacedContainer) -> ContainerState:
        """The state of a container."""
        ...

    def planned(self, placed: PlacedContainer) -> PlannedContainer:
        """The planned settings of a container, by its back end."""
        ...

    def source(self, volume: Volume) -> str | None:
        """What `mounts` shows for a volume; None if the engine chooses it."""
        ...

    def guests(self, placed: PlacedContainer) -> Sequence[str]:
        """Names of the containers in its network that do not belong to the stack."""
        ...

    def guest_remedy(self, placed: PlacedContainer, name: str) -> str:
        """The command that ends one of the `guests`."""
        ...

    def on_host(self, folders: Sequence[str]) -> Mapping[str, HostFolder] | None:
        """The state of folders on the host; None if the host cannot be read from here."""
        ...

    def others(self) -> Sequence[ExtraContainer]:
        """Containers of the stack that are not in the plan."""
        ...

    def inside(self, placed: PlacedContainer, command: Sequence[str], *, user: str | None = None, seconds: float = 20.0) -> CommandResult:
        """Run a command in a container. A command that hangs does not block the caller longer than `seconds`."""
        ...

    def logs(self, placed: PlacedContainer, lines: int) -> str:
        """The last lines of its log, secrets included: contracts search for them."""
        ...

    def dated_logs(self, placed: PlacedContainer, lines: int) -> Sequence[tuple[float, str]]:
        """The last lines of its log since its start, as (seconds since 1970, text)."""
        ...
