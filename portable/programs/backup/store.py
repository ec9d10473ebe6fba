"""The store: a folder for each app, with a folder for each backup, which contains a manifest and a listing of each volume."""

import contextlib
import datetime
import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from portable.programs.backup.entries import TreeEntry, parsed
from portable.programs.backup.errors import BackupError
from portable.programs.backup.files import digest_of

FORMAT = 2
"""Format of the manifest. Format 1 lists files in the manifest; format 2 has a listing beside each volume, read line by line."""
MANIFEST, LISTING, LOCK = "manifest.json", ".files.jsonl", ".lock"


def now() -> str:
    """The current time, UTC, as the name of a backup. Names sort by time, and are valid on any file system."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%S.%f")[:-3] + "Z"


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    """Lock an app's backups for this process. The lock is released when the process ends, even if it is killed."""
    home.mkdir(mode=0o700, exist_ok=True)
    with (home / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def names(home: Path) -> list[str]:
    """The complete backups of an app, oldest first."""
    return (
        sorted(path.name for path in home.iterdir() if not path.name.startswith(".") and (path / MANIFEST).is_file())
        if home.is_dir()
        else []
    )


def read_manifest(backup: Path) -> dict[str, Any] | None:
    """Read a backup's manifest without its files; None if it is unreadable or in an unknown format."""
    try:
        manifest: dict[str, Any] = json.loads((backup / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    if manifest.get("format") == 1:
        for volume in manifest["volumes"].values():
            files = [e for e in volume.pop("entries") if e["kind"] in ("file", "database")]
            databases, size = sum(e["kind"] == "database" for e in files), sum(e.get("size", 0) for e in files)
            volume.update(files=len(files), databases=databases, bytes=size)
    return manifest if manifest.get("format") in (1, FORMAT) else None


def checked_manifest(backup: Path) -> dict[str, Any]:
    """Read a backup's manifest. Raises BackupError if a listing has changed, or contains a path outside its volume."""
    manifest = read_manifest(backup)
    if manifest is None:
        raise BackupError(f"{backup.name}: its manifest is unreadable, or was written by another version of portable")
    for volume in manifest["volumes"]:
        if not listing_is_unchanged(backup, manifest, volume):
            raise BackupError(f"{backup.name}: the listing of {volume} has changed in the store")
        for entry in entries_of(backup, volume):
            if entry.path.startswith("/") or ".." in entry.path.split("/"):
                raise BackupError(f"{backup.name}: its manifest contains a path outside of the volume: {entry.path}")
    return manifest


def entries_of(backup: Path, volume: str) -> Iterator[TreeEntry]:
    """Yield the entries of a backup's volume, in the order in which they were copied."""
    listing = backup / f"{volume}{LISTING}"
    if listing.exists():
        with listing.open("rb") as lines:
            for line in lines:
                yield parsed(json.loads(line))
    else:  # format 1
        for entry in json.loads((backup / MANIFEST).read_bytes())["volumes"].get(volume, {}).get("entries", ()):
            yield parsed(entry)


def listing_is_unchanged(backup: Path, manifest: Mapping[str, Any], volume: str) -> bool:
    """Whether a volume's listing still has the digest in the manifest."""
    try:
        return bool(manifest["format"] == 1 or digest_of(backup / f"{volume}{LISTING}")[0] == manifest["volumes"][volume]["listing"])
    except OSError:
        return False


def chosen(store: Path, app: str, at: str = "") -> str:
    """Choose the newest sound backup, or the newest whose name begins with `at`. Raises BackupError if there is none."""
    backups = names(store / app)
    if not backups:
        raise BackupError(f"{app} has no backups")
    if at:
        if matching := [name for name in backups if name.startswith(at)]:
            return matching[-1]
        raise BackupError(f"{app} has no backup of {at}: use one of {', '.join(backups[-5:])}")
    if sound := [name for name in backups if (read_manifest(store / app / name) or {}).get("sound")]:
        return sound[-1]
    raise BackupError(f"{app} has no sound backup: choose one with `--at`, for example {', '.join(backups[-5:])}")


def listed(store: Path, app: str) -> Iterator[dict[str, Any]]:
    """Yield a row for each backup of an app, oldest first. The result is `sound`, `unsound` or `unreadable`."""
    for name in names(store / app):
        manifest = read_manifest(store / app / name)
        if manifest is None:
            yield {"app": app, "at": name, "result": "unreadable", "files": 0, "databases": 0, "bytes": 0, "image": "", "images": {}}
        else:
            result = "sound" if manifest["sound"] else "unsound"
            yield {
                "app": app,
                "at": name,
                "result": result,
                **totals(manifest),
                "image": manifest["image"],
                "images": manifest.get("images", {}),
                "volumes": sorted(manifest["volumes"]),
            }


def row(app: str, at: str, notes: Sequence[str], result: str) -> dict[str, Any]:
    """Make the row of a command's result for one app."""
    return {"app": app, "at": at, "result": result, "notes": list(notes)}


def totals(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Sum up files, databases and bytes of all volumes."""
    return {what: sum(volume[what] for volume in manifest["volumes"].values()) for what in ("files", "databases", "bytes")}
