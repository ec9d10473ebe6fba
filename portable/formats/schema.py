"""Makes the JSON Schema of a file, for editors and for the list of mistakes."""

from typing import Any

import msgspec


def schema(kind: type[Any]) -> dict[str, Any]:
    """Return the JSON Schema of a file of type `kind`, with the texts of docstrings and of `msgspec.Meta`."""
    # A default may be a tuple or a Struct; a schema is plain data.
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(kind)))
    root = made
    while "$ref" in root:
        root = made["$defs"][root["$ref"].rpartition("/")[2]]
    about: dict[str, Any] = {key: root[key] for key in ("title", "description") if key in root}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **about, **made}
