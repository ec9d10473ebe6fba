"""Replaces an app's state with a backup, in steps that continue after a kill, and aborts a restore."""

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
from portable.programs.backup.tries import note_try


def stage(store: Path, app: SavedApp, at: str = "") -> dict[str, Any]:
    """Verify a backup and the free space for it while the app still runs. Nothing changes in the app's folders.

    A restore that has changed nothing yet is replaced by a new one; a restore that was killed half-way continues.
    """
    home = store / app.name
    journal = read_journal(home)
    if journal and journal["step"] in BACK:
        raise BackupError(f"a restore of {app.name} is being aborted: run `portable restore --abort {app.name}` again")
    if journal and journal["step"] in FORWARD:
        if at and chosen(store, app.name, at) != journal["at"]:
            raise BackupError(
                f"a restore of {app.name} to {journal['at']} is unfinished: complete it with `portable restore {app.name}` without --at, "
                f"or abort it with `portable restore --abort {app.name}`"
            )
        return row(app.name, journal["at"], [], "staged")
    name = chosen(store, app.name, at)
    try:
        manifest = checked_manifest(home / name)
    except BackupError as error:
        note_try(home, name, passed=False, text=reason(error))
        raise
    if unknown := sorted(set(manifest["volumes"]) - set(app.volumes)):
        raise BackupError(f"the backup contains {', '.join(unknown)}, which {app.name} does not have in this profile")
    refuse_mounts(app.volumes[volume] for volume in manifest["volumes"])
    refuse_without_room({app.volumes[volume]: facts["bytes"] for volume, facts in manifest["volumes"].items()})
    try:
        for volume in manifest["volumes"]:
            prove(home / name / volume, entries_of(home / name, volume))
    except (OSError, BackupError) as error:
        note_try(home, name, passed=False, text=reason(error))
        raise BackupError(f"cannot restore the backup of {name}; nothing was changed: {reason(error)}") from None
    write_journal(home, {"at": name, "step": "staged"})
    missing = sorted(set(app.volumes) - set(manifest["volumes"]))
    return row(app.name, name, [f"{volume} is not in the backup of {name} and is not changed" for volume in missing], "staged")


def swap(store: Path, app: SavedApp) -> dict[str, Any]:
    """Move the state of a stopped app aside, and put a verified backup in its place. Run again, it continues.

    The backup is copied beside the state only now, when the app cannot replace a folder by a link. Still no link is followed. Until the
    copy is complete, the state is unchanged, and an error leaves it so.
    """
    home = store / app.name
    journal = required_journal(home)
    if journal["step"] in BACK:
        raise BackupError(f"the restore of {app.name} is being aborted: run `portable restore --abort {app.name}` again")
    try:
        manifest = checked_manifest(home / journal["at"])
        folders = {volume: app.volumes[volume] for volume in manifest["volumes"]}
        if journal["step"] not in FORWARD:
            journal = _copy_beside(home, journal["at"], folders)
    except (OSError, BackupError) as error:
        if (read_journal(home) or {}).get("step") in HALF_WAY:
            raise
        with contextlib.suppress(OSError):  # the next restore removes the rest
            _remove_staged(app)
            (home / JOURNAL).unlink()
        raise UnchangedError(f"cannot restore the backup of {journal['at']}; nothing was changed: {reason(error)}") from None
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
    with contextlib.suppress(OSError):  # the restore is complete all the same
        note_try(home, journal["at"], passed=True)
    notes = [*journal.get("notes", []), *end_journal(home)]
    aside = journal["aside"] if earlier_state else ""
    images = {"image": manifest["image"], "images": manifest.get("images", {})}
    return {**row(app.name, journal["at"], notes, "done"), **totals(manifest), **images, "before": aside}


def _copy_beside(home: Path, name: str, folders: Mapping[str, Path]) -> dict[str, Any]:
    """Copy a backup beside the state of its app. Returns the journal in the step in which the two change places."""
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
    """Abort an unfinished restore: put the app's previous state back, and move the restored state aside, without deleting it.

    Half-way the app must be stopped: without `stopped` nothing is done, and the result is `half`. Run again, it continues.
    """
    home = store / app.name
    journal = read_journal(home)
    if journal is None:
        return row(app.name, "", [], "not begun")
    if journal["step"] in HALF_WAY and not stopped:
        return row(app.name, journal["at"], [], "half")
    given_up = _move_back(home, app, journal) if journal["step"] in HALF_WAY else ""
    _remove_staged(app)
    notes = [f"the restored state is in {given_up} of its folder; remove it when you no longer need it"] if given_up else []
    return row(app.name, journal["at"], [*notes, *end_journal(home)], "given up")


def _move_back(home: Path, app: SavedApp, journal: dict[str, Any]) -> str:
    """Put the previous state back. Returns the folder with the restored state, empty if there is none."""
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
    """Remove the copy of a backup beside the state."""
    for at in app.volumes.values():
        with opened(at) as folder:
            remove_tree(STAGED, folder)
