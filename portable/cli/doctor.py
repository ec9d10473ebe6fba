"""`portable doctor`: problems of a host, their consequences, and their remedies."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import hints, show
from portable.cli.opening import prepared_for
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
    everything: Annotated[bool, typer.Option("--all", help="Show passing checks as well.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Apply the safe fixes on this machine, as root, and print each one.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --fix: print the fixes without applying them.")] = False,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Check the host of a profile, before or while the stack runs. Exit 3 if a check fails.

    Each problem is printed with its location, its consequence and its remedy. Only --fix changes the host. It makes mounts shared, clears
    dead mounts, loads kernel modules, and creates missing folders of the library. It gives an empty folder to the user that writes there.
    It never removes a file, and never changes the owner of a folder with contents.
    """
    from portable.cli.up import driver_of
    from portable.live.place import place_of

    if dry_run and not fix:
        remedy = "add --fix: `portable doctor --fix --dry-run`"
        raise UsageError("--dry-run has no effect without --fix", code="usage.option-missing", remedy=remedy)
    prepared = prepared_for(profile, sets=sets, catalogs=catalogs)
    place = place_of(prepared, verb="doctor --fix" if fix else "doctor")
    if fix and not place.is_local:
        remedy = "run `portable doctor --fix` on that host; without --fix, each problem shows its command"
        text = "--fix changes this machine only, and the engine runs on another host"
        raise Refused(text, code="usage.fix-remote", where=place.where, remedy=remedy)
    with driver_of(place) as driver:
        fixed = _fixed(prepared, driver, dry_run=dry_run) if fix else []
        diagnoses = _diagnoses(prepared, place, driver)
    if output is Format.json:
        keys = ("check", "where", "verdict", "text", "why", "remedy", "code")
        rows = [{key: hints.typed(getattr(d, key)) for key in keys} for d in diagnoses]
        show.document({"schema": "portable/doctor/1", "doctor": rows, "fixed": fixed})
        return DIFFERENCES if any(d.verdict == "broken" for d in diagnoses) else 0
    for row in fixed:
        result = f"{'would be done' if dry_run else 'done'}: {row['text']}" if not row["failed"] else f"not done: {row['failed']}"
        show.line(f"{row['where']}: {result}")
        show.line(f"    {row['commands']}")
    for d in diagnoses:
        if everything or d.verdict != "holds":
            show.line(f"{d.check}: {d.where}: {'' if d.verdict == 'holds' else f'{d.verdict}: '}{d.text}{f': {d.why}' if d.why else ''}")
            if d.remedy:
                show.line(f"    {d.remedy}")
    passed, failed, notes = (sum(d.verdict == verdict for d in diagnoses) for verdict in ("holds", "broken", "note"))
    noted = f", {notes} note{'' if notes == 1 else 's'}" if notes else ""
    show.line(f"{failed} failed, {passed} passed, {len(diagnoses) - passed - failed - notes} unknown{noted}")
    return DIFFERENCES if failed else 0


def _fixed(prepared: "Prepared", driver: "StackDriver", *, dry_run: bool) -> list[dict[str, str]]:
    """Fix what is safe to fix: for each fix its location, text, commands, and the error if one failed. A dry run fixes nothing."""
    from portable.local.commands import carry_out, typed
    from portable.verify.mending import mends

    todo = list(mends(prepared.planned.plan, _host(prepared, driver, "")))
    if todo and not dry_run and os.geteuid() != 0:
        texts = "; ".join(f"{mend.where}: {typed(mend.commands)}" for mend in todo)
        remedy = "run as root: `portable doctor --fix`"
        raise Refused(f"only root can fix this: {texts}", code="usage.fix-needs-root", where="this machine", remedy=remedy)
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


def _diagnoses(prepared: "Prepared", place: "Place", driver: "StackDriver") -> "list[Diagnosis]":
    from portable.live.tunnel import tunnels
    from portable.model.contracts import Diagnosis
    from portable.verify.doctor import examined, left_alone
    from portable.verify.engine import examine_engine
    from portable.verify.host import Host
    from portable.verify.shares import CONTRACT as SHARES

    plan = prepared.planned.plan
    text = driver.check()
    diagnoses = [Diagnosis(check="engine", where=place.where, verdict="holds", text=text)]
    if (own := driver.diagnose()) is not None:
        return [*diagnoses, *own]
    root = driver.data_folder()
    host = Host()
    try:
        host = _host(prepared, driver, root)
    except PortableError as error:
        diagnoses.append(Diagnosis(check="host", where=place.where, verdict="unknown", text=f"cannot inspect the host: {error.text}"))
    else:
        gateways = tunnels(plan)
        servers = {app: servers for app, servers in driver.name_servers().items() if app in gateways}
        diagnoses += examined(
            plan, host, project=place.stack.project, taken=driver.published_ports(), docker_root=root, name_servers=servers
        )
    if (facts := driver.engine_facts()) is not None:
        diagnoses += examine_engine(plan, facts, host, project=place.stack.project)
    for check in SHARES.tried(driver.view(plan)):
        if check.verdict == "broken":
            why = "it has no network, and nothing can reach it"
            diagnoses.append(
                Diagnosis(check="gateway", where=check.subject, verdict="broken", text=check.text, why=why, remedy=check.remedy)
            )
    diagnoses += _healer(left_alone(plan), place)
    return diagnoses


def _host(prepared: "Prepared", driver: "StackDriver", docker_root: str) -> "Host":
    """Inspect the host directly if the engine runs on this machine, else through a helper container on the engine's host."""
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
        text = f"this machine does not run systemd, so portable cannot tell whether {', '.join(alone)} start again after a reboot"
        return [Diagnosis(check="healer", where=name, verdict="unknown", text=text)]
    if installed:
        return [Diagnosis(check="healer", where=name, verdict="holds", text="installed")]
    why = f"{', '.join(alone)} stay down after a reboot of the host"
    remedy = "install it: `portable heal --install`"
    return [Diagnosis(check="healer", where=name, verdict="broken", text="not installed", why=why, remedy=remedy)]
