"""Makes one backup of an app, then removes the backups that need not be kept."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portable.programs.backup.copying import EarlierEntries, VolumeCopy, copy_volume
from portable.programs.backup.entries import SavedApp
from portable.programs.backup.errors import BackupError
from portable.programs.backup.files import MAKING, remove, sync, write_json
from portable.programs.backup.journal import BACK, HALF_WAY, read_journal
from portable.programs.backup.rotation import clear_half_made, rotate
from portable.programs.backup.store import FORMAT, LISTING, MANIFEST, entries_of, listing_is_unchanged, names, now, read_manifest, totals


def back_up(
    store: Path, app: SavedApp, keep: Mapping[str, int], *, stopped: bool = False, images: Mapping[str, str] = {}
) -> dict[str, Any]:
    """Make one backup of an app, completely or not at all, then remove those beyond `keep`. Returns the row of the result.

    `images` are those of the app's containers, as the engine ran them; empty if the caller does not know them.
    """
    began, home = time.monotonic(), store / app.name
    home.mkdir(mode=0o700, exist_ok=True)
    clear_half_made(home)
    _refuse_half_restored(home, app.name)
    at = now()
    while (home / at).exists():
        at = now()
    making = home / f"{MAKING}{at}"
    making.mkdir(mode=0o700)
    before = next((manifest for name in reversed(names(home)) if (manifest := read_manifest(home / name))), None)
    volumes: dict[str, dict[str, Any]] = {}
    copied, notes, failures = 0, [], []
    for name, folder in app.volumes.items():
        if name in app.stopped and not stopped:
            notes.append(f"{name} is left out, because a copy is not sound while {app.name} runs: use `portable backup --stop {app.name}`")
            continue
        done = _copied(folder, making / name, home / before["at"] if before else None)
        copied += done.copied
        volumes[name] = done.facts()
        notes += [f"{name}: {text}" for text in done.notes.lines()]
        failures += [f"{name}: {text}" for text in done.failures.lines()]
    about = {"format": FORMAT, "app": app.name, "image": app.image, "images": dict(images), "at": at}
    manifest = {**about, "stopped": stopped, "sound": not failures, "volumes": volumes}
    if volumes:
        write_json(making / MANIFEST, manifest)
        sync(making)
        making.rename(home / at)
        sync(home)
    else:
        remove(making)
    if volumes and not failures:
        rotate(home, keep)
    return {
        "app": app.name,
        "at": at if volumes else "",
        "result": "failed" if failures else "done" if volumes else "left out",
        **totals(manifest),
        "copied": copied,
        "seconds": round(time.monotonic() - began, 1),
        "notes": [*failures, *notes],
    }


def _refuse_half_restored(home: Path, app: str) -> None:
    if (step := (read_journal(home) or {}).get("step")) in HALF_WAY:
        how = f"portable restore {'--abort ' if step in BACK else ''}{app}"
        raise BackupError(f"a restore of {app} is unfinished: run `{how}` again")


def _copied(source: Path, target: Path, earlier: Path | None) -> VolumeCopy:
    """Copy a volume and write its listing. Entries of an earlier backup are used if its listing has not changed."""
    manifest = read_manifest(earlier) if earlier else None
    known = None
    if earlier and manifest and target.name in manifest["volumes"] and listing_is_unchanged(earlier, manifest, target.name):
        known = EarlierEntries(target.with_name(f"{MAKING}{target.name}"), entries_of(earlier, target.name))
    try:
        with target.with_name(f"{target.name}{LISTING}").open("xb") as listing:
            copied = VolumeCopy(listing)
            copy_volume(source, target, copied, known, earlier / target.name if earlier else None)
            return copied
    finally:
        if known is not None:
            known.close()
