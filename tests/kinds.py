"""Kinds of back ends, as tests tell them apart: by traits, so that a new back end is of a kind without an entry of its own."""

from collections.abc import Mapping
from typing import TypeVar

from portable.model.traits import traits_of

Entry = TypeVar("Entry")


def is_host(back_end: str) -> bool:
    """Whether volumes are folders of a host there, rather than claims of a cluster."""
    return traits_of(back_end).has_host_folders


def of_kind(back_end: str, entries: Mapping[str, Entry]) -> Entry:
    """The entry of the back end, or else of the first one with the same traits. Raises KeyError where there is none of its kind."""
    if back_end in entries:
        return entries[back_end]
    wanted = traits_of(back_end)
    for name, entry in entries.items():
        if traits_of(name) == wanted:
            return entry
    raise KeyError(f"no entry for {back_end}, nor for a back end with its traits")
