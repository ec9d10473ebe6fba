"""Secrets: where their values lie, reading and storing them, and what stands for them where a value must not. A value is shown nowhere."""

import contextlib
import fcntl
import functools
import hashlib
import hmac
import os
import secrets as random
import stat
import subprocess
import urllib.parse
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

from portable.backends.compose.names import secret_variable
from portable.backends.compose.process import Variables
from portable.live.forms import written
from portable.live.state import translated, write_private
from portable.model.base import Struct
from portable.model.errors import PortableError, Refused, UsageError
from portable.model.plan import File, Plan, SecretRef, called

Key = tuple[str, str]
"""Name and key of a secret."""
HIDDEN = "<secret>"
_SHORTEST_HIDDEN = 4
"""Shorter values stand in too many harmless words to be taken out of foreign texts."""
_SHORTEST_TOLD = 8
"""Below this a value in a log may be a word like any other, and is not said to be a secret that was seen."""
_LONGEST_VARIABLE = 128 * 1024
"""Linux: one string of an environment, with its name and the final zero."""
_COMMAND_SECONDS = 60
_SCRYPT = {"n": 2**13, "r": 8, "p": 1, "dklen": 16}
"""About 20 ms and 8 MiB a service."""
_HEAD = "# Secrets of portable: `name: value`, or `name:` with `key: value` lines below. Mode 0600, never in a repository.\n"


class Secret:
    """A value that does not show itself: not in repr, str, format, a traceback's variables or a log. `reveal()` is the only way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")

    def __bool__(self) -> bool:
        return bool(self._value)


# --- where values lie ------------------------------------------------------------------------------------------------


class FileSource(Struct, tag="file", frozen=True, kw_only=True):
    """A YAML file of mode 0600: `name: value`, or `name: {key: value}`. Every value is text as it stands there."""

    path: str


class EnvironmentSource(Struct, tag="environment", frozen=True, kw_only=True):
    """Variables `PORTABLE_SECRET_<NAME>_<KEY>`, or `PORTABLE_SECRET_<NAME>` for the key `value`."""


class CommandSource(Struct, tag="command", frozen=True, kw_only=True):
    """A program that writes one value to its output: `["pass", "show", "media/{name}/{key}"]`."""

    command: tuple[str, ...]


Source = FileSource | EnvironmentSource | CommandSource


class Need(Struct, frozen=True, kw_only=True):
    """A secret that something of a plan refers to."""

    name: str
    key: str
    optional: bool
    apps: tuple[str, ...]


class Row(Struct, frozen=True, kw_only=True):
    """One secret in a table; never its value."""

    name: str
    key: str
    present: bool
    optional: bool = False
    apps: tuple[str, ...] = ()
    reason: str = ""


class Resolved:
    """The values of a plan's secrets."""

    def __init__(self, values: Mapping[Key, Secret]) -> None:
        self._values = dict(values)

    def __repr__(self) -> str:
        return f"Resolved({len(self._values)} secrets)"

    def of(self, name: str, key: str = "value") -> str:
        """The value; empty for an optional one that isn't set."""
        found = self._values.get((name, key))
        return found.reveal() if found else ""

    def fill(self, file: File) -> str:
        """The whole text of a file with secrets in it."""
        return "".join(written(self.of(part.name, part.key), part.form) if isinstance(part, SecretRef) else part for part in file.body)

    @functools.cached_property
    def _by_key(self) -> Mapping[Key, frozenset[str]]:
        return {key: _shapes_of(secret.reveal()) for key, secret in self._values.items()}

    @functools.cached_property
    def _shapes(self) -> tuple[str, ...]:
        return tuple(sorted(frozenset[str]().union(*self._by_key.values()), key=lambda s: (-len(s), s)))

    def named_in(self, text: str, *, public: Collection[Key] = ()) -> tuple[str, ...]:
        """The names of the secrets whose value stands in a text; short ones, which stand in many harmless words, are not looked for."""
        return tuple(
            called(name, key)
            for (name, key), secret in sorted(self._values.items())
            if (name, key) not in public
            and len(secret.reveal().strip()) >= _SHORTEST_TOLD
            and any(shape in text for shape in self._by_key[name, key])
        )

    def hide(self, text: str) -> str:
        """The text without any of the values, in the forms in which programs repeat them."""
        for shape in self._shapes:
            if shape in text:
                text = text.replace(shape, HIDDEN)
        return text


