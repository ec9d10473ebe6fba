"""Finds settings of an app that lack the name of a port or a volume, so that the mistake says what is missing."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from portable.formats.document import Document, Steps, dotted
from portable.formats.shown import shown
from portable.model.codes import Code
from portable.model.source import Mistake
from portable.profiles.types import ExposeFacts, PlaceFacts

_WAYS = ExposeFacts.__struct_encode_fields__
_PLACES = PlaceFacts.__struct_encode_fields__


def named(document: Document, mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    """These mistakes of a profile or stack, with one about the missing name for all those that follow from it."""
    nameless = tuple(_nameless(document))
    followed = tuple(f"{mistake.path}." for mistake in nameless)
    return (*nameless, *(m for m in mistakes if not f"{m.path}.".startswith(followed))) if nameless else tuple(mistakes)


def _nameless(document: Document) -> Iterator[Mistake]:
    for app, value in _below(document.data, "exposure", "apps"):
        for key, setting in _without_name(value, _WAYS):
            written = f"exposure: {{apps: {{{app}: {{web: {{{key}: {_inline(setting)}}}}}}}}}"
            yield _mistake(document, ("exposure", "apps", app, key), app, "port", written, isinstance(value, Mapping), "port.name-missing")
        for port, setting in value.items() if isinstance(value, Mapping) else ():
            if port not in _WAYS and (way := _way(setting)):
                yield _without_way(document, app, port, setting, f"{{{way[0]}: {_inline(way[1])}}}")
    for app, value in _below(document.data, "storage", "apps"):
        for key, setting in _without_name(value, _PLACES) if isinstance(value, Mapping) else ():
            written = f"storage: {{apps: {{{app}: {{config: {{{key}: {_inline(setting)}}}}}}}}}"
            yield _mistake(document, ("storage", "apps", app, key), app, "volume", written, True, "volume.name-missing")
    for app, value in _below(document.data, "ports"):
        if isinstance(value, int):
            written = f"ports: {{{app}: {{web: {value}}}}}"
            yield _mistake(document, ("ports", app, value), app, "port", written, False, "port.name-missing")


def _below(data: Any, *keys: str) -> Iterable[tuple[str, Any]]:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data.items() if isinstance(data, Mapping) else ()


def _without_name(value: Any, known: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield the settings that stand where names belong. A name that is also a setting is a name if settings follow it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in known and not (isinstance(inner, Mapping) and inner and all(k in known for k in inner)):
                yield key, inner
    elif way := _way(value):
        yield way


def _way(value: Any) -> tuple[str, Any] | None:
    """The way to expose a port that was meant by a number or by the name of a way alone."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "lan", value
    return (value, {}) if isinstance(value, str) and value in _WAYS else None


def _without_way(document: Document, app: str, port: str, setting: Any, written: str) -> Mistake:
    """A port whose way is missing, or is written without its settings."""
    text = f"`{shown(setting)}` does not say how port {port!r} of {app} is exposed"
    remedy = f"write `exposure: {{apps: {{{app}: {{{port}: {written}}}}}}}`; the ways are {', '.join(_WAYS)}"
    return document.mistake(("exposure", "apps", app, port), text, remedy, code="port.way-missing")


def _mistake(document: Document, steps: Steps, app: str, kind: str, written: str, is_key: bool, code: Code) -> Mistake:
    at = steps if is_key else steps[:-1]
    mistake = document.mistake(
        at, f"the name of the {kind} is missing between {app!r} and `{shown(steps[-1])}`", "", code=code, at_key=True
    )
    remedy = f"write `{written}`; `portable catalog show {app}` lists the {kind}s of {app}"
    return Mistake(source=mistake.source, path=dotted(at), text=mistake.text, remedy=remedy, code=code)


def _inline(value: Any) -> str:
    """A short value as it is written in a file; `...` for a longer one."""
    if isinstance(value, str | int):
        return shown(value)
    return "{}" if value == {} else "..."
