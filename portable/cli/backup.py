"""`portable backup` and `portable restore`: copies of the apps' state, made, listed, tried and put back."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.options import Apps, Catalogs, Format, Output, Profile, Set, complete_app
from portable.cli.up import driver_of, open_place
from portable.model.errors import FAILED, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portable.upkeep.backup import Kept

At = Annotated[str, typer.Option("--at", metavar="TIME", help="The backup of that time, as `--list` shows it, or of its first digits.")]


def backup(
    apps: Apps = None,
    profile: Profile = "local",
    list_: Annotated[bool, typer.Option("--list", help="Show the backups that there are.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Restore each to a folder beside them, compare it, and remove it.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop each app while it is copied, and start it again.")] = False,
    at: At = "",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Back up the state of apps: databases through SQLite while they are written, and all or nothing of each app.

    The same as the app `backup` does each night; which backups stay is the profile's `backup.keep`. Exit 1 where an app failed, or one that
    was named has nothing that can be taken while it runs.
    """
    from portable.cli.progress import printed
    from portable.upkeep import backup as live

    if sum((list_, check, stop)) > 1 or (at and not check):
        raise UsageError("of --list, --check and --stop one at a time, and --at with --check only", remedy="run it twice")
    _refuse_no_time(at)
    place, planned = open_place(profile, sets, catalogs, strict=False)
    plan = planned.plan
    names = tuple(dict.fromkeys(apps or ()))
    with driver_of(place) as driver:
        if list_:
            rows = live.listed(driver, plan, apps=names)
        elif check:
            rows = live.check(driver, plan, apps=names, at=at, progress=printed)
        else:
            rows = live.back_up(driver, plan, apps=names, stop=stop, progress=printed)
    _shown(rows, output)
    return FAILED if any(row.result in ("failed", "unreadable") for row in rows) else 0


def restore(
    app: Annotated[str, typer.Argument(metavar="APP", autocompletion=complete_app, help="The app whose state is put back.")],
    profile: Profile = "local",
    at: At = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only try it, in a folder beside the backups.")] = False,
    abort: Annotated[bool, typer.Option("--abort", help="Give up one that was begun: the state is again what it was.")] = False,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Put a backup (the newest one) in the place of an app's state; what is there now is put aside in its folder, never deleted.

    The app is stopped only after the backup is proven. Interrupted, run the same command again, or give it up with --abort.
    """
    from portable.cli.progress import printed
    from portable.upkeep import backup as live

    if abort and (at or dry_run):
        raise UsageError("--abort gives up what was begun, without --at and --dry-run", remedy=f"`portable restore --abort {app}`")
    _refuse_no_time(at)
    place, planned = open_place(profile, sets, catalogs, strict=False)
    plan = planned.plan
    with driver_of(place) as driver:
        if abort:
            row = live.abort(driver, plan, app, progress=printed)
        else:
            row = live.restore(driver, plan, app, at=at, dry_run=dry_run, progress=printed)
    _shown((row,), output)
    if output is Format.text and row.before:
        show.line(f"the state of before lies in {row.before} of its folder; remove it when nothing is missed")
    return FAILED if row.result == "failed" or (abort and row.result == "done") else 0


def _refuse_no_time(at: str) -> None:
    if at and not re.fullmatch(r"\d[\dTZ.-]*", at):
        text = f"--at {at}: backups are named by the time of their making, as 2026-11-21T031500"
        raise UsageError(text, remedy="`portable backup --list` shows them")


def _shown(rows: "Sequence[Kept]", output: Format) -> None:
    if output is Format.json:
        names = ("app", "at", "result", "files", "databases", "bytes", "copied", "seconds", "image", "before", "notes")
        show.table(names, [tuple(getattr(row, name) for name in names) for row in rows], output, schema="backup")
        return
    cells = [(r.app, r.at or "-", r.result, r.files, r.databases, f"{r.bytes / 1e6:.1f} MB", f"{r.seconds:.1f} s") for r in rows]
    show.table(("app", "at", "result", "files", "databases", "size", "time"), cells, output, schema="backup")
    for row in rows:
        for note in row.notes:
            show.line(f"{row.app}: {note}")
