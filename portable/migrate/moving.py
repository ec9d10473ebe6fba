"""Begins, resumes and looks up moves between two folders."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from portable.migrate import hooks as points
from portable.migrate.hooks import MoveHooks
from portable.migrate.journal import MoveJournal, Step, reached, read_journal, sync_folder
from portable.migrate.machine import PLAN, StepMachine
from portable.migrate.mover import check_version
from portable.migrate.names import listed
from portable.migrate.personality import remove_probes
from portable.migrate.places import (
    WORK,
    identity_of,
    locked_work,
    opened_source,
    opened_target,
    refuse_nested,
    refuse_used_target,
    release,
)
from portable.migrate.planning import MovePlan, check_waivers, make_plan
from portable.model.errors import PortableError, Refused, UsageError
from portable.model.progress import Progress, silent
from portable.programs.backup.errors import reason
from portable.programs.backup.files import opened, remove_emptied, remove_tree

NEW = "new"
"""Marks in the work folder that the move created the target."""


def begin(
    source: Path,
    target: Path,
    *,
    waive: Mapping[str, str] | None = None,
    hooks: MoveHooks | None = None,
    progress: Progress = silent,
    until: Step = "done",
    is_live: bool = False,
) -> MoveJournal:
    """Move the contents of `source` into `target`, a missing or empty folder, and start it there. The source stays as it is.

    With `until`, stop after that step; `resume` goes on. With `is_live`, the source's apps still run, so that files may change and vanish
    while they are read: the proof decides. `waive` accepts kinds of losses by name, each with a reason.

    Raises UsageError and Refused before the first byte; after it, any PortableError leaves a move that `resume` completes and
    `ending.roll_back` undoes.
    """
    waive = dict(waive or {})
    check_waivers(waive)
    check_version()
    with opened_source(source) as one, contextlib.ExitStack() as stack:
        is_new = not target.is_symlink() and not target.exists()
        with opened_target(target.absolute().parent if is_new else target) as probed:
            refuse_nested(one, probed, target.name if is_new else "")
        two = stack.enter_context(opened_target(target, made=True))
        remove_probes(two)
        refuse_used_target(two, target)
        work = target / WORK
        lock = stack.enter_context(_new_work(two, target, is_new=is_new))
        points.reach("begun")
        try:
            with tempfile.TemporaryDirectory(prefix="portable-move-") as scratch:
                plan, _ = make_plan(one, target, work, Path(scratch) / PLAN, waive, is_live=is_live)
                plan.check_losses()
                _keep(Path(scratch) / PLAN, work)
            journal = _first_journal(plan, one, work, waive)
        except BaseException:
            if read_journal(work) is None:
                withdraw(two, target, lock)
            raise
        points.reach("planned")
        return StepMachine(one, two, lock, work, journal, hooks or MoveHooks(), progress).run(until)


@contextlib.contextmanager
def _new_work(target: int, path: Path, *, is_new: bool) -> Iterator[int]:
    """Make the work folder and lock it; what a killed command left without a journal is removed. Raises Refused if it has a journal."""
    work = path / WORK
    try:
        work.mkdir(mode=0o700, exist_ok=True)
        if is_new:
            (work / NEW).touch(mode=0o600)
    except OSError as error:
        remedy = "mount it writable; on an export with root squash, run the same command as the owner of the folder"
        text = f"cannot write in the target: {reason(error)}"
        raise Refused(text, code="migrate.target-refused", where=str(path), remedy=remedy) from None
    with locked_work(work) as lock:
        if read_journal(work) is not None:
            text, remedy = "a move into this folder is not finished", "complete it with --resume, or undo it with --rollback"
            raise Refused(text, code="migrate.unfinished", where=str(path), remedy=remedy)
        with opened(WORK, target) as folder:
            for name in listed(folder):
                if name not in ("lock", NEW):
                    remove_tree(name, folder)
        yield lock


def _keep(manifest: Path, work: Path) -> None:
    """Copy the plan's manifest to the target. It is made elsewhere, because a target that is too small must be refused with all losses."""
    try:
        with (work / manifest.name).open("wb") as kept, manifest.open("rb") as made:
            shutil.copyfileobj(made, kept)
            kept.flush()
            os.fsync(kept.fileno())
        sync_folder(work)
    except OSError as error:
        text, remedy = f"cannot write in the target: {reason(error)}", "free space on the target"
        raise PortableError(text, code="migrate.failed", where=str(work), remedy=remedy) from None


