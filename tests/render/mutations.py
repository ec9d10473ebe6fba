"""Every small change of a plan, made from the types of the model: what the mutation test tries, one after the other."""

import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from portable.model import plan as p
from portable.model.exposures import Exposure, GatewayRoute, Ingress, LoadBalancer, Route
from portable.model.leaves import name_of
from portable.model.metadata import ObjectMetadata


class Mutation(NamedTuple):
    """A changed plan, and the path of what was changed; where an item came or went, its own path too."""

    path: str
    item: str
    what: str
    plan: p.Plan


class Spot(NamedTuple):
    """A value of a plan, its declared type, the field it stands in, and how to put another one there."""

    path: str
    kind: Any
    value: Any
    field: tuple[type, str]
    replace: Callable[[Any], p.Plan]
    app: str | None


IDENTIFIERS: dict[tuple[type, str], str] = {
    (p.App, "name"): "app",
    (p.Volume, "id"): "volume",
    (p.File, "id"): "file",
    (p.Group, "name"): "group",
    (p.Cloud, "id"): "cloud",
    (p.Port, "name"): "port",
    (p.Container, "name"): "container",
}
REFERENCES: dict[tuple[type, str], str] = {
    (p.Group, "apps"): "app",
    (p.Tunnel, "gateway"): "app",
    (p.Sealed, "gateway"): "app",
    (p.After, "app"): "app",
    (Exposure, "app"): "app",
    (ObjectMetadata, "app"): "app",
    (p.App, "clouds"): "cloud",
    (p.Mount, "volume"): "volume",
    (p.Library, "volume"): "volume",
    (p.FileMount, "file"): "file",
    (Exposure, "port"): "port",
    (p.Http, "port"): "port",
    (p.Tcp, "port"): "port",
    (p.Port, "container"): "container",
}
_OF_AN_APP = ("port", "container")
"""What has a name within an app only."""

_NEVER_EMPTY = {(p.App, "containers"), (p.Http, "ok")}
"""An app is at least one container, and some answer is healthy."""

# Other text that is valid for what the field means; all else gets a letter more.
_OTHER_TEXT: dict[tuple[type, str], str] = {
    (p.Plan, "timezone"): "Asia/Tokyo",
    (p.Plan, "subnet"): "172.30.0.0/16",
    (p.Group, "address"): "172.20.0.77",
    (p.Tunnel, "networks"): "192.168.7.0/24",
    (p.Sealed, "networks"): "192.168.7.0/24",
    (p.Endpoint, "cidr"): "203.0.113.0/24",
    (p.Image, "digest"): "sha256:" + "b" * 64,
    (p.Identity, "umask"): "077",
    (Ingress, "host"): "other.example.test",
    (Route, "host"): "other.example.test",
    (GatewayRoute, "host"): "other.example.test",
    (LoadBalancer, "address"): "192.0.2.99",
    (p.Share, "server"): "192.0.2.99",
}

_SAMPLES: dict[tuple[type, str], Any] = {
    (p.Tunnel, "gateway"): "player",
    (p.Sealed, "gateway"): "player",
    (p.Http, "port"): "web",
    (p.Tcp, "port"): "web",
    (p.After, "app"): "gateway",
    (p.Mount, "volume"): "player-config",
    (p.Library, "volume"): "library",
    (p.Container, "role"): "beside",
    (p.Port, "name"): "extra",
    (p.Group, "apps"): "player",
    (p.App, "clouds"): "shelf",
    (p.FileMount, "file"): "player-conf",
    (p.FileMount, "path"): "/config/sample.conf",
}


def spots(plan: p.Plan) -> Iterator[Spot]:
    """Every value of a plan, outermost first: records, tuples and mappings too."""
    return _spots(plan, p.Plan, (p.Plan, ""), "", lambda new: new, None)


def _spots(value: Any, kind: Any, field: tuple[type, str], path: str, replace: Callable[[Any], p.Plan], app: str | None) -> Iterator[Spot]:
    yield Spot(path, kind, value, field, replace, app)
    below: list[tuple[str, Any, Any, tuple[type, str], Callable[[Any], Any]]] = []
    if isinstance(value, msgspec.Struct):
        record = type(value)
        app = value.name if isinstance(value, p.App) else value.app if isinstance(value, Exposure) else app
        hints = get_type_hints(record)
        below = [(name, getattr(value, name), hints[name], (record, name), _in_record(value, name)) for name in record.__struct_fields__]
    elif isinstance(value, tuple):
        item_kind = _item(kind)
        below = [(name_of(item, at), item, item_kind, field, _in_tuple(value, at)) for at, item in enumerate(value)]
    elif isinstance(value, Mapping):
        item_kind = get_args(_member(kind, Mapping))[1]
        below = [(key, item, item_kind, field, _in_mapping(value, key)) for key, item in sorted(value.items())]
    for step, child, child_kind, child_field, put in below:
        yield from _spots(child, child_kind, child_field, f"{path}.{step}" if path else step, _outside(replace, put), app)


def _in_record(record: msgspec.Struct, name: str) -> Callable[[Any], Any]:
    return lambda new: msgspec.structs.replace(record, **{name: new})


def _in_tuple(items: tuple[Any, ...], at: int) -> Callable[[Any], Any]:
    return lambda new: (*items[:at], new, *items[at + 1 :])


