"""Nothing of the client's Docker configuration, environment or working folder reaches what runs."""

import gc
import http.server
import io
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portable.engines.docker.address import Address, resolve
from portable.engines.docker.client import PrivateConfig, read_config
from portable.engines.docker.engine import Engine
from portable.engines.docker.process import compose_environment
from portable.model.errors import UsageError

PROXIES = {"httpProxy": "http://192.0.2.9:3128", "allProxy": "socks5://192.0.2.9:1080", "noProxy": "x"}
FULL = {
    "auths": {"registry.test": {"auth": "bmFtZTpzZWNyZXQ="}},
    "credsStore": "pass",
    "credHelpers": {"registry.test": "pass"},
    "currentContext": "nas",
    "proxies": {"default": PROXIES, "unix:///var/run/docker.sock": PROXIES},
    "plugins": {"compose": {"x": "y"}},
    "features": {"buildkit": "false"},
    "aliases": {"builder": "compose"},
    "detachKeys": "a",
    "HttpHeaders": {"X-Gate": "token"},
    "cliPluginsExtraDirs": ["/opt/plugins"],
}
CHANGES_WHAT_RUNS = (
    *("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES", "COMPOSE_PATH_SEPARATOR", "COMPOSE_COMPATIBILITY"),
    *("COMPOSE_PARALLEL_LIMIT", "COMPOSE_REMOVE_ORPHANS", "COMPOSE_IGNORE_ORPHANS", "COMPOSE_CONVERT_WINDOWS_PATHS", "COMPOSE_DRY_RUN"),
    *("DOCKER_DEFAULT_PLATFORM", "DOCKER_CONTENT_TRUST", "DOCKER_API_VERSION", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY"),
    *("DOCKER_CERT_PATH", "DOCKER_CUSTOM_HEADERS", "DOCKER_BUILDKIT", "BUILDKIT_PROGRESS", "BUILDX_BUILDER", "OTEL_SERVICE_NAME"),
    *("HTTP_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY", "TAG", "PORTABLE_SECRET_OTHER", "GODEBUG"),
)
DOCKER = """\
#!/bin/sh
config=$(cat "$DOCKER_CONFIG/config.json")
plugin=$(cat "$DOCKER_CONFIG/cli-plugins/docker-compose")
{ env -0; printf 'CONFIG=%s\\0PLUGIN=%s\\0CWD=%s\\0' "$config" "$plugin" "$(pwd)"; } >"$(dirname "$0")/seen.part"
mv "$(dirname "$0")/seen.part" "$(dirname "$0")/seen"
echo 2.30.0
"""
"""A docker command that tells what it was called with."""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's own folder, with a plug-in that is installed for them alone."""
    folder = tmp_path / "own"
    (folder / "cli-plugins").mkdir(parents=True)
    (folder / "cli-plugins" / "docker-compose").write_text("my plug-in")
    (folder / "config.json").write_text(json.dumps(FULL))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(Address(url="unix:///none", named_by="the test")) as found:
        yield found


def test_the_docker_command_gets_what_it_needs_and_nothing_that_changes_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CHANGES_WHAT_RUNS:
        monkeypatch.setenv(name, "1")
    needed = {"PATH": "/bin", "HOME": "/home/me", "LC_ALL": "C", "SSH_AUTH_SOCK": "/run/agent", "SSL_CERT_FILE": "/etc/ca.pem"}
    for name, value in needed.items():
        monkeypatch.setenv(name, value)
    found = compose_environment({"PORTABLE_SECRET_TOKEN": "canary"}, "/private")
    assert {name for name in CHANGES_WHAT_RUNS if name in found} == set()
    assert found.items() >= {**needed, "PORTABLE_SECRET_TOKEN": "canary", "DOCKER_CONFIG": "/private"}.items()
    assert found["COMPOSE_DISABLE_ENV_FILE"] == "1"
    assert "canary" not in repr(found)


def up(engine: Engine, folder: Path) -> None:
    ended(engine.compose_up("demo", folder / "compose.yaml", ["app"], {}).poll)


def anew(engine: Engine, folder: Path) -> None:
    ended(engine.compose_recreate("demo", folder / "compose.yaml", ["app"], {}).poll)


def ended(poll: Callable[[], int | None]) -> None:
    while poll() is None:
        time.sleep(0.01)


def piped(engine: Engine, _folder: Path) -> None:
    process = engine.piped("some", ["true"])
    process.communicate()
    del process
    gc.collect()


@pytest.mark.parametrize(
    "call",
    [
        lambda engine, _: engine._compose_version(),
        lambda engine, _: engine.config_hashes("demo", "services: {}\n", {}),
        up,
        anew,
        lambda engine, _: engine.execute("some", ["true"]),
        piped,
    ],
    ids=["version", "hashes", "up", "recreate", "exec", "piped"],
)
@pytest.mark.usefixtures("config")
def test_every_call_of_the_docker_command_is_kept_apart(
    call: Callable[[Engine, Path], object], engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CHANGES_WHAT_RUNS:
        monkeypatch.setenv(name, "1")
    programs, work, temporary = (tmp_path / name for name in ("bin", "work", "tmp"))
    for folder in (programs, work, temporary):
        folder.mkdir()
    (programs / "docker").write_text(DOCKER)
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.chdir(work)
    call(engine, tmp_path)
    seen = dict(entry.partition("=")[::2] for entry in (programs / "seen").read_text().split("\0"))
    assert {name for name in CHANGES_WHAT_RUNS if name in seen} == set()
    assert (seen["CWD"], seen["PLUGIN"]) == ("/", "my plug-in")
    assert json.loads(seen["CONFIG"]) == {key: FULL[key] for key in ("HttpHeaders", "cliPluginsExtraDirs")}
    assert list(temporary.iterdir()) == [], "the private configuration is removed"


def test_the_private_configuration_is_the_users_alone(config: Path) -> None:
    with PrivateConfig(os.environ, Path("/nonexistent")) as private:
        file = Path(private.path, "config.json")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert "bmFtZTpzZWNyZXQ=" not in file.read_text()
    assert not file.parent.exists()
    assert json.loads((config / "config.json").read_text()) == FULL, "the person's own is left alone"
    assert (config / "cli-plugins" / "docker-compose").exists()


def test_a_folder_that_is_named_from_the_working_folder(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    with PrivateConfig({"DOCKER_CONFIG": "own"}, Path("/nonexistent")) as private:
        assert str(Path(private.path, "cli-plugins").readlink()) == str(config / "cli-plugins")


def test_without_a_configuration(tmp_path: Path) -> None:
    with PrivateConfig({}, tmp_path) as private:
        assert [path.name for path in Path(private.path).iterdir()] == ["config.json"]
        assert Path(private.path, "config.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"auths": ', "line 1, column 11"),
        ("[]", "object"),
        ("\udcff", "JSON"),
        (" x ", "JSON, line 1"),
    ],
)
def test_a_configuration_that_is_not_valid_is_an_error_that_names_it(config: Path, text: str, said: str) -> None:
    (config / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    asked: list[Callable[[], object]] = [
        lambda: PrivateConfig(os.environ, Path("/nonexistent")),
        lambda: resolve(None, {"DOCKER_CONFIG": str(config)}, Path("/nonexistent")),
        lambda: Engine(Address(url="unix:///none", named_by="the test")).observe("demo"),
    ]
    for ask in asked:
        with pytest.raises(UsageError, match=said) as caught:
            ask()
        assert (caught.value.code, caught.value.where) == ("engine.config-invalid", str(config / "config.json"))


@pytest.mark.parametrize("text", ["", " \n", "\t\n\n"])
def test_a_configuration_that_is_empty_says_nothing(config: Path, text: str) -> None:
    (config / "config.json").write_text(text)
    assert read_config(config) == {}
    with PrivateConfig(os.environ, Path("/nonexistent")) as private:
        assert Path(private.path, "config.json").read_text() == "{}"


def test_a_folder_in_the_place_of_a_configuration(config: Path) -> None:
    (config / "config.json").unlink()
    (config / "config.json").mkdir()
    with pytest.raises(UsageError) as caught:
        read_config(config)
    assert (caught.value.code, caught.value.where) == ("engine.config-folder", str(config / "config.json"))
    assert "chown" not in str(caught.value)


def test_a_configuration_that_can_not_be_read(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)  # root reads every file
    with pytest.raises(UsageError, match="Permission denied") as caught:
        read_config(config)
    assert (caught.value.code, caught.value.where) == ("engine.config-unreadable", str(config / "config.json"))


@pytest.fixture
def recorded() -> Iterator[tuple[Engine, list[tuple[str, Any]]]]:
    """An engine by TCP that agrees to everything, and what it was asked to make."""
    asked: list[tuple[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # its base names it so
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.path, json.loads(body) if body[:1] == b"{" else None))
            self.tell({"Id": "made", "StatusCode": 0})

        def do_GET(self) -> None:  # its base names it so
            self.tell({"ApiVersion": "1.41", "Config": {"Tty": True}})

        def do_DELETE(self) -> None:  # its base names it so
            self.tell({})

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
            yield engine, asked
    finally:
        server.shutdown()
        server.server_close()


def visit(engine: Engine) -> None:
    with engine.host_helper("tools", "none"):
        pass


@pytest.mark.parametrize(
    "make",
    [
        lambda engine: engine.on_host("tools", "true", []),
        lambda engine: engine.run_as_host("tools", "true", []),
        visit,
        lambda engine: engine.build(io.BytesIO(b""), "made", {}, {}, print),
    ],
    ids=["on_host", "run_as_host", "host_helper", "build"],
)
def test_no_helper_and_no_build_gets_the_clients_proxies(
    make: Callable[[Engine], object], recorded: tuple[Engine, list[tuple[str, Any]]], config: Path
) -> None:
    (config / "config.json").write_text(json.dumps({"proxies": FULL["proxies"]}))
    engine, asked = recorded
    make(engine)
    assert [path for path, _ in asked if "/containers/create" in path or "/build" in path]
    assert "192.0.2.9" not in json.dumps(asked)
    assert "PROXY" not in json.dumps(asked).upper()
