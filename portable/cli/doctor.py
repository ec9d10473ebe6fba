"""`portable doctor`: what is wrong with a host, why it matters, and what mends it."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import hints, show
from portable.cli.options import Catalogs, Format, Output, Profile, Set
from portable.model.errors import DIFFERENCES, PortableError, Refused, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portable.backends.prepare import Prepared
    from portable.live.driver import StackDriver
    from portable.live.place import Place
    from portable.model.contracts import Diagnosis
    from portable.verify.host import Host


def doctor(
    profile: Profile = "local",
    everything: Annotated[bool, typer.Option("--all", help="What is well, too.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Do what is safe on this machine, as root, and say each thing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --fix: only say what it would do.")] = False,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Look at the host of a place, before and while it runs: what, where, why it matters, what mends it; exit 3 where something is wrong.

    It changes nothing but by --fix: a mount is made shared, a dead one cleared away, a module loaded, a missing folder of the library made,
    an empty one given to who writes there. No file is removed, and what has something in it keeps its owner.
    """
    from portable.backends.prepare import prepare
    from portable.cli.up import driver_of
    from portable.live.place import place_of

    if dry_run and not fix:
        raise UsageError("--dry-run says what --fix would do", remedy="give both")
    prepared = prepare(profile, sets=sets, catalogs=catalogs)
    place = place_of(prepared)
    if fix and not place.is_local:
        remedy = "run it on that host: `portable doctor --fix`; without --fix each finding names its command"
        raise Refused("the host is not this machine, and what only looks at it may not change it", where=place.where, remedy=remedy)
    with driver_of(place) as driver:
        fixed = _fixed(prepared, driver, dry_run=dry_run) if fix else []
        found = _found(prepared, place, driver)
    if output is Format.json:
        keys = ("check", "where", "verdict", "text", "why", "remedy", "code")
        rows = [{key: hints.typed(getattr(d, key)) for key in keys} for d in found]
        show.document({"schema": "portable/doctor/1", "doctor": rows, "fixed": fixed})
        return DIFFERENCES if any(d.verdict == "broken" for d in found) else 0
    for row in fixed:
        said = f"{'would be done' if dry_run else 'done'}: {row['text']}" if not row["failed"] else f"not done: {row['failed']}"
        show.line(f"{row['where']}: {said}")
        show.line(f"    {row['commands']}")
    for d in found:
        if everything or d.verdict != "holds":
            show.line(f"{d.check}: {d.where}: {'' if d.verdict == 'holds' else f'{d.verdict}: '}{d.text}{f': {d.why}' if d.why else ''}")
            if d.remedy:
                show.line(f"    {d.remedy}")
    well, wrong, notes = (sum(d.verdict == verdict for d in found) for verdict in ("holds", "broken", "note"))
    noted = f", {notes} to note" if notes else ""
    show.line(f"{wrong} wrong, {well} well, {len(found) - well - wrong - notes} not known{noted}")
    return DIFFERENCES if wrong else 0


def _fixed(prepared: "Prepared", driver: "StackDriver", *, dry_run: bool) -> list[dict[str, str]]:
    """What was mended, or would be: where, what, by which commands, and why one of them failed."""
    from portable.local.commands import carry_out, typed
    from portable.verify.mending import mends

    todo = list(mends(prepared.planned.plan, _host(prepared, driver, "")))
    if todo and not dry_run and os.geteuid() != 0:
        texts = "; ".join(f"{mend.where}: {typed(mend.commands)}" for mend in todo)
        raise Refused(f"only root may mend this: {texts}", where="this machine", remedy="as root: `portable doctor --fix`")
    rows = []
    for mend in todo:
        failed = ""
        if not dry_run:
            try:
                carry_out(mend.commands, where=mend.where)
            except PortableError as error:
                failed = error.text
        rows.append({"where": mend.where, "text": mend.text, "commands": typed(mend.commands), "failed": failed})
    return rows


def _found(prepared: "Prepared", place: "Place", driver: "StackDriver") -> "list[Diagnosis]":
    from portable.live.tunnel import tunnels
    from portable.model.contracts import Diagnosis
    from portable.verify.doctor import examined, left_alone
    from portable.verify.shares import CONTRACT as SHARES

    plan = prepared.planned.plan
    text = driver.check()
    found = [Diagnosis(check="engine", where=place.where, verdict="holds", text=text)]
    root = driver.data_folder()
    try:
        host = _host(prepared, driver, root)
    except PortableError as error:
        found.append(Diagnosis(check="host", where=place.where, verdict="unknown", text=f"it can't be looked at: {error.text}"))
    else:
        gateways = tunnels(plan)
        servers = {app: servers for app, servers in driver.name_servers().items() if app in gateways}
        found += examined(plan, host, project=place.stack.project, taken=driver.published_ports(), docker_root=root, name_servers=servers)
    for held in SHARES.tried(driver.view(plan)):
        if held.verdict == "broken":
            why = "it reaches nothing, and nobody reaches it"
            found.append(Diagnosis(check="gateway", where=held.subject, verdict="broken", text=held.text, why=why, remedy=held.remedy))
    found += _healer(left_alone(plan), place)
    return found


def _host(prepared: "Prepared", driver: "StackDriver", docker_root: str) -> "Host":
    """Looked at from here where the engine is this machine's, else from a helper on the engine's host."""
    import msgspec

    from portable.verify.doctor import asked
    from portable.verify.host import host_script, look

    wanted = asked(prepared.planned.plan)
    wanted = msgspec.structs.replace(wanted, spaces=tuple(filter(None, (*wanted.spaces, docker_root))))
    return look(lambda arguments: driver.read_host(host_script(), arguments), wanted, root=driver.host_root)


def _healer(alone: "Sequence[str]", place: "Place") -> "list[Diagnosis]":
    from portable.model.contracts import Diagnosis
    from portable.upkeep import units as unit

    if not alone or not place.is_local:
        return []
    installed, name = unit.is_installed(place.stack.project), unit.name_of(place.stack.project)
    if installed is None:
        text = f"systemd does not run this machine: whether something starts {', '.join(alone)} again after a restart is not known"
        return [Diagnosis(check="healer", where=name, verdict="unknown", text=text)]
    if installed:
        return [Diagnosis(check="healer", where=name, verdict="holds", text="it is installed")]
    why = f"after a restart of the host {', '.join(alone)} stay down"
    remedy = "`portable heal --install`"
    return [Diagnosis(check="healer", where=name, verdict="broken", text="it is not installed", why=why, remedy=remedy)]
