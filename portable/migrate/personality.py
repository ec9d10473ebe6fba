"""Probes what a target keeps, by trying it in a scratch folder that is removed again. It believes no answer: it reads everything back."""

import contextlib
import errno
import os
import secrets as stdlib_secrets
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from portable.migrate.demands import Demands, NameKind
from portable.migrate.entries import Type
from portable.migrate.facts import TYPES, has_hole
from portable.migrate.mounts import mount_of
from portable.migrate.names import listed
from portable.model.base import Struct
from portable.model.errors import Refused
from portable.programs.backup.errors import reason
from portable.programs.backup.files import opened, remove_tree

SCRATCH = ".portable-probe-"
"""Prefix of the scratch folder. A killed probe leaves one; the next probe removes it."""
Keeping = Literal["kept", "refused", "ignored"]
"""`ignored`: the call succeeds, and nothing changes."""
_SECOND = 1_000_000_000
GRAINS = (1, 100, 1_000, 1_000_000, 10_000_000, _SECOND, 2 * _SECOND)
"""Resolutions of times: most, SMB and NTFS, some network file systems, milliseconds, exFAT, ext3, FAT."""
_SAMPLES = tuple(1_700_000_001 * _SECOND + odd for odd in (123_456_789, 999_999_999, 1, 500_000_001))
_EARLIEST = tuple(second * _SECOND for second in (-9_000_000_000, -(2**31), -11_644_473_600, -1, 0, 315_532_800))
"""Limits of times: any, 32 bits, NTFS (1601), before 1970, 1970, FAT (1980)."""
_LATEST = tuple(second * _SECOND for second in (9_000_000_000, 2**33, 2**32 - 1, 4_354_819_199, 2**31 - 1))
"""Limits of times: any, ext4, 32 bits without a sign, FAT (2107), 32 bits with one."""
_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry) for entry in ((1, 6, 2**32 - 1), (2, 4, 61234), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1))
)
_HOLE = 4 << 20
_FAT_LIMIT = 2**32 - 1


class Personality(Struct, frozen=True, kw_only=True):
    """What a target keeps of what one source asks for."""

    kind: str
    """Type of the file system, as the kernel calls it."""
    owner: Keeping
    """Whether it keeps any owner but the one of new files, and else how it loses them."""
    lost_owners: tuple[tuple[int, int], ...] = ()
    mode: Keeping
    """Whether it keeps any mode, and else how it loses them."""
    lost_modes: tuple[tuple[Type, int], ...] = ()
    folds_case: bool
    folds_forms: bool
    """Two Unicode forms of one name are one file."""
    hard_links: bool
    symlinks: bool
    fifos: bool
    sockets: bool
    devices: bool
    sparse: bool
    lost_attributes: tuple[str, ...] = ()
    """Namespaces of extended attributes."""
    acls: bool
    """Whether it takes an ACL; see `keeps_acls`."""
    lost_names: tuple[NameKind, ...] = ()
    lost_targets: tuple[NameKind, ...] = ()
    """Kinds of targets of symlinks."""
    grain: int
    """Resolution of times, nanoseconds."""
    link_times: bool
    """Whether symlinks have times that can be set."""
    earliest: int
    latest: int
    largest: int
    """Bytes of the largest file that it takes; 0 if the source's largest file fits."""
    free_bytes: int
    free_inodes: int
    """0 if the file system has no fixed number."""
    block: int

    @property
    def keeps_acls(self) -> bool:
        """Whether ACLs arrive: the mover sets an ACL only together with the mode (rsync(1), `--acls` implies `--perms`)."""
        return self.acls and self.mode == "kept"


def probe(target: Path, demands: Demands) -> Personality:
    """Try in a scratch folder in `target`, an existing folder, what the source asks for. Leaves nothing behind.

    Raises Refused if nothing can be written there.
    """
    try:
        with opened(target) as folder:
            remove_probes(folder)
            scratch = f"{SCRATCH}{stdlib_secrets.token_hex(4)}"
            os.mkdir(scratch, 0o700, dir_fd=folder)
            try:
                with opened(scratch, folder) as inside:
                    return _Trial(inside, demands).personality()
            finally:
                remove_tree(scratch, folder)
    except OSError as error:
        text = f"this user ({os.geteuid()}) cannot work in the target: {reason(error)}"
        remedy = "mount it writable; on an export with root squash, run the same command as the owner of the folder"
        raise Refused(text, code="migrate.target-refused", where=str(target), remedy=remedy) from None


def remove_probes(folder: int) -> None:
    """Remove from an open folder what a probe left that was killed, as far as this user may: what stays is named by later checks."""
    for name in listed(folder):
        if name.startswith(SCRATCH):
            with contextlib.suppress(OSError):
                remove_tree(name, folder)


