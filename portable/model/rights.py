"""The variables, program and rights of a container, as planned and as it runs."""

from collections.abc import Mapping

from portable.model.base import Struct
from portable.model.plan import Text


class Rights(Struct, frozen=True, kw_only=True):
    """The privileges of a container, and the networks and folders that it reaches. Texts are for a person, and compare by themselves."""

    privileged: bool = False
    capabilities: frozenset[str] = frozenset()
    """Without `CAP_`."""
    devices: frozenset[str] = frozenset()
    """Paths on the host."""
    network: str = ""
    """Where its namespace comes from: `the network of SERVICE`, `its own`, `none`, `the host's`, or another container's."""
    networks: frozenset[str] = frozenset()
    """Those that its own namespace is on."""
    name_servers: tuple[str, ...] = ()
    """Configured ones; empty where the engine decides."""
    hosts: frozenset[str] = frozenset()
    """Entries of its hosts file: `NAME ADDRESS`."""
    namespaces: frozenset[str] = frozenset()
    """Other namespaces that are not its own: `PID of the host`."""
    security: frozenset[str] = frozenset()
    """Security options of the engine."""
    folders: Mapping[str, str] = {}
    """Folders and files of the host, by path inside."""


class PlannedContainer(Struct, frozen=True, kw_only=True):
    """The settings of a container by design of its back end."""

    environment: Mapping[str, Text] = {}
    """Beside the image's own variables."""
    entrypoint: tuple[str, ...] | None = None
    """None: the image's own."""
    command: tuple[str, ...] | None = None
    rights: Rights = Rights()


class ImageSettings(Struct, frozen=True, kw_only=True):
    """The settings that an image gives every container of it."""

    environment: Mapping[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
