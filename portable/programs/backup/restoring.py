"""Puts a backup in the place of an app's state, in steps that go on after a kill, and gives a restore up."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portable.programs.backup.entries import SavedApp, Truncated, facts_of, parsed
from portable.programs.backup.errors import BackupError, UnchangedError, reason
from portable.programs.backup.files import names_in, opened, remove_if_empty, remove_tree, restore_owner, sync
from portable.programs.backup.journal import (
    BACK,
    BEFORE,
    FORWARD,
    GIVEN_UP,
    HALF_WAY,
    JOURNAL,
    STAGED,
    end_journal,
    read_journal,
    required_journal,
    write_journal,
)
from portable.programs.backup.moving import move_aside, move_up, refuse_mounts, refuse_without_room, set_state_aside
from portable.programs.backup.proving import prove
from portable.programs.backup.putting import put
from portable.programs.backup.store import checked_manifest, chosen, entries_of, now, row, totals


def stage(store: Path, app: SavedApp, at: str = "") -> dict[str, Any]:
    """Prove a backup and that there is room for it while the app still runs: nothing of its state changes, nor beside it.

    A restore of which nothing was put in place yet gives way to another; one that was killed half-way goes on.
    """
    home = store / app.name
    journal = read_journal(home)
    if journal and journal["step"] in BACK:
        raise BackupError(f"a restore of {app.name} is being given up: run `portable restore --abort {app.name}` again")
    if journal and journal["step"] in FORWARD:
        if at and chosen(store, app.name, at) != journal["at"]:
            raise BackupError(
                f"a restore of {app.name} to {journal['at']} is not finished: run `portable restore {app.name}` without --at first, "
                f"or give it up with `portable restore --abort {app.name}`"
            )
        return row(app.name, journal["at"], [], "staged")
    name = chosen(store, app.name, at)
    manifest = checked_manifest(home / name)
    if unknown := sorted(set(manifest["volumes"]) - set(app.volumes)):
        raise BackupError(f"the backup has {', '.join(unknown)}, which {app.name} has not in this place")
    refuse_mounts(app.volumes[volume] for volume in manifest["volumes"])
    refuse_without_room({app.volumes[volume]: facts["bytes"] for volume, facts in manifest["volumes"].items()})
    try:
        for volume in manifest["volumes"]:
            prove(home / name / volume, entries_of(home / name, volume))
    except (OSError, BackupError) as error:
        raise BackupError(f"the backup of {name} can't be put back, and nothing was changed: {reason(error)}") from None
    write_journal(home, {"at": name, "step": "staged"})
    missing = sorted(set(app.volumes) - set(manifest["volumes"]))
    return row(app.name, name, [f"{volume} is not in the backup of {name}: it stays as it is" for volume in missing], "staged")


def swap(store: Path, app: SavedApp) -> dict[str, Any]:
    """Put the state of a stopped app aside, never away, and a proven backup in its place; run again it goes on.

    The backup is copied beside the state only now, when nobody is there who could replace a folder by a link meanwhile; still no link is
    followed. Until all of it lies there nothing of the state has changed, and an error leaves it so.
    """
    home = store / app.name
    journal = required_journal(home)
    if journal["step"] in BACK:
        raise BackupError(f"the restore of {app.name} is being given up: run `portable restore --abort {app.name}` again")
    try:
        manifest = checked_manifest(home / journal["at"])
        folders = {volume: app.volumes[volume] for volume in manifest["volumes"]}
        if journal["step"] not in FORWARD:
            journal = _copy_beside(home, journal["at"], folders)
    except (OSError, BackupError) as error:
        if (read_journal(home) or {}).get("step") in HALF_WAY:
            raise
        with contextlib.suppress(OSError):  # the next restore removes what stays of it
            _remove_staged(app)
            (home / JOURNAL).unlink()
        raise UnchangedError(f"the backup of {journal['at']} can't be put back, and nothing was changed: {reason(error)}") from None
    if journal["step"] == "aside":
        for at in folders.values():
            set_state_aside(at, journal["aside"])
            sync(at)
        journal = write_journal(home, {**journal, "step": "in"})
    earlier_state = False
    for volume, at in folders.items():
        with opened(at) as folder:
            move_up(STAGED, folder, journal["aside"], at)
            own = next(e for e in entries_of(home / journal["at"], volume) if e.path == ".")
            restore_owner(folder, own, Truncated())
            earlier_state = not remove_if_empty(journal["aside"], folder) or earlier_state
        sync(at)
    notes = [*journal.get("notes", []), *end_journal(home)]
    return {**row(app.name, journal["at"], notes, "done"), **totals(manifest), "before": journal["aside"] if earlier_state else ""}


def _copy_beside(home: Path, name: str, folders: Mapping[str, Path]) -> dict[str, Any]:
    """Copy a backup beside the state of its app; the journal, in the step from which on the two change places."""
    notes = Truncated()
    refuse_mounts(folders.values())
    for volume, at in folders.items():
        with opened(at) as folder:
            remove_tree(STAGED, folder)
            with opened(STAGED, folder, made=True) as staged:
                put(home / name / volume, staged, entries_of(home / name, volume), notes)
            sync(at)
    were = {volume: facts_of(at.stat()) for volume, at in folders.items()}
    return write_journal(home, {"at": name, "step": "aside", "aside": f"{BEFORE}{now()}", "were": were, "notes": notes.lines()})


def abort(store: Path, app: SavedApp, *, stopped: bool) -> dict[str, Any]:
    """Give up a restore that was begun: the app gets its earlier state back. What the restore had put there is put aside, never away.

    Half-way the app must be stopped: without `stopped` the result is then `half`, and nothing is done. Run again it goes on.
    """
    home = store / app.name
    journal = read_journal(home)
    if journal is None:
        return row(app.name, "", [], "not begun")
    if journal["step"] in HALF_WAY and not stopped:
        return row(app.name, journal["at"], [], "half")
    given_up = _move_back(home, app, journal) if journal["step"] in HALF_WAY else ""
    _remove_staged(app)
    notes = [f"what had been put in its place lies in {given_up} of its folder; remove it when nothing is missed"] if given_up else []
    return row(app.name, journal["at"], [*notes, *end_journal(home)], "given up")


def _move_back(home: Path, app: SavedApp, journal: dict[str, Any]) -> str:
    """Put the earlier state in its place again; the folder where the restore's result lies, where there is any."""
    if journal["step"] in FORWARD:
        step = "out" if journal["step"] == "in" else "back"
        journal = write_journal(home, {**journal, "step": step, "out": f"{GIVEN_UP}{now()}"})
    folders = {volume: app.volumes[volume] for volume in journal["were"]}
    if journal["step"] == "out":
        for at in folders.values():
            with opened(at) as folder:
                move_aside(folder, journal["out"], at)
            sync(at)
        journal = write_journal(home, {**journal, "step": "back"})
    given_up = ""
    for volume, at in folders.items():
        with opened(at) as folder:
            move_up(journal["aside"], folder, journal["out"], at)
            if journal["out"] in names_in(folder):
                given_up = str(journal["out"])
            restore_owner(folder, parsed({"path": ".", "kind": "folder", **journal["were"][volume]}), Truncated())
        sync(at)
    return given_up


def _remove_staged(app: SavedApp) -> None:
    """Remove what was copied beside the state and is not to take its place."""
    for at in app.volumes.values():
        with opened(at) as folder:
            remove_tree(STAGED, folder)
