"""`portable heal`: starts again what nobody took down."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.options import Catalogs, Format, Output, Profile, Set
from portable.cli.up import DryRun, Timeout, driver_of, open_place, reader_of, show_changes, show_outcome
from portable.model.errors import DIFFERENCES, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portable.live.stack import Stack
    from portable.secrets.sources import Source


def heal(
    profile: Profile = "local",
    watch: Annotated[bool, typer.Option("--watch", help="Go on looking until it is ended.")] = False,
    every: Annotated[float, typer.Option("--every", min=1, metavar="SECONDS", help="How often --watch looks.")] = 10,
    install: Annotated[bool, typer.Option("--install", help="Let systemd run it on this machine, now and after each start.")] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Take that back.")] = False,
    dry_run: DryRun = False,
    timeout: Timeout = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Start again, in order, what went down with its gateway or by itself, and what hangs on a network that is gone.

    A gateway that was killed is started too, and an app that goes on listening on a tunnel that is gone is restarted.

    It changes no settings, makes nothing that was never there, and leaves alone what somebody stopped, until its gateway starts anew.
    """
    from portable.cli.progress import printed

    if sum((watch, install, uninstall, dry_run)) > 1:
        raise UsageError("--watch, --install, --uninstall and --dry-run exclude each other", where="heal", remedy="take one")
    place, _ = open_place(profile, sets, catalogs, strict=False)
    if install or uninstall:
        return _unit(place.stack.project, profile, sets, catalogs, every=every, install=install)
    if dry_run:
        with reader_of(place) as reader:
            found = reader.examine()
        show_changes(found.changes, output)
        if output is Format.text:
            for sentence in found.waiting:
                show.line(sentence)
        return DIFFERENCES if found.changes else 0

    def opened() -> "tuple[Stack, Source]":
        place, _ = open_place(profile, sets, catalogs, strict=False)
        return place.stack, place.source

    with driver_of(place) as driver:
        if watch:
            driver.watch(opened, every=every, progress=printed)
            return 0
        outcome = driver.heal(deadline=timeout, progress=printed)
        left = driver.examine().waiting if output is Format.text else ()
    show_outcome(outcome, output)
    for sentence in left:
        show.line(sentence)
    return 0


def _unit(project: str, profile: str, sets: "Sequence[str]", catalogs: "Sequence[Path]", *, every: float, install: bool) -> int:
    import os

    from portable.upkeep import units as unit

    if not install:
        show.line(f"removed {unit.name_of(project)}" if unit.uninstall(project) else "it is not installed")
        return 0
    options, folder = the_same_place(profile, sets, catalogs)
    text = unit.text_of(project, ["heal", "--watch", "--every", f"{every:g}", *options], folder, os.environ)
    show.line(f"installed {unit.install(project, text)}; `journalctl -fu {unit.name_of(project)}` shows what it does")
    return 0


def the_same_place(profile: str, sets: "Sequence[str]", catalogs: "Sequence[Path]") -> "tuple[list[str], Path]":
    """Options that mean this place wherever a command runs, and the folder to run it in."""
    from portable.profiles.load import find_stack

    named = str(Path(profile).resolve()) if "/" in profile or profile.endswith((".yaml", ".yml")) else profile
    given = [("--set", value) for value in sets] + [("--catalog", str(path.resolve())) for path in catalogs]
    stack = find_stack(Path.cwd())
    return ["--profile", named, *(part for pair in given for part in pair)], stack.parent if stack else Path.cwd()