def _shapes_of(value: str) -> frozenset[str]:
    """The forms in which programs repeat a value, whole and by line; none of what is too short to be hidden."""
    shapes: set[str] = set()
    for text in (value, *value.splitlines()):
        if len(text.strip()) < _SHORTEST_HIDDEN:
            continue
        encoded = b64encode(text.encode()).decode()
        shapes |= {text, text.strip(), urllib.parse.quote(text, safe=""), urllib.parse.quote_plus(text), encoded, encoded.rstrip("=")}
        shapes |= {text.encode("unicode_escape").decode(), text.replace("\\", "\\\\").replace('"', '\\"'), text.replace("$", "$$")}
    return frozenset(shapes)


NOTHING = Resolved({})


# --- what a plan needs -----------------------------------------------------------------------------------------------


def needs_of(plan: Plan) -> tuple[Need, ...]:
    """Every secret that the plan refers to, once, with the apps that use it; optional only where every use is."""
    found: dict[Key, tuple[bool, set[str]]] = {}
    for app, ref in _references(plan):
        optional, apps = found.get((ref.name, ref.key), (True, set()))
        found[ref.name, ref.key] = (optional and ref.optional, apps | {app})
    return tuple(
        Need(name=name, key=key, optional=optional, apps=tuple(sorted(apps))) for (name, key), (optional, apps) in sorted(found.items())
    )


def _references(plan: Plan) -> Iterator[tuple[str, SecretRef]]:
    files = {file.id: file for file in plan.files}
    placed = [(app.name, container) for app in plan.apps for container in app.containers]
    placed += [(cloud.id, cloud.mounter) for cloud in plan.clouds] + [("init", plan.tools)]
    for owner, container in placed:
        for value in container.env.values():
            if isinstance(value, SecretRef):
                yield owner, value
        for mount in container.secrets:
            for key in mount.keys:
                yield owner, SecretRef(name=mount.secret, key=key, optional=mount.optional)
        for file in container.files:
            for part in files[file.file].body if file.file in files else ():
                if isinstance(part, SecretRef):
                    yield owner, part


def environment(plan: Plan, resolved: Resolved) -> dict[str, str]:
    """What Compose's own process gets: a variable for every key and for every file with a secret in it.

    Raises PortableError for a value that no environment can hold, or two that would share a variable.
    """
    values: dict[str, tuple[str, str]] = {}

    def put(variable: str, value: str, what: str) -> None:
        if variable in values and values[variable][0] != value:
            raise PortableError(f"{what} and {values[variable][1]} would both be {variable}", where="secrets", remedy="rename one of them")
        if "\0" in value:
            raise PortableError(f"{what} holds a zero byte, which no environment can carry", where="secrets", remedy="store it encoded")
        if len(variable) + len(value.encode()) + 2 > _LONGEST_VARIABLE:
            raise PortableError(f"{what} is longer than {_LONGEST_VARIABLE // 1024} KiB", where="secrets", remedy="shorten it")
        values[variable] = (value, what)

    for need in needs_of(plan):
        put(secret_variable(need.name, need.key), resolved.of(need.name, need.key), f"the secret {need.name}, key {need.key},")
    for file in plan.files:
        if file.is_secret:
            put(secret_variable(file.id), resolved.fill(file), f"the file {file.id}")
    return Variables({variable: value for variable, (value, _) in values.items()})


# --- reading ---------------------------------------------------------------------------------------------------------


def resolve(needs: Iterable[Need], source: Source) -> Resolved:
    """The values of all of them. Raises UsageError naming all that are missing, and Refused for a file that others can read."""
    needs = tuple(needs)
    values, reasons = _look_up(needs, source)
    missing = [need for need in needs if not need.optional and (need.name, need.key) not in values]
    if missing:
        lines = [f"{called(need.name, need.key)} (for {', '.join(need.apps)}){_because(reasons, need)}" for need in missing]
        raise UsageError(
            f"{len(missing)} secret{'s are' if len(missing) > 1 else ' is'} missing: {'; '.join(lines)}",
            where=_place(source),
            remedy=_how_to_set(missing[0], source),
        )
    return Resolved(values)


def check(needs: Iterable[Need], source: Source) -> tuple[Row, ...]:
    """Which of them are there."""
    return examine(needs, source)[0]


def examine(needs: Iterable[Need], source: Source) -> tuple[tuple[Row, ...], Resolved]:
    """Which of them are there, and the values of those."""
    needs = tuple(needs)
    values, reasons = _look_up(needs, source)
    rows = tuple(
        Row(
            name=n.name,
            key=n.key,
            present=(n.name, n.key) in values,
            optional=n.optional,
            apps=n.apps,
            reason=reasons.get((n.name, n.key), ""),
        )
        for n in needs
    )
    return rows, Resolved(values)


