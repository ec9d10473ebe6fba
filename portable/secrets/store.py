"""The file of secrets: reading it safely, and setting one secret in it."""

import contextlib
import fcntl
import os
import secrets as random
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from portable.local.files import translated, write_private
from portable.model.errors import PortableError, Refused, UsageError
from portable.model.plan import called
from portable.secrets.sources import FileSource, Source, place_name
from portable.secrets.values import Key, Secret

_HEAD = "# Secrets of portable: `name: value`, or `name:` with `key: value` lines below. Mode 0600, never in a repository.\n"


def read_file(path: Path, *, lenient: bool = False) -> dict[Key, Secret]:
    """All that a file of secrets holds. With `lenient` it may be missing."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        if lenient:
            return {}
        raise UsageError("the file of secrets is not there", where=str(path), remedy="`portable secrets set NAME` makes it") from None
    except PermissionError:
        raise Refused("the file of secrets may not be read by you", where=str(path), remedy="run as its owner") from None
    except OSError as error:
        raise PortableError(error.strerror or str(error), where=str(path), remedy="check the path") from None
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
            "the file of secrets is no UTF-8 text", where=str(path), remedy="write it anew with `portable secrets set`"
        ) from None
    return _parse(text, path)


def _refuse_unsafe(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Refused("the file of secrets is no ordinary file", where=str(path), remedy="name a file")
    owners = {os.geteuid()}
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdigit():
        owners.add(int(os.environ["SUDO_UID"]))
    if status.st_uid not in owners:
        raise Refused(
            "the file of secrets belongs to somebody else, who could change what runs",
            where=str(path),
            remedy=f"chown {os.geteuid()} {path}",
        )
    if status.st_mode & 0o077:
        who = "everybody on this machine" if status.st_mode & 0o007 else "its group"
        raise Refused(
            f"the file of secrets is open to {who} (mode {stat.S_IMODE(status.st_mode):04o})", where=str(path), remedy=f"chmod 600 {path}"
        )


def _parse(text: str, path: Path) -> dict[Key, Secret]:
    """Mistakes are told by line and column only: the parser's own words could quote a value."""
    import yaml

    def wrong(node: Any, what: str) -> NoReturn:
        mark = getattr(node, "start_mark", None) or getattr(node, "problem_mark", None)
        at = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark is not None else str(path)
        raise UsageError(
            what, where=at, remedy="write `name: value`, or `name:` and `key: value` lines below it; quote a value that begins with a sign"
        ) from None

    loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    root: Any = None
    problem: Any = None
    try:
        root = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        problem = error
    if problem is not None:
        wrong(problem, "this is not readable as YAML")
    values: dict[Key, Secret] = {}
    if root is None:
        return values

    def text_of(node: Any) -> str:
        if not isinstance(node, yaml.ScalarNode):
            wrong(node, "a text must stand here")
        return str(node.value)

    def pairs(node: Any) -> Iterator[tuple[Any, str, Any]]:
        if not isinstance(node, yaml.MappingNode):
            wrong(node, "a mapping must stand here")
        seen: set[str] = set()
        for key_node, value_node in node.value:
            name = text_of(key_node)
            if name in seen:
                wrong(key_node, f"{name!r} is there twice")
            seen.add(name)
            yield key_node, name, value_node

    for _, name, node in pairs(root):
        if isinstance(node, yaml.MappingNode):
            for _, key, value in pairs(node):
                values[name, key] = Secret(text_of(value))
        else:
            values[name, "value"] = Secret(text_of(node))
    return values


def set_secret(source: Source, name: str, key: str, value: Secret, *, keep: bool = False) -> bool:
    """Store a value in the profile's file, at once or not at all, mode 0600; its other values and the comment at its head stay.

    With `keep` a value that is there stays. Says whether it was stored.
    """
    if not isinstance(source, FileSource):
        raise UsageError(
            f"this profile's secrets come from the {place_name(source)}, which portable does not write",
            where="secrets",
            remedy="set it there",
        )
    if not value:
        raise UsageError("the value is empty", where=called(name, key), remedy="give it on standard input, or use --generate")
    path = Path(source.path).expanduser()
    with translated(path):
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        guard = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two `secrets set` at a time must not lose one
        held = read_file(path, lenient=True)
        if keep and (name, key) in held:
            return False
        held[name, key] = value
        write_private(path, _head_of(path) + _dumped(held), owner=_owner_of(path))
        return True
    finally:
        os.close(guard)


def generate(length: int = 32) -> Secret:
    """A random value of letters and digits, which every program's configuration can hold."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return Secret("".join(random.choice(alphabet) for _ in range(length)))


def _owner_of(path: Path) -> tuple[int, int] | None:
    """Root keeps the file another's, who else could not read it after a `sudo portable`."""
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


def _dumped(held: Mapping[Key, Secret]) -> str:
    from portable.formats.emit import dump

    document: dict[str, Any] = {}
    for (name, key), value in sorted(held.items()):
        if (name, "value") in held and sum(n == name for n, _ in held) == 1:
            document[name] = value.reveal()
        else:
            document.setdefault(name, {})[key] = value.reveal()
    return dump(document)
