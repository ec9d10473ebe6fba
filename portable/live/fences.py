"""Fences of a move: apps that must not start in a place, because their state moves or has moved.

The engine keeps them, so that every user and every machine that drives it sees them.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import msgspec

from portable.model.base import Struct
from portable.model.errors import Refused

LABEL = "portable.move-fence"
"""The label of the note with a fence."""


def move_command(source: str, target: str, options: str = "") -> str:
    """The command of a move between two profiles, to paste."""
    return f"`portable migrate --from {source} --to {target}{f' {options}' if options else ''}`"


class Fence(Struct, frozen=True, kw_only=True):
    """Apps that a move keeps from starting in one place."""

    move: str
    """The number of the move."""
    side: Literal["source", "target"]
    """`source`: the state of these apps moves or has moved away. `target`: it is being copied here."""
    from_: str = msgspec.field(name="from")
    """The profile of the source, as the person typed it."""
    to: str
    apps: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its note."""
        return f"{self.move}-{self.side}"

    def command(self, options: str) -> str:
        """The command of this move with options, to paste."""
        return move_command(self.from_, self.to, options)

    def text(self) -> str:
        """The fence as the value of a label."""
        return msgspec.json.encode(self).decode()


def fences_of(notes: Mapping[str, str]) -> tuple[Fence, ...]:
    """The fences in the notes of an engine."""
    return tuple(msgspec.json.decode(text, type=Fence) for _, text in sorted(notes.items()))


def refuse_fenced(fences: Iterable[Fence], apps: Collection[str], where: str) -> None:
    """Raise Refused if a fence keeps one of these apps from starting."""
    for fence in fences:
        if held := sorted(set(fence.apps) & set(apps)):
            names, verb = ", ".join(held), "is" if len(held) == 1 else "are"
            if fence.side == "target":
                text = f"the state of {names} is still being copied here from {fence.from_}"
                remedy = f"complete the move with {fence.command('--resume')}, or undo it with {fence.command('--rollback')}"
            else:
                text = f"{names} {verb} moved to {fence.to}: started here too, two copies would run, and may write the same data"
                remedy = (
                    f"undo the move with {fence.command('--rollback')}, or end it and free this place with "
                    f"{fence.command('--confirm --release')}; "
                    f"after `--confirm`, move back with {move_command(fence.to, fence.from_)}"
                )
            raise Refused(text, code="migrate.fenced", where=where, remedy=remedy)
