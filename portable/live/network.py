"""Connections to apps by their stable names."""

from contextlib import AbstractContextManager
from typing import IO, Literal, Protocol


class Stream(Protocol):
    """One connection to an app."""

    def sendall(self, data: bytes, /) -> None:
        """Write all of it."""
        ...

    def makefile(self, mode: Literal["rb"], /) -> IO[bytes]:
        """The file to read the answer from."""
        ...

    def shutdown(self, how: int, /) -> None:
        """End the connection, and a read that waits for it."""
        ...


class Network(Protocol):
    """Connects to apps by their stable names."""

    def connect(self, host: str, port: int) -> AbstractContextManager[Stream]:
        """Connect to an app. Raises Unreachable, here or at the end of the block, if nothing answers."""
        ...

    def missing(self, app: str) -> str:
        """The state of an app that does not run, so that waiting is useless; empty if it runs."""
        ...


class Unreachable(Exception):  # noqa: N818 - becomes a PortableError after the last try
    """The app does not answer at the moment."""
