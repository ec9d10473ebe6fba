"""What contracts look at: a stack as it runs, whatever runs it. A back end has one class that can be looked at so."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from portable.backends.common import Placed
from portable.model.base import Struct
from portable.model.plan import Plan
from portable.model.rights import ImageSettings, PlannedContainer, Rights


class Said(Struct, frozen=True, kw_only=True):
    """What a command inside a container gave."""

    code: int | None
    """None: it did not end in time, could not begin, or its answer did not come whole; `text` says which."""
    text: str
    """All that it printed, or why that is not known."""
    hangs: bool = False
    """Whether it did not end in time."""

    @property
    def done(self) -> bool:
        """Whether it ended well."""
        return self.code == 0


class Published(Struct, frozen=True, order=True, kw_only=True):
    """A port of the host that leads into a container."""

    address: str
    number: int
    protocol: str
    inside: int


class Runs(Struct, frozen=True, kw_only=True):
    """A container as it runs."""

    state: str
    """running, or what it is instead: exited, restarting, paused, created, missing."""
    health: str = ""
    """healthy, starting or unhealthy; empty where nothing asks it."""
    said: str = ""
    """Why it is not well, in the words of its check or of the engine."""
    since: float = 0.0
    """When it was started, in seconds since 1970 by the clock of its host; 0 where that is not known."""
    environment: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    mounts: Mapping[str, str] = {}
    """By path inside: the folder of the host, or the name of the volume, that is seen there."""
    published: tuple[Published, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    rights: Rights = Rights()
    image: ImageSettings | None = None
    """The settings of its image; None where they are not known."""

    @property
    def is_running(self) -> bool:
        """Whether commands can be run in it."""
        return self.state == "running"


class Other(Struct, frozen=True, kw_only=True):
    """A container of the stack that the plan does not know: of an app that left, a second one, or one that somebody added."""

    name: str
    state: str
    published: tuple[Published, ...] = ()


class HostFolder(Struct, frozen=True, kw_only=True):
    """A folder of the host as it lies there now."""

    identity: str
    """`device:inode` in decimal digits; empty where there is none to be seen."""
    mounted: bool = False
    """Whether it is the root of a file system of its own."""


class View(Protocol):
    """A stack that can be looked at, and asked inside."""

    plan: Plan
    here: bool
    """Whether this machine is the one that it runs on, so that its loopback addresses and folders are this machine's."""
    host: str
    """Where its host is called from here, as it stands in a web address."""

    def look(self, placed: Placed) -> Runs:
        """How that container is now."""
        ...

    def planned(self, placed: Placed) -> PlannedContainer:
        """Its settings by design of the back end."""
        ...

    def guests(self, placed: Placed) -> Sequence[str]:
        """Names of the containers in its network that do not belong to the stack."""
        ...

    def on_host(self, folders: Sequence[str]) -> Mapping[str, HostFolder] | None:
        """Each of those folders of the host; None where the host can't be looked at from here."""
        ...

    def others(self) -> Sequence[Other]:
        """What is there of the stack, and no part of the plan."""
        ...

    def inside(self, placed: Placed, command: Sequence[str], *, user: str | None = None, seconds: float = 20.0) -> Said:
        """Run a command in it; nothing of what it may hang on hangs this."""
        ...

    def logs(self, placed: Placed, lines: int) -> str:
        """The last lines that it wrote, as they are: secrets in them are what is looked for."""
        ...

    def dated_logs(self, placed: Placed, lines: int) -> Sequence[tuple[float, str]]:
        """The last lines that it wrote since it was started, each with its moment in seconds since 1970."""
        ...
