"""What the edge to an engine does before any engine is there."""

import contextlib
import fcntl
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError
from requests import Response

from portable.engines.docker import execution
from portable.engines.docker.address import Address
from portable.engines.docker.engine import Engine, EngineReader
from portable.engines.docker.errors import DockerError
from portable.engines.docker.images import no_offer
from portable.engines.docker.process import Running
from portable.engines.docker.ssh import SshBridge


@pytest.fixture
def reader() -> EngineReader:
    return EngineReader(Address(url="unix:///none", named_by="the test"))


def test_compose_that_does_not_end_is_an_error_for_a_person(reader: EngineReader, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, 60)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(DockerError) as trouble:
        reader.config_hashes("demo", "services: {}\n", {})
    assert trouble.value.kind == "slow"
    assert "reading the project" in str(trouble.value)


def test_compose_never_works_in_a_folder_where_anybody_can_put_settings(reader: EngineReader) -> None:
    command = reader._compose("demo", "-")
    assert command[command.index("--project-directory") + 1] == "/"
    command = reader._compose("demo", "/state/demo/compose.yaml")
    assert command[command.index("--project-directory") + 1] == str(Path("/state/demo"))


@pytest.mark.parametrize(
    ("url", "far"),
    [
        ("ssh://nas", "docker system dial-stdio"),
        ("ssh://me@nas:22/", "docker system dial-stdio"),
        ("ssh://nas/run/user/1000/docker.sock", "docker --host=unix:///run/user/1000/docker.sock system dial-stdio"),
        ("ssh://nas/x;reboot", "docker --host='unix:///x;reboot' system dial-stdio"),
    ],
)
def test_the_same_socket_of_the_far_host_as_the_docker_command_takes(url: str, far: str) -> None:
    bridge = SshBridge(url)
    try:
        assert " ".join(bridge._command).endswith(f"-- nas {far}")
    finally:
        bridge.close()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Container x  Starting\nError response from daemon: failed to set up networking: driver: connection reset by peer", "failed"),
        ("Container x  Starting\nerror during connect: Get: read: connection reset by peer", "gone"),
    ],
)
def test_an_engine_that_answers_through_compose_is_not_gone(reader: EngineReader, said: str, kind: str) -> None:
    reader._answered = True
    assert reader.trouble(said, "starting the apps").kind == kind


@pytest.mark.parametrize(("own", "told"), [({"StopTimeout": 120}, 120), ({"StopTimeout": 0}, 0), ({}, 10)])
def test_stopping_is_waited_for_as_long_as_the_container_may_take(own: dict[str, int], told: int) -> None:
    asked: list[tuple[str, int]] = []
    engine = Engine(Address(url="unix:///none", named_by="the test"))
    api = SimpleNamespace(
        inspect_container=lambda _: {"Config": own}, stop=lambda container, timeout: asked.append((container, timeout)), close=lambda: None
    )
    engine.__dict__["_api"] = api
    engine.stop("demo")
    assert asked == [("demo", told)]


WRAPPER = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], pass_fds=(int(sys.argv[2]),))
time.sleep(100)
"""
"""As `docker` of 20.10: it dies of a signal, and leaves its plug-in, which has inherited the lock, at work."""
PLUGIN = "import signal, sys, time; {}; print('up', flush=True); time.sleep(100)"


@pytest.mark.parametrize("hears", ["pass", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_nothing_of_a_compose_that_is_stopped_lives_on(hears: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or every later command would wait for the lock that it holds."""
    monkeypatch.setattr("portable.engines.docker.process._ENDING_SECONDS", 0.5)
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    running = Running([sys.executable, "-c", WRAPPER, PLUGIN.format(hears), str(lock)], {}, (lock,))
    os.close(lock)
    while "up" not in running.output:
        time.sleep(0.02)
    assert os.getpgid(running._process.pid) != os.getpgid(0)
    running.stop()
    again = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(again)
    assert running.poll() is not None


