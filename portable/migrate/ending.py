"""Ends a move: back to the source, or for good."""

import contextlib
import os
import time
from pathlib import Path

from portable.migrate import hooks as points
from portable.migrate.comparing import differences
from portable.migrate.entries import Difference
from portable.migrate.hooks import MoveHooks
from portable.migrate.journal import MoveJournal, reached
from portable.migrate.losses import LEFT_OUT
from portable.migrate.machine import AFTER, SOURCE, TARGET, DifferentError
from portable.migrate.manifest import Manifest, make_manifest
from portable.migrate.mounts import mount_points
from portable.migrate.moving import refuse_swapped, unfinished, withdraw
from portable.migrate.names import listed, unescaped
from portable.migrate.places import FOUND, WORK, opened_source
from portable.migrate.placing import set_time
from portable.migrate.planning import STAGED, skipped_of
from portable.model.base import Struct
from portable.model.errors import Refused
from portable.programs.backup.files import opened, remove_tree, sync

GIVEN_UP = ".given-up-move-"
"""Prefix of the folder in the target with the state of apps that ran there before a rollback. It is never removed."""


class MoveEnd(Struct, frozen=True, kw_only=True):
    """What the end of a move did."""

    source: str
    target: str
    removed: tuple[str, ...] = ()
    """Paths that were removed with all below them."""
    aside: str = ""
    """Folder with the state that apps had on the target."""
    left: tuple[str, ...] = ()
    """Paths that do not belong to the move, and stay."""


class SourceRemoval(Struct, frozen=True, kw_only=True):
    """What `confirm` would remove of the source."""

    paths: tuple[str, ...]
    entries: int
    bytes: int


def roll_back(target: Path, *, hooks: MoveHooks | None = None) -> MoveEnd:
    """Undo a move at any step before it is confirmed: the apps run on the source again, and the target is as it was.

    State of apps that ran on the target is put aside, never removed. Repeating it after a kill completes it. Raises UsageError if there is
    no move, Refused if it is confirmed.
    """
    hooks = hooks or MoveHooks()
    with unfinished(target) as (two, work, lock, begun):
        journal = begun
        if journal.step == "confirming":
            raise Refused("the move is confirmed", code="migrate.past-confirm", where=str(target), remedy="complete it with --confirm")
        if journal.step != "rolling-back":
            journal = reached(journal, "rolling-back", work)
        points.reach("rolling-back")
        if "starting" in journal.times:
            hooks.stop_target()
        if "stopping" in journal.times:
            hooks.start_source()
        points.reach("source started")
        removed, aside = _clear(two, work, journal)
        points.reach("cleared")
        sync(work)
        others = tuple(name for name in listed(two) if name not in (WORK, FOUND, aside))
        withdraw(two, target, lock)
    return MoveEnd(source=journal.source, target=journal.target, removed=removed, aside=aside, left=others)


def _clear(target: int, work: Path, journal: MoveJournal) -> tuple[tuple[str, ...], str]:
    """Remove from an open target what the move put there, or put it aside if anybody may have written it."""
    if "placing" not in journal.times:
        return (), ""
    staged = set[str]()
    with contextlib.suppress(FileNotFoundError), opened(work / STAGED) as tree:
        staged = set(listed(tree))  # not moved up: what has such a name in the target belongs to somebody else
    own = [name for name in map(os.fsdecode, top_names(Manifest(work / TARGET))) if name not in staged]
    if "starting" in journal.times:
        own = [name for name in listed(target) if name not in (WORK, FOUND) and not name.startswith(GIVEN_UP)]
    elif _is_untouched(target, work, frozenset(own)):
        for name in own:
            remove_tree(name, target)
            points.reach("removed one")
        return tuple(own), ""
    aside = f"{GIVEN_UP}{time.strftime('%Y-%m-%dT%H%M%SZ', time.gmtime(journal.times['rolling-back']))}"
    with opened(aside, target, made=True) as folder:
        for name in set(own) & set(listed(target)):
            os.rename(name, name, src_dir_fd=target, dst_dir_fd=folder)
            points.reach("put one aside")
    return (), aside


def _is_untouched(target: int, work: Path, own: frozenset[str]) -> bool:
    """Whether what the move put into the target is as it was proven. A removal killed halfway leaves out entries and changes times."""
    proven = Manifest(work / TARGET)
    now = make_manifest(target, work / AFTER, skip=frozenset({os.fsencode(WORK)}), known=proven.known())
    found = (one for one in differences(proven, now) if os.fsdecode(unescaped(one.path)).partition("/")[0] in own)
    return not any(one.field not in ("missing", "mtime", "links") for one in found)


