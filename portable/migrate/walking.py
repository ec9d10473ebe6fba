"""Walks a tree in a fixed order. It follows no link, crosses no mount, and names whatever it cannot read."""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from portable.migrate.entries import ManifestEntry
from portable.migrate.facts import TYPES, ChangedError, attribute_facts, base_facts, file_facts
from portable.migrate.mounts import mount_number, mount_points
from portable.migrate.names import escaped, sorted_names
from portable.programs.backup.entries import stamp_of
from portable.programs.backup.errors import reason
from portable.programs.backup.files import FOLDER_FLAGS

KnownFile = Callable[[str, tuple[int, ...]], ManifestEntry | None]
"""Finds the entry of an earlier manifest by path, if its stamp is still the same."""
CHANGED = "it changed while it was read"
_MOST = 1000
"""Folders that changed during a walk and are named; the rest is counted."""


def nothing_known(_path: str, _stamp: tuple[int, ...]) -> ManifestEntry | None:
    """Know no earlier manifest, so that each file is read."""
    return None


class LinkGroups:
    """The first path of each file that has several names. On disk, since a library may have a million."""

    def __init__(self) -> None:
        self._database: sqlite3.Connection | None = None

    def first(self, status: os.stat_result) -> ManifestEntry | None:
        """The entry under which a file was met before, if it was."""
        if self._database is None:
            return None
        number = (str(status.st_dev), str(status.st_ino))
        row = self._database.execute("select path, sha256, sparse, problem from files where device=? and inode=?", number).fetchone()
        if row is None:
            return None
        self._database.execute("update files set seen = seen + 1 where device=? and inode=?", number)
        return ManifestEntry(path=row[0], type="file", sha256=row[1], sparse=bool(row[2]), problem=row[3])

    def add(self, status: os.stat_result, entry: ManifestEntry) -> None:
        """Note the first entry of a file with several names."""
        if self._database is None:
            self._database = sqlite3.connect("", isolation_level=None)  # a private file on disk, which SQLite removes
            self._database.execute(
                "create table files (device text, inode text, path text, sha256 text, sparse integer, problem text,"
                " names integer, seen integer, primary key (device, inode)) without rowid"
            )
            self._database.execute("begin")
        values = (str(status.st_dev), str(status.st_ino), entry.path, entry.sha256, entry.sparse, entry.problem, status.st_nlink)
        self._database.execute("insert or ignore into files values (?, ?, ?, ?, ?, ?, ?, 1)", values)

    def outside(self) -> int:
        """Number of files that have further names outside of the tree."""
        return int(self._database.execute("select count(*) from files where names > seen").fetchone()[0]) if self._database else 0

    def close(self) -> None:
        """Remove the file on disk."""
        if self._database:
            self._database.close()
            self._database = None


class _OpenFolder(NamedTuple):
    path: bytes
    descriptor: int
    before: os.stat_result
    names: Iterator[bytes]