def framed(*pieces: bytes) -> bytes:
    """As an engine sends what a command prints."""
    return b"".join(b"\x01\0\0\0" + len(piece).to_bytes(4, "big") + piece for piece in pieces)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
ENDED = {"Running": False, "ExitCode": 3}
AT_WORK = {"Running": True, "ExitCode": None}


@contextlib.contextmanager
def answering(stream: bytes, *states: Mapping[str, object]) -> Iterator[Engine]:
    """An engine by TCP: a command prints that, in one piece with the head of the answer; then what is told of it, the last one for ever."""
    left = list(states)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # its base names it so
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.endswith("/start"):
                self.wfile.write((SWITCHED if self.headers.get("Upgrade") else HEAD) + stream)
                self.close_connection = True
            else:
                self.tell({"Id": "made"})

        def do_GET(self) -> None:  # its base names it so
            asked = "version" if self.path.endswith("/version") else "state"
            self.tell({"ApiVersion": "1.41"} if asked == "version" else left.pop(0) if len(left) > 1 else left[0])

        def tell(self, what: object) -> None:
            body = json.dumps(what).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its base names it so
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with Engine(Address(url=f"tcp://127.0.0.1:{server.server_address[1]}", named_by="the test")) as engine:
            yield engine
    finally:
        server.shutdown()
        server.server_close()


def test_what_comes_with_the_head_of_an_answer_is_heard() -> None:
    """The SDK's own way loses it: so answers by TLS from a busy engine came without their beginning, or not at all."""
    with answering(framed(b"one\n", b"two\n"), ENDED) as engine:
        assert engine.inside("some", ["list"]) == (3, "one\ntwo\n")
        lines: list[str] = []
        assert engine.exec_stream("some", ["list"], lines.append) == 3
        assert lines == ["one", "two"]
    with answering(b"", ENDED) as engine:
        assert engine.inside("some", ["true"]) == (3, "")


def test_the_engine_may_know_the_end_of_a_command_a_moment_later() -> None:
    with answering(framed(b"all"), AT_WORK, AT_WORK, ENDED) as engine:
        assert engine.inside("some", ["list"]) == (3, "all")