def top_names(manifest: Manifest) -> list[bytes]:
    """Names directly in the tree of a manifest, without mounts."""
    return [unescaped(entry.path) for entry in manifest.entries() if entry.path and "/" not in entry.path and entry.type != "mount"]


def removal(target: Path) -> SourceRemoval:
    """List what `confirm` would remove of the source. Raises UsageError if there is no move, Refused if it is not done."""
    with unfinished(target) as (_, work, _, journal):
        _refuse_undone(journal)
        return _removal(work, journal)


def _removal(work: Path, journal: MoveJournal) -> SourceRemoval:
    manifest = Manifest(work / SOURCE)
    paths = tuple(os.path.join(journal.source, os.fsdecode(name)) for name in top_names(manifest))  # noqa: PTH118 - names may end in "/."
    return SourceRemoval(paths=paths, entries=manifest.end.entries - 1, bytes=manifest.end.bytes)


def confirm(target: Path, *, clean_source: bool = False) -> MoveEnd:
    """End a move for good. With `clean_source`, remove the contents of the source that were proven on the target, and nothing else.

    Raises Refused if the move is not done, or if the source changed since the proof, is another folder, or has mounts in it.
    """
    with unfinished(target) as (two, work, lock, begun):
        journal = begun
        _refuse_undone(journal)
        removed: tuple[str, ...] = ()
        mtime = os.fstat(two).st_mtime_ns
        if clean_source or journal.confirm_source:
            if not [name for name in listed(two) if name not in (WORK, FOUND)]:
                text, remedy = "the target is empty, so the source would be the only copy", "check the target's disk"
                raise Refused(text, code="migrate.target-kind", where=str(target), remedy=remedy)
            _refuse_left_out(journal)
            with opened_source(Path(journal.source), is_removed=True) as one:
                refuse_swapped(one, journal)
                _refuse_changed(one, work, journal)
                journal = reached(journal, "confirming", work, confirm_source=True)
                points.reach("confirming")
                removed = _removal(work, journal).paths
                for name in top_names(Manifest(work / SOURCE)):
                    remove_tree(os.fsdecode(name), one)
                    points.reach("removed one")
        else:
            journal = reached(journal, "confirming", work)
        withdraw_work(two, target, lock)
        set_time(two, mtime)
    return MoveEnd(source=journal.source, target=journal.target, removed=removed)


def withdraw_work(target: int, path: Path, lock: int) -> None:
    """Remove the work folder, and keep the target."""
    with contextlib.suppress(FileNotFoundError):
        (path / WORK / "new").unlink()
    withdraw(target, path, lock)


def _refuse_undone(journal: MoveJournal) -> None:
    if journal.step not in ("done", "confirming"):
        text = f"the move is not done: its last step is {journal.step}"
        raise Refused(
            text, code="migrate.confirm-first", where=journal.target, remedy="complete it with --resume, or undo it with --rollback"
        )


def _refuse_left_out(journal: MoveJournal) -> None:
    """Raise Refused if entries did not move, as a waiver accepted: the source is then the only place that has them."""
    if left := [loss for loss in journal.losses if loss.kind in LEFT_OUT]:
        named = ", ".join(path for loss in left for path in loss.examples)
        text = f"{sum(loss.count for loss in left)} entries did not move, and only the source has them: {named}"
        remedy = "confirm without removing the source, look at them, and remove the source yourself"
        raise Refused(text, code="migrate.left-out", where=journal.source, remedy=remedy)


def _refuse_changed(source: int, work: Path, journal: MoveJournal) -> None:
    """Raise Refused if the source has anything that is not proven on the target."""
    if mounts := mount_points(source):
        text = f"file systems are mounted in the source: {', '.join(sorted(map(os.fsdecode, mounts)))}"
        raise Refused(text, code="migrate.mounts-inside", where=journal.source, remedy="unmount them first")
    proven = Manifest(work / SOURCE)
    now = make_manifest(source, work / AFTER, skip=skipped_of(source), known=proven.known())
    found = (one for one in differences(proven, now) if journal.step == "done" or _is_foreign(one))
    if (first := next(found, None)) is not None:
        remedy = "look at what changed; begin a new move if it matters, or remove the source yourself"
        text = "the source changed since it was proven"
        raise DifferentError(text, (first,), code="migrate.source-changed", where=journal.source, remedy=remedy)


def _is_foreign(difference: Difference) -> bool:
    """Whether a difference cannot come from a removal that was killed halfway: entries, times and links change."""
    return difference.field not in ("missing", "mtime", "links")
