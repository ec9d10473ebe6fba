"""The two folders of a move: opened, locked, and refused where a move would read the wrong source or write to the wrong target."""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from portable.migrate.mounts import all_mounts, inner_path, mount_of, path_of
from portable.migrate.names import listed
from portable.model.base import Struct
from portable.model.codes import Code
from portable.model.errors import PortableError, Refused, UsageError
from portable.programs.backup.errors import reason
from portable.programs.backup.files import FOLDER_FLAGS

WORK = ".portable-move"
"""Folder in the target with the journal, the manifests and the staged tree. An app's own folder may be a mount, so nothing beside it would
be on the same file system."""
FOUND = "lost+found"
"""The folder that mkfs makes in an empty file system."""
_WAIT = 20.0
"""Seconds to wait for the lock: after a killed move, its rsync holds the lock until it has noticed."""
_NO_LOCKS = (errno.EBADF, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL)


class SourceIdentity(Struct, frozen=True, kw_only=True):
    """Which folder of which file system the source is, so that a swapped or unmounted source is noticed."""

    inode: int
    path: str
    """Within its file system."""
    kind: str
    system: int
    """Number of the file system made from its UUID (statvfs(3), `f_fsid`), which a restart does not change; 0 if it has none."""
    device: int
    mounted: str
    """Device or share that is mounted."""

    def is_same(self, other: "SourceIdentity") -> bool:
        """Whether both are one folder."""
        folder, others = (self.inode, self.path, self.kind), (other.inode, other.path, other.kind)
        if self.system or other.system:
            return folder == others and self.system == other.system
        return folder == others and (self.device, self.mounted) == (other.device, other.mounted)


def identity_of(folder: int) -> SourceIdentity:
    """The identity of an open folder."""
    status, mount = os.fstat(folder), mount_of(folder)
    return SourceIdentity(
        inode=status.st_ino,
        path=os.fsdecode(inner_path(folder)[1]),
        kind=mount.kind if mount else "",
        system=os.fstatvfs(folder).f_fsid,
        device=status.st_dev,
        mounted=mount.source if mount else "",
    )


@contextlib.contextmanager
def opened_source(path: Path, *, is_removed: bool = False) -> Iterator[int]:
    """Hold the source open and locked, so that it cannot be unmounted, nor be moved by two commands at once.

    Raises UsageError if it is not a folder, Refused if its file system is not mounted. Unless this command removes its contents
    (`is_removed`), raises Refused too if it is empty or belongs to an unfinished move.
    """
    refuse_unmounted(path)
    with _opened(path, "migrate.source-kind") as folder:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(path) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:  # NFS locks files only; the target's lock remains
                raise
        if not is_removed:
            _refuse_wrong(folder, path)
        yield folder


def _refuse_wrong(folder: int, path: Path) -> None:
    names = [name for name in listed(folder) if name != FOUND]
    if not names:
        remedy = "check that its disk or share is mounted, and that the path is right"
        raise Refused("the source is empty", code="migrate.source-empty", where=str(path), remedy=remedy)
    if WORK in names:
        text = "the source is itself the target of a move that is not confirmed"
        remedy = "confirm that move first, or roll it back"
        raise Refused(text, code="migrate.source-unfinished", where=str(path), remedy=remedy)


@contextlib.contextmanager
def opened_target(path: Path, *, made: bool = False) -> Iterator[int]:
    """Hold the target open; with `made`, create it in its existing parent. Raises UsageError if it is not a folder."""
    if made and not path.is_symlink() and not path.exists():
        try:
            path.mkdir(mode=0o700)
        except OSError as error:
            remedy = "create its parent folder first, or choose another target"
            raise UsageError(f"cannot create it: {reason(error)}", code="migrate.target-kind", where=str(path), remedy=remedy) from None
    with _opened(path, "migrate.target-kind") as folder:
        yield folder


