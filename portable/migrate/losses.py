"""Losses of a move, named before its first byte: from the source's manifest and the target's personality."""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from portable.migrate.demands import Demands, folded, name_kind, namespace, target_kind
from portable.migrate.entries import Field, ManifestEntry
from portable.migrate.manifest import Manifest
from portable.migrate.names import unescaped
from portable.migrate.personality import Personality
from portable.migrate.walking import CHANGED
from portable.model.base import Struct
from portable.model.codes import Code
from portable.model.findings import CLASSES, Class, Finding

LossKind = Literal[
    "ownership", "mode", "times", "hard-links", "symlinks", "special-files", "sparse-files", "attributes", "acls", "names", "case-twins",
    "long-paths", "large-files", "space", "inodes", "mounts", "outside-links", "unreadable", "damaged-databases",
]  # fmt: skip
"""What a waiver names."""
LEFT_OUT: tuple[LossKind, ...] = ("symlinks", "special-files", "names", "long-paths")
"""Losses by which entries are not on the target at all."""
IN_USE = (CHANGED, os.strerror(errno.ENOENT))
"""Ends of the problems of entries that an app which still runs changes or removes meanwhile."""
_EXAMPLES = 5
_PATH_MAX = 4096
"""Bytes of a path with its end, for every program that opens files by path (path_resolution(7)); rsync carries no longer ones."""
_RESERVE = 0.02
"""Share of the needed space that has to be free in addition: folders, and the move's own files."""
_LINES = 4 * 400
"""Bytes of an entry in the four manifests of a move."""


class LossFacts(Struct, frozen=True, kw_only=True):
    """A kind of loss."""

    code: Code
    class_: Class
    text: str
    remedy: str
    is_waivable: bool = True


FACTS: dict[LossKind, LossFacts] = {
    "ownership": LossFacts(
        code="migrate.lost-ownership",
        class_="data",
        text="the target does not keep these owners, so apps may not read or write their own files",
        remedy="mount the target so that root may change owners (NFS: no_root_squash; SMB: uid= and gid= of the apps)",
    ),
    "mode": LossFacts(
        code="migrate.lost-mode",
        class_="security",
        text="the target does not keep these permissions, so others may read private files, or apps lose access",
        remedy="choose a target with POSIX permissions, or set file_mode= and dir_mode= of the mount to private ones",
    ),
    "times": LossFacts(
        code="migrate.lost-times",
        class_="function",
        text="the target rounds or limits modification times, so apps may scan these files again",
        remedy="choose a target with finer times, or let the apps scan once",
    ),
    "hard-links": LossFacts(
        code="migrate.lost-links",
        class_="function",
        text="the target has no hard links, so each of these names becomes a file of its own and takes its own space",
        remedy="choose a target with hard links",
    ),
    "symlinks": LossFacts(
        code="migrate.lost-symlinks",
        class_="data",
        text="the target has no symlinks, or not with such targets, so these are left out",
        remedy="choose a target with symlinks (SMB: mount option mfsymlinks)",
    ),
    "special-files": LossFacts(
        code="migrate.lost-special",
        class_="function",
        text="the target does not take these pipes, sockets or devices, so they are left out",
        remedy="let the app make them again when it starts",
    ),
    "sparse-files": LossFacts(
        code="migrate.lost-sparse",
        class_="cosmetic",
        text="the target shows no holes in files, so these may take their full size",
        remedy="choose a target with sparse files, or make sure that the space suffices",
    ),
    "attributes": LossFacts(
        code="migrate.lost-attributes",
        class_="data",
        text="the target does not keep these extended attributes",
        remedy="choose a target that keeps them (NFS 4.2 keeps user attributes only)",
    ),
    "acls": LossFacts(
        code="migrate.lost-acls",
        class_="security",
        text="the target does not keep these access control lists, so permissions change",
        remedy="choose a target with POSIX ACLs",
    ),
    "names": LossFacts(
        code="migrate.lost-names",
        class_="data",
        text="the target refuses or changes these names, so the entries are left out",
        remedy="rename them in the source",
    ),
    "case-twins": LossFacts(
        code="migrate.case-twins",
        class_="data",
        text="the target takes these names for one name, so one file would replace the other",
        remedy="rename one of each pair in the source",
        is_waivable=False,
    ),
    "long-paths": LossFacts(
        code="migrate.long-paths",
        class_="data",
        text="these paths are too long for programs to open, so the entries are left out",
        remedy="shorten the names of their folders in the source",
    ),
    "large-files": LossFacts(
        code="migrate.large-files",
        class_="data",
        text="these files are larger than the target's file system allows",
        remedy="choose another target",
        is_waivable=False,
    ),
    "space": LossFacts(
        code="migrate.no-space",
        class_="data",
        text="the target has too little free space",
        remedy="free space on the target, or choose another one",
        is_waivable=False,
    ),
    "inodes": LossFacts(
        code="migrate.no-inodes",
        class_="data",
        text="the target has too few free inodes",
        remedy="choose a target with more inodes (mkfs.ext4 -N; tmpfs: nr_inodes=)",
        is_waivable=False,
    ),
    "mounts": LossFacts(
        code="migrate.mounts-inside",
        class_="data",
        text="other file systems are mounted here, and their contents do not move",
        remedy="unmount them, or move them by a move of their own",
    ),
    "outside-links": LossFacts(
        code="migrate.links-outside",
        class_="function",
        text="files have further names outside of the source, and become files of their own",
        remedy="move the folder that contains all names, in one move",
    ),
    "unreadable": LossFacts(
        code="migrate.unreadable",
        class_="data",
        text="these entries cannot be read, or changed at each attempt",
        remedy="run the same command as root; for files that change, stop the app first",
        is_waivable=False,
    ),
    "damaged-databases": LossFacts(
        code="migrate.database-damaged",
        class_="data",
        text="these databases are damaged at the source, and would be at the target",
        remedy="undo the move with --rollback; restore them from a backup, or begin again and accept `damaged-databases`",
    ),
}


