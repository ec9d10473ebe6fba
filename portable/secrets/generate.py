"""Secrets that may be random: generated once, stored in the stack's private file, and never shown."""

import functools
import secrets as stdlib_secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from portable.local.folders import ran_before
from portable.model.errors import PortableError
from portable.model.progress import Event, Progress, silent
from portable.secrets.lookup import check, resolve
from portable.secrets.needs import Need
from portable.secrets.sources import FileSource, Source
from portable.secrets.store import generate, set_secret
from portable.secrets.values import NOTHING, Resolved, Secret


def random_value(kind: str) -> Secret:
    """`hex`: 32 hexadecimal digits, the form of API keys; `password`: 24 letters and digits."""
    return Secret(stdlib_secrets.token_hex(16)) if kind == "hex" else generate(24)


def missing(needs: Iterable[Need], kinds: Mapping[str, str], source: Source) -> tuple[Need, ...]:
    """The missing secrets that may be generated; only a file can store them."""
    if not isinstance(source, FileSource):
        return ()
    needs = tuple(n for n in needs if n.name in kinds)
    if not Path(source.path).expanduser().exists():
        return needs
    absent = {(row.name, row.key) for row in check(needs, source) if not row.present}
    return tuple(n for n in needs if (n.name, n.key) in absent)


def generate_missing(
    needs: Iterable[Need], kinds: Mapping[str, str], source: Source, *, project: str | None = None, progress: Progress = silent
) -> None:
    """Generate and store missing secrets, and report their names. A value that another command stored meanwhile stays.

    If the project ran before, a note says that apps may still have their old values.
    """
    made = []
    for need in missing(needs, kinds, source):
        assert isinstance(source, FileSource)
        if set_secret(source, need.name, need.key, random_value(kinds[need.name]), keep=True):
            progress(Event(what="note", subject=need.name, text=f"stored a random value in {source.path}"))
            made.append(need)
    if made and project and ran_before(project):
        apps = ", ".join(sorted({app for need in made for app in need.apps}))
        text = (
            f"apps that ran before keep their old values ({apps}): set the new one there, or store the old one with `portable secrets set`"
        )
        progress(Event(what="note", subject=", ".join(need.name for need in made), text=text))


def foreseen(needs: Iterable[Need], kinds: Mapping[str, str], source: Source) -> Resolved:
    """The values after a future `generate_missing`, without writing: values to be generated are random for now."""
    needs = tuple(needs)
    absent = missing(needs, kinds, source)
    present = tuple(n for n in needs if n not in absent)
    stored = resolve(present, source)
    values = {(n.name, n.key): Secret(stored.of(n.name, n.key)) for n in present}
    return Resolved(values | {(n.name, n.key): random_value(kinds[n.name]) for n in absent}, source=source)


def known_values(needs: Iterable[Need], source: Source, *, progress: Progress = silent) -> Resolved:
    """The existing values, to be removed from logs. If the source cannot be read, a note says that nothing is removed."""
    try:
        return resolve((msgspec.structs.replace(need, optional=True) for need in needs), source, lenient=True)
    except PortableError as error:
        progress(Event(what="note", subject="", text=f"secrets are not removed from the output of apps: {error}"))
        return NOTHING


def hider(needs: Iterable[Need], source: Source, *, progress: Progress = silent) -> Callable[[str], str]:
    """A function that removes the values from texts. They are looked up for the first text only: a source may be slow, or interactive."""
    needs = tuple(needs)
    values = functools.cache(lambda: known_values(needs, source, progress=progress))
    return lambda text: values().hide(text) if text else text