@contextlib.contextmanager
def _opened(path: Path, code: Code) -> Iterator[int]:
    try:
        descriptor = os.open(path, FOLDER_FLAGS)
    except OSError as error:
        text = "it is a link" if path.is_symlink() else f"cannot open it: {reason(error)}"
        raise UsageError(text, code=code, where=str(path), remedy="give the path of an existing folder that is not a link") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked_work(work: Path) -> Iterator[int]:
    """Lock a move's work folder. rsync inherits the lock: after a killed move it stays locked until rsync has ended.

    Raises PortableError if another command holds it.
    """
    until = time.monotonic() + _WAIT
    while True:
        try:
            lock = os.open(work / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            raise _busy(work.parent) from None  # the other command has just removed its work folder
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_current = os.path.samestat(os.fstat(lock), os.stat(work / "lock"))  # noqa: PTH116 - the file may be gone
        except (BlockingIOError, FileNotFoundError):
            is_current = False
        if is_current:
            break
        os.close(lock)
        if time.monotonic() > until:
            raise _busy(work.parent)
        time.sleep(0.05)
    try:
        yield lock
    finally:
        os.close(lock)


def release(lock: int) -> None:
    """End a lock whose file was removed: NFS and FUSE keep such a file in its folder until it is closed. Its number stays in use."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(nothing, lock, inheritable=False)
    os.close(nothing)


def _busy(path: Path) -> PortableError:
    remedy = "wait for it to finish, or stop it"
    return PortableError("another move works on this folder", code="migrate.busy", where=str(path), remedy=remedy)


def refuse_nested(source: int, target: int, name: str = "") -> None:
    """Raise Refused if one folder is the other or lies in it, also through another mount of the same file system.

    With a name, the target is the folder of that name in `target`, which need not exist.
    """
    (one_device, one), (two_device, two) = inner_path(source), inner_path(target)
    below = os.fsencode(f"/{name}") if name else b""
    two = two.rstrip(b"/") + below
    paths = [(path_of(source), path_of(target).rstrip(b"/") + below)]
    if one_device and one_device == two_device:
        paths.append((one, two))
    for left, right in paths:
        inside = f"{os.fsdecode(left)} and {os.fsdecode(right)}"
        if _is_within(left, right) or _is_within(right, left):
            text = f"source and target are one folder, or one lies in the other: {inside}"
            raise Refused(text, code="migrate.nested", remedy="choose a target outside of the source")


def _is_within(inner: bytes, outer: bytes) -> bool:
    return f"{os.fsdecode(inner)}/".startswith(f"{os.fsdecode(outer).rstrip('/')}/")


def refuse_used_target(folder: int, path: Path) -> None:
    """Raise Refused if the target contains anything of somebody else."""
    others = [name for name in listed(folder) if name not in (WORK, FOUND)]
    if others:
        more = ", ..." if len(others) > 3 else ""
        text = f"the target is not empty: it has {', '.join(others[:3])}{more}"
        raise Refused(text, code="migrate.target-not-empty", where=str(path), remedy="choose an empty folder, or move its contents away")


def refuse_unmounted(path: Path) -> None:
    """Raise Refused if /etc/fstab has a file system at or above the path that is not mounted."""
    absolute = os.fsencode(os.path.abspath(path))  # noqa: PTH100 - links are not resolved: the paths of fstab are not either
    mounted = {mount.point for mount in all_mounts()}
    for point in fstab_points():
        if _is_within(absolute, point) and point not in mounted:
            where = os.fsdecode(point)
            text = f"its file system is not mounted: /etc/fstab has {where}"
            raise Refused(text, code="migrate.source-unmounted", where=str(path), remedy=f"mount it: `mount {where}`")


def fstab_points(file: Path = Path("/etc/fstab")) -> Iterator[bytes]:
    """Yield the mount points of /etc/fstab that are mounted at start (fstab(5))."""
    with contextlib.suppress(OSError):
        for line in file.read_bytes().splitlines():
            fields = line.split()
            if len(fields) >= 4 and fields[1].startswith(b"/") and fields[1] != b"/" and b"noauto" not in fields[3].split(b","):
                yield fields[1].replace(b"\\040", b" ").rstrip(b"/")