@pytest.mark.parametrize(
    ("stream", "state"),
    [
        (framed(b"one\n", b"two\n")[:-1], ENDED),
        (framed(b"one\n", b"two\n")[:15], ENDED),
        (framed(b"one\n"), AT_WORK),
        (b"", AT_WORK),
    ],
)
def test_an_answer_that_was_cut_short_is_a_fault(stream: bytes, state: Mapping[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a piece it is seen by itself; between two, by the command that is still at work."""
    monkeypatch.setattr("portable.engines.docker.execution.SETTLING_SECONDS", 0.1)
    with answering(stream, state) as engine:
        with pytest.raises(DockerError) as caught:
            engine.inside("some", ["list"])
        assert (caught.value.kind, caught.value.code) == ("gone", "engine.cut-short")
        with pytest.raises(DockerError) as caught:
            engine.exec_stream("some", ["list"], lambda _: None)
        assert (caught.value.kind, caught.value.code) == ("gone", "engine.cut-short")


def silent_after(monkeypatch: pytest.MonkeyPatch, states: tuple[tuple[bool, int | None], ...], beats: str) -> None:
    """A command says one line, and then its connection is dead; the engine tells of it what `states` say, one after another."""
    monkeypatch.setattr(execution, "_SILENCE_SECONDS", 0.1)
    left, ended = list(states), threading.Event()

    def heard(_made: str, *, seconds: float | None) -> Iterator[bytes]:
        assert seconds is None
        yield b"one\n"
        ended.wait(10)  # as a read of a dead connection, which has no limit

    def inspect(_made: str) -> dict[str, object]:
        running, code = left.pop(0) if len(left) > 1 else left[0]
        return {"Running": running, "ExitCode": code}

    engine, lines = Engine(Address(url="tcp://nas:2375", named_by="the test")), list[str]()
    engine.__dict__["_api"] = SimpleNamespace(exec_create=lambda *_: {"Id": "made"}, exec_inspect=inspect)
    monkeypatch.setattr(engine, "_demux", heard)
    try:
        engine.exec_stream("container", ["backup"], lines.append, beats=beats)
    finally:
        ended.set()
        assert lines == ["one"]


@pytest.mark.parametrize(
    ("beats", "states", "code"),
    [
        ("`portable restart backup` ends it", ((True, None),), "engine.silent"),
        ("", ((True, None), (True, None), (False, 0)), "engine.cut-short"),
    ],
)
def test_a_dead_connection_is_no_wait_without_end(
    monkeypatch: pytest.MonkeyPatch, beats: str, states: tuple[tuple[bool, int | None], ...], code: str
) -> None:
    began = time.monotonic()
    with pytest.raises(DockerError) as trouble:
        silent_after(monkeypatch, states, beats)
    assert (trouble.value.kind, trouble.value.code) == ("gone", code)
    assert beats in str(trouble.value.remedy)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("status", "said", "why"),
    [
        (404, "manifest unknown: manifest unknown", "absent"),
        (500, "errors:\nname unknown: repository name not known to registry", "absent"),
        (401, "unauthorized: authentication required", "refused"),
        (403, "requested access to the resource is denied", "refused"),
        (500, "toomanyrequests: You have reached your pull rate limit", "refused"),
        (500, "Get https://registry-1.docker.io/v2/: dial tcp: lookup registry-1.docker.io: no such host", "unknown"),
        (503, "Get https://ghcr.io/v2/: net/http: request canceled (Client.Timeout exceeded)", "unknown"),
    ],
)
def test_why_a_registry_offers_nothing(status: int, said: str, why: str) -> None:
    assert no_offer(status, said) == why
    answer = Response()
    answer.status_code = status

    def ask(_reference: str) -> None:
        raise APIError(said, response=answer, explanation=said)

    engine = Engine(Address(url="unix:///none", named_by="the test"))
    engine.__dict__["_api"] = SimpleNamespace(inspect_distribution=ask)
    found = engine.offered("docker.io/library/x:1")
    assert (found.digest, found.why) == ("", why)
    assert found.said


@pytest.mark.parametrize(("code", "said"), [(0, b"0|/srv|no errors\n"), (127, b"chroot: can't execute '/bin/sh'\n"), (137, b"")])
def test_work_on_the_host_is_done_by_the_hosts_own_programs_or_is_a_fault(code: int, said: bytes) -> None:
    """A shell that is called by its name alone would be BusyBox's, and so would all that it calls."""
    made: list[dict[str, Any]] = []
    removed: list[str] = []
    api = SimpleNamespace(
        create_host_config=lambda **given: given,
        create_container=lambda image, **given: made.append(given) or {"Id": image},  # type: ignore[func-returns-value]  # hence `or`
        start=lambda _: None,
        wait=lambda _, timeout: {"StatusCode": code},
        logs=lambda _, **__: said,
        remove_container=lambda container, force: removed.append(container),
        close=lambda: None,
    )
    engine = Engine(Address(url="unix:///none", named_by="the test"))
    engine.__dict__["_api"] = api
    with contextlib.nullcontext() if code == 0 else pytest.raises(DockerError, match=r"working on the host.*\[engine\.failed\]"):
        assert engine.run_as_host("tools", "true", ["/srv"]) == said.decode()
    assert made[0]["command"][:4] == ["chroot", "/host", "/bin/sh", "-c"]
    assert "/usr/sbin" in made[0]["environment"]["PATH"].split(":")
    assert sorted(made[0]["host_config"]["cap_add"]) == ["SYS_ADMIN", "SYS_CHROOT"]
    assert removed == ["tools"]
