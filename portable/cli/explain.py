"""`portable explain`: the ledger, and why each group stands where it stands."""

from typing import Annotated

import typer

from portable.cli import show
from portable.cli.catalog import unknown
from portable.cli.options import Apps, Catalogs, Format, Output, Profile, Set, Strict
from portable.model.errors import REFUSED


def explain(
    apps: Apps = None,
    profile: Profile = "local",
    everything: Annotated[bool, typer.Option("--all", help="Cosmetic findings too.")] = False,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    strict: Strict = False,
    output: Output = Format.text,
) -> int:
    """Say what is not plainly translated in a place: where it stands, what follows, what to do."""
    from portable.backends.prepare import prepare
    from portable.model.ledger import unaccepted

    prepared = prepare(profile, sets=sets, catalogs=catalogs)
    plan = prepared.planned.plan
    here = tuple(app.name for app in plan.apps)
    for name in apps or ():
        if name not in here:
            raise unknown(name, here, f"app in profile {plan.profile}")
    wanted = [f for f in prepared.ledger if (everything or f.class_ != "cosmetic") and (not apps or f.app in apps)]
    if output is Format.text:
        for group in plan.groups:
            show.line(f"{group.name}: {', '.join(group.apps)}: {type(group.egress).__name__.lower()} egress")
        show.line()
        for finding in wanted:
            about = finding.app or (finding.path.split(".")[1] if finding.path.startswith("volumes.") else "")
            named = f" of {about}" if about and about not in finding.text else ""
            show.line(f"{finding.where}: {finding.verdict} ({finding.class_}) {finding.field}{named}: {finding.text}")
            show.line(f"    {'waived: ' + finding.reason if finding.reason else finding.remedy}")
        hidden = len(prepared.ledger) - len(wanted)
        show.line(f"{len(wanted)} findings{f', {hidden} more with --all' if hidden and not apps else ''}")
    else:
        headings = ("verdict", "class", "field", "path", "app", "text", "remedy", "reason", "where")
        rows = [(f.verdict, f.class_, f.field, f.path, f.app, f.text, f.remedy, f.reason, str(f.where)) for f in wanted]
        show.table(headings, rows, output, schema="findings")
    return REFUSED if unaccepted(prepared.ledger, strict=strict) else 0