class Loss(Struct, frozen=True, kw_only=True):
    """One kind of loss in one move."""

    kind: LossKind
    count: int
    examples: tuple[str, ...] = ()
    detail: str = ""
    waived: str = ""
    """The reason of the waiver."""

    @property
    def stops(self) -> bool:
        """Whether the move may not begin: risks of class data and security need a waiver."""
        return not self.waived and FACTS[self.kind].class_ in ("data", "security")

    def finding(self, target: str) -> Finding:
        """The loss as an entry of the ledger."""
        facts = FACTS[self.kind]
        named = f": {', '.join(self.examples)}{', ...' if self.count > len(self.examples) else ''}" if self.examples else ""
        return Finding(
            field=f"migrate.{self.kind}",
            path=target,
            class_=facts.class_,
            text=f"{facts.text}: {self.detail or f'{self.count} entries'}{named}",
            remedy=facts.remedy,
            code=facts.code,
            verdict="waived" if self.waived else "refused" if self.stops else "noted",
            reason=self.waived or None,
            is_waivable=facts.is_waivable,
        )


class Expectation:
    """Which fields of an entry a target with this personality cannot have."""

    def __init__(self, personality: Personality, *, longest: int) -> None:
        """Begin. `longest` is the length in bytes of the longest folder in front of the paths."""
        self._traits, self._longest = personality, longest
        self._owners, self._modes = frozenset(personality.lost_owners), frozenset(personality.lost_modes)
        self._names, self._attributes = frozenset(personality.lost_names), frozenset(personality.lost_attributes)
        self._targets = frozenset(personality.lost_targets)

    def lost(self, entry: ManifestEntry) -> dict[Field, LossKind]:
        """The fields that differ or are missing on the target, with the loss that is the reason."""
        if absence := self.absence(entry):
            return {"missing": absence}
        traits, lost = self._traits, dict[Field, LossKind]()
        if entry.type == "mount":
            return lost
        if (entry.owner, entry.group) in self._owners:
            lost["owner"] = lost["group"] = "ownership"
        if (entry.type, entry.mode) in self._modes:
            lost["mode"] = "mode"
        elif "owner" in lost and entry.mode & 0o6000:
            lost["mode"] = "ownership"  # without the owner, nobody may keep setuid and setgid
        has_time = traits.link_times or entry.type != "symlink"
        if not has_time or not traits.earliest <= entry.mtime <= traits.latest or (traits.grain > 1 and entry.mtime % traits.grain):
            lost["mtime"] = "times"
        if entry.links and not traits.hard_links:
            lost["links"] = "hard-links"
        elif entry.links and (reason := self._absent_path(unescaped(entry.links))):
            lost["links"] = reason  # the other names of the file are still links of one another
        if entry.sparse and not traits.sparse:
            lost["sparse"] = "sparse-files"
        if any(namespace(attribute) in self._attributes for attribute in entry.xattrs):
            lost["xattrs"] = "attributes"
        if not traits.keeps_acls and (entry.acl or entry.default_acl):
            # The mask of an ACL is shown as the mode of the group (acl(5)).
            lost.update({"acl": "acls", "default_acl": "acls", "mode": "acls"})
        return lost

    def absence(self, entry: ManifestEntry) -> LossKind | None:
        """The loss by which an entry is left out."""
        traits = self._traits
        if entry.type == "symlink" and (not traits.symlinks or target_kind(unescaped(entry.target)) in self._targets):
            return "symlinks"
        kept = {"fifo": traits.fifos, "socket": traits.sockets, "character device": traits.devices, "block device": traits.devices}
        if not kept.get(entry.type, True):
            return "special-files"
        return self._absent_path(unescaped(entry.path))

    def _absent_path(self, path: bytes) -> LossKind | None:
        if len(path) + self._longest + 2 > _PATH_MAX:  # a slash between both, and the end of the text
            return "long-paths"
        if self._names and any(name_kind(name) in self._names for name in path.split(b"/")):
            return "names"
        return None