class _Trial:
    """The trials in one open scratch folder."""

    def __init__(self, folder: int, demands: Demands) -> None:
        self._folder, self._demands = folder, demands
        self._number = 0

    def personality(self) -> Personality:
        room, mount = os.fstatvfs(self._folder), mount_of(self._folder)
        owner, lost_owners = self._owners()
        mode, lost_modes = self._modes()
        grain = self._grain()
        sparse = self._sparse()
        earliest, latest = self._times(grain)
        return Personality(
            kind=mount.kind if mount else "",
            owner=owner,
            lost_owners=lost_owners,
            mode=mode,
            lost_modes=lost_modes,
            folds_case=self._is_one("Twin", "tWIN"),
            folds_forms=self._is_one("caf\u00e9", "cafe\u0301"),
            hard_links=self._hard_links(),
            symlinks=self._keeps_target(b"../a/dangling target"),
            fifos=self._special(stat.S_IFIFO),
            sockets=self._special(stat.S_IFSOCK),
            devices=self._special(stat.S_IFCHR, os.makedev(1, 3)),
            sparse=sparse,
            lost_attributes=self._attributes(),
            acls=not self._demands.has_acls or self._keeps_attribute("system.posix_acl_access", _ACL),
            lost_names=tuple(sorted(kind for kind, name in self._demands.names.items() if not self._keeps_name(name))),
            lost_targets=tuple(sorted(kind for kind, target in self._demands.targets.items() if not self._keeps_target(target))),
            grain=grain,
            link_times=self._link_times(),
            earliest=earliest,
            latest=latest,
            largest=self._largest(sparse, mount.kind if mount else ""),
            free_bytes=room.f_bavail * room.f_frsize,
            free_inodes=room.f_favail if room.f_files else 0,
            block=room.f_frsize,
        )

    def _new(self) -> str:
        self._number += 1
        return f"t{self._number}"

    @contextlib.contextmanager
    def _file(self) -> Iterator[tuple[str, int]]:
        """A new empty file: its name and descriptor."""
        name = self._new()
        file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._folder)
        try:
            yield name, file
        finally:
            os.close(file)
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._folder)

    def _owners(self) -> tuple[Keeping, tuple[tuple[int, int], ...]]:
        """How owners are kept, and which pairs of user and group are lost."""
        results: dict[tuple[int, int], Keeping] = {}
        with self._file() as (name, _):
            for uid, gid in sorted(self._demands.owners):
                try:
                    # By name: a descriptor that was opened before may show what the next look-up does not.
                    os.chown(name, uid, gid, dir_fd=self._folder, follow_symlinks=False)
                    status = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
                    results[uid, gid] = "kept" if (status.st_uid, status.st_gid) == (uid, gid) else "ignored"
                except OSError:
                    results[uid, gid] = "refused"
            with contextlib.suppress(OSError):
                os.chown(name, os.geteuid(), os.getegid(), dir_fd=self._folder, follow_symlinks=False)
        lost = tuple(pair for pair, kept in results.items() if kept != "kept")
        own = (os.geteuid(), os.getegid())
        keeps_some = any(kept == "kept" for pair, kept in results.items() if pair != own)
        return (results[lost[0]] if lost and not keeps_some else "kept"), lost

    def _modes(self) -> tuple[Keeping, tuple[tuple[Type, int], ...]]:
        """How modes are kept, tried on an object of each type, and which are lost."""
        results: dict[tuple[Type, int], Keeping] = {}
        samples: dict[Type, str] = {}
        for kind, mode in sorted(self._demands.modes):
            if kind not in samples and (name := self._sample(kind)):
                samples[kind] = name
            if kind not in samples:
                continue  # an entry of this type is left out
            try:
                os.chmod(samples[kind], mode, dir_fd=self._folder)
                now = stat.S_IMODE(os.stat(samples[kind], dir_fd=self._folder, follow_symlinks=False).st_mode)
                results[kind, mode] = "kept" if now == mode else "ignored"
            except OSError:
                results[kind, mode] = "refused"
        for name in samples.values():
            remove_tree(name, self._folder)
        lost = tuple(pair for pair, kept in results.items() if kept != "kept")
        return (results[lost[0]] if len(lost) == len(results) > 0 else "kept"), lost

    def _sample(self, kind: Type) -> str:
        """Make an object of a type; its name, or nothing if the target refuses it."""
        name, format_ = self._new(), next(number for number, type_ in TYPES.items() if type_ == kind)
        try:
            if kind == "folder":
                os.mkdir(name, 0o700, dir_fd=self._folder)
            else:
                os.mknod(name, format_ | 0o600, os.makedev(1, 3) if kind.endswith("device") else 0, dir_fd=self._folder)
        except OSError:
            return ""
        return name

    def _set_time(self, name: str, time: int) -> int | None:
        """The time that an object has after it was set; None if it was refused."""
        try:
            os.utime(name, ns=(time, time), dir_fd=self._folder, follow_symlinks=False)
            return os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mtime_ns
        except (OSError, OverflowError):
            return None

    def _grain(self) -> int:
        with self._file() as (name, _):
            kept = [(time, self._set_time(name, time)) for time in _SAMPLES]
        if any(now is None for _, now in kept):
            return GRAINS[-1]
        worst = max(abs(time - now) for time, now in kept if now is not None)
        return next((grain for grain in GRAINS if worst < grain), GRAINS[-1])

    def _times(self, grain: int) -> tuple[int, int]:
        """The earliest and latest time that is kept: those of the source, or the nearest known limits."""
        with self._file() as (name, _):

            def keeps(time: int) -> bool:
                return (now := self._set_time(name, time)) is not None and abs(now - time) < grain

            early, late = self._demands.earliest, self._demands.latest
            earliest = early if keeps(early) else next((t for t in _EARLIEST if t > early and keeps(t)), _SAMPLES[0])
            latest = late if keeps(late) else next((t for t in _LATEST if t < late and keeps(t)), _SAMPLES[0])
        return earliest, latest

    def _link_times(self) -> bool:
        name = self._new()
        try:
            os.symlink("nowhere", name, dir_fd=self._folder)
        except OSError:
            return False
        now = self._set_time(name, _SAMPLES[0])
        os.unlink(name, dir_fd=self._folder)
        return now is not None and abs(now - _SAMPLES[0]) < GRAINS[-1]

    def _is_one(self, first: str, second: str) -> bool:
        """Whether two names are one file. A name that is refused is no twin."""
        try:
            os.close(os.open(first, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._folder))
        except OSError:
            return False
        try:
            os.close(os.open(second, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._folder))
        except FileExistsError:
            return True
        except OSError:
            return False
        else:
            return len({first, second} & set(listed(self._folder))) < 2
        finally:
            for name in (first, second):
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=self._folder)

    def _hard_links(self) -> bool:
        """Whether a second name works and both are seen as one file: equal inodes, and two names."""
        with self._file() as (name, _):
            second = self._new()
            try:
                os.link(name, second, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False)
            except OSError:
                return False
            one, two = (os.stat(each, dir_fd=self._folder, follow_symlinks=False) for each in (name, second))
            os.unlink(second, dir_fd=self._folder)
            return os.path.samestat(one, two) and two.st_nlink == 2

    def _keeps_target(self, target: bytes) -> bool:
        """Whether a symlink can be made and leads where it should."""
        name = os.fsencode(self._new())
        try:
            os.symlink(target, name, dir_fd=self._folder)
            return os.readlink(name, dir_fd=self._folder) == target
        except OSError:
            return False
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._folder)

    def _special(self, kind: int, device: int = 0) -> bool:
        name = self._new()
        try:
            os.mknod(name, kind | 0o600, device, dir_fd=self._folder)
            status = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            return stat.S_IFMT(status.st_mode) == kind and (not device or status.st_rdev == device)
        except OSError:
            return False
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._folder)

    def _sparse(self) -> bool:
        with self._file() as (_, file):
            try:
                os.pwrite(file, b"x", _HOLE)
            except OSError:
                return False
            return has_hole(file, _HOLE + 1)

    def _attributes(self) -> tuple[str, ...]:
        """Namespaces whose attributes, in the length that the source has, are lost."""
        lost = []
        for space, length in sorted(self._demands.attributes.items()):
            name = space if "." in space else f"{space}.portable"
            value = struct.pack("<5I", 0x02000000, 1 << 10, 0, 0, 0) if space == "security.capability" else b"x" * length
            if not self._keeps_attribute(name, value):
                lost.append(space)
        return tuple(lost)

    def _keeps_attribute(self, attribute: str, value: bytes) -> bool:
        with self._file() as (_, file):
            try:
                os.setxattr(file, attribute, value)
                return os.getxattr(file, attribute) == value and attribute in os.listxattr(file)
            except OSError:
                return False

    def _keeps_name(self, name: bytes) -> bool:
        """Whether a name can be made and comes back under the same bytes."""
        inside = self._new()
        os.mkdir(inside, 0o700, dir_fd=self._folder)
        try:
            with opened(inside, self._folder) as folder:
                try:
                    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder))
                except OSError:
                    return False
                return [os.fsencode(found) for found in listed(folder)] == [name]
        finally:
            remove_tree(inside, self._folder)

    def _largest(self, sparse: bool, kind: str) -> int:
        """The limit of a file's size, if the source's largest file exceeds it. Only tried where it takes no space."""
        if self._demands.largest <= _FAT_LIMIT:
            return 0
        if kind in ("vfat", "msdos"):
            return _FAT_LIMIT
        if sparse:
            with self._file() as (_, file):
                try:
                    os.ftruncate(file, self._demands.largest)
                except OSError as error:
                    return _FAT_LIMIT if error.errno == errno.EFBIG else 0
        return 0
