"""What the client's machine says changes nothing of what runs: its Docker configuration, its environment, its working folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portable.engines.docker.engine import Engine
from portable.engines.docker.observed import HASH
from portable.live.compose import verbs as compose
from portable.live.compose.desired import ComposeStack, current
from portable.live.image_needs import ImageNeed
from portable.local.paths import state_home
from portable.secrets.sources import EnvironmentSource
from tests.by_hand import by_hand
from tests.compose_lab.stacks import service
from tests.compose_lab.test_live_up import docker
from tests.lab.engine import BUSYBOX

pytestmark = pytest.mark.compose_lab
PROXY = "http://192.0.2.9:3128"
OTHER = f"services: {{app: {{environment: {{EXTRA: '1'}}}}, more: {{image: '{BUSYBOX}'}}}}\n"


def stack(project: str) -> ComposeStack:
    app = service(labels={"portable.app": "app"}, network_mode="none", environment={"PLAIN": "$TAG ${TAG} ${HOME:-x}", "TZ": "UTC"})
    document = {"name": project, "services": {"app": app, "rest": {**app, "network_mode": "service:app"}}}
    return by_hand(document, project=project, images=(ImageNeed(reference=BUSYBOX, apps=("app",)),))


def run(engine: Engine, project: str) -> dict[str, Any]:
    """The containers that `up` makes, without what differs with each of them; then they are removed."""
    compose.up(engine, stack(project), EnvironmentSource(), deadline=60)
    assert compose.up(engine, stack(project), EnvironmentSource(), deadline=60).changes == ()
    made = current(engine.observe(project))
    found: dict[str, Any] = {}
    for name, seen in made.items():
        (inspected,) = json.loads(docker("inspect", seen.id))
        inspected["Config"]["Env"].sort()
        if seen.joins:
            del inspected["Config"]["Labels"][HASH]  # the id of the container whose network it shares is in it
        text = json.dumps({key: inspected[key] for key in ("Name", "Platform", "Image", "Config", "HostConfig")})
        for other in made.values():
            text = text.replace(other.id, f"<{other.service}>").replace(other.id[:12], f"<{other.service}>")
        found[name] = json.loads(text)
    compose.down(engine, stack(project))
    return found


def flat(found: Any, path: str = "") -> set[str]:
    """Each value with its path."""
    if not isinstance(found, dict):
        return {f"{path}: {found!r}"}
    return {line for key, value in found.items() for line in flat(value, f"{path}/{key}")}


def by_configuration(proxies: str) -> Callable[[Path, pytest.MonkeyPatch], None]:
    def put(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = {"httpProxy": PROXY, "httpsProxy": PROXY, "allProxy": PROXY, "noProxy": "x"}
        (folder / "config.json").write_text(json.dumps({"proxies": {proxies: settings}}))
        monkeypatch.setenv("DOCKER_CONFIG", str(folder))

    return put


def by_environment(**variables: str) -> Callable[[Path, pytest.MonkeyPatch], None]:
    def put(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value.replace("{folder}", str(folder)))
        (folder / "other.yaml").write_text(OTHER)

    return put


def by_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("compose.yaml", "compose.override.yaml", "docker-compose.yml", "docker-compose.override.yml"):
        (folder / name).write_text(OTHER)
    (folder / ".env").write_text("TAG=1\nCOMPOSE_COMPATIBILITY=1\nCOMPOSE_PROFILES=x\nDOCKER_DEFAULT_PLATFORM=linux/arm64\n")
    monkeypatch.chdir(folder)


def beside_the_document(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del monkeypatch
    for project in (state_home()).iterdir():
        (project / ".env").write_text("TAG=1\nCOMPOSE_COMPATIBILITY=1\nDOCKER_DEFAULT_PLATFORM=linux/arm64\n")
        (project / "compose.override.yaml").write_text(OTHER)


PROXIES = dict.fromkeys(("HTTP_PROXY", "https_proxy", "ALL_PROXY"), PROXY)
SETTINGS: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "proxies of every engine": by_configuration("default"),
    "proxies of this engine": by_configuration("unix:///var/run/docker.sock"),
    "names of containers": by_environment(COMPOSE_COMPATIBILITY="1"),
    "the platform of images": by_environment(DOCKER_DEFAULT_PLATFORM="linux/arm64"),
    "everything else by variables": by_environment(
        **PROXIES,
        TAG="1",
        COMPOSE_FILE="{folder}/other.yaml",
        COMPOSE_ENV_FILES="{folder}/other.yaml",
        COMPOSE_PATH_SEPARATOR="/",
        COMPOSE_PROFILES="x",
        COMPOSE_PROJECT_NAME="other",
        COMPOSE_PARALLEL_LIMIT="1",
        COMPOSE_REMOVE_ORPHANS="1",
        COMPOSE_DRY_RUN="1",
        DOCKER_HOST="unix:///var/run/docker.sock",
        DOCKER_CONTENT_TRUST="1",
        DOCKER_API_VERSION="1.24",
        DOCKER_BUILDKIT="0",
        BUILDKIT_HOST="tcp://192.0.2.9:1",
    ),
    "a working folder": by_working_folder,
    "files beside the document": beside_the_document,
}


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """What `up` makes where the client's machine says nothing; filled by the first test."""
    return {}


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_runs_is_the_same(
    engine: Engine, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: dict[str, Any], setting: str
) -> None:
    if not plain or setting == "files beside the document":
        plain |= {"project": project, "state": str(state_home()), "made": run(engine, project)}
    folder = tmp_path / "client"
    folder.mkdir()
    SETTINGS[setting](folder, monkeypatch)
    with Engine(engine.address) as fresh:  # as a command that begins now
        made = json.dumps(run(fresh, project)).replace(project, plain["project"]).replace(str(state_home()), plain["state"])
    assert flat(json.loads(made)) ^ flat(plain["made"]) == set()
    assert "192.0.2.9" not in made
    (value,) = [entry for entry in json.loads(made)["app"]["Config"]["Env"] if entry.startswith("PLAIN=")]
    assert value == "PLAIN=$TAG ${TAG} ${HOME:-x}"


def test_helpers_get_no_proxies_of_the_client(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_configuration("default")(tmp_path, monkeypatch)
    with Engine(engine.address) as fresh:
        assert "PROXY" not in fresh.on_host(BUSYBOX, "env", []).upper()
        with fresh.host_helper(BUSYBOX, "none") as helper:
            assert "PROXY" not in fresh.inside(helper, ["env"])[1].upper()
