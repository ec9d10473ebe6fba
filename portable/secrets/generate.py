"""Secrets that the catalog lets be random: made once, stored in the stack's private file, and never shown."""

import functools
import secrets as random
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
    """`hex`: 32 hexadecimal digits, as API keys are; `password`: 24 letters and digits."""
    return Secret(random.token_hex(16)) if kind == "hex" else generate(24)


def missing(needs: Iterable[Need], kinds: Mapping[str, str], source: Source) -> tuple[Need, ...]:
    """Those that are not there and may be made; only a file can take them."""
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
    """Make and store them; says their names. One that another command stored meanwhile stays as it is.

    Where the project ran before, it is said that the new values may not be those that apps have.
    """
    made = []
    for need in missing(needs, kinds, source):
        assert isinstance(source, FileSource)
        if set_secret(source, need.name, need.key, random_value(kinds[need.name]), keep=True):
            progress(Event(what="note", subject=need.name, text=f"a random value was stored in {source.path}"))
            made.append(need)
    if made and project and ran_before(project):
        apps = ", ".join(sorted({app for need in made for app in need.apps}))
        text = f"apps that ran before keep their old values ({apps}): set the new one there, or store the old one by `portable secrets set`"
        progress(Event(what="note", subject=", ".join(need.name for need in made), text=text))


def foreseen(needs: Iterable[Need], kinds: Mapping[str, str], source: Source) -> Resolved:
    """The values as they will be after `generate_missing`, where nothing may be written: what would be made is some value, for now."""
    needs = tuple(needs)
    absent = missing(needs, kinds, source)
    there = tuple(n for n in needs if n not in absent)
    held = resolve(there, source) if there else NOTHING
    values = {(n.name, n.key): Secret(held.of(n.name, n.key)) for n in there}
    return Resolved(values | {(n.name, n.key): random_value(kinds[n.name]) for n in absent})


def known_values(needs: Iterable[Need], source: Source, *, progress: Progress = silent) -> Resolved:
    """What is there, to be taken out of logs; where the source can't be read that is said, since nothing is taken out then."""
    try:
        return resolve((msgspec.structs.replace(need, optional=True) for need in needs), source)
    except PortableError as error:
        progress(Event(what="note", subject="", text=f"values of secrets are not taken out of what apps say: {error}"))
        return NOTHING


def hider(needs: Iterable[Need], source: Source, *, progress: Progress = silent) -> Callable[[str], str]:
    """Takes the values out of what apps and engines say. They are looked up when the first text comes: a source may be slow, or ask."""
    needs = tuple(needs)
    values = functools.cache(lambda: known_values(needs, source, progress=progress))
    return lambda text: values().hide(text) if text else text
