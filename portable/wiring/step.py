"""What is common to all interfaces: a step is a change with the request that makes it; how wanted and seen settings differ."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from portable.model.base import Struct
from portable.model.changes import Change
from portable.model.plan import SecretRef
from portable.wiring.line import Enter, Line, Request
from portable.wiring.wishes import Peer, Wish


class Step(Struct, frozen=True, kw_only=True):
    """One thing that an app is told, and how."""

    change: Change
    request: Request


class Shown(Struct, frozen=True, forbid_unknown_fields=False):
    """Base of what apps show: only what is looked at here, whatever else they tell."""


Objects = list[dict[str, Any]]
"""What most interfaces list."""
Others = Callable[[str], Line]
"""The line to another app, by its name."""


class Interface(Struct, frozen=True, kw_only=True):
    """How programs are talked to: what opens them, and the steps that are left to do; looking changes nothing."""

    programs: tuple[str, ...]
    enter: Enter
    steps: Callable[[Line, Sequence[Wish], Others], Iterator[Step]]


def tell(peer: Peer, cause: str, request: Request) -> Step:
    """A step that tells an app something."""
    return Step(change=Change(kind="tell", service=peer.name, app=peer.name, cause=cause), request=request)


def differences(line: Line, wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    """In words, what of the wanted settings is otherwise; empty where nothing is. A secret's value is in none of the words."""
    found = [
        f"its {name} is another" if isinstance(value, SecretRef) else f"its {name} is {seen.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if not line.same(value, seen.get(name))
    ]
    return ", ".join(found)
