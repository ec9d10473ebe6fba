"""Logs, and commands inside containers, with a stand-in for the connection."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from portable.engines.kubernetes.address import ClusterAddress
from portable.engines.kubernetes.connection import ClusterConnection
from portable.engines.kubernetes.errors import ClusterError
from portable.engines.kubernetes.inside import exec_in, exit_code, follow_log, log_lines

SUCCESS = json.dumps({"status": "Success"}).encode()


def failed(code: int) -> bytes:
    """What the status channel says of a command that failed."""
    return json.dumps({"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]}}).encode()


class Stream:
    """A stream of frames, each (channel, bytes), as the client has it."""

    def __init__(self, frames: Sequence[tuple[int, bytes]]) -> None:
        self._frames: Iterator[tuple[int, bytes]] = iter(frames)
        self._channels: dict[int, bytes] = {}
        self._open = True
        self.closed = False
        self.written: list[tuple[int, Any]] = []

    def is_open(self) -> bool:
        return self._open

    def update(self, timeout: float) -> None:
        frame = next(self._frames, None)
        if frame is None:
            self._open = False
        else:
            self._channels[frame[0]] = self._channels.get(frame[0], b"") + frame[1]

    def read_channel(self, channel: int) -> bytes:
        return self._channels.pop(channel, b"")

    def write_channel(self, channel: int, data: Any) -> None:
        self.written.append((channel, data))

    def close_channel(self, channel: int) -> None:
        self.written.append((channel, None))

    def close(self) -> None:
        self.closed = True


class Response:
    """A response that is read piece by piece."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = iter(chunks)
        self.released = False

    def read1(self, _size: int) -> bytes:
        return next(self._chunks, b"")

    def release_conn(self) -> None:
        self.released = True


class StandInConnection(ClusterConnection):
    """A connection that answers with what a test says."""

    def __init__(self, *, text: str = "", stream: Stream | None = None, response: Response | None = None) -> None:
        super().__init__(ClusterAddress(files=(), context="fake", server="https://fake.test"), cache=Path("/nowhere"))
        self.hide = lambda said: said.replace("canary", "<secret>")
        self.text, self.stream, self.response = text, stream, response
        self.asked: dict[str, Any] = {}

    def request(self, method: str, path: str, **parameters: Any) -> Any:
        self.asked = {"path": path, **parameters}
        return self.text

    def raw(self, method: str, path: str, **parameters: Any) -> Any:
        self.asked = {"path": path, **parameters}
        return self.response

    def open_exec(self, *arguments: Any, **parameters: Any) -> Any:
        self.asked = {"arguments": arguments, **parameters}
        return self.stream


def test_the_log_of_a_container_is_asked_for_and_hides_secrets() -> None:
    connection = StandInConnection(text="t1 one\nt2 canary\u2028x\n\n")
    lines = list(log_lines(connection, "media", "pod", "app", tail=5, previous=True))
    assert lines == ["t1 one", "t2 <secret>\u2028x"]
    assert connection.asked["path"] == "/api/v1/namespaces/media/pods/pod/log"
    query = dict(connection.asked["query"]["query_params"])
    assert query == {"container": "app", "timestamps": "true", "tailLines": "5", "previous": "true"}


def test_a_followed_log_comes_line_by_line() -> None:
    response = Response(b"t1 on", b"e\nt2 two\nt3", b" canary")
    lines = list(follow_log(StandInConnection(response=response), "media", "pod", "app"))
    assert lines == ["t1 one", "t2 two", "t3 <secret>"]
    assert response.released


def test_a_command_gives_its_output_and_its_exit_code() -> None:
    stream = Stream([(1, b"out"), (2, b"err"), (1, b"more"), (3, failed(3))])
    got: list[tuple[int, bytes]] = []
    code = exec_in(StandInConnection(stream=stream), "media", "pod", "app", ["true"], lambda channel, data: got.append((channel, data)))
    assert code == 3
    assert got == [(1, b"out"), (2, b"err"), (1, b"more")]
    assert stream.closed


def test_a_terminal_is_told_its_size() -> None:
    stream = Stream([(3, SUCCESS)])
    exec_in(StandInConnection(stream=stream), "media", "pod", "app", ["sh"], lambda *_: None, terminal=True, size=lambda: (80, 24))
    assert stream.written == [(4, '{"Width": 80, "Height": 24}')]


def test_what_is_given_reaches_the_command_and_its_end_too(tmp_path: Path) -> None:
    file = tmp_path / "given"
    file.write_bytes(b"words")
    stream = Stream([(1, b""), (1, b""), (1, b""), (3, SUCCESS)])
    with file.open("rb") as given:
        exec_in(StandInConnection(stream=stream), "media", "pod", "app", ["cat"], lambda *_: None, given=given)
    assert stream.written == [(0, b"words"), (0, None)]


def test_an_end_that_nobody_told_is_an_error() -> None:
    with pytest.raises(ClusterError, match="how the command ended is unknown"):
        exec_in(StandInConnection(stream=Stream([(1, b"x")])), "media", "pod", "app", ["true"], lambda *_: None)


def test_exit_codes() -> None:
    assert exit_code(SUCCESS, "pod", where="here") == 0
    assert exit_code(failed(137), "pod", where="here") == 137
    absent = json.dumps({"status": "Failure", "message": 'exec: "nope": executable file not found in $PATH'}).encode()
    assert exit_code(absent, "pod", where="here") == 127
    with pytest.raises(ClusterError, match="could not be run in pod: no space"):
        exit_code(json.dumps({"status": "Failure", "message": "no space"}).encode(), "pod", where="here")
