"""A part of a service: some of its keys, and the findings of what these do not say."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from portable.model.findings import Finding


class Part(NamedTuple):
    """Keys of a Compose service with the findings that belong to them."""

    keys: dict[str, Any]
    findings: tuple[Finding, ...] = ()


def join(parts: Iterable[Part]) -> Part:
    """One part of several: lists under one key follow one another, mappings are united, empty values leave no key."""
    keys: dict[str, Any] = {}
    findings: list[Finding] = []
    for part in parts:
        findings += part.findings
        for key, value in part.keys.items():
            if value is None or value == [] or value == {}:
                continue
            have = keys.get(key)
            if isinstance(have, list):
                keys[key] = [*have, *(item for item in value if item not in have)]
            elif isinstance(have, dict):
                keys[key] = {**have, **value}
            else:
                keys[key] = value
    return Part(keys, tuple(findings))
