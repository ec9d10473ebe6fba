"""The store: a folder for each app, a folder in it for each backup, with a manifest and a listing of each volume."""

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
"""Of the manifest. Format 1 has the files in the manifest; format 2 has a listing beside each volume, which is read line by line."""
MANIFEST, LISTING, LOCK = "manifest.json", ".files.jsonl", ".lock"


def now() -> str:
    """The moment as backups are named, UTC; names sort as time does, and any file system takes them."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%S.%f")[:-3] + "Z"


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    """One process at a time works on an app's backups; the lock goes with its process, however that ends."""
    home.mkdir(mode=0o700, exist_ok=True)
    with (home / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def names(home: Path) -> list[str]:
    """The whole backups of an app, oldest first."""
    return (
        sorted(path.name for path in home.iterdir() if not path.name.startswith(".") and (path / MANIFEST).is_file())
        if home.is_dir()
        else []
    )


def read_manifest(backup: Path) -> dict[str, Any] | None:
    """A backup's manifest without its files; None where it can't be read, or has a format that this program does not know."""
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
    """A backup's manifest. Raises BackupError where a listing changed, or names a path outside its volume."""
    manifest = read_manifest(backup)
    if manifest is None:
        raise BackupError(f"{backup.name}: its manifest can't be read, or is of another version of portable")
    for volume in manifest["volumes"]:
        if not listing_is_unchanged(backup, manifest, volume):
            raise BackupError(f"{backup.name}: the listing of {volume} is not what was written: its bytes changed in the store")
        for entry in entries_of(backup, volume):
            if entry.path.startswith("/") or ".." in entry.path.split("/"):
                raise BackupError(f"{backup.name}: its manifest names a path outside: {entry.path}")
    return manifest


def entries_of(backup: Path, volume: str) -> Iterator[TreeEntry]:
    """The entries of a backup's volume, in the order in which they were copied."""
    listing = backup / f"{volume}{LISTING}"
    if listing.exists():
        with listing.open("rb") as lines:
            for line in lines:
                yield parsed(json.loads(line))
    else:  # format 1
        for entry in json.loads((backup / MANIFEST).read_bytes())["volumes"].get(volume, {}).get("entries", ()):
            yield parsed(entry)


def listing_is_unchanged(backup: Path, manifest: Mapping[str, Any], volume: str) -> bool:
    """Whether a volume's listing still has the digest that the manifest notes."""
    try:
        return bool(manifest["format"] == 1 or digest_of(backup / f"{volume}{LISTING}")[0] == manifest["volumes"][volume]["listing"])
    except OSError:
        return False


def chosen(store: Path, app: str, at: str = "") -> str:
    """The backup to use: the newest sound one, or the newest whose name begins with `at`."""
    found = names(store / app)
    if not found:
        raise BackupError(f"there is no backup of {app}")
    if at:
        if matching := [name for name in found if name.startswith(at)]:
            return matching[-1]
        raise BackupError(f"no backup of {app} is of {at}: there are {', '.join(found[-5:])}")
    if sound := [name for name in found if (read_manifest(store / app / name) or {}).get("sound")]:
        return sound[-1]
    raise BackupError(f"no backup of {app} is sound: name one with `--at`, of {', '.join(found[-5:])}")


def listed(store: Path, app: str) -> Iterator[dict[str, Any]]:
    """A row for each backup of an app, oldest first; one that can't be read has the result `unreadable`."""
    for name in names(store / app):
        manifest = read_manifest(store / app / name)
        if manifest is None:
            yield {"app": app, "at": name, "result": "unreadable", "files": 0, "databases": 0, "bytes": 0, "image": ""}
        else:
            result = "sound" if manifest["sound"] else "unsound"
            yield {"app": app, "at": name, "result": result, **totals(manifest), "image": manifest["image"]}


def row(app: str, at: str, notes: Sequence[str], result: str) -> dict[str, Any]:
    """What a command did to one app, as it is printed."""
    return {"app": app, "at": at, "result": result, "notes": list(notes)}


def totals(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Files, databases and bytes of all volumes together."""
    return {what: sum(volume[what] for volume in manifest["volumes"].values()) for what in ("files", "databases", "bytes")}
