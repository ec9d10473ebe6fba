"""The observed state of an engine, and the labels of its containers."""

from collections.abc import Mapping
from typing import Any

from portable.model.base import Struct

PROJECT, SERVICE, HASH, REPLACES, DEPENDS = (
    "com.docker.compose." + name for name in ("project", "service", "config-hash", "replace", "depends_on")
)
HELPER = "portable.helper"
"""Label of a helper container of portable."""
ONE_OFF, FOLDER = "com.docker.compose.oneoff", "com.docker.compose.project.working_dir"


class ObservedContainer(Struct, frozen=True, kw_only=True):
    """A container, from the engine's description."""

    id: str
    name: str
    service: str
    state: str
    """created, running, restarting, paused, exited, removing or dead."""
    health: str | None = None
    """starting, healthy or unhealthy; None without a health check."""
    health_output: str = ""
    unwell_at: str = ""
    """Start of the last health check of an unhealthy container; empty for others, so that healthy ones compare equal."""
    exit_code: int = 0
    out_of_memory: bool = False
    restarts: int = 0
    started_at: str = ""
    finished_at: str = ""
    image: str = ""
    """The reference of the image that it was created from."""
    image_id: str = ""
    config_hash: str = ""
    labels: Mapping[str, str] = {}
    """Its labels `portable.*`."""
    replaces: str | None = None
    """Id of the container that this one replaces, while Compose has not finished that."""
    depends_on: tuple[str, ...] = ()
    joins: str | None = None
    """Id of the container whose network namespace it shares."""
    networks: tuple[str, ...] = ()
    anonymous_volumes: bool = False
    error: str = ""
    """Why the engine could not start it."""
    foreign: bool = False
    """Whether portable did not create it, although its project has this name."""

    @property
    def app(self) -> str:
        """The app of the container, from its label; its service if it has none."""
        return self.labels.get("portable.app", self.service)


class ObservedNetwork(Struct, frozen=True, kw_only=True):
    """A network of the project."""

    id: str
    name: str
    key: str
    subnets: tuple[str, ...] = ()
    in_use: bool = False
    """Known only if another network has the same name."""


class Observed(Struct, frozen=True, kw_only=True):
    """The state of a project on an engine at one moment."""

    containers: tuple[ObservedContainer, ...] = ()
    networks: tuple[ObservedNetwork, ...] = ()
    images: Mapping[str, str] = {}
    """Reference to image id, for the requested images that exist."""


class Neighbour(Struct, frozen=True, kw_only=True):
    """A running container of any project, with the folders of the host that it may write."""

    container: str
    project: str
    """Empty if Compose did not create it."""
    app: str
    """From the label of portable; empty for foreign containers."""
    folders: Mapping[str, str] = {}
    """Folder of the host to its path in the container."""


class Described(Struct, frozen=True, kw_only=True):
    """The settings of a container with all values: compared, never shown."""

    environment: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    mounts: Mapping[str, str] = {}
    """By path inside: the folder of the host, or the name of the volume."""
    name_servers: tuple[str, ...] = ()
    """The name servers that it was created with; empty if it uses those of the engine."""
    published: tuple[tuple[str, int, str, int], ...] = ()
    """Address and port of the host, protocol, and the port inside."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    whole: Mapping[str, Any] = {}
    """The engine's whole description."""


class Versions(Struct, frozen=True, kw_only=True):
    """The versions of the engine, its API, and the Compose plug-in on this machine."""

    engine: str
    api: str
    compose: str
