"""The journal of a move of apps: the last durable step, and all that a resumed command has to know."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from portable.live.fences import move_command
from portable.local.files import write_private
from portable.local.folders import project_folder
from portable.migrate.choosing import MovedVolume
from portable.migrate.databases import DatabaseTotals
from portable.migrate.stack_plan import MoveSize
from portable.model.base import Struct
from portable.model.errors import PortableError, Refused, UsageError
from portable.model.findings import Finding

LOCK = "_moves"
"""The lock and the folder of all moves of this user."""
StackStep = Literal[
    "fencing", "planned", "precopied", "stopping", "stopped", "placed", "starting", "started", "done", "rolling-back", "confirming",
]  # fmt: skip
"""Steps that are durable.

`fencing`: the losses are accepted, and the fence of the target's apps is on its way. A move that ends here has not begun.
`planned`: the target's apps are fenced, nothing is copied. `precopied`: each volume was copied while its apps ran.
`stopping`: the source's apps may be down. `stopped`: they are, and a fence keeps them so.
`placed`: each volume is proven and in its place. `starting`: the apps may run at the target. `started`: they are healthy there.
`done`: the contracts were checked, and the report is written. `rolling-back`, `confirming`: the end was chosen, and only goes on.
"""
STACK_STEPS: tuple[StackStep, ...] = get_args(StackStep)


class StackMoveJournal(Struct, frozen=True, kw_only=True):
    """The state of one move of apps."""

    format: int = 1
    id: str
    step: StackStep
    from_: str = msgspec.field(name="from")
    """The profile as the person typed it."""
    to: str
    source: str
    """The project on the engine."""
    target: str
    apps: tuple[str, ...]
    stopped: tuple[str, ...]
    """The apps that stop at the source: those that move, and gateways that nobody needs then."""
    absent: tuple[str, ...]
    staying: tuple[str, ...]
    volumes: tuple[MovedVolume, ...]
    sizes: tuple[MoveSize, ...]
    findings: tuple[Finding, ...]
    waive: dict[str, str]
    secrets: tuple[str, ...]
    made: tuple[str, ...] = ()
    """Folders that the move created above the volumes, the uppermost first."""
    ran: tuple[str, ...] = ()
    """The apps that ran at the source before they were stopped."""
    brought: tuple[str, ...] = ()
    """Gateways of the target that did not exist there before the apps were started: a rollback stops them too."""
    times: Mapping[str, float] = {}
    down: Mapping[str, float] = {}
    """When each app stopped, seconds since 1970."""
    well: Mapping[str, float] = {}
    """When each app was healthy at the target."""
    databases: Mapping[str, DatabaseTotals] = {}
    """The results of the check of the SQLite databases of each copied volume."""
    broken: tuple[str, ...] = ()
    """Contracts that are broken at the target."""
    remove: tuple[str, ...] = ()
    """Volumes whose source `--confirm` removes."""
    release: bool = False
    """`--confirm` lets the apps start at the source again."""

    @property
    def moved(self) -> tuple[MovedVolume, ...]:
        """The volumes whose folders are copied."""
        return tuple(volume for volume in self.volumes if volume.how == "move")

    def command(self, option: str) -> str:
        """The command of this move with an option, to paste."""
        return move_command(self.from_, self.to, option)


def file_of(source: str, target: str) -> Path:
    """The journal's file of a move between two projects."""
    return project_folder(LOCK) / f"{source}--{target}.json"


def keep(journal: StackMoveJournal, **changes: Any) -> StackMoveJournal:
    """Write the journal: it counts once this returns, since file and folder are on the disk."""
    journal = msgspec.structs.replace(journal, **changes)
    write_private(file_of(journal.source, journal.target), msgspec.json.encode(journal).decode())
    return journal


def stack_reached(journal: StackMoveJournal, step: StackStep, **changes: Any) -> StackMoveJournal:
    """Record a step."""
    return keep(journal, step=step, times={**journal.times, step: time.time()}, **changes)


def read_stack_journal(source: str, target: str) -> StackMoveJournal | None:
    """Read the journal of a move; None if there is none. Raises PortableError if it is unreadable."""
    return _read(file_of(source, target))


def _read(file: Path) -> StackMoveJournal | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=StackMoveJournal)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        remedy = "read it; the source is whole as long as nothing was confirmed"
        raise PortableError(f"the journal is unreadable: {error}", code="migrate.manifest", where=str(file), remedy=remedy) from None


def unfinished_move(source: str, target: str) -> StackMoveJournal:
    """The journal of an unfinished move. Raises UsageError if there is none."""
    if (journal := read_stack_journal(source, target)) is None:
        remedy = "begin it without `--resume`, `--rollback` and `--confirm`; only the user and the machine that began a move can end it"
        raise UsageError(f"no move from {source} to {target} is unfinished", code="migrate.not-begun", remedy=remedy)
    return journal


def refuse_unfinished(source: str, target: str) -> None:
    """Raise Refused if another move of one of these places is not finished. A move between them that has not begun is no obstacle."""
    for file in sorted(project_folder(LOCK).glob("*--*.json")):
        if (journal := _read(file)) is not None and {journal.source, journal.target} & {source, target}:
            if journal.step == "fencing" and (journal.source, journal.target) == (source, target):
                continue
            text = f"the move from {journal.from_} to {journal.to} is not finished: its last step is {journal.step}"
            remedy = (
                f"end it with {journal.command('--confirm')}"
                if journal.step == "done"
                else f"complete it with {journal.command('--resume')}"
            )
            raise Refused(
                text, code="migrate.unfinished", where=str(file), remedy=f"{remedy}, or undo it with {journal.command('--rollback')}"
            )


def has_stack_step(journal: StackMoveJournal, step: StackStep) -> bool:
    """Whether a move has reached a step."""
    return STACK_STEPS.index(journal.step) >= STACK_STEPS.index(step)
