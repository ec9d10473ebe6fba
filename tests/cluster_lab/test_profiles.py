"""The profile samba, whole, on the cluster: real nodes run its pods. tests/lab/cluster/place.py says what is a stand-in."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from portable.engines.docker.engine import Engine
from tests.cluster_lab.conftest import BUSYBOX
from tests.lab.cluster.cluster import Cluster
from tests.lab.cluster.place import LIBRARY, Place, place_in
from tests.lab.home.box import REGISTRY

APPS = {"capacity", "gluetun", "jellyfin", "lidarr", "old-downloads", "qbittorrent", "radarr", "sabnzbd", "sonarr"}
SCHEDULED = {"capacity", "old-downloads"}


@pytest.fixture(scope="module")
def samba(cluster: Cluster, here: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The profile, up."""
    with place_in(cluster, here, tmp_path_factory.mktemp("samba"), "media-services", "samba") as place:
        place.stack.portable("up", "--timeout", "300")
        yield place


def rows(place: Place) -> dict[str, dict[str, Any]]:
    """The rows of `status`, by service."""
    ran = place.stack.portable("status", "--format", "json", code=None)
    return {row["service"]: row for row in json.loads(ran.out)["apps"]}


def test_every_app_becomes_ready(samba: Place) -> None:
    seen = rows(samba)
    assert {row["app"] for row in seen.values()} == APPS
    assert {name: row["reason"] for name, row in seen.items() if row["reason"]} == {}
    assert {name for name, row in seen.items() if row["state"] == "running" and row["health"] == "healthy"} >= APPS - SCHEDULED


def test_a_second_up_writes_nothing(samba: Place) -> None:
    before = len(samba.cluster.persisted())
    ran = samba.stack.portable("up", "--timeout", "60")
    assert "nothing to change" in ran.out
    assert samba.cluster.persisted()[before:] == []
    assert samba.stack.portable("diff", code=None).code == 0


def test_commands_run_inside_and_logs_tell_their_app(samba: Place) -> None:
    assert samba.stack.portable("exec", "--profile", "lab", "sonarr", "--", "sh", "-c", "echo $PUID").out.strip() == "1000"
    assert samba.stack.portable("exec", "--profile", "lab", "sonarr", "--", "sh", "-c", "exit 7", code=7).code == 7
    lines = samba.stack.portable("logs", "gluetun", "--tail", "3").out.splitlines()
    assert lines
    assert {line.partition(" |")[0] for line in lines} == {"gluetun"}


def test_verify_finds_every_promise_kept(samba: Place) -> None:
    ran = samba.stack.portable("verify", "--format", "json", code=None)
    results = json.loads(ran.out)["verify"]
    found = [f"{row['contract']}: {row['subject']}: {row['text']}" for row in results if row["verdict"] == "broken"]
    assert found == [], "\n".join(found)
    holding = {row["contract"] for row in results if row["verdict"] == "holds"}
    assert holding >= {"runs", "shares", "fence", "names", "environment", "privileges", "paths", "privacy", "secrecy", "identity"}
    assert ran.code == 0


def test_verify_sees_what_was_changed_by_hand(samba: Place) -> None:
    """A variable that leads past the tunnel, and a debug container in the gateway's network."""
    where = ("-n", samba.namespace)
    samba.cluster.kubectl("set", "env", *where, "statefulset/gluetun", "-c", "qbittorrent", f"HTTPS_PROXY=http://{REGISTRY}:1")
    until = time.monotonic() + 120
    while not (found := broken(samba, "environment")).get("qbittorrent"):
        assert time.monotonic() < until, found
        time.sleep(2)
    assert "HTTPS_PROXY" in found["qbittorrent"]
    samba.stack.portable("up", "--timeout", "200")
    assert broken(samba, "environment", "runs") == {}
    pod = next(pod["metadata"]["name"] for pod in samba.pods() if pod["metadata"]["name"].startswith("gluetun"))
    debugger = {"name": "look", "image": BUSYBOX, "command": ["sleep", "600"], "targetContainerName": "gluetun"}
    patch = json.dumps({"spec": {"ephemeralContainers": [debugger]}})
    samba.cluster.kubectl("patch", *where, "pod", pod, "--subresource=ephemeralcontainers", "--patch", patch)
    until = time.monotonic() + 60
    while not (found := broken(samba, "privileges")).get("gluetun"):
        assert time.monotonic() < until, found
        time.sleep(2)
    assert "look" in found["gluetun"]
    samba.stack.portable("restart", "gluetun", "--timeout", "200")
    assert broken(samba, "privileges") == {}


def broken(place: Place, *contracts: str) -> dict[str, str]:
    """The broken results of these contracts: text by subject."""
    ran = place.stack.portable("verify", *contracts, "--format", "json", code=None)
    return {row["subject"]: row["text"] for row in json.loads(ran.out)["verify"] if row["verdict"] == "broken"}


def test_status_names_why_an_app_waits(samba: Place) -> None:
    """An image that does not exist; the app is named with it, and everything else stays well."""
    where = ("-n", samba.namespace)
    samba.cluster.kubectl(
        "set", "image", *where, "deployment,statefulset", "-l", "app.kubernetes.io/name=lidarr", f"lidarr={REGISTRY}:5000/absent:1"
    )
    until = time.monotonic() + 60
    while "absent:1" not in (reason := rows(samba)["lidarr"]["reason"]):
        assert time.monotonic() < until, reason
        time.sleep(1)
    assert {name for name, row in rows(samba).items() if row["reason"]} == {"lidarr"}
    samba.stack.portable("up", "--timeout", "120")
    assert rows(samba)["lidarr"]["reason"] == ""


def test_down_keeps_claims_and_secrets(samba: Place) -> None:
    samba.stack.portable("down")
    assert samba.pods() == []
    assert {claim["metadata"]["name"] for claim in samba.cluster.objects("pvc", "-n", samba.namespace)} == {LIBRARY}
    assert "wireguard-key" in {secret["metadata"]["name"] for secret in samba.cluster.objects("secrets", "-n", samba.namespace)}
    assert {row["state"] for row in rows(samba).values()} == {"missing"}
