"""Reads the facts of one object without following links: attributes, ACLs, holes, the digest of a file that nobody writes meanwhile."""

import errno
import hashlib
import os
import stat
import struct
from collections.abc import Mapping
from typing import Any

from portable.migrate.entries import Type
from portable.migrate.names import escaped
from portable.programs.backup.entries import stamp_of
from portable.programs.backup.files import FILE_FLAGS

TYPES: Mapping[int, Type] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}
_ACLS = {"system.posix_acl_access": "acl", "system.posix_acl_default": "default_acl"}
LABELS = ("security.selinux", "security.ima", "security.evm")
"""Attributes that a host's own policy gives to a file, so that they differ from host to host by design."""
_TAGS = {1: "user", 2: "user", 4: "group", 8: "group", 16: "mask", 32: "other"}
"""Entries of an ACL by tag (acl(5), Linux `posix_acl_xattr.h`)."""
_CHUNK = 1 << 20
_SHOWN = 32
HEADER = b"SQLite format 3\0"
"""The first bytes of an SQLite database (https://www.sqlite.org/fileformat2.html, 1.3)."""
_TRIES = 3
"""Attempts to read a file that changes meanwhile."""


class ChangedError(Exception):
    """The file changed each time it was read."""


def base_facts(status: os.stat_result) -> dict[str, Any]:
    """Type, mode, owner, time, device and stamp of an object."""
    kind = TYPES[stat.S_IFMT(status.st_mode)]
    facts: dict[str, Any] = {"type": kind, "owner": status.st_uid, "group": status.st_gid, "mtime": status.st_mtime_ns}
    if kind != "symlink":
        facts["mode"] = stat.S_IMODE(status.st_mode)
    if kind == "file":
        facts["size"], facts["allocated"] = status.st_size, status.st_blocks * 512
    if kind in ("character device", "block device"):
        facts["device"] = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return {**facts, "stamp": stamp_of(status)}


def attribute_facts(name: bytes, folder: int) -> dict[str, Any]:
    """Extended attributes and ACLs of an object in an open folder; `.` is the folder itself. A file system without them has none."""
    # The *xattr calls have no form with a folder's descriptor. The last part of this path is not followed.
    path = b"/proc/self/fd/%d/%s" % (folder, name)
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS):
            return {}
        raise
    facts: dict[str, Any] = {}
    for attribute in sorted(names):
        if attribute in LABELS or (attribute.startswith("system.") and attribute not in _ACLS):
            continue
        value = os.getxattr(path, attribute, follow_symlinks=False)
        if attribute in _ACLS:
            facts[_ACLS[attribute]] = acl_text(value)
        else:
            facts.setdefault("xattrs", {})[escaped(os.fsencode(attribute))] = _shown(value)
    return facts


def _shown(value: bytes) -> str:
    return value.hex() if len(value) <= _SHOWN else f"sha256:{hashlib.sha256(value).hexdigest()}:{len(value)}"


def acl_text(value: bytes) -> str:
    """A POSIX ACL as text, in the form of acl(5): `user::rw-,user:1000:r--,mask::r--`. An unknown form is shown as hexadecimal digits."""
    if len(value) < 4 or (len(value) - 4) % 8 or struct.unpack_from("<I", value)[0] != 2:
        return value.hex()
    parts = []
    for tag, rights, number in struct.iter_unpack("<HHI", value[4:]):
        if tag not in _TAGS:
            return value.hex()
        who = str(number) if tag in (2, 8) else ""
        parts.append(f"{_TAGS[tag]}:{who}:{''.join(letter if rights & bit else '-' for letter, bit in (('r', 4), ('w', 2), ('x', 1)))}")
    return ",".join(parts)


def open_file(name: bytes, folder: int) -> int:
    """Open a file for reading; its access time stays as it is where this user may say so. Raises OSError, also for a link."""
    try:
        return os.open(name, FILE_FLAGS | os.O_NOATIME, dir_fd=folder)
    except PermissionError:  # only the owner and root may use O_NOATIME (open(2))
        return os.open(name, FILE_FLAGS, dir_fd=folder)


def file_facts(name: bytes, folder: int, *, reads: bool = True) -> dict[str, Any]:
    """All facts of a regular file, read from one open file. Raises OSError, or ChangedError if it changed at each attempt.

    Without `reads` the file is opened, but its contents are not read: it has no digest.
    """
    for _ in range(_TRIES):
        file = open_file(name, folder)
        try:
            before = os.fstat(file)
            if not stat.S_ISREG(before.st_mode):
                continue  # replaced since it was listed
            digest, size = _digest(file) if reads else ("", before.st_size)
            facts = {**base_facts(before), "sha256": digest, "sparse": has_hole(file, before.st_size), **attribute_facts(name, folder)}
            facts["database"] = os.pread(file, len(HEADER), 0) == HEADER
            after, named = os.fstat(file), os.stat(name, dir_fd=folder, follow_symlinks=False)
        finally:
            os.close(file)
        if stamp_of(before) == stamp_of(after) == stamp_of(named) and size == before.st_size:
            return facts
    raise ChangedError


def _digest(file: int) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := os.read(file, _CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def has_hole(file: int, size: int) -> bool:
    """Whether an open file has a hole before its end. A file system that cannot tell reports none (lseek(2))."""
    if size == 0:
        return False
    try:
        return os.lseek(file, 0, os.SEEK_HOLE) < size
    except OSError:
        return False
