"""Makes the JSON Schema of a file, for editors and for the list of mistakes."""

from typing import Any

import msgspec
import msgspec.inspect


def schema(kind: type[Any]) -> dict[str, Any]:
    """Return the JSON Schema of a file of type `kind`, with the texts of docstrings and of `msgspec.Meta`."""
    # A default may be a tuple or a Struct; a schema is plain data.
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(kind)))
    _limit_keys(msgspec.inspect.type_info(kind), made, made.get("$defs", {}), set())
    root = made
    while "$ref" in root:
        root = made["$defs"][root["$ref"].rpartition("/")[2]]
    about: dict[str, Any] = {key: root[key] for key in ("title", "description") if key in root}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **about, **made}


def _limit_keys(info: msgspec.inspect.Type, node: Any, definitions: dict[str, Any], done: set[type[Any]]) -> None:
    """Add the choices for the keys of mappings, which msgspec checks but leaves out of its schemas. `node` is the schema of `info`."""
    node = node if isinstance(node, dict) else {}
    if isinstance(info, msgspec.inspect.Metadata):
        _limit_keys(info.type, node, definitions, done)
    elif isinstance(info, msgspec.inspect.StructType):
        if info.cls not in done:
            done.add(info.cls)
            properties = definitions.get(info.cls.__name__, {}).get("properties", {})
            for field in info.fields:
                _limit_keys(field.type, properties.get(field.encode_name), definitions, done)
    elif isinstance(info, msgspec.inspect.DictType):
        if isinstance(info.key_type, msgspec.inspect.LiteralType):
            node["propertyNames"] = {"enum": list(info.key_type.values)}
        _limit_keys(info.value_type, node.get("additionalProperties"), definitions, done)
    elif isinstance(info, msgspec.inspect.UnionType):
        branches = node.get("anyOf", ())
        for inner in info.types:
            kind = "object" if isinstance(inner, msgspec.inspect.DictType) else "array"
            _limit_keys(inner, next((b for b in branches if b.get("type") == kind), None), definitions, done)
    elif isinstance(info, msgspec.inspect.CollectionType):
        _limit_keys(info.item_type, node.get("items"), definitions, done)
