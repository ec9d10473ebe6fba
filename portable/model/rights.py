"""Environment, command and privileges of a container, as planned and as running."""

from collections.abc import Mapping

from portable.model.base import Struct
from portable.model.secret_refs import Text


class Rights(Struct, frozen=True, kw_only=True):
    """The privileges of a container, and the networks and folders that it can access. Texts are for people, and are compared as text."""

    privileged: bool = False
    capabilities: frozenset[str] = frozenset()
    """Without `CAP_`."""
    devices: frozenset[str] = frozenset()
    """Paths on the host."""
    network: str = ""
    """The origin of its network namespace: `the network of SERVICE`, `its own`, `none`, `the host's`, or another container's."""
    networks: frozenset[str] = frozenset()
    """The networks that its own namespace is attached to."""
    name_servers: tuple[str, ...] = ()
    """The configured name servers; empty if the engine decides."""
    hosts: frozenset[str] = frozenset()
    """Entries of its hosts file: `NAME ADDRESS`."""
    namespaces: frozenset[str] = frozenset()
    """Other namespaces that it shares: `PID of the host`."""
    security: frozenset[str] = frozenset()
    """Security options of the engine."""
    folders: Mapping[str, str] = {}
    """Folders and files of the host, by path inside."""


class PlannedContainer(Struct, frozen=True, kw_only=True):
    """The settings of a container by design of its back end."""

    environment: Mapping[str, Text] = {}
    """Variables in addition to the image's own."""
    entrypoint: tuple[str, ...] | None = None
    """None: the image's own."""
    command: tuple[str, ...] | None = None
    rights: Rights = Rights()


class ImageSettings(Struct, frozen=True, kw_only=True):
    """The settings that an image gives to each of its containers."""

    environment: Mapping[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
