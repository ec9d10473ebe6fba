"""What an engine is seen to have, as it is told to the rest of the program; and the labels by which its own are known."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from portable.model.base import Struct

PROJECT, SERVICE, HASH, REPLACES, DEPENDS = (
    "com.docker.compose." + name for name in ("project", "service", "config-hash", "replace", "depends_on")
)
HELPER = "portable.helper"
"""Label of a container that only looks, and is gone when it has."""
ONE_OFF, FOLDER = "com.docker.compose.oneoff", "com.docker.compose.project.working_dir"


def seconds_of(moment: str) -> float:
    """A moment of the engine's clock as seconds since 1970; 0 for a text that is not a moment."""
    try:
        return datetime.fromisoformat(moment.removesuffix("Z")[:26]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


class Seen(Struct, frozen=True, kw_only=True):
    """A container as the engine shows it."""

    id: str
    name: str
    service: str
    state: str
    """created, running, restarting, paused, exited, removing or dead."""
    health: str | None = None
    """starting, healthy or unhealthy; None where the container has no check."""
    health_output: str = ""
    unwell_at: str = ""
    """When the last check began of one that is unhealthy; empty where it is not, so that what is well stays equal."""
    exit_code: int = 0
    out_of_memory: bool = False
    restarts: int = 0
    started_at: str = ""
    finished_at: str = ""
    image: str = ""
    """The reference that it was created from."""
    image_id: str = ""
    config_hash: str = ""
    labels: Mapping[str, str] = {}
    """Those of this project's own: `portable.*`."""
    replaces: str | None = None
    """Id of the container that this one was made to replace, while Compose had not finished that."""
    depends_on: tuple[str, ...] = ()
    joins: str | None = None
    """Id of the container whose network namespace it shares."""
    networks: tuple[str, ...] = ()
    anonymous_volumes: bool = False
    error: str = ""
    """Why the engine could not start it."""
    foreign: bool = False
    """Somebody else's Compose made it, under a project of the same name."""

    @property
    def app(self) -> str:
        """Whose it is, as its label says; by its service where it has none."""
        return self.labels.get("portable.app", self.service)


class SeenNetwork(Struct, frozen=True, kw_only=True):
    """A network of the project."""

    id: str
    name: str
    key: str
    subnets: tuple[str, ...] = ()
    in_use: bool = False
    """Told only where another network has the same name."""


class Observed(Struct, frozen=True, kw_only=True):
    """What the engine has of a project, at one moment."""

    containers: tuple[Seen, ...] = ()
    networks: tuple[SeenNetwork, ...] = ()
    images: Mapping[str, str] = {}
    """Reference to image id, for those asked for that are there."""


class Neighbour(Struct, frozen=True, kw_only=True):
    """A running container of any project, by what it shares with others: labels, and folders of the host that it may write."""

    container: str
    project: str
    """Empty where no Compose made it."""
    app: str
    """As portable labels it; empty for what is not portable's."""
    folders: Mapping[str, str] = {}
    """Where in the container each folder of the host is."""


class Described(Struct, frozen=True, kw_only=True):
    """What a container was given, values and all: never shown, only compared."""

    environment: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    mounts: Mapping[str, str] = {}
    """By path inside: the folder of the host, or the name of the volume."""
    name_servers: tuple[str, ...] = ()
    """Those that it was made with; none where it has the engine's."""
    published: tuple[tuple[str, int, str, int], ...] = ()
    """Address and port of the host, protocol, and the port inside."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    whole: Mapping[str, Any] = {}
    """All that the engine tells of it."""


class Versions(Struct, frozen=True, kw_only=True):
    """Of the engine, its API, and the Compose plug-in on this machine."""

    engine: str
    api: str
    compose: str