def _first_journal(plan: MovePlan, source: int, work: Path, waive: dict[str, str]) -> MoveJournal:
    journal = MoveJournal(
        step="planned",
        source=plan.source,
        target=plan.target,
        identity=identity_of(source),
        is_target_new=(work / NEW).exists(),
        waive=waive,
        personality=plan.personality,
        losses=plan.losses,
        entries=plan.entries,
        bytes=plan.bytes,
        times={},
    )
    return reached(journal, "planned", work)


def withdraw(target: int, path: Path, lock: int) -> None:
    """Remove the work folder, the journal before the mark of a new target, and a target that the move created. It ends the lock."""
    is_new = (path / WORK / NEW).exists()
    with opened(WORK, target) as work:
        for name in sorted(listed(work), key=lambda name: (name in ("lock", NEW), name)):
            remove_tree(name, work)
    release(lock)
    try:
        remove_emptied(WORK, target)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):  # another command has begun a move meanwhile
            raise
    if is_new:
        with contextlib.suppress(OSError):  # something else is in it
            path.rmdir()


def resume(target: Path, *, hooks: MoveHooks | None = None, progress: Progress = silent, until: Step = "done") -> MoveJournal:
    """Go on with a move that was killed or failed, up to the step `until`.

    Raises UsageError if there is none, Refused if its source is not the same folder.
    """
    with unfinished(target) as (two, work, lock, journal):
        if journal.step == "done":
            return journal
        if journal.step in ("rolling-back", "confirming"):
            word = "--rollback" if journal.step == "rolling-back" else "--confirm"
            raise Refused(
                "the end of this move was chosen", code="migrate.past-confirm", where=str(target), remedy=f"repeat it with {word}"
            )
        check_version()
        with opened_source(Path(journal.source)) as one:
            refuse_swapped(one, journal)
            return StepMachine(one, two, lock, work, journal, hooks or MoveHooks(), progress).run(until)


@contextlib.contextmanager
def unfinished(target: Path) -> Iterator[tuple[int, Path, int, MoveJournal]]:
    """Hold the target of an unfinished move open and locked: its folder, work folder, lock and journal. Raises UsageError without one."""
    with contextlib.ExitStack() as stack:
        work, two, lock, journal = target / WORK, -1, -1, None
        if work.is_dir() and not work.is_symlink():
            two = stack.enter_context(opened_target(target))
            lock = stack.enter_context(locked_work(work))
            journal = read_journal(work)
            if journal is None:
                withdraw(two, target, lock)  # a command was killed before the first step, or after the last one
        if journal is None:
            remedy = "begin a move, or check the path of its target"
            raise UsageError("no move into this folder is unfinished", code="migrate.not-begun", where=str(target), remedy=remedy)
        yield two, work, lock, journal


def refuse_swapped(source: int, journal: MoveJournal) -> None:
    """Raise Refused if the source is another folder than the one that the move began with."""
    now = identity_of(source)
    if not journal.identity.is_same(now):
        text = f"the source is not the folder that this move began with, but inode {now.inode} of {now.mounted or now.kind}"
        remedy = f"mount the first one again: {journal.identity.mounted or journal.identity.kind}, inode {journal.identity.inode}"
        raise Refused(text, code="migrate.source-swapped", where=journal.source, remedy=remedy)