class TreeWalk:
    """One walk of an open folder. Entries come sorted by `names.order`; `skip` names objects directly in it that are not part of the tree.

    The walk needs one open file for each level. A tree that is deeper than the limit has a problem that says so. Without `reads`, files are
    opened, but their contents are not read.
    """

    def __init__(self, root: int, *, skip: frozenset[bytes] = frozenset(), known: KnownFile = nothing_known, reads: bool = True) -> None:
        self._root, self._skip, self._known, self._reads = root, skip, known, reads
        self._mounts, self._mount = mount_points(root), mount_number(root)
        self._groups = LinkGroups()
        self.changed: list[str] = []
        """Folders that changed during the walk, so that entries may be missing."""
        self.changes = 0
        self.outside_links = 0

    def entries(self) -> Iterator[ManifestEntry]:
        """Yield an entry for each object, the tree itself first."""
        stack: list[_OpenFolder] = []
        try:
            yield from self._enter(b"", b".", self._root, stack)
            while stack:
                folder = stack[-1]
                name = next(folder.names, None)
                if name is None:
                    self._leave(stack.pop())
                elif folder.path or name not in self._skip:
                    path = folder.path + b"/" + name if folder.path else name
                    yield from self._object(path, name, folder.descriptor, stack)
            self.outside_links = self._groups.outside()
        finally:
            self._groups.close()
            for folder in stack:
                os.close(folder.descriptor)

    def _object(self, path: bytes, name: bytes, parent: int, stack: list[_OpenFolder]) -> Iterator[ManifestEntry]:
        shown = escaped(path)
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if path in self._mounts:
                yield ManifestEntry(path=shown, type="mount")
            elif stat.S_ISDIR(status.st_mode):
                yield from self._enter(path, name, parent, stack)
            elif stat.S_ISREG(status.st_mode):
                yield self._file(shown, name, parent, status)
            else:
                yield self._other(shown, name, parent, status)
        except (OSError, ChangedError) as error:
            yield self._problem(shown, name, parent, CHANGED if isinstance(error, ChangedError) else reason(error))

    def _enter(self, path: bytes, name: bytes, parent: int, stack: list[_OpenFolder]) -> Iterator[ManifestEntry]:
        """Yield the entry of a folder and put it on the stack, or yield why it cannot be read."""
        shown = escaped(path)
        try:
            descriptor = _open_folder(name, parent)
        except OSError as error:
            yield self._problem(shown, name, parent, reason(error))
            return
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, descriptor)
            if path and self._mount and mount_number(descriptor) != self._mount:
                yield ManifestEntry(path=shown, type="mount")
                return
            before = os.fstat(descriptor)
            try:
                names = sorted_names(descriptor)
                # The whole folder is listed before its entry is made: a failure belongs to the entry.
                names = chain([first] if (first := next(names, None)) is not None else [], names)
                entry = ManifestEntry(path=shown, **base_facts(before), **attribute_facts(b".", descriptor))
            except OSError as error:
                yield ManifestEntry(path=shown, **base_facts(before), problem=reason(error))
                return
            undo.pop_all()
            stack.append(_OpenFolder(path, descriptor, before, names))
        yield entry

    def _leave(self, folder: _OpenFolder) -> None:
        """Close a folder, and note it if it changed since it was listed."""
        after = os.fstat(folder.descriptor)
        os.close(folder.descriptor)
        changed = stamp_of(after) != stamp_of(folder.before) if folder.path or not self._skip else False
        if changed:
            self.changes += 1
            if len(self.changed) < _MOST:
                self.changed.append(escaped(folder.path))

    def _file(self, shown: str, name: bytes, parent: int, status: os.stat_result) -> ManifestEntry:
        if status.st_nlink > 1 and (first := self._groups.first(status)):
            content: dict[str, Any] = {"sha256": first.sha256, "sparse": first.sparse, "links": first.path, "problem": first.problem}
            return ManifestEntry(path=shown, **base_facts(status), **attribute_facts(name, parent), **content)
        known = self._known(shown, stamp_of(status))
        if known is not None:
            content = {"sha256": known.sha256, "sparse": known.sparse, "database": known.database}
            entry = ManifestEntry(path=shown, **base_facts(status), **attribute_facts(name, parent), **content)
        else:
            try:
                entry = ManifestEntry(path=shown, **file_facts(name, parent, reads=self._reads))
            except (OSError, ChangedError) as error:
                entry = self._problem(shown, name, parent, CHANGED if isinstance(error, ChangedError) else reason(error))
        if status.st_nlink > 1:
            self._groups.add(status, entry)
        return entry

    def _other(self, shown: str, name: bytes, parent: int, status: os.stat_result) -> ManifestEntry:
        """The entry of a symlink, pipe, socket or device; these can have several names too."""
        facts = {**base_facts(status), **attribute_facts(name, parent)}
        if facts["type"] == "symlink":
            facts["target"] = escaped(os.readlink(name, dir_fd=parent))
        first = self._groups.first(status) if status.st_nlink > 1 else None
        entry = ManifestEntry(path=shown, **facts, links=first.path if first else "")
        if status.st_nlink > 1 and first is None:
            self._groups.add(status, entry)
        return entry

    def _problem(self, shown: str, name: bytes, parent: int, text: str) -> ManifestEntry:
        """The entry of an object that cannot be read, with as many of its facts as can."""
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            facts = base_facts(status) if stat.S_IFMT(status.st_mode) in TYPES else {"type": "file"}
        except OSError:
            facts = {"type": "file"}
        return ManifestEntry(path=shown, **facts, problem=text)


def _open_folder(name: bytes, parent: int) -> int:
    try:
        return os.open(name, FOLDER_FLAGS | os.O_NOATIME, dir_fd=parent)
    except PermissionError:  # only the owner and root may use O_NOATIME (open(2))
        return os.open(name, FOLDER_FLAGS, dir_fd=parent)
