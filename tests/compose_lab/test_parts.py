"""Databases that start before their app, what ends TLS, and Unmanic, on a real engine, with the images that their recipes give."""

import json
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.engine import clean
from tests.lab.local import Local
from tests.lab.parts import parts


@pytest.fixture(scope="module")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """The stack, up, with a certificate of its own."""
    made = parts(tmp_path_factory.mktemp("parts") / "stack")
    for name, value in zip(("tls.crt", "tls.key"), certificate(made.folder), strict=True):
        made.portable("secrets", "set", f"plex-tls.{name}", given=value)
    try:
        made.portable("up")
        yield made
    except BaseException:
        print(f"logs: {made.save_logs()}")
        raise
    finally:
        made.portable("down", code=None)
        clean(engine, made.project)


def certificate(folder: Path) -> tuple[str, str]:
    """A self-signed certificate and its key."""
    files = folder / "tls.crt", folder / "tls.key"
    subject = ["-subj", "/CN=plex.test", "-addext", "subjectAltName=DNS:plex.test"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files[0].read_text(), files[1].read_text()


def starts(stack: Local) -> tuple[str, str]:
    """How often each app has counted a start in its database."""
    sql = stack.inside("riven", "psql", "-h", "127.0.0.1", "-U", "riven", "-Atc", "select count(*) from starts", "riven")
    return sql.strip(), stack.inside("tubearchivist", "redis-cli", "get", "starts").strip()


def test_an_app_starts_when_its_database_answers(stack: Local) -> None:
    assert starts(stack) == ("1", "1"), "the first call of each succeeded, or its container would not be healthy"
    seen = stack.inspected()
    for app, first in (("riven", "riven-database"), ("tubearchivist", "tubearchivist-queue")):
        assert seen[app]["HostConfig"]["NetworkMode"] == f"container:{seen[first]['Id']}"
        assert seen[first]["State"]["StartedAt"] < seen[app]["State"]["StartedAt"]


def test_databases_run_as_the_stacks_user_with_nothing_given(stack: Local) -> None:
    for name in ("riven-database", "tubearchivist-queue", "plex-tls"):
        host = stack.inspected()[name]["HostConfig"]
        assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None)
        assert stack.inspected()[name]["Config"]["User"] == "1000:1000"
    data = stack.folder / "config" / "riven-database" / "pgdata"
    assert (data.stat().st_uid, data.stat().st_mode & 0o777) == (1000, 0o700)


def test_nobody_else_reaches_a_database(stack: Local) -> None:
    """It listens on the loopback address of its app's own network."""
    assert stack.inside("plex", "nc", "-w", "2", "plex", "8443", "-e", "true") == "", "what answers is reached by name"
    for host, port in (("riven", "5432"), ("tubearchivist", "6379")):
        assert stack.inside("plex", "nc", "-w", "2", host, port, "-e", "true", code=1) == ""


def test_what_is_in_a_database_survives_down_and_up(stack: Local) -> None:
    before = starts(stack)
    stack.portable("down")
    stack.portable("up")
    assert [int(now) - int(then) for now, then in zip(starts(stack), before, strict=True)] == [1, 1]
    assert stack.portable("diff").code == 0


def test_tls_ends_before_the_app_with_the_certificate_of_the_secret(stack: Local) -> None:
    trust = ssl.create_default_context(cadata=(stack.folder / "tls.crt").read_text())
    trust.check_hostname = False
    with urllib.request.urlopen(f"https://127.0.0.1:{stack.ports['plex']}/identity", context=trust, timeout=10) as answer:
        assert answer.read() == b"played\n"
    assert (stack.folder / "tls.key").read_text() not in stack.logs_of()


def asked(stack: Local, path: str) -> dict[str, Any]:
    """What Unmanic's interface answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.ports['unmanic']}/unmanic/api/v2/{path}", timeout=10) as answer:
        return dict(json.loads(answer.read()))


def test_unmanic_is_the_pinned_one_and_looks_at_the_films_only(stack: Local) -> None:
    """Below the library's root lie links into clouds, which nothing may transcode."""
    assert asked(stack, "version/read")["version"].partition("~")[0] == "0.4.0"
    (library,) = asked(stack, "settings/libraries")["libraries"]
    assert library["path"] == "/mnt/media/media/movies"


def test_unmanic_keeps_its_database_as_the_stacks_user_in_its_volume(stack: Local) -> None:
    (database,) = (stack.folder / "config").glob("unmanic*/**/unmanic.db")
    assert (database.stat().st_uid, database.stat().st_gid) == (1000, 1000)
    assert stack.inside("unmanic", "sh", "-c", "ffmpeg -version | head -1").startswith("ffmpeg version")
