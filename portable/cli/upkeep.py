"""`portable upkeep`: what runs at its times, now."""

from typing import Annotated

import typer

from portable.cli import show
from portable.cli.options import Catalogs, Format, Output, Profile, Set
from portable.model.errors import FAILED


def complete_task(incomplete: str) -> list[str]:
    """Names for the shell's completion."""
    from portable.live.upkeep import TASKS

    return [task for task in TASKS if task.startswith(incomplete)]


def upkeep(
    profile: Profile = "local",
    task: Annotated[
        str,
        typer.Option(
            metavar="TASK,...",
            autocompletion=complete_task,
            help="Only these, of backup, links, downloads, capacity, scrub and images; all where none is named.",
        ),
    ] = "",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Back up, clear old links and downloads, look at the room that is left, scrub BTRFS, and say which images are newer.

    The first four are what the apps with a schedule do at their times. Images are only proposed. Exit 1 where something failed.
    """
    from portable.backends.prepare import prepare, refuse_unsafe
    from portable.cli.progress import printed
    from portable.cli.up import engine_of
    from portable.live import images
    from portable.live.place import place_of
    from portable.live.upkeep import upkeep as live

    prepared = prepare(profile, sets=sets, catalogs=catalogs)
    refuse_unsafe(prepared, strict=False)
    place, plan = place_of(prepared), prepared.planned.plan
    tools = plan.tools.image.reference
    with engine_of(place) as engine:
        needed = [need for need in place.stack.images if need.reference == tools]
        image = images.foresee(engine, needed, images.recipes_of(place.stack.recipes)).effective.get(tools, tools)
        done = list(live(engine, place.stack, plan, [name for name in task.split(",") if name], tools=image, progress=printed))
    cells = [(d.task, d.subject, d.result, d.text, *((d.lines,) if output is Format.json else ())) for d in done]
    show.table(("task", "subject", "result", "text", *(("lines",) if output is Format.json else ())), cells, output, schema="upkeep")
    if output is Format.text:
        for d in done:
            for said in d.lines:
                show.line(f"{d.subject}: {said}")
    return FAILED if any(d.result == "failed" for d in done) else 0
