"""`portable upkeep`: run the scheduled tasks now."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.completion import complete_task
from portable.cli.options import Catalogs, Format, Output, Profile, Set
from portable.cli.up import driver_of, open_place
from portable.cli.updates import in_place_of_upkeep
from portable.model.errors import FAILED, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from portable.upkeep.tasks import TaskResult


def upkeep(
    profile: Profile = "local",
    task: Annotated[
        str,
        typer.Option(
            metavar="TASK,...",
            autocompletion=complete_task,
            help="Tasks to run: backup, links, downloads, capacity, scrub, images. Default: all tasks.",
        ),
    ] = "",
    install: Annotated[
        bool, typer.Option("--install", help="Install a monthly systemd timer for the scrub, or for the tasks of --task.")
    ] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Remove the systemd timer that --install created.")] = False,
    take: Annotated[str, typer.Option("--apply", hidden=True)] = "",
    back: Annotated[str, typer.Option("--back", hidden=True)] = "",
    with_state: Annotated[bool, typer.Option("--with-state", hidden=True)] = False,
    stop: Annotated[bool, typer.Option("--stop", hidden=True)] = False,
    without_backup: Annotated[bool, typer.Option("--without-backup", hidden=True)] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", hidden=True)] = False,
    timeout: Annotated[float | None, typer.Option("--timeout", hidden=True)] = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Run the maintenance tasks of a stack now.

    They back up apps, clear old links and downloads, check free space, scrub BTRFS, and list newer images. Scheduled apps run the first
    four tasks at their times. Newer images are only listed: `portable update` installs them. Exit 1 if a task failed.
    """
    moved = in_place_of_upkeep(
        take=take,
        back=back,
        with_state=with_state,
        stop=stop,
        without_backup=without_backup,
        dry_run=dry_run,
        timeout=timeout,
        sets=sets,
        catalogs=catalogs,
        output=output,
    )
    if moved:
        raise UsageError("upkeep does not change images", code="usage.moved", where="upkeep", remedy=f"run {' or '.join(moved)}")
    if install or uninstall:
        return _timer(profile, _task_names(task) or ["scrub"], sets, catalogs, install=install, uninstall=uninstall)
    from portable.cli.progress import printed
    from portable.cli.reporting import reported
    from portable.upkeep.faults import of_tasks
    from portable.upkeep.tasks import upkeep as live

    place, planned = open_place(profile, sets, catalogs, strict=False, verb="upkeep")
    plan = planned.plan
    with driver_of(place) as driver, reported("upkeep", place, plan) as report:
        done = list(live(driver, plan, _task_names(task), progress=printed))
        report.add(of_tasks(done))
    _show(done, output)
    return FAILED if any(d.result == "failed" for d in done) else 0


def _show(done: "Sequence[TaskResult]", output: Format) -> None:
    cells = [(d.task, d.subject, d.result, d.text, *((d.lines,) if output is Format.json else ())) for d in done]
    show.table(("task", "subject", "result", "text", *(("lines",) if output is Format.json else ())), cells, output, schema="upkeep")
    if output is Format.text:
        for d in done:
            for line in d.lines:
                show.line(f"{d.subject}: {line}")


def _task_names(tasks: str) -> list[str]:
    return [name for name in tasks.split(",") if name]


def _timer(
    profile: str, tasks: "Sequence[str]", sets: "Sequence[str]", catalogs: "Sequence[Path]", *, install: bool, uninstall: bool
) -> int:
    import os

    from portable.cli.heal import the_same_place
    from portable.upkeep import units as unit
    from portable.upkeep.tasks import chosen

    if install and uninstall:
        text = "cannot combine --install and --uninstall"
        raise UsageError(text, code="usage.options-conflict", where="upkeep", remedy="use only one of them")
    chosen(tasks)
    project = open_place(profile, sets, catalogs, strict=False, verb="" if uninstall else "upkeep")[0].stack.project
    timer = unit.timer_of(project)
    if uninstall:
        show.line(f"removed {timer}" if unit.uninstall_timed(project) else "not installed")
        return 0
    options, folder = the_same_place(profile, sets, catalogs)
    texts = unit.timed_of(project, ["upkeep", "--task", ",".join(tasks), *options], folder, os.environ)
    show.line(f"installed {unit.install_timed(project, texts)}; see its next run with `systemctl list-timers {timer}`")
    return 0
