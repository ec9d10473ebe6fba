"""A cloud on the owner's host: three apps read it through one mount, and go on reading when the mounting process is killed."""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from portable.backends.compose.engine import Engine
from portable.live import images
from tests.lab.home.home import AT, Home
from tests.lab.home.trouble import healed
from tests.lab.standins import at_registry

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(900)]
Record = Callable[[str, object], None]
KILLS = int(os.environ.get("PORTABLE_CLOUD_KILLS", "2"))
ENTRIES = 3000
CONSUMERS = ("jellyfin", "radarr", "sonarr")
KNOWN = "/mnt/media/zurg/__all__"
_SERVE = f"""\
mkdir -p /tmp/cloud/__all__ && cd /tmp/cloud/__all__ && for n in $(seq {ENTRIES}); do echo "film $n" >film.$n.mkv; done
exec rclone serve webdav /tmp/cloud --addr :9999 --baseurl /dav --read-only
"""


def with_a_cloud() -> dict[str, Any]:
    """The owner's profile with zurg and its cloud. Zurg can't be had: rclone serves some thousand files where it would, by WebDAV."""
    built = images.built_reference("rclone")
    assert built
    repository, _, tag = at_registry(built, AT).rpartition(":")
    rclone = {"image": {"repository": repository, "tag": tag, "digest": None}, "recipe": None}
    asked = {"exec": ["rclone", "lsf", "--webdav-url", "http://127.0.0.1:9999/dav", ":webdav:"], "http": None, "period": "2s"}
    serving = {"command": ["sh", "-c", _SERVE], "environment": None, "files": None, "probe": asked, "fetch": None}
    return {
        "apps": ["capacity", "gluetun", "jellyfin", "qbittorrent", "radarr", "sonarr", "zurg"],
        "clouds": ["zurg"],
        "devices": {"fuse": {"host": {"path": "/dev/fuse"}}},
        "memory": None,
        "waive": None,
        "override": {
            "zurg": {"containers": {"main": {**rclone, **serving}}, "secrets": None},
            "rclone": {"containers": {"main": {**rclone, "probe": {"period": "1s"}}}},
            **dict.fromkeys(("autobrr", "homepage", "ipfs", "lidarr", "mylar3", "prowlarr", "readarr", "seerr")),
        },
    }


@pytest.fixture(scope="module")
def clouded(home: Home, here: Engine) -> Home:
    """The home with a cloud: apps that it has no place for go."""
    built = images.built_reference("rclone")
    assert built
    home.registry.push({built: at_registry(built, AT).removeprefix(f"{AT}/")})
    home.take(here, "zimaboard", with_a_cloud())
    home.stack.portable("up")
    return home


def entries(home: Home, service: str) -> int:
    """How many films an app sees, as its user; 0 where it can't read."""
    said = home.stack.inside(service, "sh", "-c", f"timeout 5 ls {KNOWN} 2>/dev/null | wc -l", user="1000:1000", code=None).strip()
    return int(said or 0)


def test_three_apps_read_one_mount(clouded: Home) -> None:
    assert {service: entries(clouded, service) for service in CONSUMERS} == dict.fromkeys(CONSUMERS, ENTRIES)
    assert clouded.stack.inside("sonarr", "cat", f"{KNOWN}/film.7.mkv", user="1000:1000") == "film 7\n"
    assert clouded.host.sh("grep -c ' /mnt/clouds/zurg fuse.rclone ' /proc/mounts").strip() == "1"
    table = clouded.stack.portable("verify", "clouds").out
    assert {line.split()[0] for line in table.splitlines() if f"OK ({ENTRIES} entries)" in line} == set(CONSUMERS), table


def test_apps_read_on_when_the_mounting_process_was_killed(clouded: Home, record_property: Record) -> None:
    started = {service: seen["State"]["StartedAt"] for service, seen in clouded.stack.inspected().items()}
    times = []
    for _ in range(KILLS):
        clouded.host.sh("kill -KILL $(pgrep -f 'rclone mount')")
        killed = time.monotonic()
        while (seen := {service: entries(clouded, service) for service in CONSUMERS}) != dict.fromkeys(CONSUMERS, ENTRIES):
            assert time.monotonic() - killed < 60, seen
            time.sleep(0.1)
        times.append(time.monotonic() - killed)
        assert clouded.host.sh("grep -c ' /mnt/clouds/zurg fuse.rclone ' /proc/mounts").strip() == "1"
    now = clouded.stack.inspected()
    assert {service: now[service]["State"]["StartedAt"] for service in CONSUMERS} == {service: started[service] for service in CONSUMERS}
    record_property("clouds", f"three apps read again after {max(times):.1f} s at most, {KILLS} kills, one mount each time")


def test_a_cloud_that_is_away_for_a_minute(clouded: Home) -> None:
    """`status` says so until it is back; nobody is restarted."""
    zurg = clouded.stack.container("zurg")
    clouded.stack.docker("pause", zurg)
    try:
        told = "status says nothing of the cloud"
        clouded.host.until(lambda: clouded.stack.portable("status", code=None).code == 1, told, 90)
    finally:
        clouded.stack.docker("unpause", zurg)
    healed(clouded)
    assert {service: entries(clouded, service) for service in CONSUMERS} == dict.fromkeys(CONSUMERS, ENTRIES)


def test_after_the_power_was_cut_the_cloud_is_there_again(clouded: Home) -> None:
    clouded.host.power_cut()
    clouded.host.wait()
    healed(clouded)
    assert {service: entries(clouded, service) for service in CONSUMERS} == dict.fromkeys(CONSUMERS, ENTRIES)
