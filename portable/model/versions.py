"""Versions of an app after which there is no way back without a backup."""

from portable.model.base import Struct


class OneWay(Struct, frozen=True, kw_only=True):
    """The first version whose state an older one cannot read."""

    version: str
    """Numbers and dots, for example 10.11."""
    source: str
    """Where that is written: a repository with an issue number, or an address."""
    is_slow: bool = False
    """Whether its migration may take hours."""
