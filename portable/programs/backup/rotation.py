"""Selects the backups to keep, and removes the others."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

from portable.programs.backup.files import GONE, MAKING, remove
from portable.programs.backup.store import names, read_manifest


def kept(backups: Sequence[str], keep: Mapping[str, int]) -> set[str]:
    """Select by name the last backups, and the newest of each of the last days, ISO weeks and months that have any."""
    ordered = sorted(backups)
    wanted = set(ordered[-max(1, keep.get("last", 0)) :])
    for count, period in ((keep.get("daily", 0), _day), (keep.get("weekly", 0), _week), (keep.get("monthly", 0), _month)):
        newest = {period(name): name for name in ordered}
        wanted |= {newest[key] for key in sorted(newest, reverse=True)[:count]}
    return wanted


def _day(name: str) -> str:
    return name[:10]


def _week(name: str) -> str:
    year, week, _ = datetime.date.fromisoformat(name[:10]).isocalendar()
    return f"{year}-{week:02}"


def _month(name: str) -> str:
    return name[:7]


def rotate(home: Path, keep: Mapping[str, int]) -> None:
    """Remove the backups beyond `keep`, which counts for each volume: backups without a volume do not displace backups with it.

    Unsound backups do not count, and are removed once a later one is sound. Unreadable backups are kept.
    """
    manifests = {name: manifest for name in names(home) if (manifest := read_manifest(home / name)) is not None}
    sound = {name: manifest for name, manifest in manifests.items() if manifest["sound"]}
    volumes = {volume for manifest in sound.values() for volume in manifest["volumes"]}
    stay = {name for volume in volumes for name in kept([n for n, manifest in sound.items() if volume in manifest["volumes"]], keep)}
    newest = max(sound, default="")
    for name in manifests:
        if name not in stay and name < newest:
            (home / name).rename(home / f"{GONE}{name}")
            remove(home / f"{GONE}{name}")


def clear_half_made(home: Path) -> None:
    """Remove the unfinished backups of a killed run of this program."""
    for path in home.iterdir():
        if path.name.startswith((MAKING, GONE)):
            remove(path)