class _Counter:
    """Counts losses and keeps the first examples of each."""

    def __init__(self) -> None:
        self.counts: dict[LossKind, int] = {}
        self.examples: dict[LossKind, list[str]] = {}

    def add(self, kind: LossKind, path: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if len(shown := self.examples.setdefault(kind, [])) < _EXAMPLES:
            shown.append(path or ".")


def losses(
    source: Manifest, demands: Demands, personality: Personality, *, longest: int, waive: Mapping[str, str], is_live: bool = False
) -> tuple[Loss, ...]:
    """List what the target cannot keep of the source, worst class first. With `is_live`, its files may change and vanish meanwhile."""
    expectation, counter = Expectation(personality, longest=longest), _Counter()
    for entry in source.entries():
        for kind in dict.fromkeys(expectation.lost(entry).values()):
            counter.add(kind, entry.path)
        if entry.type == "mount":
            counter.add("mounts", entry.path)
        if entry.problem and not (is_live and entry.problem.endswith(IN_USE)):
            counter.add("unreadable", entry.path)
        if personality.largest and entry.size > personality.largest:
            counter.add("large-files", entry.path)
    if personality.folds_case or personality.folds_forms:
        for path in twins(source.entries(), case=personality.folds_case, forms=personality.folds_forms):
            counter.add("case-twins", path)
    found = [
        Loss(kind=kind, count=count, examples=tuple(counter.examples[kind]), waived=waive.get(kind, "") if FACTS[kind].is_waivable else "")
        for kind, count in counter.counts.items()
    ]
    if source.end.outside_links:
        found.append(Loss(kind="outside-links", count=source.end.outside_links, detail=f"{source.end.outside_links} files"))
    found += _room(demands, personality)
    return _ordered(found)


def with_damage(found: Iterable[Loss], damaged: Sequence[str], waive: Mapping[str, str]) -> tuple[Loss, ...]:
    """The losses with one more: these databases, each with the reason, are damaged at the source."""
    waived = waive.get("damaged-databases", "")
    return _ordered([*found, Loss(kind="damaged-databases", count=len(damaged), examples=tuple(damaged[:_EXAMPLES]), waived=waived)])


def _ordered(found: Iterable[Loss]) -> tuple[Loss, ...]:
    """Losses by class, the worst first."""
    return tuple(sorted(found, key=lambda loss: (CLASSES.index(FACTS[loss.kind].class_), loss.kind)))


def _room(demands: Demands, personality: Personality) -> Iterator[Loss]:
    """Yield what the target is too small for."""
    bytes_ = demands.bytes if personality.hard_links else demands.unlinked_bytes
    if not personality.sparse:
        bytes_ += demands.filled_bytes
    inodes = demands.inodes if personality.hard_links else demands.entries
    # Each file wastes half a block on average, and the move's own manifests lie on the target until it is confirmed.
    bytes_ += demands.largest_database
    needed = int((bytes_ + inodes * min(personality.block, 4096) // 2 + demands.entries * _LINES) * (1 + _RESERVE))
    if needed > personality.free_bytes:
        detail = f"{needed / 1e6:.0f} MB needed, {personality.free_bytes / 1e6:.0f} MB free"
        yield Loss(kind="space", count=1, detail=detail)
    if personality.free_inodes and inodes * (1 + _RESERVE) + 16 > personality.free_inodes:
        yield Loss(kind="inodes", count=1, detail=f"{inodes} needed, {personality.free_inodes} free")


def twins(entries: Iterable[ManifestEntry], *, case: bool, forms: bool) -> Iterator[str]:
    """Yield each path that a folding target takes for an earlier one. Paths are sorted by SQLite on disk."""
    with contextlib.closing(sqlite3.connect("", isolation_level=None)) as database:
        database.execute("create table paths (folded blob primary key) without rowid")
        database.execute("begin")
        for entry in entries:
            done = database.execute("insert or ignore into paths values (?)", (folded(entry.path, case=case, forms=forms),))
            if done.rowcount == 0:
                yield entry.path


def excluded(entries: Iterable[ManifestEntry], expectation: Expectation) -> Iterator[bytes]:
    """Yield the paths that do not move: mounts, and what the target has no place for. What lies below such a path is covered by it."""
    above = None
    for entry in entries:
        path = unescaped(entry.path)
        if above is not None and path.startswith(above + b"/"):
            continue
        if entry.type == "mount" or expectation.absence(entry):
            above = path
            yield path


def unknown_waivers(waive: Collection[str]) -> list[str]:
    """Waivers that name no kind of loss."""
    return sorted(set(waive) - set(FACTS))


def stored(found: Iterable[Loss]) -> bytes:
    """Losses as JSON, for the journal."""
    return msgspec.json.encode(tuple(found))


def longest_front(*folders: str | os.PathLike[str]) -> int:
    """Length in bytes of the longest of these absolute paths."""
    return max(len(os.fsencode(folder)) for folder in folders)
