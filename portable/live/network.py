"""Connections to apps by their stable names, whatever network reaches them."""

from contextlib import AbstractContextManager
from typing import IO, Literal, Protocol


class Stream(Protocol):
    """One connection to an app."""

    def sendall(self, data: bytes, /) -> None:
        """Write all of it."""
        ...

    def makefile(self, mode: Literal["rb"], /) -> IO[bytes]:
        """What comes back."""
        ...

    def shutdown(self, how: int, /) -> None:
        """End it, and a read that waits."""
        ...


class Network(Protocol):
    """What reaches apps by their stable names."""

    def connect(self, host: str, port: int) -> AbstractContextManager[Stream]:
        """A connection. Raises Unreachable, here or when the block ends, where nothing answered."""
        ...

    def missing(self, app: str) -> str:
        """Why it can't answer however long one waits: what it is instead of running; empty where it runs."""
        ...


class Unreachable(Exception):  # noqa: N818 - told as a PortableError once nobody waits any more
    """Nobody answers there, for now."""
