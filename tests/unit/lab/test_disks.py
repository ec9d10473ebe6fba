"""A lab finds its own disks among the loop devices of a machine, and touches no others: those of another lab have the same path."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.lab.home import leftovers

DISKS = Path(__file__).parents[2] / "lab" / "home" / "host" / "disks.sh"
LOSETUP = (Path(__file__).parent / "losetup.sh").read_text()


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A kernel with one loop device, of a disk of another lab."""
    for folder in ("kernel", "bin", "sys", "dev"):
        (tmp_path / folder).mkdir()
    for name, text in (("losetup", LOSETUP), ("mknod", '#!/bin/sh\ntouch "$3"\n')):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    attach(tmp_path, 0, "0:99  4242")
    return tmp_path


def attach(machine: Path, number: int, what: str) -> None:
    (machine / "kernel" / f"loop{number}").write_text(what + "\n")
    listed = machine / "sys" / f"loop{number}" / "loop" / "backing_file"
    listed.parent.mkdir(parents=True)
    listed.write_text("/var/lib/lab/disk1\n")  # the same in every container


def asked(machine: Path, disk: Path) -> str:
    """The device that a lab takes for its disk."""
    variables = {"PATH": f"{machine}/bin:{os.environ['PATH']}", "KERNEL": f"{machine}/kernel"}
    script = f"set -eu; LOOPS={machine}/sys NODES={machine}/dev; . {DISKS}; disk_device {disk}"
    return subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=True).stdout.strip()


def changes(machine: Path) -> list[str]:
    """The calls that attach something."""
    return [line for line in (machine / "kernel" / "calls").read_text().splitlines() if not line.startswith("-")]


def test_the_disk_of_another_lab_with_the_same_path_is_left_alone(kernel: Path) -> None:
    disk = kernel / "disk1"
    disk.touch()
    assert asked(kernel, disk) == f"{kernel}/dev/loop1"
    assert changes(kernel) == [f"{kernel}/dev/loop1 {disk}"]
    assert (kernel / "kernel" / "loop0").read_text() == "0:99  4242\n"


def test_a_disk_that_the_kernel_still_holds_is_taken_as_it_is(kernel: Path) -> None:
    disk = kernel / "disk1"
    disk.touch()
    about = disk.stat()
    attach(kernel, 3, f" {os.major(about.st_dev)}:{os.minor(about.st_dev)}   {about.st_ino}")
    assert asked(kernel, disk) == f"{kernel}/dev/loop3"
    assert changes(kernel) == []
    assert (kernel / "dev" / "loop3").exists(), "its node was missing in the container"


def test_a_free_device_that_another_lab_takes_first_is_not_used(kernel: Path) -> None:
    disk = kernel / "disk1"
    disk.touch()
    (kernel / "kernel" / "steals").touch()
    assert asked(kernel, disk) == f"{kernel}/dev/loop2"
    assert (kernel / "kernel" / "loop1").read_text() == " 9:9 9\n"


def test_only_devices_of_a_labs_own_disks_are_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk1").touch()
    about = (tmp_path / "disk1").stat()
    own = ["/dev/loop7", f"{os.major(about.st_dev)}:{os.minor(about.st_dev)}", str(about.st_ino)]
    monkeypatch.setattr(leftovers, "_losetup", lambda *_: ["/dev/loop6", "0:99", str(about.st_ino), *own])
    assert leftovers._devices(str(tmp_path)) == ["/dev/loop7"]
    assert leftovers._devices("") == []
