"""Looks up the values of a plan's secrets."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from portable.model.base import Struct
from portable.model.errors import UsageError
from portable.model.secret_refs import called
from portable.model.variables import secret_variable
from portable.secrets.needs import Need
from portable.secrets.remedies import filled, how_to_store
from portable.secrets.sources import CommandSource, EnvironmentSource, ExternalSource, FileSource, SopsSource, Source, place_name
from portable.secrets.store import read_file
from portable.secrets.text import control_character, without_line_end
from portable.secrets.values import Key, Resolved, Secret

_COMMAND_SECONDS = 60
_MISSPELLED = 0.9
"""How similar a name in the file is that may be a misspelled one: the same file may have secrets of other profiles."""


class SecretRow(Struct, frozen=True, kw_only=True):
    """One secret in a table, without its value."""

    name: str
    key: str
    present: bool
    optional: bool = False
    is_invalid: bool = False
    """The value has control characters, so `up` would reject it; or it is not a URL, where messages need one."""
    apps: tuple[str, ...] = ()
    reason: str = ""


def resolve(needs: Iterable[Need], source: Source, *, lenient: bool = False) -> Resolved:
    """The values of all secrets. Raises UsageError that names all missing ones, and Refused for a file that others can read.

    Control characters in a value are a mistake too, except with `lenient`.
    """
    needs = tuple(needs)
    values, reasons, others = _look_up(needs, source)
    if invalid := [] if lenient else [need for need in needs if _invalid(values, need)]:
        raise UsageError(
            "; ".join(f"{called(need.name, need.key)}: {_invalid(values, need)}" for need in invalid),
            code="secret.control-character",
            where=place_name(source),
            remedy=how_to_store([(need.name, need.key) for need in invalid], source),
        )
    missing = [need for need in needs if not need.optional and (need.name, need.key) not in values]
    if missing:
        lines = [f"{called(need.name, need.key)} (for {', '.join(need.apps)}){_because(reasons, need)}" for need in missing]
        raise UsageError(
            f"{len(missing)} secret{'s are' if len(missing) > 1 else ' is'} missing: {'; '.join(lines)}",
            code="secret.missing",
            where=place_name(source),
            remedy=how_to_store([(need.name, need.key) for need in missing], source),
        )
    return Resolved(values, source=source, others=others)


def check(needs: Iterable[Need], source: Source) -> tuple[SecretRow, ...]:
    """A row for each secret that says whether it is present."""
    return examine(needs, source)[0]


def examine(needs: Iterable[Need], source: Source) -> tuple[tuple[SecretRow, ...], Resolved]:
    """A row for each secret, and the values of the present ones."""
    needs = tuple(needs)
    values, reasons, others = _look_up(needs, source)
    rows = tuple(
        SecretRow(
            name=n.name,
            key=n.key,
            present=(n.name, n.key) in values,
            optional=n.optional,
            is_invalid=bool(_invalid(values, n)),
            apps=n.apps,
            reason=reasons.get((n.name, n.key), "") or _invalid(values, n),
        )
        for n in needs
    )
    return rows, Resolved(values, source=source, others=others)


def _invalid(values: Mapping[Key, Secret], need: Need) -> str:
    """Why the value cannot be used; empty if it can. The text never quotes it."""
    secret = values.get((need.name, need.key))
    found = control_character(secret.reveal()) if secret is not None else None
    return f"the value contains the control character {found}" if found else ""


def _because(reasons: Mapping[Key, str], need: Need) -> str:
    reason = reasons.get((need.name, need.key))
    return f": {reason}" if reason else ""


def _look_up(needs: tuple[Need, ...], source: Source) -> tuple[dict[Key, Secret], dict[Key, str], tuple[str, ...]]:
    """The values, the reasons why others are missing, and the names in a file that nobody asked for."""
    if isinstance(source, FileSource):
        return _of_file(needs, read_file(Path(source.path).expanduser(), lenient=True) if needs else {})
    if isinstance(source, SopsSource):
        from portable.secrets.sops import read_sops

        return _of_file(needs, read_sops(Path(source.path).expanduser()) if needs else {})
    if isinstance(source, EnvironmentSource):
        values: dict[Key, Secret] = {}
        reasons: dict[Key, str] = {}
        for need in needs:
            value = os.environ.get(secret_variable(need.name, need.key))
            if value is None and need.key == "value":
                value = os.environ.get(secret_variable(need.name))
            if value is None:
                continue
            if value.strip():
                values[need.name, need.key] = Secret(without_line_end(value))
            else:
                reasons[need.name, need.key] = "the variable is empty"
        return values, reasons, ()
    if isinstance(source, ExternalSource):
        reason = f"`portable` does not read the {place_name(source)}"
        return {}, {(need.name, need.key): reason for need in needs}, ()
    return (*_ask_command(needs, source), ())


def _of_file(needs: tuple[Need, ...], stored: Mapping[Key, Secret]) -> tuple[dict[Key, Secret], dict[Key, str], tuple[str, ...]]:
    """The values of a file. An empty one counts as missing, since no app could use it."""
    keys = {(need.name, need.key) for need in needs}
    values = {key: secret for key, secret in stored.items() if key in keys and secret.reveal().strip()}
    reasons = {key: "its value is empty" for key in stored if key in keys and key not in values}
    others = tuple(sorted(called(*key) for key in stored if key not in keys))
    if others and (absent := [key for key in keys if key not in stored]):
        import difflib  # only for a mistake

        for key in absent:
            if near := difflib.get_close_matches(called(*key), others, 1, _MISSPELLED):
                reasons[key] = f"no app uses {near[0]}, which is there: correct its name if it is this secret"
    return values, reasons, others


def _ask_command(needs: tuple[Need, ...], source: CommandSource) -> tuple[dict[Key, Secret], dict[Key, str]]:
    if not source.command:
        raise UsageError(
            "the command for secrets is empty",
            code="secret.command-empty",
            where="secrets",
            remedy='write it as a list: ["pass", "show", "media/{name}/{key}"]',
        )

    def ask(need: Need) -> tuple[Key, Secret | None, str]:
        key = (need.name, need.key)
        try:
            done = subprocess.run(filled(source, key), capture_output=True, stdin=subprocess.DEVNULL, timeout=_COMMAND_SECONDS, check=False)
        except FileNotFoundError:
            return key, None, f"the program {source.command[0]} does not exist"
        except OSError as error:
            return key, None, f"{source.command[0]} cannot be run: {error.strerror}"
        except subprocess.TimeoutExpired:
            return key, None, f"{source.command[0]} did not end within {_COMMAND_SECONDS} s"
        if done.returncode != 0:
            return key, None, f"{source.command[0]} ended with exit code {done.returncode}"
        try:
            value = done.stdout.decode()
        except UnicodeDecodeError:
            return key, None, "its value is not UTF-8 text"
        value = without_line_end(value)
        return (key, Secret(value), "") if value.strip() else (key, None, f"{source.command[0]} printed nothing")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, needs))
    return {key: value for key, value, _ in answers if value is not None}, {key: reason for key, _, reason in answers if reason}
