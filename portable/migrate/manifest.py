"""Manifests on disk: one line of JSON for each entry, sorted, read and written line by line, so that memory stays flat."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from portable.migrate.entries import ENCODER, END, ENTRY, ManifestEnd, ManifestEntry
from portable.migrate.names import order
from portable.migrate.walking import KnownFile, TreeWalk, nothing_known
from portable.model.errors import PortableError
from portable.programs.backup.files import FOLDER_FLAGS

_TICK = 2_000_000_000
"""Nanoseconds, at least the resolution of any file system's times (FAT: 2 s): a younger stamp may hide a second write."""
_END = b'{"end":'
_LONGEST_END = 16 << 20
"""Bytes of a last line: 1,000 paths of changed folders, each escaped byte by byte."""


class Manifest:
    """A complete manifest on disk."""

    def __init__(self, file: Path) -> None:
        """Read the end of a manifest. Raises PortableError if it is cut short."""
        self.file = file
        self.end = _end_of(file)

    def entries(self) -> Iterator[ManifestEntry]:
        """Yield all entries. Raises PortableError at the end if a line was changed."""
        digest = hashlib.sha256()
        with self.file.open("rb") as lines:
            for line in lines:
                if line.startswith(_END):
                    break
                digest.update(line)
                yield ENTRY.decode(line)
        if digest.hexdigest() != self.end.sha256:
            raise _damaged(self.file)

    def problems(self) -> Iterator[ManifestEntry]:
        """Yield the entries that could not be read."""
        return (entry for entry in self.entries() if entry.problem)

    def known(self) -> KnownFile:
        """Find entries by path and stamp, in one pass: ask in the order of the manifest."""
        entries, current = self.entries(), None
        oldest = self.end.began - _TICK

        def find(path: str, stamp: tuple[int, ...]) -> ManifestEntry | None:
            nonlocal current
            wanted = order(path)
            while current is None or order(current.path) < wanted:
                current = next(entries, None)
                if current is None:
                    return None
            matches = current.path == path and current.stamp == stamp and current.type == "file" and not current.problem
            return current if matches and max(stamp[2:]) < oldest else None

        return find


def make_manifest(
    folder: Path | int,
    file: Path,
    *,
    skip: frozenset[bytes] = frozenset(),
    known: KnownFile = nothing_known,
    beat: Callable[[int], None] = lambda _count: None,
    reads: bool = True,
) -> Manifest:
    """Walk a folder, a path or an open one, and write its manifest, durable when this returns.

    `beat` is called with a count every 1,000 entries. Without `reads`, files have no digests: such a manifest proves no copy.

    Raises OSError if the folder cannot be opened, or if the manifest cannot be written.
    """
    began, digest = time.time_ns(), hashlib.sha256()
    entries = files = size = problems = mounts = 0
    root = os.dup(folder) if isinstance(folder, int) else os.open(folder, FOLDER_FLAGS)
    try:
        walk = TreeWalk(root, skip=skip, known=known, reads=reads)
        with file.open("wb") as lines:
            for entry in walk.entries():
                line = ENCODER.encode(entry) + b"\n"
                digest.update(line)
                lines.write(line)
                entries += 1
                files += entry.type == "file"
                size += 0 if entry.links else entry.size
                problems += bool(entry.problem)
                mounts += entry.type == "mount"
                if entries % 1000 == 0:
                    beat(entries)
            end = ManifestEnd(
                entries=entries,
                files=files,
                bytes=size,
                problems=problems + walk.changes,
                mounts=mounts,
                outside_links=walk.outside_links,
                changed=tuple(walk.changed),
                began=began,
                sha256=digest.hexdigest(),
            )
            lines.write(_END + ENCODER.encode(end) + b"}\n")
            lines.flush()
            os.fsync(lines.fileno())
    finally:
        os.close(root)
    return Manifest(file)


def _end_of(file: Path) -> ManifestEnd:
    size, last = file.stat().st_size, b""
    with file.open("rb") as lines:
        for length in (4096, _LONGEST_END):  # a manifest may be longer than memory
            lines.seek(max(0, size - length))
            last = lines.read().rstrip(b"\n").rpartition(b"\n")[2]
            if last.startswith(_END):
                break
    if not last.startswith(_END) or not last.endswith(b"}"):
        raise _damaged(file)
    return END.decode(last[len(_END) : -1])


def _damaged(file: Path) -> PortableError:
    return PortableError(
        "the manifest is cut short or changed", code="migrate.manifest", where=str(file), remedy="run the same command again"
    )
