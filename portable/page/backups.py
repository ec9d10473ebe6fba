"""The lines of the page about backups in a store that only a pod can read: from this machine's records, and the schedule's last run."""

from typing import Final

import msgspec

from portable.live.results import ServiceStatus
from portable.local.records import BackupRecord, read_record
from portable.page.facts import PageLine, age, moment, seconds_between
from portable.upkeep.backup import BackupRow

DAYS_BY_HAND: Final = 8
"""An app that no schedule backs up counts as backed up for so many days."""
NOT_LISTED: Final = "never listed by this user on this machine, and the page starts no pod that reads the store"
_DAY: Final = 86400


def recorded_backups(project: str) -> dict[str, tuple[str, tuple[BackupRow, ...]]]:
    """By app: when a command last saw its backups, and these, oldest first. Raises PortableError for an unreadable record."""
    stored = read_record(project, BackupRecord).apps
    return {app: (of.at, tuple(msgspec.convert(row, BackupRow, strict=False) for row in of.rows)) for app, of in stored.items()}


def scheduled_backup(row: ServiceStatus | None, days: int, *, now: str) -> PageLine:
    """The last run of the schedule, as the engine knows it."""
    subject, command = "the schedule", f"`portable logs {row.app}`" if row is not None else "`portable status`"
    if row is None or row.state == "missing":
        return PageLine(subject=subject, verdict="broken", text="the app that makes backups is not deployed", command="`portable up`")
    if row.state == "exited":
        return PageLine(subject=subject, verdict="broken", text="its last run failed", at=_moment(row), command=command)
    if row.state != "finished" or not _moment(row):
        text = "a run is under way" if row.state == "running" else "it has not run yet"
        return PageLine(subject=subject, verdict="unknown", text=text, command=command)
    is_old = seconds_between(row.since, now) > days * _DAY
    text = f"its last run ended well {age(row.since, now)} ago{f', more than {days} days' if is_old else ''}"
    return PageLine(subject=subject, verdict="broken" if is_old else "holds", text=text, at=row.since, command=command)


def as_recorded(line: PageLine, seen_at: str, run: PageLine | None, *, now: str) -> PageLine:
    """A line about recorded backups: it says when they were seen. A later run of the schedule (`run`) has probably made a newer one."""
    text = f"{line.text}; as a command on this machine last saw it {age(seen_at, now)} ago"
    verdict = line.verdict
    if run is not None and run.verdict == "holds" and run.at > seen_at and verdict == "broken":
        text, verdict = f"{text}; the schedule ran since: `portable backup --list` shows what it made", "unknown"
    return PageLine(subject=line.subject, verdict=verdict, text=text, at=line.at, command=line.command)


def _moment(row: ServiceStatus) -> str:
    return row.since if moment(row.since) else ""
