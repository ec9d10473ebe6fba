"""What the edge to an engine does before any engine is there."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from portable.backends.compose.address import Address
from portable.backends.compose.engine import Engine, EngineReader, _SshBridge
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
