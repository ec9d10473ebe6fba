"""rclone at the version that the catalog pins, built from source, with the catalog's probes, script and settings."""

import json
import os
import time
from collections.abc import Callable, Iterator

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.engine import LabError, clean
from tests.lab.local import Local, forget_cloud
from tests.lab.own import CLOUDS, SMALL
from tests.lab.upstream import images
from tests.lab.upstream.programs import RCLONE, version_of

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(3600)]
Record = Callable[[str, object], None]
MOUNT = f"{CLOUDS}/{SMALL}"
FILE = 30 * 1024**2
FILES = 8
"""Together more than twice what the cloud may keep."""


@pytest.fixture(scope="module")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """The stack, up, with files in the cloud."""
    try:
        image = images.bring_rclone(engine)
    except LabError as error:
        pytest.fail(str(error))
    made = images.rclone(tmp_path_factory.mktemp("rclone") / "stack", image)
    try:
        made.portable("up")
        (shelf,) = [file.parent for file in (made.folder / "config").rglob("welcome.txt")]
        for number in range(FILES):
            file = shelf / f"film{number}.mkv"
            file.write_bytes(os.urandom(FILE))
            os.chown(file, 1000, 1000)
        yield made
    except BaseException:
        print(f"logs: {made.save_logs()}")
        raise
    finally:
        made.portable("down", code=None)
        clean(engine, made.project)
        forget_cloud(SMALL)


def health(stack: Local, service: str) -> str:
    """The state of a service's health, by the probe of the catalog."""
    return str(stack.inspected()[service]["State"]["Health"]["Status"])


def cached(stack: Local) -> int:
    """Bytes on disk in the cloud's cache."""
    return int(stack.inside(f"cloud-{SMALL}", "du", "-s", "-B", "1", "/cache").split()[0])


def test_what_is_built_is_what_the_catalog_pins() -> None:
    """A new pin needs a new `go.mod`, so no other version is ever tried in its place."""
    assert version_of(RCLONE, "github.com/rclone/rclone") == f"v{images.pinned('rclone')}"
    assert images.pinned("webdav") == images.pinned("rclone")


def test_rclone_mounts_and_serves_at_the_pinned_version(stack: Local, record_property: Record) -> None:
    for service in (f"cloud-{SMALL}", "webdav"):
        version = stack.inside(service, "rclone", "version").splitlines()[0].split()[-1]
        assert version == f"v{images.pinned('rclone')}"
        assert health(stack, service) == "healthy"
    record_property("rclone", version)


def test_a_new_file_is_seen_soon(stack: Local) -> None:
    """The server and the mount each remember a folder for 10 s; the server's own default is five minutes."""
    until = time.monotonic() + 60
    while stack.inside("gerbera", "ls", MOUNT).split() != [*(f"film{n}.mkv" for n in range(FILES)), "welcome.txt"]:
        assert time.monotonic() < until
        time.sleep(1)


def test_the_cache_of_a_cloud_stays_below_its_limit(stack: Local, record_property: Record) -> None:
    """With rclone's own interval, a minute, all that is read below stays there."""
    for number in range(FILES):
        stack.inside("gerbera", "sh", "-c", f"cat {MOUNT}/film{number}.mkv >/dev/null")
    read = time.monotonic()
    while (kept := cached(stack)) > images.CACHE and time.monotonic() - read < 20:
        time.sleep(1)
    record_property(
        "cache", f"{kept / 1e6:.0f} of {images.CACHE / 1e6:.0f} MB, {time.monotonic() - read:.0f} s after {FILES * FILE / 1e6:.0f} MB"
    )
    assert kept <= images.CACHE


def test_a_dead_rclone_is_mounted_again(stack: Local) -> None:
    stack.inside(f"cloud-{SMALL}", "sh", "-c", "kill -9 $(pidof rclone)")
    until = time.monotonic() + 60
    while not stack.inside("gerbera", "cat", f"{MOUNT}/welcome.txt", code=None):
        assert time.monotonic() < until, stack.logs_of(f"cloud-{SMALL}")
        time.sleep(1)
    assert json.loads(stack.docker("inspect", stack.container(f"cloud-{SMALL}")))[0]["RestartCount"] == 0
