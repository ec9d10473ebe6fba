"""A part of a service: some of its keys, and the findings about them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from portable.model.findings import Finding


class ServicePart(NamedTuple):
    """Keys of a Compose service, and the findings about them."""

    keys: dict[str, Any]
    findings: tuple[Finding, ...] = ()


def join(parts: Iterable[ServicePart]) -> ServicePart:
    """Merge parts: lists under one key are concatenated without duplicates, mappings are merged, empty values are dropped."""
    keys: dict[str, Any] = {}
    findings: list[Finding] = []
    for part in parts:
        findings += part.findings
        for key, value in part.keys.items():
            if value is None or value == [] or value == {}:
                continue
            existing = keys.get(key)
            if isinstance(existing, list):
                keys[key] = [*existing, *(item for item in value if item not in existing)]
            elif isinstance(existing, dict):
                keys[key] = {**existing, **value}
            else:
                keys[key] = value
    return ServicePart(keys, tuple(findings))
