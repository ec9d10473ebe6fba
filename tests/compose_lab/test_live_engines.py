"""Engines by TCP and ssh, and engines that are not there, refuse, are too old, or go away in the middle."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import pytest

from portable.engines.docker.address import resolve
from portable.engines.docker.engine import Engine
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import Observed
from portable.live.compose import verbs as compose
from portable.live.compose.desired import current
from portable.model.errors import PortableError
from portable.model.progress import Event
from tests.compose_lab.stacks import SOURCE, body, set_secrets, stack
from tests.lab.forward import make_certificates, old_engine, ssh_engine, tcp_engine

pytestmark = pytest.mark.compose_lab


@pytest.fixture(autouse=True)
def _secrets() -> None:
    set_secrets()


def at(url: str, environment: Mapping[str, str] = MappingProxyType({})) -> Engine:
    return Engine(resolve(url, environment, Path("/nonexistent")))


def runs_there(remote: Engine, engine: Engine, project: str) -> None:
    """The whole round: files and secrets reach a remote engine too, since no path of the client is mounted."""
    document = body(project)
    with remote:
        compose.up(remote, stack(document), SOURCE, deadline=90)
        assert compose.up(remote, stack(document), SOURCE, deadline=90).changes == ()
        seen = current(remote.observe(project))
        for file, expected in (("/etc/lone", "1\n"), ("/etc/whole", "canary-whole-9c1e")):
            assert (
                subprocess.run(["docker", "exec", seen["lone"].id, "cat", file], capture_output=True, text=True, check=True).stdout
                == expected
            )
        assert next(compose.logs(remote, stack(document), apps=("init",))).text == "prepared"
        assert compose.execute(remote, stack(document), "lone", ["test", "-e", "/etc/lone"]) == 0
        assert compose.restart(remote, stack(document), apps=("lone",)).changes
        compose.down(remote, stack(document))
    assert engine.observe(project) == Observed()


def test_an_engine_by_tcp(engine: Engine, project: str) -> None:
    with tcp_engine() as (url, _):
        runs_there(at(url), engine, project)


def test_an_engine_by_tcp_with_tls(engine: Engine, project: str, tmp_path: Path) -> None:
    make_certificates(tmp_path)
    environment = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    with tcp_engine(certificates=tmp_path) as (url, _):
        runs_there(at(url, environment), engine, project)
        strangers = tmp_path / "strangers"
        strangers.mkdir()
        make_certificates(strangers)
        for wrong in ({**environment, "DOCKER_CERT_PATH": str(strangers)}, {**environment, "DOCKER_CERT_PATH": str(tmp_path / "none")}):
            with at(url, wrong) as remote, pytest.raises(DockerError) as caught:
                remote.check()
            assert caught.value.kind == "tls", str(caught.value)


def test_what_commands_print_by_tls_comes_whole(project: str, tmp_path: Path) -> None:
    """On a busy machine it begins in one piece with the head of the answer, which is where it was lost."""
    make_certificates(tmp_path)
    document = body(project)
    environment = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    with tcp_engine(certificates=tmp_path) as (url, _), at(url, environment) as remote:
        compose.up(remote, stack(document), SOURCE, deadline=90)
        lone = current(remote.observe(project))["lone"].id
        with ThreadPoolExecutor(8) as pool:
            said = list(pool.map(lambda _: remote.inside(lone, ["readlink", "/proc/self/ns/net"]), range(60)))
        assert len(set(said)) == 1, set(said)
        assert said[0][1].startswith("net:["), said[0]
        compose.down(remote, stack(document))


def test_an_engine_by_ssh(engine: Engine, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ssh"
    folder.mkdir()
    with ssh_engine(folder) as (url, programs):
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        runs_there(at(url), engine, project)


def test_ssh_that_refuses_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ssh"
    folder.mkdir()
    with ssh_engine(folder) as (url, programs):
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        (folder / "authorized").write_text("")
        with at(url) as remote, pytest.raises(DockerError) as caught:
            remote.check()
        assert (caught.value.kind, caught.value.code) == ("refused", "engine.ssh-denied")
        (folder / "known").write_text("")
        with at(url) as remote, pytest.raises(DockerError) as caught:
            remote.check()
        assert caught.value.code == "engine.ssh-host-key"


@pytest.mark.parametrize("url", ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1", "tcp://engine.invalid:2375", "ssh://127.0.0.1:1"])
def test_an_engine_that_is_not_there(url: str) -> None:
    with at(url) as remote, pytest.raises(DockerError) as caught:
        remote.check()
    assert caught.value.kind == "absent", str(caught.value)
    assert caught.value.code == "engine.absent"
    assert url in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_an_engine_that_refuses(tmp_path: Path) -> None:
    """As an ordinary user meets a socket of root."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o600)
        for folder in tmp_path.parents:
            if folder.stat().st_uid == os.getuid() and not folder.stat().st_mode & 0o001 and folder != Path("/"):
                folder.chmod(folder.stat().st_mode | 0o111)
        tmp_path.chmod(0o755)
        program = (
            "import os, sys; os.setgid(65534); os.setuid(65534)\n"
            "from pathlib import Path\nfrom portable.engines.docker.address import resolve\n"
            "from portable.engines.docker.engine import Engine\n"
            f"try: Engine(resolve('unix://{path}', {{}}, Path('/'))).check()\nexcept Exception as e: print(getattr(e, 'kind', type(e)), e)"
        )
        import sys

        if os.getuid() != 0:
            pytest.skip("only root can become another user")
        code = "import portable.engines.docker.engine, docker, docker.tls, requests\n" + program
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.stdout.startswith("refused unix://"), done.stdout + done.stderr
    assert "usermod -aG docker" in done.stdout


