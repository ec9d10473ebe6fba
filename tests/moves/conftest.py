"""Fixtures of the ring: a tree of hazards, made once, and folders in memory."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.moves import hazards

PROGRAMS = ("rsync", "bindfs", "mkfs.btrfs", "mkfs.ext4", "mkfs.exfat", "mount.exfat-fuse")


@pytest.fixture(scope="session", autouse=True)
def requirements() -> None:
    """Root and the programs of scripts/lab.sh. Without them the ring fails; it never skips."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None]
    assert os.geteuid() == 0, "the ring of moves mounts file systems: run it as root"
    assert missing == [], "install them: scripts/lab.sh"


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system in memory, so that the waiting for disks is no part of the ring's time."""
    folder = tmp_path_factory.mktemp("memory")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def scratch(memory: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty folder in memory, removed after the test."""
    folder = memory / f"{abs(hash(request.node.nodeid)):x}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def hazard_tree(memory: Path) -> Path:
    """All kinds of hazards. No test changes it."""
    tree = memory / "hazards"
    tree.mkdir()
    hazards.make(tree)
    return tree


@pytest.fixture(scope="session")
def small_tree(memory: Path) -> Path:
    """All kinds of hazards but the many equal ones, for targets in FUSE, where each call takes long. No test changes it."""
    tree = memory / "small"
    tree.mkdir()
    hazards.make(tree, without=("small_files", "wide_folder"))
    return tree


@pytest.fixture(scope="session")
def plain_tree(memory: Path) -> Path:
    """The hazards without twins, for targets that ignore case. No test changes it."""
    tree = memory / "no-twins"
    tree.mkdir()
    hazards.make(tree, without=("case_twins", "unicode_twins", "small_files", "wide_folder"))
    return tree
