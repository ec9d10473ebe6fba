"""Ends a move of apps: back to the source, or for good."""

import contextlib
from collections.abc import Collection
from pathlib import Path

from portable.live.driver import StackDriver
from portable.local.lock import locked
from portable.migrate import ending
from portable.migrate import hooks as points
from portable.migrate.places import WORK
from portable.migrate.sides import MoveSide
from portable.migrate.stack_journal import LOCK, StackMoveJournal, file_of, keep, stack_reached, unfinished_move
from portable.migrate.stack_move import fence_of
from portable.model.base import Struct
from portable.model.errors import PortableError, Refused, UsageError
from portable.model.progress import Event, Progress, silent


class StackMoveEnd(Struct, frozen=True, kw_only=True):
    """What the end of a move did."""

    journal: StackMoveJournal
    removed: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    """Folders with the state that apps had at the target."""
    left: tuple[str, ...] = ()
    """Folders of the source that stay."""


class SourceRest(Struct, frozen=True, kw_only=True):
    """What a volume's source still has, which `--confirm --remove` would remove."""

    volume: str
    folder: str
    entries: int
    bytes: int


def roll_back_stack(
    source: MoveSide, target: MoveSide, here: StackDriver, there: StackDriver, *, deadline: float | None = None, progress: Progress = silent
) -> StackMoveEnd:
    """Undo a move that is not confirmed: stop the apps at the target, put its state aside, and start the source as it ran before.

    Repeating it after a kill completes it. Raises UsageError if there is no move, Refused if it is confirmed.
    """
    with locked(LOCK, "migrate", progress=progress, wait=0):
        journal = unfinished_move(source.project, target.project)
        if journal.step == "confirming":
            remedy = f"complete it with {journal.command('--confirm')}"
            raise Refused("the move is confirmed", code="migrate.past-confirm", where=target.project, remedy=remedy)
        if journal.step != "rolling-back":
            journal = stack_reached(journal, "rolling-back")
        points.reach("stack rolling-back")
        there.add_fence(fence_of(journal, "target"))
        if "starting" in journal.times:
            there.down(apps=(*journal.apps, *journal.brought), progress=progress)
        points.reach("target stopped")
        removed, aside = _clear(journal, progress)
        here.remove_fence(fence_of(journal, "source"))
        points.reach("source opened")
        if journal.ran:
            here.up(apps=journal.ran, deadline=deadline, progress=progress)
        points.reach("source runs")
        there.remove_fence(fence_of(journal, "target"))
        file_of(journal.source, journal.target).unlink()
    return StackMoveEnd(journal=journal, removed=removed, aside=aside)


def _clear(journal: StackMoveJournal, progress: Progress) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Undo the move of each folder, and remove the folders that this move created and that are empty."""
    removed: list[str] = []
    aside: list[str] = []
    for volume in journal.moved:
        target = Path(volume.target)
        if (target / WORK).is_dir():
            progress(Event(what="doing", subject=volume.id, text=f"undoing the copy in {target}"))
            try:
                end = ending.roll_back(target)
            except PortableError as error:
                if error.code != "migrate.not-begun":
                    raise
            else:
                removed += [str(target / name) for name in end.removed]
                aside += [str(target / end.aside)] if end.aside else []
        points.reach(f"undone {volume.id}")
    for path in reversed(journal.made):
        with contextlib.suppress(OSError):  # something else is in it
            Path(path).rmdir()
    return tuple(removed), tuple(aside)


def rests(source: MoveSide, target: MoveSide) -> tuple[SourceRest, ...]:
    """What `--confirm --remove` could remove of the source. Raises UsageError if there is no move, Refused if it is not done."""
    return _rests(_done(source, target))


def _rests(journal: StackMoveJournal) -> tuple[SourceRest, ...]:
    found = []
    for volume in journal.moved:
        if (Path(volume.target) / WORK).is_dir():
            removal = ending.removal(Path(volume.target))
            found.append(SourceRest(volume=volume.id, folder=volume.source, entries=removal.entries, bytes=removal.bytes))
    return tuple(found)


def confirm_stack(
    source: MoveSide,
    target: MoveSide,
    here: StackDriver,
    *,
    remove: Collection[str] = (),
    release: bool = False,
    progress: Progress = silent,
) -> StackMoveEnd:
    """End a move for good. Remove the source of the volumes in `remove`, and nothing else.

    The apps stay fenced at the source unless `release`; that is refused for apps whose folders both places use.
    """
    with locked(LOCK, "migrate", progress=progress, wait=0):
        journal = _done(source, target)
        if journal.step != "confirming":
            _refuse_unknown(journal, remove)
            _refuse_shared(journal, release=release)
            journal = stack_reached(journal, "confirming", remove=tuple(remove), release=release)
        points.reach("stack confirming")
        removed: list[str] = []
        for volume in journal.moved:
            if (Path(volume.target) / WORK).is_dir():
                removed += _confirm_folder(journal, volume.id, Path(volume.target), progress)
            points.reach(f"confirmed {volume.id}")
        if journal.release:
            here.remove_fence(fence_of(journal, "source"))
        file_of(journal.source, journal.target).unlink()
    left = tuple(volume.source for volume in journal.moved if volume.id not in journal.remove)
    return StackMoveEnd(journal=journal, removed=tuple(removed), left=left)


def _confirm_folder(journal: StackMoveJournal, name: str, target: Path, progress: Progress) -> tuple[str, ...]:
    """Confirm the move of one folder. If its source may not be removed, the next `--confirm` keeps it."""
    is_removed = name in journal.remove
    if is_removed:
        progress(Event(what="doing", subject=name, text="comparing the source with what was proven, and removing it"))
    try:
        return ending.confirm(target, clean_source=is_removed).removed
    except PortableError as error:
        if error.code == "migrate.not-begun":
            return ()
        if error.code in ("migrate.source-changed", "migrate.left-out", "migrate.mounts-inside"):
            keep(journal, remove=tuple(one for one in journal.remove if one != name))
        raise


def _done(source: MoveSide, target: MoveSide) -> StackMoveJournal:
    journal = unfinished_move(source.project, target.project)
    if journal.step not in ("done", "confirming"):
        text = f"the move is not done: its last step is {journal.step}"
        remedy = f"complete it with {journal.command('--resume')}, or undo it with {journal.command('--rollback')}"
        raise Refused(text, code="migrate.confirm-first", where=target.project, remedy=remedy)
    return journal


def _refuse_unknown(journal: StackMoveJournal, remove: Collection[str]) -> None:
    known = [volume.id for volume in journal.moved]
    if unknown := sorted(set(remove) - set(known)):
        text = f"this move copied no volume called {', '.join(unknown)}"
        raise UsageError(
            text, code="migrate.unknown-volume", where="--remove", remedy=f"use names of {', '.join(known) or 'a move that copies'}"
        )


def _refuse_shared(journal: StackMoveJournal, *, release: bool) -> None:
    """Raise Refused if the source would be freed although its apps write folders that the target's apps use."""
    shared = [volume for volume in journal.volumes if volume.how == "shared" and volume.holds not in ("library", "backups")]
    if release and shared:
        text = f"both places use {', '.join(volume.source for volume in shared)}: apps started at the source would write it too"
        remedy = f"confirm without `--release`, and move back with `portable migrate --from {journal.to} --to {journal.from_}`"
        raise Refused(text, code="migrate.fenced", where=journal.source, remedy=remedy)
