"""`portable backup` and `portable restore`: make, list, check and restore backups of the apps' state."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.completion import complete_app
from portable.cli.options import Apps, Catalogs, Format, Output, Profile, Set
from portable.cli.up import driver_of, open_place
from portable.model.codes import bracketed
from portable.model.errors import FAILED, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portable.upkeep.backup import BackupRow

At = Annotated[
    str, typer.Option("--at", metavar="TIME", help="Use the backup of this time; the first digits of a time in `--list` suffice.")
]


def backup(
    apps: Apps = None,
    profile: Profile = "local",
    list_: Annotated[bool, typer.Option("--list", help="List the backups.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Test the newest backup of each app: restore it to a scratch folder and compare it.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop each app while it is copied, then start it again.")] = False,
    at: At = "",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Back up the state of apps, each one completely or not at all.

    Databases are copied through SQLite, so apps can go on writing. The app `backup` does the same each night. The profile's `backup.keep`
    sets how many backups to keep. Exit 1 if an app failed, or if a named app has no state that can be copied while it runs.
    """
    from portable.cli.progress import printed
    from portable.cli.reporting import reported
    from portable.upkeep import backup as live
    from portable.upkeep.faults import of_backups

    if sum((list_, check, stop)) > 1:
        raise UsageError("cannot combine --list, --check and --stop", code="usage.options-conflict", remedy="use only one of them")
    if at and not check:
        remedy = f"add --check: `portable backup --check --at {at}`"
        raise UsageError("--at has no effect without --check", code="usage.option-missing", remedy=remedy)
    _check_time(at)
    place, planned = open_place(profile, sets, catalogs, strict=False, verb="backup")
    plan = planned.plan
    names = tuple(dict.fromkeys(apps or ()))
    with driver_of(place) as driver:
        if list_:
            rows = live.listed(driver, plan, apps=names)
        else:
            with reported("backup", place, plan) as report:
                if check:
                    rows = live.check(driver, plan, apps=names, at=at, progress=printed)
                else:
                    rows = live.back_up(driver, plan, apps=names, stop=stop, progress=printed)
                report.is_complete = not (check or names)
                report.add(of_backups(rows, tried=check))
    _shown(rows, output, is_list=list_)
    return FAILED if any(row.result in ("failed", "unreadable") for row in rows) else 0


def restore(
    app: Annotated[str, typer.Argument(metavar="APP", autocompletion=complete_app, help="App to restore.")],
    profile: Profile = "local",
    at: At = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only test the backup, in a scratch folder.")] = False,
    abort: Annotated[bool, typer.Option("--abort", help="Cancel an unfinished restore, and bring back the state from before it.")] = False,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Replace an app's state with a backup, by default the newest one.

    The current state is moved aside in the app's folder, never deleted. The app is stopped only after the backup is verified. If the
    command is interrupted, run it again to complete the restore, or undo it with --abort.
    """
    from portable.cli.progress import printed
    from portable.upkeep import backup as live

    if abort and (at or dry_run):
        remedy = f"run `portable restore --abort {app}`"
        raise UsageError("cannot combine --abort with --at or --dry-run", code="usage.options-conflict", remedy=remedy)
    _check_time(at)
    place, planned = open_place(profile, sets, catalogs, strict=False, verb="restore")
    plan = planned.plan
    with driver_of(place) as driver:
        if abort:
            row = live.abort(driver, plan, app, progress=printed)
        else:
            row = live.restore(driver, plan, app, at=at, dry_run=dry_run, progress=printed)
    _shown((row,), output)
    if output is Format.text and row.before:
        show.line(f"the previous state is in {row.before} of its folder; remove it when you no longer need it")
    return FAILED if row.result == "failed" or (abort and row.result == "done") else 0


def _check_time(at: str) -> None:
    """Raises UsageError for a value that cannot be the time of a backup."""
    if at and not re.fullmatch(r"\d[\dTZ.-]*", at):
        text = f"--at {at}: not the time of a backup, such as 2026-11-21T031500"
        raise UsageError(text, code="backup.time", remedy="list the backups with `portable backup --list`")


def _shown(rows: "Sequence[BackupRow]", output: Format, *, is_list: bool = False) -> None:
    if output is Format.json:
        names = ("app", "at", "result", "files", "databases", "bytes", "copied", "seconds", "image", "tried", "missing", "before", "notes")
        show.table(names, [tuple(getattr(row, name) for name in names) for row in rows], output, schema="backup")
        return
    last = "tried" if is_list else "time"
    cells = []
    for r in rows:
        when = (r.tried or "-") if is_list else f"{r.seconds:.1f} s"
        cells.append((r.app, r.at or "-", r.result, r.files, r.databases, f"{r.bytes / 1e6:.1f} MB", when))
    show.table(("app", "at", "result", "files", "databases", "size", last), cells, output, schema="backup")
    for row in rows:
        for note in row.notes:
            show.line(f"{row.app}: {note}")
        if row.code:
            show.line(f"{row.app}: {row.result}{bracketed(row.code)}")