def _because(reasons: Mapping[Key, str], need: Need) -> str:
    reason = reasons.get((need.name, need.key))
    return f": {reason}" if reason else ""


def _place(source: Source) -> str:
    if isinstance(source, FileSource):
        return source.path
    if isinstance(source, CommandSource):
        return f"command {source.command[0] if source.command else ''}"
    return "environment"


def _how_to_set(need: Need, source: Source) -> str:
    if isinstance(source, FileSource):
        return f"`portable secrets set {called(need.name, need.key)}` asks for its value"
    if isinstance(source, EnvironmentSource):
        return f"export {secret_variable(need.name, need.key)}"
    return f"the profile's command must write it: {' '.join(_filled(source.command, need))}"


def _look_up(needs: tuple[Need, ...], source: Source) -> tuple[dict[Key, Secret], dict[Key, str]]:
    if isinstance(source, FileSource):
        if not needs:
            return {}, {}
        held = _read_file(Path(source.path).expanduser(), lenient=True)
        return {(n.name, n.key): held[n.name, n.key] for n in needs if (n.name, n.key) in held}, {}
    if isinstance(source, EnvironmentSource):
        found: dict[Key, Secret] = {}
        for need in needs:
            value = os.environ.get(secret_variable(need.name, need.key))
            if value is None and need.key == "value":
                value = os.environ.get(secret_variable(need.name))
            if value is not None:
                found[need.name, need.key] = Secret(value)
        return found, {}
    return _ask_command(needs, source)


def _filled(command: tuple[str, ...], need: Need) -> list[str]:
    return [part.replace("{name}", need.name).replace("{key}", need.key) for part in command]


def _ask_command(needs: tuple[Need, ...], source: CommandSource) -> tuple[dict[Key, Secret], dict[Key, str]]:
    if not source.command:
        raise UsageError("the command is empty", where="secrets", remedy='write it as a list: ["pass", "show", "media/{name}/{key}"]')

    def ask(need: Need) -> tuple[Key, Secret | None, str]:
        key = (need.name, need.key)
        try:
            done = subprocess.run(
                _filled(source.command, need), capture_output=True, stdin=subprocess.DEVNULL, timeout=_COMMAND_SECONDS, check=False
            )
        except FileNotFoundError:
            return key, None, f"there is no program {source.command[0]}"
        except OSError as error:
            return key, None, f"{source.command[0]} cannot be run: {error.strerror}"
        except subprocess.TimeoutExpired:
            return key, None, f"{source.command[0]} did not end within {_COMMAND_SECONDS} s"
        if done.returncode != 0:
            return key, None, f"{source.command[0]} ended with {done.returncode}"
        try:
            value = done.stdout.decode()
        except UnicodeDecodeError:
            return key, None, "its value is no UTF-8 text"
        value = value.removesuffix("\n")
        return (key, Secret(value), "") if value else (key, None, f"{source.command[0]} wrote nothing")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, needs))
    return {key: value for key, value, _ in answers if value is not None}, {key: reason for key, _, reason in answers if reason}


def _read_file(path: Path, *, lenient: bool = False) -> dict[Key, Secret]:
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


# --- storing ---------------------------------------------------------------------------------------------------------


def set_secret(source: Source, name: str, key: str, value: Secret, *, keep: bool = False) -> bool:
    """Store a value in the profile's file, at once or not at all, mode 0600; its other values and the comment at its head stay.

    With `keep` a value that is there stays. Says whether it was stored.
    """
    if not isinstance(source, FileSource):
        raise UsageError(
            f"this profile's secrets come from the {_place(source)}, which portable does not write", where="secrets", remedy="set it there"
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
        held = _read_file(path, lenient=True)
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


# --- what stands for values ------------------------------------------------------------------------------------------


def digest(values: Mapping[str, str], known: str | None = None) -> str:
    """A salted digest of a service's secrets for its label: equal values keep the label that is there, so that nothing is recreated.

    scrypt makes trying out short values slow for whoever reads labels; the salt makes equal values of two services look different.
    """
    payload = "".join(f"{len(name)}:{name}{len(value)}:{value}" for name, value in sorted(values.items()))
    if known and (salt := known.partition("-")[0]) and _is_hex(salt) and hmac.compare_digest(known, _digest(payload, salt)):
        return known
    return _digest(payload, random.token_hex(8))


@functools.lru_cache(1024)
def _digest(payload: str, salt: str) -> str:
    return f"{salt}-{hashlib.scrypt(payload.encode(), salt=bytes.fromhex(salt), **_SCRYPT).hex()}"


def _is_hex(text: str) -> bool:
    return len(text) == 16 and all(c in "0123456789abcdef" for c in text)
