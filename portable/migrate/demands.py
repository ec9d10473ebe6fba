"""Sums up what a manifest asks of a target, with bounded memory, so that a probe can try exactly that."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from portable.migrate.entries import ManifestEntry, Type
from portable.migrate.names import unescaped

_MOST = 4096
"""Different owners, modes and kinds of names that are tried; there are few in practice."""
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
"""Names of devices in Windows, with any suffix."""
_SPECIAL = frozenset('\\:*?"<>|')
"""Characters that Windows, FAT and SMB do not allow in a name."""

NameKind = tuple[str, ...]
"""What is unusual in a name, sorted. Names of one kind meet the same fate on a target."""


@dataclass
class Demands:
    """What the entries of a tree ask of a target."""

    owners: set[tuple[int, int]] = field(default_factory=set)
    modes: set[tuple[Type, int]] = field(default_factory=set)
    names: dict[NameKind, bytes] = field(default_factory=dict)
    """A real name for each kind of unusual names; the longest if only the length differs."""
    targets: dict[NameKind, bytes] = field(default_factory=dict)
    """The longest target of symlinks of each unusual kind."""
    attributes: dict[str, int] = field(default_factory=dict)
    """Length of the longest value by namespace of extended attributes; `security.capability` is one of its own."""
    earliest: int = 0
    latest: int = 0
    largest: int = 0
    largest_database: int = 0
    """Bytes of the largest SQLite database, of which the proof may need a copy on the target."""
    has_acls: bool = False
    entries: int = 0
    bytes: int = 0
    """Bytes on disk with each hard link counted once and holes left out."""
    unlinked_bytes: int = 0
    """The same with each name of a file counted."""
    filled_bytes: int = 0
    """Bytes that holes would take in addition."""
    inodes: int = 0

    def add(self, entry: ManifestEntry) -> None:
        """Add an entry of the tree."""
        if entry.type == "mount":
            return
        self.entries += 1
        self.inodes += not entry.links
        if len(self.owners) < _MOST:
            self.owners.add((entry.owner, entry.group))
        if entry.type != "symlink" and len(self.modes) < _MOST:
            self.modes.add((entry.type, entry.mode))
        name, target = unescaped(entry.path).rpartition(b"/")[2], unescaped(entry.target)
        _longest(self.names, name_kind(name), name)
        _longest(self.targets, target_kind(target), target)
        for attribute, value in entry.xattrs.items():
            space = namespace(attribute)
            length = int(value.rpartition(":")[2]) if value.startswith("sha256:") else len(value) // 2
            self.attributes[space] = max(length, self.attributes.get(space, 0))
        self.has_acls |= bool(entry.acl or entry.default_acl)
        self.earliest, self.latest = (
            (min(self.earliest, entry.mtime), max(self.latest, entry.mtime)) if self.entries > 1 else (entry.mtime, entry.mtime)
        )
        if entry.type == "file":
            self.largest = max(self.largest, entry.size)
            self.largest_database = max(self.largest_database, entry.size if entry.database else 0)
            allocated = min(entry.allocated, entry.size) if entry.sparse else entry.size
            self.bytes += 0 if entry.links else allocated
            self.unlinked_bytes += allocated
            self.filled_bytes += 0 if entry.links else entry.size - allocated


def demands_of(entries: Iterable[ManifestEntry]) -> Demands:
    """Sum up a manifest."""
    demands = Demands()
    for entry in entries:
        demands.add(entry)
    return demands


def namespace(attribute: str) -> str:
    """The part of an extended attribute's name that decides who may set it (xattr(7))."""
    return attribute if attribute == "security.capability" else attribute.partition(".")[0]


def _longest(samples: dict[NameKind, bytes], kind: NameKind, text: bytes) -> None:
    """Keep the longest sample of an unusual kind."""
    if kind and (kind in samples or len(samples) < _MOST) and len(text) > len(samples.get(kind, b"")):
        samples[kind] = text


def target_kind(target: bytes) -> NameKind:
    """What is unusual in the target of a symlink; empty for one that every file system with symlinks takes."""
    kinds = {f"length {len(target) // 256 * 256}"} if len(target) > 255 else set()  # ext4 with blocks of 1 KiB: up to 1,023
    try:
        target.decode()
    except UnicodeDecodeError:
        kinds.add("not UTF-8")
    return tuple(sorted(kinds))


def name_kind(name: bytes) -> NameKind:
    """What is unusual in a name; empty for a name that every file system takes."""
    kinds = {f"length {len(name) // 16 * 16}"} if len(name) > 143 else set()  # 143: eCryptfs; the lowest limit in use
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return tuple(sorted(kinds | {"not UTF-8"}))
    kinds |= {character for character in text if character in _SPECIAL}
    if text and text[-1] in ". ":
        kinds.add("dot at the end" if text[-1] == "." else "blank at the end")
    if text[:1] == " ":
        kinds.add("blank at the start")
    if text.startswith("._"):
        kinds.add("._ at the start")  # Samba's veto of AppleDouble files (RsyncProject/rsync#491)
    if text.partition(".")[0].rstrip().lower() in _RESERVED:
        kinds.add("reserved name")
    if any(character < " " or character == "\x7f" for character in text):
        kinds.add("control character")
    if text != text.lower():
        kinds.add("capitals")  # a driver that ignores case may list all names in small letters (lowntfs-3g)
    if not text.isascii():
        kinds.add("not ASCII")
        if any(character > "\uffff" for character in text):
            kinds.add("beyond 16 bits")
        if unicodedata.normalize("NFC", text) != text:
            kinds.add("decomposed")
        if unicodedata.normalize("NFD", text) != text:
            kinds.add("composed")
        if len(name) > 143:
            kinds.add(f"letters {len(text.encode('utf-16-le')) // 2 // 16 * 16}")
    return tuple(sorted(kinds))


def folded(path: str, *, case: bool, forms: bool) -> bytes:
    """A path as a target sees it that ignores case, or the forms of Unicode. Bytes that are not UTF-8 stay as they are."""
    text = unescaped(path).decode(errors="surrogateescape")
    if forms:
        text = unicodedata.normalize("NFC", text)
    if case:
        text = text.casefold()
    return text.encode(errors="surrogateescape")
