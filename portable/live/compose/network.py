"""Connects to apps of a stack from inside its network on the engine, near or far. No published port is needed."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from functools import cached_property
from types import TracebackType
from typing import IO, Literal

from portable.backends.compose.names import project_name
from portable.backends.compose.network import NETWORK
from portable.engines.docker.engine import Engine
from portable.live.network import Unreachable
from portable.model.errors import PortableError
from portable.model.plan import Plan

_CONNECT_SECONDS = 5


class ComposeNetwork:
    """A helper container on the project's network forwards bytes with `nc`. No key or password is in a command line or environment."""

    def __init__(self, engine: Engine, plan: Plan, image: str) -> None:
        """`image` is the tools image that the engine has."""
        self._engine, self._project, self._image = engine, project_name(plan), image
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "ComposeNetwork":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def missing(self, app: str) -> str:
        """The state of an app that does not run; empty if it runs."""
        states = [seen.state for seen in self._engine.containers(self._project) if seen.service == app]
        return "" if "running" in states else next(iter(states), "missing")

    @contextlib.contextmanager
    def connect(self, host: str, port: int) -> Iterator["Piped"]:
        """Connect from inside the network. Raises Unreachable if nothing answers."""
        piped = Piped(self._engine.piped(self._helper, ["nc", "-w", str(_CONNECT_SECONDS), host, str(port)]))
        try:
            yield piped
        except Exception as error:
            if reason := piped.complaint():
                raise Unreachable(reason) from None
            raise error
        finally:
            piped.close()

    @cached_property
    def _helper(self) -> str:
        network = next((n.name for n in self._engine.networks(self._project) if n.key == NETWORK), None)
        if network is None or not self._engine.image_ids([self._image]):
            raise PortableError("the stack is not running", code="up.not-created", where=self._project, remedy="run `portable up`")
        return self._stack.enter_context(self._engine.host_helper(self._image, network))


class Piped:
    """A command in a container, used as a connection: the methods that http.client needs of a socket."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._stderr = b""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None  # asked for as a pipe
        self._stderr = self._process.stderr.read()

    def sendall(self, data: bytes, /) -> None:
        """Write all of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def makefile(self, _mode: Literal["rb"], /) -> IO[bytes]:
        """The file to read the answer from."""
        assert self._process.stdout is not None
        return self._process.stdout

    def complaint(self) -> str:
        """Why the connection failed, in the words of the command; may be empty."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)  # the command or the app ended it
        self._end()
        return " ".join(self._stderr.decode(errors="replace").split()).removeprefix("nc: ")

    def shutdown(self, _how: int, /) -> None:
        """End the command, and a read that waits for it."""
        self._process.kill()

    def close(self) -> None:
        """End the command, and close its pipes."""
        self._end()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join(5)
