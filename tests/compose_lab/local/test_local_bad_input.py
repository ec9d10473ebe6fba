"""What is wrong outside the files: each has a clear error and its exit code, on the command line, and changes nothing."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portable.engines.docker.engine import Engine
from tests.cli import digest
from tests.lab.engine import clean
from tests.lab.forward import old_engine, tcp_engine
from tests.lab.local import Local, Ran, docker

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(1500)]
LIVE = ("up", "down", "restart", "status", "diff", "logs")


@pytest.fixture
def fresh(engine: Engine, tmp_path: Path) -> Iterator[Local]:
    """A stack of which nothing is there yet, and nothing will be."""
    stack = Local(tmp_path / "fresh")
    yield stack
    left = stack.inspected()
    clean(engine, stack.project)
    assert left == {}


def assert_told(ran: Ran, code: int, *words: str) -> None:
    """A text for a person, on standard error, with an exit code."""
    assert ran.code == code, str(ran)
    assert "Traceback" not in ran.err
    for word in words:
        assert re.search(word, ran.err), str(ran)


@pytest.mark.parametrize("verb", LIVE)
@pytest.mark.parametrize("url", ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1"])
def test_an_engine_that_is_not_there(fresh: Local, verb: str, url: str) -> None:
    before = digest(fresh.folder)
    assert_told(fresh.portable(verb, code=None, DOCKER_HOST=url), 1, r"\[engine\.absent\]", re.escape(url))
    assert digest(fresh.folder) == before


def test_an_engine_that_is_too_old(fresh: Local) -> None:
    before = digest(fresh.folder)
    with old_engine("1.40") as url:
        assert_told(fresh.portable("up", code=None, DOCKER_HOST=url), 1, r"\[engine\.old\]")
    assert digest(fresh.folder) == before


def test_an_engine_that_refuses(fresh: Local) -> None:
    """As an ordinary user meets a socket of root."""
    before = digest(fresh.folder)
    path = fresh.folder.parent / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o600)
        command = fresh.command("up")
        if os.getuid() == 0:
            # Without its capabilities root of a machine is an ordinary user who owns much; the socket belongs to somebody else.
            os.chown(path, 65534, 65534)
            command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", *command]
        done = subprocess.run(
            command, cwd=fresh.folder, env=fresh.environment(DOCKER_HOST=f"unix://{path}"), capture_output=True, text=True, check=False
        )
    assert_told(
        Ran(("up",), done.returncode, done.stdout, done.stderr, 0), 1, "usermod -aG docker", r"\[engine\.denied\]", re.escape(str(path))
    )
    assert digest(fresh.folder) == before


def test_a_port_that_is_taken(fresh: Local) -> None:
    with socket.create_server(("127.0.0.1", fresh.ports["sabnzbd"])):
        ran = fresh.portable("up", code=None)
    # The ring's own stack, if it is up, has the folder of the cloud: that is told as well, and counts more.
    code = 4 if "[up.shared-data]" in ran.err else 1
    assert_told(ran, code, f"port {fresh.ports['sabnzbd']}/tcp of sabnzbd is in use by .+ \\(process {os.getpid()}\\)", r"\[host\.port\]")
    assert fresh.inspected() == {}
    assert fresh.networks() == []
    assert fresh.volumes() == []
    assert not fresh.library.exists()
    assert not (fresh.folder / "config").exists()


def test_an_address_that_the_host_does_not_have(fresh: Local) -> None:
    """192.0.2.0/24 belongs to nobody (RFC 5737); the engine itself says it only when a container starts."""
    ran = fresh.portable("up", "--set", "exposure.apps.gerbera.web={lan: {address: 192.0.2.9}, loopback: null}", code=None)
    assert_told(ran, 4, r"the host has no address 192\.0\.2\.9", r"\[network\.no-address\]")
    assert (fresh.inspected(), fresh.networks(), fresh.volumes()) == ({}, [], [])


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_secret_file_that_others_can_read(local: Local, mode: int) -> None:
    before, file = local.identity(), local.secrets_file
    content = file.read_bytes()
    file.chmod(mode)
    try:
        for verb in ("up", "diff"):
            ran = local.portable(verb, code=None)
            assert_told(ran, 4, re.escape(str(file)), "chmod 600", r"\[secret\.file-mode\]")
            assert local.secret("sabnzbd-api-key") not in ran.err + ran.out
    finally:
        file.chmod(0o600)
    assert local.identity() == before
    assert file.read_bytes() == content


def test_an_engine_that_goes_away_in_the_middle(local: Local) -> None:
    """`up` ends with a text, and the same command with the engine back completes it."""
    local.portable("down")
    with tcp_engine() as (url, forwarder):
        process = local.start("up", DOCKER_HOST=url)
        log = local.folder / "started.log"
        begun = log.stat().st_size if log.exists() else 0
        until = time.monotonic() + 60
        while len(docker("ps", "-q", "--filter", f"label=com.docker.compose.project={local.project}").split()) < 2:
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        forwarder.kill()
        code = process.wait(timeout=120)
    said = log.read_text()[begun:]
    assert code == 1, said
    assert "run the same command again" in said
    assert "Traceback" not in said
    local.portable("up")
    local.assert_well()
