"""`portable doctor`: what is wrong with a host, why it matters, and what mends it."""

import os
import subprocess
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.options import Catalogs, Format, Output, Profile, Set
from portable.model.errors import DIFFERENCES, PortableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portable.backends.compose.engine import Engine
    from portable.backends.prepare import Prepared
    from portable.live.place import Place
    from portable.model.contracts import Diagnosis
    from portable.verify.host import Host


def doctor(
    profile: Profile = "local",
    everything: Annotated[bool, typer.Option("--all", help="What is well, too.")] = False,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Look at the host of a place, before and while it runs: what, where, why it matters, what mends it; exit 3 where something is wrong.

    It changes nothing.
    """
    from portable.backends.prepare import prepare
    from portable.cli.up import engine_of
    from portable.live.place import place_of

    prepared = prepare(profile, sets=sets, catalogs=catalogs)
    place = place_of(prepared)
    with engine_of(place) as engine:
        found = _found(prepared, place, engine)
    if output is Format.json:
        rows = [(d.check, d.where, d.verdict, d.text, d.why, d.remedy) for d in found]
        show.table(("check", "where", "verdict", "text", "why", "remedy"), rows, output, schema="doctor")
    else:
        for d in found:
            if everything or d.verdict != "holds":
                show.line(
                    f"{d.check}: {d.where}: {'' if d.verdict == 'holds' else f'{d.verdict}: '}{d.text}{f': {d.why}' if d.why else ''}"
                )
                if d.remedy:
                    show.line(f"    {d.remedy}")
        well, wrong = (sum(d.verdict == verdict for d in found) for verdict in ("holds", "broken"))
        show.line(f"{wrong} wrong, {well} well, {len(found) - well - wrong} not known")
    return DIFFERENCES if any(d.verdict == "broken" for d in found) else 0


def _found(prepared: "Prepared", place: "Place", engine: "Engine") -> "list[Diagnosis]":
    from portable.model.contracts import Diagnosis
    from portable.verify.compose import ComposeStack
    from portable.verify.doctor import examined, left_alone
    from portable.verify.shares import CONTRACT as SHARES

    plan = prepared.planned.plan
    versions = engine.check()
    text = f"engine {versions.engine} (API {versions.api}), Docker Compose {versions.compose} here"
    found = [Diagnosis(check="engine", where=place.address.url, verdict="holds", text=text)]
    root = engine.data_root()
    try:
        host = _host(prepared, place, engine, root)
    except PortableError as error:
        found.append(Diagnosis(check="host", where=place.address.url, verdict="unknown", text=f"it can't be looked at: {error.text}"))
    else:
        found += examined(plan, host, project=place.stack.project, taken=engine.ports(), docker_root=root)
    for held in SHARES.tried(ComposeStack(engine, plan)):
        if held.verdict == "broken":
            why = "it reaches nothing, and nobody reaches it"
            found.append(Diagnosis(check="gateway", where=held.subject, verdict="broken", text=held.text, why=why, remedy=held.remedy))
    found += _healer(left_alone(plan), place, plan.profile)
    return found


def _host(prepared: "Prepared", place: "Place", engine: "Engine", docker_root: str) -> "Host":
    """Looked at from here where the engine is this machine's, else from a helper on the engine's host."""
    from portable.live import images
    from portable.verify.doctor import asked
    from portable.verify.host import SCRIPT, look

    nodes, folders, places = asked(prepared.planned.plan)
    spaces = [*places, docker_root]
    if place.address.is_local:

        def here(arguments: "Sequence[str]") -> str:
            return subprocess.run(["sh", "-c", SCRIPT, "sh", *arguments], capture_output=True, text=True, check=False, env=_plain()).stdout

        return look(here, root="", nodes=nodes, folders=folders, spaces=spaces)
    tools = prepared.planned.plan.tools.image.reference
    recipes = images.recipes_of(place.stack.recipes)
    image = images.foresee(engine, [need for need in place.stack.images if need.reference == tools], recipes).effective.get(tools, tools)
    if not engine.image_ids([image]):
        raise PortableError("the image of the tools is not there to look with: `portable up` brings it")
    return look(lambda arguments: engine.on_host(image, SCRIPT, arguments), root="/host", nodes=nodes, folders=folders, spaces=spaces)


def _plain() -> dict[str, str]:
    """Numbers as the script reads them, whatever this person's language is."""
    return {**os.environ, "LC_ALL": "C"}


def _healer(alone: "Sequence[str]", place: "Place", profile: str) -> "list[Diagnosis]":
    from portable.live import unit
    from portable.model.contracts import Diagnosis

    if not alone or not place.address.is_local:
        return []
    installed, name = unit.is_installed(place.stack.project), unit.name_of(place.stack.project)
    if installed is None:
        text = f"systemd does not run this machine: whether something starts {', '.join(alone)} again after a restart is not known"
        return [Diagnosis(check="healer", where=name, verdict="unknown", text=text)]
    if installed:
        return [Diagnosis(check="healer", where=name, verdict="holds", text="it is installed")]
    why = f"after a restart of the host {', '.join(alone)} stay down"
    remedy = f"`portable heal -p {profile} --install`"
    return [Diagnosis(check="healer", where=name, verdict="broken", text="it is not installed", why=why, remedy=remedy)]
