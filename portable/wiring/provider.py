"""Settings as programs of the Servarr family keep them: entries with a list of fields, made from a schema that the program itself tells.

Facts: ProviderControllerBase.cs of https://github.com/Sonarr/Sonarr (src/Sonarr.Api.V3) and https://github.com/Prowlarr/Prowlarr. The
program tries an entry before it takes it; `forceSave` lets warnings pass, as that a client sorts by itself, and errors not.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from portable.wiring.line import Entry, Line, Request
from portable.wiring.step import Objects, Step, differences, tell

Fields = Mapping[str, Any]


def enter(line: Line) -> Entry:
    """Its key, in a header: https://wiki.servarr.com/sonarr/settings#security."""
    return Entry(headers={"X-Api-Key": line.peer.secret})


def fields_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an entry's fields, by name; a field without a value has none."""
    return {field["name"]: field.get("value") for field in entry.get("fields", ())}


def provided(
    line: Line, path: str, kind: str, *, name: str, implementation: str, leads: Fields, wanted: Fields, more: Fields
) -> Iterator[Step]:
    """The step, if any, that makes the entry of that name as wanted.

    `leads` are the fields that say where it leads to: an entry of another name that leads there is a person's own, and will do.
    `more` is what a new entry has beside its fields. Of the wanted fields those count that the program knows; `*Category` stands for the
    one that its kind of media has (tvCategory, movieCategory, ...).
    """
    seen = line.get(path, Objects)
    entry = next((e for e in seen if e.get("name") == name), None)
    if entry is None:
        alike = (e for e in seen if e.get("implementation") == implementation)
        if any(all(fields_of(e).get(key) == value for key, value in leads.items()) for e in alike):
            return
        template = _template(line, path, implementation)
        body = {**template, **more, "name": name, "fields": _set(template, {**leads, **wanted})}
        cause = f"it has no {kind} {name}"
        yield tell(line.peer, cause, Request(method="POST", path=f"{path}?forceSave=true", json=body))
        return
    if entry.get("implementation") != implementation:
        text = f"its {kind} {name} is of the kind {entry.get('implementation')}, not {implementation}"
        raise line.trouble(text, "rename or remove it there; portable never removes what it finds")
    known = _known(entry, {**leads, **wanted})
    if wrong := differences(line, known, fields_of(entry)):
        body = {**entry, "fields": _set(entry, known)}
        yield tell(
            line.peer, f"of its {kind} {name}, {wrong}", Request(method="PUT", path=f"{path}/{entry.get('id')}?forceSave=true", json=body)
        )


def _template(line: Line, path: str, implementation: str) -> dict[str, Any]:
    for template in line.get(f"{path}/schema", Objects):
        if template.get("implementation") == implementation:
            return {key: value for key, value in template.items() if key not in ("id", "presets")}
    raise line.trouble(f"it knows no {implementation}", "is its version the catalog's? `portable status`")


def _known(entry: Mapping[str, Any], wanted: Fields) -> dict[str, Any]:
    names = [field["name"] for field in entry.get("fields", ())]
    category = next((name for name in names if name.endswith("Category") and "Imported" not in name), "")
    asked = {category if name == "*Category" else name: value for name, value in wanted.items()}
    return {name: value for name, value in asked.items() if name in names}


def _set(entry: Mapping[str, Any], wanted: Fields) -> list[Any]:
    known = _known(entry, wanted)
    return [{**field, "value": known[field["name"]]} if field["name"] in known else field for field in entry.get("fields", ())]
