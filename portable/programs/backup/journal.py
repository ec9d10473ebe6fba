"""The journal of a restore: the step it has reached, from which the same command continues when run again."""

import json
from pathlib import Path
from typing import Any

from portable.programs.backup.errors import UnchangedError, reason
from portable.programs.backup.files import sync, write_json

JOURNAL = ".restore.json"
STAGED, BEFORE, GIVEN_UP = ".portable-restore", ".before-restore-", ".given-up-restore-"
"""Names in an app's folder: the backup to be restored, the previous state, and the restored state of an aborted restore."""
FORWARD, BACK = ("aside", "in"), ("out", "back")
"""The steps of a restore, and of an abort. After each the journal is on the disk."""
HALF_WAY = (*FORWARD, *BACK)
"""Steps in which an app's state is neither the previous one nor that of the backup."""


def read_journal(home: Path) -> dict[str, Any] | None:
    """Read the journal of an app; None if it has no unfinished restore."""
    try:
        journal: dict[str, Any] = json.loads((home / JOURNAL).read_bytes())
    except FileNotFoundError:
        return None
    if "began" in journal:  # written by an earlier version of this program
        journal.setdefault("aside", f"{BEFORE}{journal['began']}")
    return journal


def required_journal(home: Path) -> dict[str, Any]:
    """Read the journal of an app. Raises UnchangedError if it has no unfinished restore."""
    journal = read_journal(home)
    if journal is None:
        raise UnchangedError(f"there is no unfinished restore of {home.name}")
    return journal


def write_journal(home: Path, journal: dict[str, Any]) -> dict[str, Any]:
    """Write the journal to the disk and return it."""
    write_json(home / JOURNAL, journal)
    return journal


def end_journal(home: Path) -> list[str]:
    """Remove the journal of a complete restore. Returns a note if the disk does not confirm the removal."""
    (home / JOURNAL).unlink()
    try:
        sync(home)
    except OSError as error:
        return [
            f"the restore is complete, but the store's disk did not save that ({reason(error)}): check it; after a power loss the restore "
            "may look unfinished"
        ]
    return []
