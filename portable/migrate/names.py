"""Names of files as bytes: sorted without holding a large folder in memory, and written as text that can be read back."""

import contextlib
import heapq
import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from typing import IO
from urllib.parse import quote, unquote_to_bytes

_RUN = 50_000
"""Names of one folder that are sorted in memory at once: a folder may have a million."""
_CHUNK = 1 << 14
"""Bytes of each run that are in memory at once while runs are merged."""


def sorted_names(folder: int) -> Iterator[bytes]:
    """Yield the names in an open folder, sorted by their bytes. Raises OSError if the folder cannot be listed."""
    with contextlib.ExitStack() as stack:
        runs: list[Iterator[bytes]] = []
        with os.scandir(folder) as entries:
            names = (os.fsencode(entry.name) for entry in entries)
            while run := sorted(islice(names, _RUN)):
                if len(run) < _RUN and not runs:
                    yield from run
                    return
                runs.append(_run_on_disk(stack.enter_context(tempfile.TemporaryFile()), run))
        yield from heapq.merge(*runs)


def _run_on_disk(file: IO[bytes], run: list[bytes]) -> Iterator[bytes]:
    """Write sorted names to a file and yield them from it. No name contains a zero byte."""
    file.write(b"\0".join(run) + b"\0")
    file.seek(0)
    return _names_of(file)


def _names_of(file: IO[bytes]) -> Iterator[bytes]:
    pending = b""
    while chunk := file.read(_CHUNK):
        *names, pending = (pending + chunk).split(b"\0")
        yield from names


def escaped(path: bytes) -> str:
    """Write a path as text: as it is if it can be printed, else with `%XX` for each unusual byte. `unescaped` reads it back."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        text = "%"
    return text if text.isprintable() and "%" not in text else quote(path, safe="/ !#$&'()*+,:;=?@[]{}")


def unescaped(text: str) -> bytes:
    """The bytes of an escaped path."""
    return unquote_to_bytes(text)


def order(path: str) -> tuple[bytes, ...]:
    """Sort key of an escaped path: folders come directly before their contents, which follow in the order of their bytes."""
    return tuple(unescaped(path).split(b"/")) if path else ()


def listed(folder: int) -> list[str]:
    """The names in an open folder now, sorted. BTRFS lists an open folder as it was when it was opened, so it is opened once more."""
    fresh = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        return sorted(os.listdir(fresh))  # noqa: PTH208 - a descriptor has no Path
    finally:
        os.close(fresh)
