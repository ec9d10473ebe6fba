"""`portable heal`: start apps again that nobody stopped on purpose."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.options import Catalogs, Format, Output, Profile, Set
from portable.cli.up import DryRun, Timeout, driver_of, open_place, reader_of, show_changes, show_outcome
from portable.model.errors import DIFFERENCES, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portable.live.driver import StackReader
    from portable.live.stack import Stack
    from portable.model.plan import Plan
    from portable.secrets.sources import Source
    from portable.upkeep.notifying import Notifier


def heal(
    profile: Profile = "local",
    watch: Annotated[bool, typer.Option("--watch", help="Keep checking until stopped.")] = False,
    every: Annotated[float, typer.Option("--every", min=1, metavar="SECONDS", help="Interval of --watch.")] = 10,
    install: Annotated[
        bool, typer.Option("--install", help="Install it as a systemd service on this machine: start it now and at boot.")
    ] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Stop and remove the systemd service that --install created.")] = False,
    dry_run: DryRun = False,
    timeout: Timeout = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Start apps again that went down without being stopped.

    In order, this starts killed gateways, apps that went down with their gateway or by themselves, and apps whose network namespace is
    gone. An app that still listens on a lost tunnel is restarted.

    It changes no settings and creates no new containers. Apps that somebody stopped stay down until their gateway restarts.
    """
    from portable.cli.progress import printed
    from portable.cli.reporting import reported
    from portable.upkeep.faults import of_services

    if sum((watch, install, uninstall, dry_run)) > 1:
        text = "cannot combine --watch, --install, --uninstall and --dry-run"
        raise UsageError(text, code="usage.options-conflict", where="heal", remedy="use only one of them")
    option = next((option for option, chosen in (("--watch", watch), ("--install", install)) if chosen), "")
    place, planned = open_place(profile, sets, catalogs, strict=False, verb=f"heal {option}".strip())
    if install or uninstall:
        return _unit(place.stack.project, profile, sets, catalogs, every=every, install=install)
    if dry_run:
        with reader_of(place) as reader:
            examination = reader.examine()
        show_changes(examination.changes, output)
        if output is Format.text:
            for sentence in examination.waiting:
                show.line(sentence)
        return DIFFERENCES if examination.changes else 0

    def opened() -> "tuple[Stack, Source]":
        place, _ = open_place(profile, sets, catalogs, strict=False)
        return place.stack, place.source

    with driver_of(place) as driver:
        if watch:
            if planned.plan.notify is not None:
                _report_while_watching(profile, sets, catalogs)
            driver.watch(opened, every=every, progress=printed)
            return 0
        with reported("heal", place, planned.plan) as report:
            outcome = driver.heal(deadline=timeout, progress=printed)
            report.add(of_services(outcome.rows))
        waiting = driver.examine().waiting if output is Format.text else ()
    show_outcome(outcome, output)
    for sentence in waiting:
        show.line(sentence)
    return 0


def _report_while_watching(profile: str, sets: "Sequence[str]", catalogs: "Sequence[Path]") -> None:
    """Start the thread that reports services that stay down, and the runs of apps on a schedule."""
    from portable.cli.progress import printed
    from portable.cli.reporting import notifier_of
    from portable.model.progress import Deduplicated, Event
    from portable.upkeep.watching import Watcher

    told = Deduplicated(printed)

    def opened() -> "tuple[StackReader, Plan, Notifier]":
        place, planned = open_place(profile, sets, catalogs, strict=False)
        notifier = notifier_of(place, planned.plan, warn=lambda error: told(Event(what="waiting", subject="notify", text=str(error))))
        return reader_of(place), planned.plan, notifier

    Watcher(opened, progress=printed).start()


def _unit(project: str, profile: str, sets: "Sequence[str]", catalogs: "Sequence[Path]", *, every: float, install: bool) -> int:
    import os

    from portable.upkeep import units as unit

    if not install:
        show.line(f"removed {unit.name_of(project)}" if unit.uninstall(project) else "not installed")
        return 0
    options, folder = the_same_place(profile, sets, catalogs)
    text = unit.text_of(project, ["heal", "--watch", "--every", f"{every:g}", *options], folder, os.environ)
    show.line(f"installed {unit.install(project, text)}; follow its log with `journalctl -fu {unit.name_of(project)}`")
    return 0


def the_same_place(profile: str, sets: "Sequence[str]", catalogs: "Sequence[Path]") -> "tuple[list[str], Path]":
    """Return options that select this place from any working folder, and the folder to run in."""
    from portable.profiles.load import find_stack_of

    argument = str(Path(profile).resolve()) if "/" in profile or profile.endswith((".yaml", ".yml")) else profile
    options = [("--set", value) for value in sets] + [("--catalog", str(path.resolve())) for path in catalogs]
    stack = find_stack_of(profile, Path.cwd())
    return ["--profile", argument, *(part for pair in options for part in pair)], stack.parent if stack else Path.cwd()
