"""Settings of the Servarr family: entries with a list of fields, made from a schema that the program itself provides.

Facts: ProviderControllerBase.cs of https://github.com/Sonarr/Sonarr (src/Sonarr.Api.V3), https://github.com/Prowlarr/Prowlarr,
https://github.com/Whisparr/Whisparr and https://github.com/Readarr/Readarr. The program tests a new entry before it saves it; `forceSave`
ignores warnings, for example that a client sorts downloads, but not errors. With `forceSave`, it does not test an entry that exists. Names
are unique; all but Readarr ignore case there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from portable.wiring.channel import Channel, Credentials, Request
from portable.wiring.step import Objects, Step, differences, send

Fields = Mapping[str, Any]
_EXACT_NAMES = ("readarr",)
"""The programs in which two entries may have names that differ in case only."""


def enter(line: Channel) -> Credentials:
    """Return the API key as a header: https://wiki.servarr.com/sonarr/settings#security."""
    return Credentials(headers={"X-Api-Key": line.peer.secret})


def fields_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an entry's fields by name; None for a field without a value."""
    return {field["name"]: field.get("value") for field in entry.get("fields", ())}


def provided(
    line: Channel, path: str, kind: str, *, name: str, implementation: str, leads: Fields, wanted: Fields, more: Fields
) -> Iterator[Step]:
    """Yield the step that gives the entry of that name the wanted fields, if one is needed; it keeps the case of its name.

    `leads` are the fields of the entry's target: an entry of another name with the same target belongs to the person, and suffices.
    `more` has the other attributes of a new entry. Wanted fields that the program does not know are skipped; `*Category` stands for the
    field of its kind of media (tvCategory, movieCategory, ...).
    """
    seen = line.get(path, Objects)
    entry = _named(line, seen, name)
    if entry is None:
        alike = (e for e in seen if e.get("implementation") == implementation)
        if any(all(fields_of(e).get(key) == value for key, value in leads.items()) for e in alike):
            return
        template = _template(line, path, implementation)
        body = {**template, **more, "name": name, "fields": _set(template, {**leads, **wanted})}
        cause = f"{kind} {name} is missing"
        yield send(line.peer, cause, Request(method="POST", path=f"{path}?forceSave=true", json=body))
        return
    if entry.get("implementation") != implementation:
        text = f"{kind} {name} has the type {entry.get('implementation')} instead of {implementation}"
        remedy = "rename or remove it on the app's page, since portable never removes entries; then run `portable wire` again"
        raise line.trouble(text, remedy, code="wire.entry-conflict")
    known = _known(entry, {**leads, **wanted})
    if changes := differences(line, known, fields_of(entry)):
        body = {**entry, "fields": _set(entry, known)}
        yield send(
            line.peer, f"{kind} {name}: {changes}", Request(method="PUT", path=f"{path}/{entry.get('id')}?forceSave=true", json=body)
        )


def _named(line: Channel, seen: Objects, name: str) -> dict[str, Any] | None:
    same = [entry for entry in seen if entry.get("name") == name]
    if line.peer.speaks not in _EXACT_NAMES:
        same += [entry for entry in seen if str(entry.get("name")).lower() == name.lower()]
    return same[0] if same else None


def _template(line: Channel, path: str, implementation: str) -> dict[str, Any]:
    for template in line.get(f"{path}/schema", Objects):
        if template.get("implementation") == implementation:
            return {key: value for key, value in template.items() if key not in ("id", "presets")}
    remedy = "compare its version with the catalog's: run `portable status`"
    raise line.trouble(f"does not support {implementation}", remedy, code="wire.program-unsupported")


def _known(entry: Mapping[str, Any], wanted: Fields) -> dict[str, Any]:
    names = [field["name"] for field in entry.get("fields", ())]
    category = next((name for name in names if name.endswith("Category") and "Imported" not in name), "")
    by_name = {category if name == "*Category" else name: value for name, value in wanted.items()}
    return {name: value for name, value in by_name.items() if name in names}


def _set(entry: Mapping[str, Any], wanted: Fields) -> list[Any]:
    known = _known(entry, wanted)
    return [{**field, "value": known[field["name"]]} if field["name"] in known else field for field in entry.get("fields", ())]
