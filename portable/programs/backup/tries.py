"""Which backups were tried: restored to a scratch folder, and found equal. The note lies beside the backups, which stay as they are."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from portable.programs.backup.files import write_json
from portable.programs.backup.store import names, now

TRIED = ".tried.json"


def tried(home: Path) -> dict[str, str]:
    """The backups of an app that passed their last try, each with the time of it; none if the note is unreadable."""
    try:
        noted = json.loads((home / TRIED).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(noted, dict):
        return {}
    return {name: when for name, when in noted.items() if isinstance(when, str)}


def note_try(home: Path, backup: str, *, passed: bool) -> None:
    """Note the result of a try, and forget backups that no longer exist."""
    present = set(names(home))
    noted = {name: when for name, when in tried(home).items() if name in present and name != backup}
    write_json(home / TRIED, {**noted, backup: now()} if passed else noted)


def with_tries(rows: Iterable[Mapping[str, Any]], home: Path, volumes: Collection[str]) -> Iterator[dict[str, Any]]:
    """Complete the rows of a list: when each backup was tried, and which of the app's volumes it lacks."""
    noted = tried(home)
    for row in rows:
        missing = sorted(set(volumes) - set(row.get("volumes", ())))
        shown = {key: value for key, value in row.items() if key != "volumes"}
        yield {**shown, "tried": noted.get(row["at"], ""), "missing": missing}
