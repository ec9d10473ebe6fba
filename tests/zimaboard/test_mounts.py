"""Clouds on the owner's host: three apps read each through one mount, and go on reading when the mounting process is killed."""

import os
import time
from collections.abc import Callable

import pytest

from tests.lab.home.home import Home
from tests.lab.home.trouble import healed
from tests.zimaboard.conftest import ENTRIES

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(900)]
Record = Callable[[str, object], None]
KILLS = int(os.environ.get("PORTABLE_CLOUD_KILLS", "2"))
READERS = ("jellyfin", "radarr", "sonarr")
KNOWN = {"torbox": "/mnt/media/torbox/torrents", "zurg": "/mnt/media/zurg/__all__"}
FULL = {(cloud, reader): ENTRIES for cloud in KNOWN for reader in READERS}


def entries(home: Home) -> dict[tuple[str, str], int]:
    """How many films each app sees of each cloud, as its user; 0 where it can't read."""
    seen = {}
    for cloud, reader in FULL:
        look = f"timeout 5 ls {KNOWN[cloud]} 2>/dev/null | wc -l"
        seen[cloud, reader] = int(home.stack.inside(reader, "sh", "-c", look, user="1000:1000", code=None).strip() or 0)
    return seen


def mounts(home: Home) -> dict[str, int]:
    """How many mounts of each cloud the host has."""
    return {cloud: int(home.host.sh(f"grep -c ' /mnt/clouds/{cloud} fuse.rclone ' /proc/mounts", code=None).strip()) for cloud in KNOWN}


def started(home: Home) -> dict[str, str]:
    """When each app began."""
    now = home.stack.inspected()
    return {reader: now[reader]["State"]["StartedAt"] for reader in READERS}


def test_three_apps_read_one_mount_of_each_cloud(clouded: Home) -> None:
    assert entries(clouded) == FULL
    assert clouded.stack.inside("sonarr", "cat", f"{KNOWN['zurg']}/film.7.mkv", user="1000:1000") == "film 7\n"
    film = f"{KNOWN['torbox']}/Film.0007.2020.1080p/film.0007.mkv"
    assert clouded.stack.inside("sonarr", "cat", film, user="1000:1000") == "film 0007\n"
    assert mounts(clouded) == dict.fromkeys(KNOWN, 1)
    table = clouded.stack.portable("verify", "clouds").out
    shown = {line.split()[0]: line.count(f"OK ({ENTRIES} entries)") for line in table.splitlines() if line}
    assert {reader: shown.get(reader) for reader in READERS} == dict.fromkeys(READERS, len(KNOWN)), table


@pytest.mark.parametrize("cloud", sorted(KNOWN))
def test_apps_read_on_when_the_mounting_process_was_killed(clouded: Home, cloud: str, record_property: Record) -> None:
    before, times = started(clouded), []
    for _ in range(KILLS):
        clouded.host.sh(f"kill -KILL $(pgrep -f 'rclone mount.* /mnt/clouds/{cloud}( |$)')")
        killed = time.monotonic()
        while (seen := entries(clouded)) != FULL:
            assert time.monotonic() - killed < 60, seen
            time.sleep(0.1)
        times.append(time.monotonic() - killed)
        assert mounts(clouded) == dict.fromkeys(KNOWN, 1)
    assert started(clouded) == before
    times.sort()
    said = f"{KILLS} kills, three apps read {cloud} again after {times[len(times) // 2]:.1f} s (median), {times[-1]:.1f} s (longest)"
    record_property(f"{cloud}_kills", said)


def test_clouds_that_are_away_for_a_minute(clouded: Home) -> None:
    """`status` says so until they are back; nobody is restarted."""
    before, zurg = started(clouded), clouded.stack.container("zurg")
    clouded.cloud.pause()
    clouded.stack.docker("pause", zurg)
    try:
        told = "status says nothing of the clouds"
        both = ("cloud-torbox", "cloud-zurg")
        clouded.host.until(lambda: all(name in _unwell(clouded) for name in both), told, 90)
    finally:
        clouded.stack.docker("unpause", zurg)
        clouded.cloud.resume()
    healed(clouded)
    assert entries(clouded) == FULL
    assert started(clouded) == before


def _unwell(home: Home) -> str:
    """The lines of `status` about what is not well; empty where all is."""
    ran = home.stack.portable("status", code=None)
    return "\n".join(line for line in ran.out.splitlines() if " healthy" not in line) if ran.code == 1 else ""


def test_after_the_power_was_cut_the_clouds_are_there_again(clouded: Home) -> None:
    clouded.host.power_cut()
    clouded.host.wait()
    healed(clouded)
    assert entries(clouded) == FULL
