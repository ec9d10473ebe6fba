"""`wire` on qBittorrent and SABnzbd of the newest Debian: what holds for the versions of the recipes holds for these too."""

import json
from collections.abc import Callable, Iterator

import pytest

from portable.engines.docker.engine import Engine
from tests.lab import newest
from tests.lab.engine import clean
from tests.lab.local import Local
from tests.verify_lab import test_wire

pytestmark = [pytest.mark.compose_lab, pytest.mark.prove, pytest.mark.timeout(1800)]
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def clients(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """A stack of the two, up."""
    made = newest.stack(tmp_path_factory.mktemp("newest") / "stack", newest.bring(engine))
    try:
        made.portable("up")
        yield made
    except BaseException:
        print(f"logs: {made.save_logs()}")
        raise
    finally:
        made.portable("down", code=None)
        clean(engine, made.project)


@pytest.fixture(autouse=True)
def _nothing_told(clients: Local) -> Iterator[None]:
    """Each test begins with apps that do not know each other."""
    yield
    if known := test_wire.categories(clients):
        test_wire.api(clients, "torrents/removeCategories", "categories=" + "\n".join(known))
    for name in ("radarr", "sonarr"):
        test_wire.sabnzbd(clients, "mode=del_config", "section=categories", f"keyword={name}")


def test_they_are_newer_than_those_of_the_recipes(clients: Local, record_property: Record) -> None:
    test_wire.categories(clients)  # which logs in
    versions = (
        test_wire.api(clients, "app/version").strip().removeprefix("v"),
        json.loads(test_wire.sabnzbd(clients, "mode=version"))["version"],
    )
    record_property("newest", f"qBittorrent {versions[0]}, SABnzbd {versions[1]}")
    assert [tuple(map(int, version.split(".")[:2])) > least for version, least in zip(versions, ((5, 1), (4, 5)), strict=True)] == [
        True
    ] * 2


def test_they_are_healthy_by_the_probes_of_the_catalog(clients: Local) -> None:
    health = {name: seen["State"]["Health"]["Status"] for name, seen in clients.inspected().items() if name in test_wire.CLIENTS}
    assert health == dict.fromkeys(test_wire.CLIENTS, "healthy")


@pytest.mark.parametrize(
    "holds",
    [
        test_wire.test_clients_are_told_once,
        test_wire.test_a_download_goes_to_the_folder_of_its_category,
        test_wire.test_what_was_moved_is_told_again,
        test_wire.test_a_manager_is_told_of_the_clients_and_tries_them,
    ],
)
def test_wire_does_the_same(clients: Local, holds: Callable[[Local], None]) -> None:
    """The same tests, on the other versions."""
    holds(clients)
