"""Backups and restores of apps with a SQLite database, on real nodes: `backup` runs in Jobs, over volumes of the cluster.

The apps are stand-ins that write a database all the time. The volumes are a folder that all nodes have in common.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.cluster.cluster import SHARE, Cluster
from tests.lab.cluster.place import LIBRARY, Place
from tests.lab.local import Local

NAMESPACE = "media-backups"
DISK = "jellyfin-config"
PROFILE = """\
portable: 1
name: kept
about: The profile samba with backups, and an app with a disk of its own
extends: samba
apps: [backup, gluetun, jellyfin, sonarr]
storage:
  apps:
    jellyfin: {config: {claim: {size: 20Gi}}}
waive: null
"""
_SECONDS = 180.0


@pytest.fixture(scope="module")
def kept(cluster: Cluster, here: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The profile, up."""
    stack = Local(tmp_path_factory.mktemp("kept"), stack="media", text="", published=())
    stack.engine["KUBECONFIG"] = str(cluster.kubeconfig)
    (stack.folder / "profiles" / "kept.yaml").write_text(PROFILE)
    place = Place(cluster, stack, NAMESPACE)
    try:
        place.take(here, "kept", library=LIBRARY)
        place.volume(DISK, "20Gi")
        place.stack.portable("up", "--timeout", "300")
        yield place
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
        for volume in cluster.objects("pv"):
            if (volume["spec"].get("claimRef") or {}).get("namespace") == NAMESPACE:
                cluster.kubectl("delete", "pv", volume["metadata"]["name"], "--wait=false")


def rows(place: Place, *words: str, code: int | None = 0) -> list[dict[str, Any]]:
    """The rows of a command."""
    found: list[dict[str, Any]] = json.loads(place.stack.portable(*words, "--format", "json", code=code).out)["backup"]
    return found


def inside(place: Place, app: str, command: str) -> str:
    """The output of a shell command in an app."""
    return place.stack.portable("exec", app, "--profile", "lab", "--", "sh", "-c", command).out.strip()


def is_healthy(place: Place, app: str) -> bool:
    ran = place.stack.portable("status", "--format", "json", code=None)
    return any(row["app"] == app and row["health"] == "healthy" for row in json.loads(ran.out)["apps"])


def jobs(place: Place) -> list[str]:
    return [job["metadata"]["name"] for job in place.cluster.objects("jobs", "-n", place.namespace, "-l", "portable/job")]


def test_an_app_on_the_share_is_backed_up_while_it_is_stopped_and_restored(kept: Place) -> None:
    """Its database lies on the share: another node does not see its locks, so a copy while it runs is refused with the way forward."""
    inside(kept, "sonarr", "echo one > /config/marker")
    (refused,) = rows(kept, "backup", "sonarr", code=1)
    assert (refused["result"], "--stop sonarr" in " ".join(refused["notes"])) == ("failed", True)
    (made,) = rows(kept, "backup", "--stop", "sonarr")
    assert made["result"] == "done", made
    assert made["databases"] >= 1
    assert is_healthy(kept, "sonarr")
    assert [row["result"] for row in rows(kept, "backup", "--check", "sonarr")] == ["done"]
    inside(kept, "sonarr", "echo two > /config/marker")
    (restored,) = rows(kept, "restore", "sonarr")
    assert restored["result"] == "done", restored
    assert inside(kept, "sonarr", "cat /config/marker") == "one"
    before = f"{SHARE}/{NAMESPACE}-{LIBRARY}/config/sonarr/{restored['before']}"
    assert kept.cluster.nodes[0].sh(f"cat {before}/marker").strip() == "two"
    assert is_healthy(kept, "sonarr")  # its health is its database: every row vouches for the one before
    assert jobs(kept) == []
    assert kept.stack.portable("diff", code=None).code == 0


def test_an_app_with_a_disk_is_copied_on_its_node_and_a_killed_command_is_completed(kept: Place) -> None:
    inside(kept, "jellyfin", "echo one > /config/marker")
    (made,) = rows(kept, "backup", "jellyfin")
    assert made["result"] == "done", made
    assert made["databases"] >= 1
    inside(kept, "jellyfin", "echo two > /config/marker")
    running, until = kept.stack.start("restore", "jellyfin"), time.monotonic() + _SECONDS
    while not any("-swap-" in name for name in jobs(kept)):
        assert running.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until, jobs(kept)
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    refused = kept.stack.portable("up", "--timeout", "60", code=None)
    assert refused.code != 0, str(refused)
    until = time.monotonic() + _SECONDS
    while kept.stack.portable("restore", "jellyfin", code=None).code != 0:  # the lock of the killed one expires first
        assert time.monotonic() < until, "the restore was not completed"
        time.sleep(2)
    assert inside(kept, "jellyfin", "cat /config/marker") == "one"
    assert is_healthy(kept, "jellyfin")
    assert jobs(kept) == []
    assert kept.stack.portable("diff", code=None).code == 0
