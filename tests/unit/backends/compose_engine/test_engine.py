"""What the edge to an engine does before any engine is there."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from portable.backends.compose.address import Address
from portable.backends.compose.engine import Engine, EngineReader, Running, _SshBridge
from portable.backends.compose.trouble import EngineTrouble


@pytest.fixture
def reader() -> EngineReader:
    return EngineReader(Address(url="unix:///none", named_by="the test"))


def test_compose_that_does_not_end_is_an_error_for_a_person(reader: EngineReader, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, 60)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(EngineTrouble) as trouble:
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
    bridge = _SshBridge(url)
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
    monkeypatch.setattr("portable.backends.compose.engine._ENDING_SECONDS", 0.5)
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


@pytest.mark.parametrize(
    ("url", "before", "expected"), [("tcp://nas:2375", "a.test", "a.test,nas"), ("tcp://nas:1", "", "nas"), ("ssh://nas", "a", "a")]
)
def test_an_engine_by_tcp_is_reached_by_no_proxy(url: str, before: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, before)
    environment = EngineReader(Address(url=url, named_by="the test"))._environment({"PORTABLE_SECRET_X": "1"})
    assert (environment["NO_PROXY"], environment["no_proxy"], environment["PORTABLE_SECRET_X"]) == (expected, expected, "1")
