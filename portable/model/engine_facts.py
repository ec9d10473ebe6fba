"""What an engine says of itself and of its host."""

from portable.model.base import Struct


class EngineNetwork(Struct, frozen=True, kw_only=True):
    """A network of an engine, of any project."""

    name: str
    project: str = ""
    """Empty if Compose did not create it."""
    subnets: tuple[str, ...] = ()


class EngineFacts(Struct, frozen=True, kw_only=True):
    """The answers of an engine to questions about itself. The defaults are those of Docker on an ordinary host."""

    program: str = "Docker"
    """Docker or Podman."""
    version: str = ""
    compose: str = ""
    """Version of the Compose plug-in on this machine."""
    runc: str = ""
    """Version of runc, for example 1.3.3; empty if the engine uses another runtime or does not name it."""
    architecture: str = "x86_64"
    """As `uname -m` prints it."""
    system: str = ""
    """The operating system of the engine's host, for example `Docker Desktop`."""
    folder: str = ""
    """The engine's own folder, which holds images and containers."""
    limits_memory: bool = True
    limits_cpu: bool = True
    has_selinux: bool = False
    is_rootless: bool = False
    remaps_users: bool = False
    running: int = 0
    """Number of running containers, of every project."""
    warnings: tuple[str, ...] = ()
    networks: tuple[EngineNetwork, ...] = ()

    @property
    def is_snap(self) -> bool:
        """Whether the engine is Docker's snap, which sees only some folders of its host."""
        return self.folder.startswith("/var/snap/docker")
