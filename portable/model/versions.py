"""Versions of an app after which there is no way back without a backup."""

import re

from portable.model.base import Struct

_VERSION = re.compile(r"(?:^|[^0-9.])v?(\d+(?:\.\d+)*)")


class OneWay(Struct, frozen=True, kw_only=True):
    """The first version whose state an older one cannot read."""

    version: str
    """Numbers and dots, for example 10.11."""
    source: str
    """Where that is written: a repository with an issue number, or an address."""
    is_slow: bool = False
    """Whether its migration may take hours."""


def version_of(reference: str) -> tuple[int, ...]:
    """The numbers of an image's tag, for example (6, 0, 4) of `radarr:6.0.4-ls288`; empty if the tag names no version."""
    match = _VERSION.search(tag_of(reference))
    return numbers_of(match[1]) if match else ()


def tag_of(reference: str) -> str:
    """The tag of an image's reference; empty for one without."""
    head, _, tag = reference.partition("@")[0].rpartition(":")
    return tag if head and "/" not in tag else ""


def numbers_of(version: str) -> tuple[int, ...]:
    """The numbers of a version of digits and dots."""
    return tuple(int(part) for part in version.split("."))


def padded(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """The same version with six numbers, so that 6 and 6.0 are one version."""
    return (*numbers, *(0,) * (6 - len(numbers)))
