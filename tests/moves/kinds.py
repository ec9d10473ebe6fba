"""Real file systems as targets, each with a personality of its own. Every one is made and removed by its test."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

Mount = Callable[[Path], contextlib.AbstractContextManager[Path]]


def run(*command: str) -> None:
    """Run a command, and fail with its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"


@contextlib.contextmanager
def mounted(folder: Path, *command: str) -> Iterator[Path]:
    """Mount by a command, which gets the folder of the mount at its end; unmount whatever happens."""
    point = folder / "mount"
    point.mkdir(exist_ok=True)
    run(*command, str(point))
    try:
        yield point
    finally:
        run("umount", str(point))


@contextlib.contextmanager
def loop(image: Path) -> Iterator[str]:
    """A loop device of an image."""
    done = subprocess.run(["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=True)
    device = done.stdout.strip()
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


def image(folder: Path, megabytes: int, *mkfs: str) -> Path:
    """An image with a file system."""
    file = folder / "image"
    with file.open("wb") as made:
        made.truncate(megabytes << 20)
    run(*mkfs, str(file))
    return file


@contextlib.contextmanager
def formatted(folder: Path, megabytes: int, mkfs: tuple[str, ...], mount: tuple[str, ...]) -> Iterator[Path]:
    """A file system in an image, mounted by a command that gets the device and the folder."""
    with loop(image(folder, megabytes, *mkfs)) as device, mounted(folder, *mount, device) as point:
        yield point


@contextlib.contextmanager
def bound(folder: Path, *options: str) -> Iterator[Path]:
    """A folder seen through bindfs, which changes what the file system keeps."""
    (folder / "below").mkdir()
    with mounted(folder, "bindfs", *options, str(folder / "below")) as point:
        yield point


@contextlib.contextmanager
def local(folder: Path) -> Iterator[Path]:
    """A folder of this machine's disk."""
    (folder / "local").mkdir()
    yield folder / "local"


def tmpfs(folder: Path) -> contextlib.AbstractContextManager[Path]:
    return mounted(folder, "mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs")


def small(folder: Path) -> contextlib.AbstractContextManager[Path]:
    return mounted(folder, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs")


def few_inodes(folder: Path) -> contextlib.AbstractContextManager[Path]:
    return mounted(folder, "mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=200", "tmpfs")


def ext4(folder: Path) -> contextlib.AbstractContextManager[Path]:
    return formatted(folder, 128, ("mkfs.ext4", "-q", "-F", "-N", "4000"), ("mount", "-t", "ext4"))


def old_ext4(folder: Path) -> contextlib.AbstractContextManager[Path]:
    """Inodes of 128 bytes, as of ext3: whole seconds, 1901 to 2038."""
    return formatted(folder, 128, ("mkfs.ext4", "-q", "-F", "-I", "128", "-N", "4000"), ("mount", "-t", "ext4"))


def btrfs(folder: Path) -> contextlib.AbstractContextManager[Path]:
    return formatted(folder, 256, ("mkfs.btrfs", "-q"), ("mount", "-t", "btrfs"))


def exfat(folder: Path) -> contextlib.AbstractContextManager[Path]:
    return formatted(folder, 64, ("mkfs.exfat",), ("mount.exfat-fuse",))


def chown_ignored(folder: Path) -> contextlib.AbstractContextManager[Path]:
    """As SMB does: changes of the owner succeed and do nothing."""
    return bound(folder, "--chown-ignore", "--chgrp-ignore", "--force-user=65534", "--force-group=65534")


def chown_refused(folder: Path) -> contextlib.AbstractContextManager[Path]:
    """As a root-squashed export does for root."""
    return bound(folder, "--chown-deny", "--chgrp-deny")


def chmod_ignored(folder: Path) -> contextlib.AbstractContextManager[Path]:
    return bound(folder, "--chmod-ignore", "--perms=0770")


def no_attributes(folder: Path) -> contextlib.AbstractContextManager[Path]:
    """As NFS before 4.2 does."""
    return bound(folder, "--xattr-none")


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    with mounted(folder, "mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs") as point:
        yield point


MOUNTS: dict[str, Mount] = {
    mount.__name__: mount
    for mount in (
        local, tmpfs, small, few_inodes, ext4, old_ext4, btrfs, exfat, chown_ignored, chown_refused, chmod_ignored,
        no_attributes,
    )
}  # fmt: skip


def as_owner(uid: int, gid: int) -> Callable[[], None]:
    """A function for `preexec_fn` that makes a child an ordinary user, as root is on a root-squashed export."""

    def change() -> None:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)

    return change
