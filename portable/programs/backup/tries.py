"""Which backups were tried: restored to a scratch folder or to the app. The note lies beside the backups, which stay as they are."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from portable.programs.backup.files import write_json
from portable.programs.backup.store import names, now

TRIED = ".tried.json"


@dataclass(frozen=True, kw_only=True)
class RestoreTry:
    """The last try of a backup."""

    at: str
    """UTC, in the form of the names of backups."""
    passed: bool
    text: str = ""
    """Why it failed."""


def tries(home: Path) -> dict[str, RestoreTry]:
    """The last try of each backup of an app; none if the note is unreadable."""
    try:
        noted = json.loads((home / TRIED).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(noted, dict):
        return {}
    return {name: one for name, value in noted.items() if (one := _read(value)) is not None}


def _read(value: Any) -> RestoreTry | None:
    if isinstance(value, str):  # earlier versions noted the time of those that passed
        return RestoreTry(at=value, passed=True)
    if isinstance(value, dict) and isinstance(value.get("at"), str) and isinstance(value.get("passed"), bool):
        return RestoreTry(at=value["at"], passed=value["passed"], text=str(value.get("text", "")))
    return None


def note_try(home: Path, backup: str, *, passed: bool, text: str = "") -> None:
    """Note the result of a try, and forget backups that no longer exist."""
    present = set(names(home)) - {backup}
    kept = {name: asdict(one) for name, one in tries(home).items() if name in present}
    write_json(home / TRIED, {**kept, backup: asdict(RestoreTry(at=now(), passed=passed, text=text))})


def with_tries(rows: Iterable[Mapping[str, Any]], home: Path, volumes: Collection[str]) -> Iterator[dict[str, Any]]:
    """Complete the rows of a list: the last try of each backup, and which of the app's volumes it lacks."""
    noted = tries(home)
    for row in rows:
        missing = sorted(set(volumes) - set(row.get("volumes", ())))
        shown = {key: value for key, value in row.items() if key != "volumes"}
        last = noted.get(row["at"], RestoreTry(at="", passed=True))
        by_result = {"tried": last.at, "failed_try": ""} if last.passed else {"tried": "", "failed_try": last.at}
        yield {**shown, **by_result, "try_text": last.text, "missing": missing}