@pytest.mark.parametrize("api", ["1.12", "1.40"])
def test_an_engine_that_is_too_old(api: str) -> None:
    with old_engine(api) as url, at(url) as remote, pytest.raises(DockerError) as caught:
        remote.check()
    assert (caught.value.kind, caught.value.code) == ("old", "engine.old")


def program(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "docker").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "docker").chmod(0o755)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("echo 2.20.3", "engine.compose-old"),
        ("echo \"docker: 'compose' is not a docker command.\" >&2; exit 1", "engine.compose-absent"),
    ],
)
def test_a_compose_that_is_too_old_or_missing(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, code: str
) -> None:
    program(tmp_path / "bin", text)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(DockerError) as caught:
        Engine(engine.address).check()  # one that has not asked Compose for its version yet
    assert (caught.value.kind, caught.value.code) == ("old", code)


def test_no_docker_command(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DockerError) as caught:
        Engine(engine.address).check()
    assert caught.value.code == "engine.docker-absent"


@pytest.mark.parametrize("when", ["waiting for gateway to be healthy", "doing", "starting"])
def test_an_engine_that_goes_away_in_the_middle(engine: Engine, project: str, when: str) -> None:
    document = body(project)
    with tcp_engine() as (url, forwarder):

        def kill(event: Event) -> None:
            if when in event.text or when == event.what:
                forwarder.kill()

        with at(url) as remote, pytest.raises(DockerError) as caught:
            compose.up(remote, stack(document), SOURCE, deadline=60, progress=kill)
        assert caught.value.kind == "gone", str(caught.value)
        assert "run the same command again" in str(caught.value)
    compose.up(engine, stack(document), SOURCE, deadline=90)
    assert compose.up(engine, stack(document), SOURCE, deadline=90).changes == ()


def test_an_engine_that_goes_away_while_it_is_followed(engine: Engine, project: str) -> None:
    document = body(project)
    compose.up(engine, stack(document), SOURCE, deadline=90)
    with tcp_engine() as (url, forwarder), at(url) as remote:
        threading.Timer(1, forwarder.kill).start()
        started = time.monotonic()
        with contextlib.suppress(DockerError):
            assert list(compose.logs(remote, stack(document), apps=("lone",), follow=True)) == []
        assert time.monotonic() - started < 20


def test_a_full_disk_of_this_machine(engine: Engine, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(small)], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.fail(f"no tmpfs can be mounted here: {mounted.stderr}")
    try:
        monkeypatch.setenv("XDG_STATE_HOME", str(small))
        document = body(project)
        document["configs"]["lone-conf"]["content"] = "x" * 64 * 1024
        with pytest.raises(PortableError, match=r"\[file\.disk-full\]$"):
            compose.up(engine, stack(document), SOURCE)
        assert engine.observe(project) == Observed()
        assert not [path for path in small.rglob("*") if "compose.yaml" in path.name]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_full_disk_of_the_engine(engine: Engine, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's own words, from a Compose that stands in for one whose disk is full."""
    monkeypatch.setattr("portable.engines.docker.engine.Engine._compose", _full(engine._compose))
    with pytest.raises(DockerError) as caught:
        compose.up(engine, stack(body(project)), SOURCE)
    assert (caught.value.kind, caught.value.code) == ("space", "host.full")


def _full(original: Callable[..., list[str]]) -> Callable[..., list[str]]:
    said = "Error response from daemon: mkdir /var/lib/docker/overlay2/1f: no space left on device"

    def command(_engine: Engine, project: str, *files: str) -> list[str]:
        return original(project, *files) if files == ("-",) else ["sh", "-c", f"echo '{said}' >&2; exit 1", "sh"]

    return command
