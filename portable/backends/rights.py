"""What a container is given beside its files: variables, a program, and what it may do and reach. As planned, and as it runs."""

from collections.abc import Mapping

from portable.model.base import Struct
from portable.model.plan import Text


class Rights(Struct, frozen=True, kw_only=True):
    """What a container may do and reach. Texts are for a person, and compare by themselves."""

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
    """Those that it was told to ask; empty where the engine decides."""
    hosts: frozenset[str] = frozenset()
    """Names that it was told the address of: `NAME ADDRESS`."""
    namespaces: frozenset[str] = frozenset()
    """Other namespaces that are not its own: `PID of the host`."""
    security: frozenset[str] = frozenset()
    """Security options of the engine."""
    folders: Mapping[str, str] = {}
    """Folders and files of the host, by path inside."""


class PlannedContainer(Struct, frozen=True, kw_only=True):
    """What a back end gives a container by design."""

    environment: Mapping[str, Text] = {}
    """Beside the image's own variables."""
    entrypoint: tuple[str, ...] | None = None
    """None: the image's own."""
    command: tuple[str, ...] | None = None
    rights: Rights = Rights()


class ImageSettings(Struct, frozen=True, kw_only=True):
    """What an image gives every container that is made of it."""

    environment: Mapping[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
