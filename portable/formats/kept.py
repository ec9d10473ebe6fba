"""Keeps parsed files from one command to the next (ADR 29), so that a command need not load the YAML library at all.

Parsing the files of a shipped profile, and loading that library, takes a tenth of its rendering.
"""

import contextlib
import hashlib
import marshal
import os
import re
import sys
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from portable.formats import scalars
from portable.formats.document import LARGEST_FILE, Mark

MOST: int = 5000
"""Files in the folder, before all of them are removed; a shipped profile has about 20, and each file has one for each of its states."""
_CHECKSUM = 32
_PASSWORD = re.compile(rb":/+[^\s/@:]*:[^\s@]+@")
"""A password in a URL, such as `tcp://USER:PASSWORD@HOST`."""
_REFERENCES = frozenset(("secret", "secrets"))
"""Keys whose value is the name of a secret."""
_FILE_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*FILE")
"""A value that is the name of a variable with the path of a file, such as `OPENVPN_PASSWORD_SECRETFILE`."""
_kept: ContextVar["Kept | None"] = ContextVar("kept", default=None)


def keep_in(folder: Path | None) -> None:
    """Keep the parsed files of this command in a folder that nobody else may write to; None keeps none.

    Where the parser's own files cannot be found, as in a package without sources, none is kept either.
    """
    keeper = None
    if folder is not None:
        with contextlib.suppress(OSError):
            keeper = Kept(folder)
    _kept.set(keeper)


def kept() -> "Kept | None":
    """Where this command keeps its parsed files."""
    return _kept.get()


class Kept:
    """Parsed files, each found by its content, and by everything else that decides what it means."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parser = _identity()
        self._count = 0

    def content(self, name: str) -> bytes | None:
        """The bytes of a file, one more than the parser accepts at most; None if it cannot be read, which the parser reports."""
        try:
            with Path(name).open("rb") as stream:
                return stream.read(LARGEST_FILE + 1)
        except (OSError, ValueError):
            return None

    def get(self, content: bytes) -> tuple[dict[str, Any], Mark] | None:
        """Data and marks of a file with that content; None if it was not parsed before, or if what is kept of it is damaged."""
        try:
            whole = self._file(content).read_bytes()
            if hashlib.sha256(whole[_CHECKSUM:]).digest() != whole[:_CHECKSUM]:
                return None
            data, mark = marshal.loads(whole[_CHECKSUM:])  # noqa: S302 - the folder is this user's own, as that of Python's bytecode is
        except (OSError, ValueError, EOFError, TypeError):
            return None
        return data, mark

    def put(self, content: bytes, data: dict[str, Any], mark: Mark) -> None:
        """Keep a file of `portable` that was parsed without a mistake and has no secret in it. A full or read-only disk keeps nothing."""
        if "portable" not in data or _PASSWORD.search(content) or _has_secret(data):  # its reader refuses it, or should
            return
        told = marshal.dumps((data, mark))
        file = self._file(content)
        part = file.with_name(f"{file.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._make_room()
            try:
                with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as stream:
                    stream.write(hashlib.sha256(told).digest() + told)
                part.replace(file)
                self._count += 1
            except OSError:
                part.unlink(missing_ok=True)

    def _make_room(self) -> None:
        if not self._count:  # each command counts once: a catalog may have a thousand files
            self._count = len(os.listdir(self._folder))  # noqa: PTH208 - the paths are not needed
        if self._count >= MOST:
            for path in self._folder.iterdir():
                path.unlink(missing_ok=True)
            self._count = 0

    def _file(self, content: bytes) -> Path:
        return self._folder / hashlib.sha256(self._parser + content).hexdigest()


def _has_secret(data: dict[str, Any]) -> bool:
    """Whether a value is a secret in clear text, which the planner refuses or the profile waives."""
    from portable.model.clear_text import why_secret_command, why_secret_form, why_secret_name  # only for a file that was parsed

    texts: list[str] = []
    inner: list[Any] = [data]
    while inner:
        entries = inner.pop()
        if isinstance(entries, dict):
            for key, value in entries.items():
                if isinstance(value, str | int) and key not in _REFERENCES and not isinstance(value, bool):
                    text = str(value)
                    if not _FILE_VARIABLE.fullmatch(text) and why_secret_name(key, text):
                        return True
            values = entries.values()
        else:
            values = entries
            if entries and all(isinstance(entry, str) for entry in entries) and why_secret_command(entries):
                return True
        texts += (value for value in values if isinstance(value, str))
        inner += (value for value in values if isinstance(value, dict | list))
    return bool(why_secret_form("\n".join(texts)))


def _identity() -> bytes:
    """What decides, besides its content, what a file means: Python, this parser, and the YAML library, as Python's own bytecode does it."""
    yaml = find_spec("yaml")
    files = (__file__, scalars.__file__, str(Path(__file__).with_name("parse.py")), yaml.origin if yaml is not None else None)
    states = [(file, told.st_mtime_ns, told.st_size) for file in files if file is not None and (told := os.stat(file))]  # noqa: PTH116
    return repr((sys.implementation.cache_tag, marshal.version, *states)).encode()
