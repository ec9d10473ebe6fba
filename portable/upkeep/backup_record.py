"""Records what a command saw in the store of backups, where only a pod can read it: the page and `diff` start none."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from portable.local.records import BackupRecord, StoredBackups, now, record
from portable.model.progress import Progress

_RECORDED = ("backup", "check", "list")


def record_backups(project: str, command: str, apps: Collection[str], rows: Iterable[Mapping[str, Any]], *, progress: Progress) -> None:
    """Record the rows of a command of the backup program for these apps. Commands that only move state are not recorded."""
    told = tuple(dict(row) for row in rows)
    if command in _RECORDED:
        record(project, BackupRecord, lambda before: with_rows(before, command, apps, told, now()), progress=progress)


def with_rows(before: BackupRecord, command: str, apps: Collection[str], rows: Collection[Mapping[str, Any]], at: str) -> BackupRecord:
    """The record after a command. Pure.

    A list replaces what was known of its apps. A backup is added; how many of the older ones were removed shows the next list.
    """
    known = dict(before.apps)
    for app in apps:
        own = [dict(row) for row in rows if row.get("app") == app]
        if command == "list":
            known[app] = StoredBackups(at=at, rows=tuple(row for row in own if row.get("at")))
        elif command == "backup":
            made = [{**row, "result": "sound"} for row in own if row.get("result") == "done" and row.get("at")]
            if made:
                known[app] = StoredBackups(at=at, rows=(*_rows(known, app), *made))
        else:
            tries = {str(row.get("at")): row for row in own if row.get("result") in ("done", "failed")}
            moment = at.replace(":", "").replace("Z", ".000Z")  # as the program writes it
            known[app] = StoredBackups(at=_at(known, app, at), rows=tuple(_tried(row, tries, moment) for row in _rows(known, app)))
    return msgspec.structs.replace(before, apps={app: stored for app, stored in known.items() if stored.rows or command == "list"})


def _rows(known: Mapping[str, StoredBackups], app: str) -> tuple[dict[str, Any], ...]:
    return known[app].rows if app in known else ()


def _at(known: Mapping[str, StoredBackups], app: str, at: str) -> str:
    return known[app].at if app in known else at


def _tried(row: dict[str, Any], tries: Mapping[str, Mapping[str, Any]], at: str) -> dict[str, Any]:
    """A row after a try of its backup."""
    done = tries.get(str(row.get("at")))
    if done is None:
        return row
    if done.get("result") == "done":
        return {**row, "tried": at, "failed_try": "", "try_text": ""}
    return {**row, "tried": "", "failed_try": at, "try_text": ", ".join(done.get("notes") or ())}