def _in_mapping(items: Mapping[str, Any], key: str) -> Callable[[Any], Any]:
    return lambda new: {**items, key: new}


def _outside(outer: Callable[[Any], p.Plan], inner: Callable[[Any], Any]) -> Callable[[Any], p.Plan]:
    return lambda new: outer(inner(new))


def mutations(plan: p.Plan, part: str = "") -> Iterator[Mutation]:
    """Every mutation of a plan, or of the part with that text in its path."""
    known = list(spots(plan))
    names: dict[tuple[str, str | None], list[str]] = {}
    for spot in known:
        if thing := IDENTIFIERS.get(spot.field):
            names.setdefault((thing, spot.app if thing in _OF_AN_APP else None), []).append(spot.value)
    for spot in known:
        if spot.path and part in spot.path:
            for what, mutated, *item in _changes(plan, spot, names):
                if mutated != plan:
                    yield Mutation(spot.path, ".".join([spot.path, *item]), what, mutated)


def _changes(plan: p.Plan, spot: Spot, names: dict[tuple[str, str | None], list[str]]) -> Iterator[tuple[Any, ...]]:
    value, field = spot.value, spot.field
    options = [kind for kind in _members(spot.kind) if kind is not type(None)]
    optional = len(options) < len(_members(spot.kind))
    if optional and value is not None:
        yield "unset", spot.replace(None)
    if value is None:
        for option in options:
            yield "set", spot.replace(sample(option, field))
    elif thing := IDENTIFIERS.get(field):
        yield "renamed", renamed(plan, thing, value, f"{value}-b", spot.app)
    elif (thing := REFERENCES.get(field)) and isinstance(value, str):
        for other in [*names.get((thing, spot.app if thing in _OF_AN_APP else None), []), "nowhere"]:
            if other != value:
                yield f"led to {other}", spot.replace(other)
    elif isinstance(value, bool):
        yield "flipped", spot.replace(not value)
    elif isinstance(value, int):
        yield "one more", spot.replace(value + 1)
    elif isinstance(value, str):
        for other in _other_texts(spot, options):
            yield f"made {other!r}", spot.replace(other)
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            if len(value) > 1 or field not in _NEVER_EMPTY:
                yield f"without {name_of(item, at)}", spot.replace((*value[:at], *value[at + 1 :])), name_of(item, at)
        if not value:
            new = sample(_item(spot.kind), field)
            yield "with an item", spot.replace((new,)), name_of(new, 0)
    elif isinstance(value, Mapping):
        for key in value:
            yield f"without {key}", spot.replace({name: item for name, item in value.items() if name != key}), key
        if not value:
            yield "with an item", spot.replace({"SAMPLE": sample(get_args(_member(spot.kind, Mapping))[1], field)}), "SAMPLE"
    if value is not None and len(options) > 1 and not isinstance(value, bool):
        for option in options:
            if not isinstance(value, _class_of(option)):
                yield f"made a {_class_of(option).__name__}", spot.replace(sample(option, field))


def _other_texts(spot: Spot, options: list[Any]) -> list[str]:
    literals = [member for option in options if get_origin(option) is Literal for member in get_args(option)]
    if literals:
        return [member for member in literals if member != spot.value]
    return [_OTHER_TEXT.get(spot.field, f"{spot.value}b")]


def renamed(plan: p.Plan, thing: str, old: str, new: str, app: str | None) -> p.Plan:
    """The plan with one thing's name changed, there and wherever it is referred to."""

    def visit(value: Any, field: tuple[type, str], within: str | None) -> Any:
        if isinstance(value, msgspec.Struct):
            within = value.name if isinstance(value, p.App) else value.app if isinstance(value, Exposure) else within
            fields = {name: visit(getattr(value, name), (type(value), name), within) for name in value.__struct_fields__}
            return msgspec.structs.replace(value, **fields)
        if isinstance(value, tuple):
            return tuple(visit(item, field, within) for item in value)
        scoped = thing not in _OF_AN_APP or within == app
        return new if value == old and scoped and thing in (IDENTIFIERS.get(field), REFERENCES.get(field)) else value

    changed: p.Plan = visit(plan, (p.Plan, ""), None)
    return changed


def sample(kind: Any, field: tuple[type, str]) -> Any:
    """A value of a type, valid where the plan of the tests has the names that it leads to."""
    kind = _members(kind)[0]
    if field in _SAMPLES and (kind is str or get_origin(kind) is Literal):
        return _SAMPLES[field]
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind)
        required = [info for info in msgspec.structs.fields(kind) if info.required]
        return kind(**{info.name: sample(_members(hints[info.name])[0], (kind, info.name)) for info in required})
    simple: dict[Any, Any] = {bool: True, int: 7, str: _OTHER_TEXT.get(field, "sample")}
    if kind in simple:
        return simple[kind]
    if get_origin(kind) is tuple:
        return (sample(_item(kind), field),)
    raise AssertionError(f"no sample for {kind} in {field}")


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _class_of(kind: Any) -> Any:
    return get_origin(kind) or kind if get_origin(kind) is not Literal else str


def _member(kind: Any, wanted: type) -> Any:
    return next(member for member in _members(kind) if _class_of(member) in (wanted, Mapping))


def _item(kind: Any) -> Any:
    return get_args(next(member for member in _members(kind) if get_origin(member) is tuple))[0]
