"""The journal of a move: the last step that is durable, and all that a resumed command has to know."""

import os
import time
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from portable.local.files import write_atomically
from portable.migrate.databases import DatabaseTotals
from portable.migrate.losses import Loss
from portable.migrate.personality import Personality
from portable.migrate.places import SourceIdentity
from portable.model.base import Struct
from portable.model.errors import PortableError
from portable.programs.backup.errors import reason

Step = Literal[
    "planned", "precopied", "stopping", "stopped", "checkpointed", "copied", "proven", "placing", "placed", "starting", "done",
    "rolling-back", "confirming",
]  # fmt: skip
"""Steps that are durable.

`planned`: losses are accepted, nothing is copied. `precopied`: the staged tree is near the source, whose app still runs.
`stopping`: the app may be down. `stopped`, `checkpointed`: nobody writes the source.
`copied`: the staged tree is like the source, and on the disk. `proven`: both manifests are equal but for accepted losses.
`placing`, `placed`: the staged tree is moved up into the target. `starting`: the app may run on the target. `done`: it runs there.
`rolling-back`, `confirming`: the end was chosen, and only goes on.
"""
STEPS: tuple[Step, ...] = get_args(Step)
_FORMAT = 1
_FILE = "journal.json"


class MoveJournal(Struct, frozen=True, kw_only=True):
    """The state of one move."""

    format: int = _FORMAT
    step: Step
    source: str
    """Absolute path."""
    target: str
    identity: SourceIdentity
    is_target_new: bool
    """The move created the target folder."""
    waive: dict[str, str]
    personality: Personality
    losses: tuple[Loss, ...]
    entries: int
    """Entries of the source when the move was planned."""
    bytes: int
    times: dict[str, float]
    """When each step was reached, seconds since 1970."""
    databases: DatabaseTotals = DatabaseTotals()
    """The results of the check of the SQLite databases."""
    confirm_source: bool = False
    """`confirming` removes the source's contents."""


def reached(journal: MoveJournal, step: Step, work: Path, **changes: Any) -> MoveJournal:
    """Record a step: it counts once this returns, since file and folder are on the disk."""
    times = {**journal.times, step: time.time()}
    journal = msgspec.structs.replace(journal, step=step, times=times, **changes)
    write_journal(journal, work)
    return journal


def write_journal(journal: MoveJournal, work: Path) -> None:
    """Write the journal whole or not at all. Raises PortableError."""
    try:
        write_atomically(work / _FILE, msgspec.json.encode(journal).decode(), mode=0o600)
        sync_folder(work)
    except OSError as error:
        text, remedy = f"cannot write the journal: {reason(error)}", "free space on the target, then run the same command with --resume"
        raise PortableError(text, code="migrate.mover", where=str(work / _FILE), remedy=remedy) from None


def read_journal(work: Path) -> MoveJournal | None:
    """Read the journal; None if no step of a move in this folder is durable. Raises PortableError if it is unreadable."""
    try:
        return msgspec.json.decode((work / _FILE).read_bytes(), type=MoveJournal)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        text, remedy = f"the journal is unreadable: {error}", "read it, and remove the target yourself if the source is whole"
        raise PortableError(text, code="migrate.manifest", where=str(work / _FILE), remedy=remedy) from None


def sync_folder(folder: Path) -> None:
    """Wait until a folder's own entries are on the disk, but not for the data of others, as syncfs(2) would. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_at_least(journal: MoveJournal, step: Step) -> bool:
    """Whether a move has reached a step."""
    return STEPS.index(journal.step) >= STEPS.index(step)
