"""Logs of containers, and commands inside them. Decides nothing, prints nothing."""

import contextlib
import json
import select
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

from portable.engines.kubernetes.connection import ANSWER_SECONDS, ClusterConnection
from portable.engines.kubernetes.errors import ClusterError

_STDIN, _STDOUT, _STDERR, _STATUS, _SIZE = range(5)
_POLL_SECONDS: Final = 0.2
_NOT_RUN: Final = 126
"""The exit code of a command that could not begin, as a shell has it."""


def log_lines(
    connection: ClusterConnection,
    namespace: str,
    pod: str,
    container: str,
    *,
    tail: int | None = None,
    previous: bool = False,
    hidden: bool = True,
) -> Iterator[str]:
    """Lines that a container wrote, each led by its moment and a blank; without secrets if `hidden`."""
    answer: Any = connection.request(
        "get", _log_path(namespace, pod), doing=f"reading the log of {pod}", query={"query_params": _log_query(container, tail, previous)}
    )
    for line in str(answer or "").removesuffix("\n").split("\n"):
        if line:
            yield connection.hide(line) if hidden else line


def follow_log(
    connection: ClusterConnection, namespace: str, pod: str, container: str, *, tail: int | None = None, silence: float | None = None
) -> Iterator[str]:
    """The same lines as they come, until the container ends. Raises ClusterError after `silence` seconds without one."""
    query = [*_log_query(container, tail, False), ("follow", "true")]
    doing = f"following the log of {pod}"
    # A log may be silent for hours: only the connection has a time limit.
    parameters = {"query_params": query, "serialize": False, "_request_timeout": (ANSWER_SECONDS[0], silence)}
    with connection.doing(doing):
        response = connection.raw("get", _log_path(namespace, pod), **parameters)
    rest = b""
    try:
        while True:
            with connection.doing(doing):
                chunk = response.read1(65536) if hasattr(response, "read1") else response.read(4096)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (connection.hide(line.decode(errors="replace")) for line in lines)
        if rest:
            yield connection.hide(rest.decode(errors="replace"))
    finally:
        response.release_conn()


def _log_path(namespace: str, pod: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{pod}/log"


def _log_query(container: str, tail: int | None, previous: bool) -> list[tuple[str, str]]:
    query = [("container", container), ("timestamps", "true")]
    if tail is not None:
        query.append(("tailLines", str(tail)))
    if previous:
        query.append(("previous", "true"))
    return query


class LateError(Exception):
    """A command did not end in its time. It may still run."""


class CommandInput(Protocol):
    """The input of a command: something with a file descriptor."""

    def fileno(self) -> int:
        """Its descriptor."""
        ...

    def read1(self, size: int, /) -> bytes:
        """Some bytes, as soon as there are any; empty at the end."""
        ...


def exec_in(
    connection: ClusterConnection,
    namespace: str,
    pod: str,
    container: str,
    command: Sequence[str],
    on_output: Callable[[int, bytes], None],
    *,
    given: CommandInput | None = None,
    terminal: bool = False,
    size: Callable[[], tuple[int, int]] | None = None,
    seconds: float | None = None,
) -> int:
    """Run a command in a container; its exit code. `on_output` gets the channel (1 output, 2 errors) and bytes as they come.

    Raises ClusterError where the connection breaks before the command's end is known, and LateError after `seconds`.
    """
    until = float("inf") if seconds is None else time.monotonic() + seconds
    with connection.doing(f"running a command in {pod}"):
        stream = connection.open_exec(namespace, pod, container, command, stdin=given is not None, terminal=terminal)
    said = b""
    try:
        with connection.doing(f"running a command in {pod}"):
            if size is not None:
                width, height = size()
                stream.write_channel(_SIZE, json.dumps({"Width": width, "Height": height}))
            while stream.is_open():
                if time.monotonic() > until:
                    raise LateError
                stream.update(timeout=_POLL_SECONDS)
                said += _drain(stream, on_output)
                if given is not None and stream.is_open() and select.select([given.fileno()], [], [], 0)[0]:
                    if data := given.read1(65536):
                        stream.write_channel(_STDIN, data)
                    else:
                        stream.close_channel(_STDIN)
                        given = None
            said += _drain(stream, on_output)
    finally:
        with contextlib.suppress(Exception):
            stream.close()
    return exit_code(said, pod, where=connection.address.where)


def _drain(stream: Any, on_output: Callable[[int, bytes], None]) -> bytes:
    """Pass output on, and return the new bytes of the status channel."""
    for channel in (_STDOUT, _STDERR):
        if data := stream.read_channel(channel):
            on_output(channel, data)
    said: bytes = stream.read_channel(_STATUS)
    return said


def exit_code(said: bytes, pod: str, *, where: str) -> int:
    """The exit code that the status channel tells. Raises ClusterError where it does not tell any."""
    try:
        status = json.loads(said)
    except ValueError:
        raise ClusterError("gone", f"the connection to {pod} broke, and how the command ended is unknown", where=where) from None
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    message = str(status.get("message") or "")
    if "executable file not found" in message or "no such file" in message:
        return _NOT_RUN + 1
    raise ClusterError("failed", f"the command could not be run in {pod}: {message}", where=where)
