"""What runs at times, on the real engine: each shipped job does its work when the clock says so, and touches nothing else."""

import os
import time

import pytest

from tests.lab.local import Local, docker
from tests.lab.old import Old
from tests.lab.own import SHELF

PATIENCE = 90
"""Seconds: the jobs of the lab run every minute."""


@pytest.fixture(scope="module")
def tree(local: Local) -> Old:
    """What lay there before the stack was up, after each job has run."""
    for app in ("old-downloads", "stream-links"):
        waited(local, app)
    return local.old


def waited(local: Local, app: str) -> str:
    """What an app's log says once it has run."""
    end = time.monotonic() + PATIENCE
    while "schedule: ended" not in (log := local.logs_of(app)) and "schedule: failed" not in log:
        assert time.monotonic() < end, f"{app} did not run in {PATIENCE} s:\n{log}"
        time.sleep(1)
    return log


def test_a_download_goes_where_the_library_has_it_under_another_name(tree: Old) -> None:
    assert not tree["download"].exists()
    assert tree["kept"].read_text() == "kept.mkv"


def test_what_has_no_other_name_in_the_library_stays(tree: Old) -> None:
    assert tree["last name"].read_text() == "last.mkv"
    assert tree["twice in downloads"].stat().st_nlink == 2
    assert tree["download, young"].samefile(tree["kept, young"])


def test_old_links_go_and_nothing_else_of_the_stream(tree: Old) -> None:
    assert not tree["old link"].is_symlink()
    assert tree["young link"].is_symlink()
    assert tree["dead link"].is_symlink()
    assert tree["file"].read_text() == "film.mkv"


def test_links_that_lead_nowhere_are_told(local: Local, tree: Old) -> None:
    log = waited(local, "stream-links")
    assert f"leads nowhere: ./dead link -> /mnt/media/{SHELF}/gone.mkv" in log
    assert "leads nowhere: ./young" not in log
    assert tree["dead link"].is_symlink()


def test_how_full_the_library_is_is_told(local: Local) -> None:
    log = waited(local, "capacity")
    used = os.statvfs(local.library)
    percent = 100 * (used.f_blocks - used.f_bfree) // (used.f_blocks - used.f_bfree + used.f_bavail)
    said = next(line for line in log.splitlines() if line.startswith("/mnt/media: "))
    assert abs(int(said.split()[1]) - percent) <= 2, said
    assert said.endswith("% used, of at most 80 %")


def test_what_waits_ends_at_once_when_it_is_told_to(local: Local) -> None:
    start = time.monotonic()
    docker("restart", "--time", "10", local.container("capacity"))
    assert time.monotonic() - start < 5
    assert local.inspected()["capacity"]["State"]["Running"]
