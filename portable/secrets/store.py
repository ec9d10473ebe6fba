"""The file of secrets: read it safely, and set one secret in it."""

import contextlib
import fcntl
import os
import secrets as stdlib_secrets
import stat
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from portable.local.files import translated, write_private
from portable.model.errors import PortableError, Refused, UsageError
from portable.model.secret_refs import called
from portable.secrets.remedies import how_to_store
from portable.secrets.sources import FileSource, Source, place_name
from portable.secrets.text import control_character
from portable.secrets.values import Key, Secret

_HEAD = "# Secrets of portable: `name: value`, or `name:` with `key: value` lines below. Mode 0600, never in a repository.\n"


def read_file(path: Path, *, lenient: bool = False) -> dict[Key, Secret]:
    """The values in a file of secrets. With `lenient` the file may be missing."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        if lenient:
            return {}
        raise UsageError(
            "the file of secrets does not exist",
            code="secret.file-absent",
            where=str(path),
            remedy="create it with `portable secrets set NAME`",
        ) from None
    except PermissionError:
        raise Refused(
            "you may not read the file of secrets", code="secret.file-denied", where=str(path), remedy="run the command as its owner"
        ) from None
    except OSError as error:
        raise PortableError(
            f"the file of secrets cannot be opened: {error.strerror or error}",
            code="secret.file-unreadable",
            where=str(path),
            remedy="correct `secrets.file` in the profile",
        ) from None
    try:
        _refuse_unsafe(os.fstat(handle), path)
        with os.fdopen(handle, "rb", closefd=False) as file:
            raw = file.read()
    finally:
        os.close(handle)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise UsageError(
            "the file of secrets is not UTF-8 text",
            code="secret.file-encoding",
            where=str(path),
            remedy="remove it, and store its values with `portable secrets set NAME`",
        ) from None
    return _parse(text, path)


def _refuse_unsafe(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Refused(
            "the file of secrets is not a regular file",
            code="secret.file-kind",
            where=str(path),
            remedy="set `secrets.file` of the profile to a regular file",
        )
    owners = {os.geteuid()}
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdigit():
        owners.add(int(os.environ["SUDO_UID"]))
    if status.st_uid not in owners:
        raise Refused(
            "the file of secrets belongs to another user, who could change its values",
            code="secret.file-owner",
            where=str(path),
            remedy=f"run `chown {os.geteuid()} {path}` as root",
        )
    if status.st_mode & 0o077:
        who = "everybody on this machine" if status.st_mode & 0o007 else "its group"
        raise Refused(
            f"the file of secrets is open to {who} (mode {stat.S_IMODE(status.st_mode):04o})",
            code="secret.file-mode",
            where=str(path),
            remedy=f"run `chmod 600 {path}`",
        )


def _parse(text: str, path: Path) -> dict[Key, Secret]:
    """Report mistakes by line and column only: the parser's own text could quote a value."""
    import yaml

    def wrong(node: Any, what: str) -> NoReturn:
        mark = getattr(node, "start_mark", None) or getattr(node, "problem_mark", None)
        at = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark is not None else str(path)
        raise UsageError(
            what,
            code="secret.file-syntax",
            where=at,
            remedy="write `name: value`, or `name:` with `key: value` lines below it; quote a value that begins with a special character",
        ) from None

    loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    root: Any = None
    problem: Any = None
    try:
        root = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        problem = error
    if problem is not None:
        wrong(problem, "this is not valid YAML")
    values: dict[Key, Secret] = {}
    if root is None:
        return values

    def text_of(node: Any) -> str:
        if not isinstance(node, yaml.ScalarNode):
            wrong(node, "expected text")
        return str(node.value)

    def pairs(node: Any) -> Iterator[tuple[Any, str, Any]]:
        if not isinstance(node, yaml.MappingNode):
            wrong(node, "expected a mapping")
        seen: set[str] = set()
        for key_node, value_node in node.value:
            name = text_of(key_node)
            if name in seen:
                wrong(key_node, f"duplicate key {name!r}")
            seen.add(name)
            yield key_node, name, value_node

    for _, name, node in pairs(root):
        if isinstance(node, yaml.MappingNode):
            for _, key, value in pairs(node):
                values[name, key] = Secret(text_of(value))
        else:
            values[name, "value"] = Secret(text_of(node))
    return values


def refuse_read_only(source: Source, name: str, key: str) -> FileSource:
    """The source, if values can be stored in it. Raises UsageError with the way to store that one for another source."""
    if isinstance(source, FileSource):
        return source
    raise UsageError(
        f"portable cannot store a value: the secrets of this profile come from the {place_name(source)}",
        code="secret.read-only",
        where="secrets",
        remedy=how_to_store([(name, key)], source),
    )


def set_secret(source: Source, name: str, key: str, value: Secret, *, keep: bool = False) -> bool:
    """Store a value in the profile's file, atomically and with mode 0600; its other values and the comment at its head stay.

    With `keep` an existing value stays, unless it is empty. Returns whether the value was stored.
    """
    source = refuse_read_only(source, name, key)
    if not value.reveal().strip():
        raise UsageError(
            "the value is empty", code="secret.empty", where=called(name, key), remedy="pass it on standard input, or use `--generate`"
        )
    if found := control_character(value.reveal()):
        raise UsageError(
            f"the value contains the control character {found}",
            code="secret.control-character",
            where=called(name, key),
            remedy="type or copy the value again; programs that color their output, and editors of Windows, add such characters",
        )
    path = Path(source.path).expanduser()
    with translated(path):
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        guard = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two simultaneous `secrets set` must not lose a value
        values = read_file(path, lenient=True)
        if keep and (name, key) in values and values[name, key].reveal().strip():
            return False
        values[name, key] = value
        write_private(path, _head_of(path) + _dumped(values), owner=_owner_of(path))
        return True
    finally:
        os.close(guard)


def generate(length: int = 32) -> Secret:
    """A random value of letters and digits, which is valid in every program's configuration."""
    alphabet = string.ascii_letters + string.digits
    return Secret("".join(stdlib_secrets.choice(alphabet) for _ in range(length)))


def _owner_of(path: Path) -> tuple[int, int] | None:
    """The owner to keep where root writes another user's file, who could not read it otherwise after `sudo portable`."""
    if os.geteuid() != 0 or not path.exists():
        return None
    return path.stat().st_uid, path.stat().st_gid


def _head_of(path: Path) -> str:
    with contextlib.suppress(OSError):
        lines = path.read_text().splitlines(keepends=True)
        head = []
        for line in lines:
            if line.strip() and not line.startswith("#"):
                break
            head.append(line)
        if any(line.startswith("#") for line in head):
            return "".join(head)
    return _HEAD


def _dumped(values: Mapping[Key, Secret]) -> str:
    from portable.formats.emit import dump

    document: dict[str, Any] = {}
    for (name, key), value in sorted(values.items()):
        if (name, "value") in values and sum(n == name for n, _ in values) == 1:
            document[name] = value.reveal()
        else:
            document.setdefault(name, {})[key] = value.reveal()
    return dump(document)
