"""Entries of a manifest: everything that a copy of a file, folder or other object must have."""

from typing import Literal

import msgspec

from portable.model.base import Struct
from portable.model.findings import Class

Type = Literal["file", "folder", "symlink", "fifo", "socket", "character device", "block device", "mount"]
"""`mount`: a mount point inside the tree. It is never walked, and its contents do not belong to the tree."""
Field = Literal[
    "type", "size", "sha256", "mode", "owner", "group", "mtime", "links", "target", "xattrs", "acl", "default_acl", "device", "sparse",
    "missing", "extra", "problem",
]  # fmt: skip
"""What can differ between two entries of one path; the last three mean the entry as a whole."""
FIELDS: dict[Field, Class] = {
    "type": "data",
    "size": "data",
    "sha256": "data",
    "mode": "security",
    "owner": "security",
    "group": "security",
    "mtime": "function",
    "links": "function",
    "target": "data",
    "xattrs": "data",
    "acl": "security",
    "default_acl": "security",
    "device": "function",
    "sparse": "cosmetic",
    "missing": "data",
    "extra": "data",
    "problem": "data",
}
"""The risk of each difference."""
COMPARED: tuple[Field, ...] = tuple(field for field in FIELDS if field not in ("missing", "extra", "problem"))


class ManifestEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One object of a tree. Paths are relative to the tree and escaped (`names.escaped`); the tree itself is the empty path."""

    path: str
    type: Type
    mode: int = 0
    """Permission bits, with setuid, setgid and sticky. Symlinks have none."""
    owner: int = 0
    group: int = 0
    mtime: int = 0
    """Nanoseconds since 1970, negative before."""
    size: int = 0
    """Bytes of a file; 0 for all else."""
    allocated: int = 0
    """Bytes that the file takes on its disk. Never compared: each file system has blocks of its own size."""
    sha256: str = ""
    links: str = ""
    """The first path of this tree that is the same file (a hard link); empty for that path, and for a file with one name."""
    target: str = ""
    """Target of a symlink, escaped."""
    xattrs: dict[str, str] = msgspec.field(default_factory=dict)
    """Extended attributes without ACLs; long values as digests."""
    acl: str = ""
    default_acl: str = ""
    device: str = ""
    """Major and minor number of a device."""
    sparse: bool = False
    """The file has a hole."""
    database: bool = False
    """The file begins like an SQLite database. Never compared."""
    stamp: tuple[int, ...] = ()
    """Inode, size, modification time and status change time: while they are equal, nobody wrote the file (inode(7)). Never compared."""
    problem: str = ""
    """Why the entry could not be read, or that it changed while it was read."""


class ManifestEnd(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Last line of a manifest. Without it the manifest is cut short."""

    entries: int
    files: int
    bytes: int
    """Sum of the sizes of files, each hard link counted once."""
    problems: int
    """Entries that could not be read, and folders that changed during the walk."""
    mounts: int
    outside_links: int
    """Files with further names outside of the tree."""
    changed: tuple[str, ...] = ()
    """The first folders that changed during the walk, so that entries may be missing."""
    began: int
    """Time at which the walk began, nanoseconds."""
    sha256: str
    """Digest of all lines before this one."""

    @property
    def changed_text(self) -> str:
        """The problem of a changed folder."""
        return "the folder changed while it was read"


class Difference(Struct, frozen=True, kw_only=True):
    """One difference between two manifests."""

    path: str
    field: Field
    class_: Class
    source: str
    """The value in the first manifest, for a person."""
    target: str


ENCODER = msgspec.json.Encoder()
ENTRY, END = msgspec.json.Decoder(ManifestEntry), msgspec.json.Decoder(ManifestEnd)
