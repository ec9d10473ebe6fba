"""`make lab`, however it is ended, leaves nothing on the machine; what one that was killed left is found and taken away.

Before any other test of this folder, which share one lab.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.engine import LABEL
from tests.lab.home import leftovers
from tests.lab.home.box import OWNER, docker
from tests.lab.local import ROOT

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(300)]


def started(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """`make lab`, in a session of its own as in a terminal of its own, what it needs on this machine in that folder."""
    command = [sys.executable, "-m", "tests.lab.home", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def lab_of(process: "subprocess.Popen[str]") -> str:
    """The name of its lab, once its host is there with its disks."""
    end = time.monotonic() + 120
    while True:
        for network in docker("network", "ls", "-q", "--filter", f"label={OWNER}={leftovers.told(process.pid)}").split():
            lab = docker("network", "inspect", "-f", f'{{{{index .Labels "{LABEL}"}}}}', network).strip()
            if disks(lab):
                return lab
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "its host does not come"
        time.sleep(0.2)


def disks(lab: str) -> list[str]:
    """The loop devices of its host's disks."""
    folder = docker("volume", "inspect", "-f", "{{.Mountpoint}}", f"{lab}-disks", code=None).strip()
    return leftovers._devices(folder)


def left(lab: str) -> dict[str, list[str]]:
    """What of it is on this machine."""
    return leftovers._left(lab)


@pytest.fixture
def by_hand(here: Engine, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """It, at work; taken away at the end, if nothing else did."""
    del here
    process = started(tmp_path)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        leftovers.clean()


def test_a_closed_terminal_and_many_signals(by_hand: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """SIGHUP, then Ctrl-C again and again while all is taken away: to the whole group, as a terminal sends it."""
    lab = lab_of(by_hand)
    devices = disks(lab)
    os.killpg(by_hand.pid, signal.SIGHUP)
    while by_hand.poll() is None:
        time.sleep(0.5)
        os.killpg(by_hand.pid, signal.SIGINT)
    said = by_hand.communicate()[0]
    # Python's own end takes its handlers away: a signal that comes then ends a process that has done everything.
    assert by_hand.returncode in (0, -signal.SIGINT), said
    assert "it is being taken away" in said
    assert said.rstrip().endswith("taken away"), said
    assert left(lab) == {}, said
    assert not set(devices) & set(leftovers._losetup("-n", "-O", "NAME"))
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_killed(by_hand: "subprocess.Popen[str]", tmp_path: Path) -> None:
    lab = lab_of(by_hand)
    os.killpg(by_hand.pid, signal.SIGKILL)
    by_hand.wait()
    assert set(left(lab)) == {"container", "volume", "network"}
    cleaned = started(tmp_path, "--clean")
    assert f"taken away: {lab}" in cleaned.communicate()[0]
    assert (cleaned.returncode, left(lab), list(tmp_path.iterdir())) == (0, {}, [])


@pytest.mark.timeout(600)
def test_two_side_by_side(by_hand: "subprocess.Popen[str]", tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each has its own network and disks, and the end of one takes nothing of the other."""
    other = started(tmp_path_factory.mktemp("other"))
    try:
        first, second = lab_of(by_hand), lab_of(other)
        subnets = [docker("network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}}{{end}}", lab).strip() for lab in (first, second)]
        assert len(set(subnets)) == 2, subnets
        devices = disks(second)
        assert not set(disks(first)) & set(devices)
        os.killpg(by_hand.pid, signal.SIGTERM)
        by_hand.wait()
        assert left(first) == {}
        assert (other.poll(), disks(second)) == (None, devices)
        assert "container" in left(second)
        os.killpg(other.pid, signal.SIGTERM)
        other.wait()
        assert left(second) == {}
    finally:
        if other.poll() is None:
            os.killpg(other.pid, signal.SIGKILL)
        other.communicate()
