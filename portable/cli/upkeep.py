"""`portable upkeep`: run the scheduled tasks now."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.completion import complete_task
from portable.cli.options import Beacon, Catalogs, Format, Output, Profile, Set
from portable.cli.page import form_of, page_task
from portable.cli.up import driver_of, open_place
from portable.cli.updates import in_place_of_upkeep
from portable.cli.verify import check_beacon
from portable.model.errors import FAILED, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portable.upkeep.tasks import TaskResult


def upkeep(
    profile: Profile = "local",
    task: Annotated[
        str,
        typer.Option(
            metavar="TASK,...",
            autocompletion=complete_task,
            help="Tasks to run: backup, links, downloads, capacity, scrub, images, page. Default: all tasks.",
        ),
    ] = "",
    page_file: Annotated[
        Path | None,
        typer.Option("--page-file", metavar="FILE", help="File of the task page. Default: page.html in the state folder of the project."),
    ] = None,
    beacon: Beacon = None,
    install: Annotated[
        bool,
        typer.Option(
            "--install",
            help="Install a systemd timer: monthly for the tasks of --task, hourly for the page. Default: scrub; on a cluster images,page.",
        ),
    ] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Remove the systemd timers that --install created.")] = False,
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

    They back up apps, clear old links and downloads, check free space, scrub BTRFS, list newer images, and write the page of
    `portable page`. Scheduled apps run the first four tasks at their times. Newer images are only listed: `portable update` installs them.
    On a cluster, these apps run in Jobs, and no disk is scrubbed. Exit 1 if a task failed.
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
    check_beacon(beacon)
    _check_page_file(page_file, _task_names(task) or ([] if not install else ["scrub"]))
    if install or uninstall:
        page_words = [*(["--page-file", str(page_file.absolute())] if page_file else ()), *(["--beacon", beacon] if beacon else ())]
        return _timers(profile, _task_names(task), sets, catalogs, page_words, install=install, uninstall=uninstall)
    return _run(profile, task, sets, catalogs, page_file, beacon, output)


def _check_page_file(file: Path | None, tasks: "Sequence[str]") -> None:
    """Raises UsageError for a file without the task `page`, or with an unknown suffix, before any task runs."""
    if file is None:
        return
    if tasks and "page" not in tasks:
        remedy = f"add the task: `--task {','.join((*tasks, 'page'))}`"
        raise UsageError("--page-file has no effect without the task page", code="usage.option-missing", where="upkeep", remedy=remedy)
    form_of(None, file)


def _run(
    profile: str,
    task: str,
    sets: "Sequence[str]",
    catalogs: "Sequence[Path]",
    page_file: Path | None,
    beacon: str | None,
    output: Format,
) -> int:
    """Run the tasks, and print their results."""
    from portable.cli.progress import printed
    from portable.cli.reporting import reported
    from portable.upkeep.faults import of_tasks
    from portable.upkeep.tasks import upkeep as live

    place, planned = open_place(profile, sets, catalogs, strict=False, verb="upkeep")
    plan, project = planned.plan, place.stack.project

    def write_page() -> "TaskResult":
        return page_task(project, profile, sets, catalogs, page_file, beacon)

    with driver_of(place) as driver, reported("upkeep", place, plan) as report:
        done = list(live(driver, plan, _task_names(task), write_page=write_page, progress=printed))
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


def _timers(
    profile: str,
    tasks: "Sequence[str]",
    sets: "Sequence[str]",
    catalogs: "Sequence[Path]",
    page_words: "Sequence[str]",
    *,
    install: bool,
    uninstall: bool,
) -> int:
    """Install or remove the timers: one for the page, which is out of date soon, and one for all other tasks."""
    import os

    from portable.cli.heal import the_same_place
    from portable.upkeep import units as unit
    from portable.upkeep.tasks import chosen

    if install and uninstall:
        text = "cannot combine --install and --uninstall"
        raise UsageError(text, code="usage.options-conflict", where="upkeep", remedy="use only one of them")
    chosen(tasks)
    place, planned = open_place(profile, sets, catalogs, strict=False, verb="" if uninstall else "upkeep")
    project = place.stack.project
    tasks = tasks or (["images", "page"] if planned.given.profile.traits.has_namespaces else ["scrub"])
    timer = unit.timer_of(project)
    if uninstall:
        for name in (timer, unit.page_timer_of(project)):
            if unit.uninstall_timed(name):
                show.line(f"removed {name}")
            elif name == timer:
                show.line("not installed")
        return 0
    options, folder = the_same_place(profile, sets, catalogs)
    others = [task for task in tasks if task != "page"]
    for name, when, words in (
        (timer, unit.MONTHLY, ["--task", ",".join(others)] if others else []),
        (unit.page_timer_of(project), unit.HOURLY, ["--task", "page", *page_words] if "page" in tasks else []),
    ):
        if words:
            texts = unit.timed_of(name, when, project, ["upkeep", *words, *options], folder, os.environ)
            show.line(f"installed {unit.install_timed(name, texts)}; see its next run with `systemctl list-timers {name}`")
    return 0
