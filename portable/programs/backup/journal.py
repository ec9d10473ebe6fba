"""The journal of a restore: which step it has reached, so that the same command, run again, goes on from there."""

import json
from pathlib import Path
from typing import Any

from portable.programs.backup.errors import UnchangedError, reason
from portable.programs.backup.files import sync, write_json

JOURNAL = ".restore.json"
STAGED, BEFORE, GIVEN_UP = ".portable-restore", ".before-restore-", ".given-up-restore-"
"""In an app's folder: the backup that is about to become its state, its earlier state, and the result of a restore that was given up."""
FORWARD, BACK = ("aside", "in"), ("out", "back")
"""The steps of a restore, and of giving one up. After each the journal is on the disk."""
HALF_WAY = (*FORWARD, *BACK)
"""Steps in which an app's state is neither the earlier one nor the backup's."""


def read_journal(home: Path) -> dict[str, Any] | None:
    """The journal of an app; None where no restore was begun."""
    try:
        journal: dict[str, Any] = json.loads((home / JOURNAL).read_bytes())
    except FileNotFoundError:
        return None
    if "began" in journal:  # as an earlier version of this program wrote it
        journal.setdefault("aside", f"{BEFORE}{journal['began']}")
    return journal


def required_journal(home: Path) -> dict[str, Any]:
    """The journal of an app. Raises UnchangedError where no restore was begun."""
    journal = read_journal(home)
    if journal is None:
        raise UnchangedError(f"no restore of {home.name} was begun")
    return journal


def write_journal(home: Path, journal: dict[str, Any]) -> dict[str, Any]:
    """The journal, once it is on the disk."""
    write_json(home / JOURNAL, journal)
    return journal


def end_journal(home: Path) -> list[str]:
    """Remove the journal of a restore that is done; a note where the disk does not confirm that it is gone."""
    (home / JOURNAL).unlink()
    try:
        sync(home)
    except OSError as error:
        return [f"it is done, but after a loss of power it may count as begun: the store's disk has trouble ({reason(error)})"]
    return []
