"""Common to all interfaces: a step is a change with the request that makes it; how wanted and current settings differ."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from portable.model.base import Struct
from portable.model.changes import Change
from portable.model.secret_refs import SecretRef
from portable.wiring.channel import Channel, Enter, Request
from portable.wiring.wishes import Peer, Wish


class Step(Struct, frozen=True, kw_only=True):
    """One change of an app's settings, and the request that makes it."""

    change: Change
    request: Request


class Shown(Struct, frozen=True, forbid_unknown_fields=False):
    """Base of the answers of apps: only the fields that are used here; others are ignored."""


Objects = list[dict[str, Any]]
"""The lists that most interfaces return."""
Others = Callable[[str], Channel]
"""Returns the connection to another app by its name."""


class Interface(Struct, frozen=True, kw_only=True):
    """The interface of one or several programs: how to log in, and which steps are still to do. Finding the steps changes nothing."""

    programs: tuple[str, ...]
    enter: Enter
    steps: Callable[[Channel, Sequence[Wish], Others], Iterator[Step]]


def send(peer: Peer, cause: str, request: Request) -> Step:
    """Return the step that makes a change in an app."""
    return Step(change=Change(kind="tell", service=peer.name, app=peer.name, cause=cause), request=request)


def differences(line: Channel, wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    """Describe the settings that differ from the wanted ones; empty if none does. The text contains no value of a secret."""
    changes = [
        f"{name} differs" if isinstance(value, SecretRef) else f"{name} is {seen.get(name)!r} instead of {value!r}"
        for name, value in wanted.items()
        if not line.same(value, seen.get(name))
    ]
    return ", ".join(changes)
