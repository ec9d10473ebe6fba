"""kubo at the version that the catalog pins, built from source, with the catalog's probe, script and settings."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.engine import LabError, clean
from tests.lab.local import Local, docker
from tests.lab.upstream import images
from tests.lab.upstream.programs import KUBO, version_of

pytestmark = [pytest.mark.compose_lab, pytest.mark.prove, pytest.mark.timeout(7200)]
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def image(engine: Engine) -> str:
    """The image."""
    try:
        return images.bring_kubo(engine)
    except LabError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="module")
def stack(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """The stack, up."""
    made = images.kubo(tmp_path_factory.mktemp("kubo") / "stack", image)
    try:
        made.portable("up")
        yield made
    except BaseException:
        print(f"logs: {made.save_logs()}")
        raise
    finally:
        made.portable("down", code=None)
        clean(engine, made.project)


def health(stack: Local) -> tuple[str, str]:
    """The state of its health, and the command that asks."""
    seen = stack.inspected()["ipfs"]
    return seen["State"]["Health"]["Status"], " ".join(seen["Config"]["Healthcheck"]["Test"])


def status(url: str) -> int:
    """The HTTP status of a page."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_what_is_built_is_what_the_catalog_pins() -> None:
    """A new pin needs a new `go.mod`, so no other version is ever tried in its place."""
    assert version_of(KUBO, "github.com/ipfs/kubo") == images.pinned("ipfs")


def test_kubo_runs_and_its_gateway_is_what_the_probe_asks(stack: Local, record_property: Record) -> None:
    version = stack.inside("ipfs", "ipfs", "version", "--number").strip()
    record_property("kubo", version)
    assert f"v{version}" == images.pinned("ipfs")
    state, command = health(stack)
    assert state == "healthy"
    assert "/ipfs/bafkqaaa" in command
    page = f"http://127.0.0.1:{stack.ports['ipfs']}"
    assert (status(f"{page}/ipfs/bafkqaaa"), status(f"{page}/")) == (200, 404), "Homepage asks for the page of the probe"


def test_the_settings_of_the_catalog_reach_kubo(stack: Local) -> None:
    """Its own start writes others; the script of the catalog runs after that, before each start."""
    said = {name: stack.inside("ipfs", "ipfs", "config", name).strip() for name in ("Addresses.API", "Addresses.Gateway")}
    assert said == {"Addresses.API": "/ip4/127.0.0.1/tcp/5001", "Addresses.Gateway": "/ip4/0.0.0.0/tcp/8081"}
    assert stack.inspected()["ipfs"]["Config"]["User"] == "1000:1000"


def test_the_images_own_health_check_says_ok_without_a_daemon(stack: Local, image: str) -> None:
    """Why the catalog asks the gateway instead (docs/facts/probes.md#ipfs): its command opens the repository itself."""
    _, probe = health(stack)
    script = 'ipfs init --profile=server >/dev/null && ipfs diag healthy; echo "own=$?"; eval "$PROBE"; echo "ours=$?"'
    command = probe.removeprefix("CMD-SHELL ")
    said = docker(
        *("run", "--rm", "--network", "none", "--user", "1000:1000", "--env", f"PROBE=({command})", "--tmpfs", "/data/ipfs:uid=1000"),
        *("--entrypoint", "sh", image, "-c", script),
    )
    assert "own=0" in said
    assert "ours=0" not in said


def test_kubo_ends_in_time_and_starts_again(stack: Local) -> None:
    began = time.monotonic()
    stack.docker("restart", "--time", "30", stack.container("ipfs"))
    assert time.monotonic() - began < 25, "it is not killed at the end of its grace period"
    until = time.monotonic() + 180
    while health(stack)[0] != "healthy":
        assert time.monotonic() < until, stack.logs_of("ipfs")
        time.sleep(1)
