"""`portable explain`: the findings of a profile, the egress of each group, and the meaning of a code."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.catalog import unknown
from portable.cli.completion import complete_app_or_code
from portable.cli.opening import prepared_for
from portable.cli.options import Catalogs, Format, Output, Profile, Set, Strict
from portable.model.codes import bracketed
from portable.model.errors import REFUSED, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def explain(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[APP|CODE]...",
            autocompletion=complete_app_or_code,
            help="Apps whose findings to list, or codes to explain. Default: all apps.",
        ),
    ] = None,
    profile: Profile = "local",
    everything: Annotated[bool, typer.Option("--all", help="Show cosmetic findings as well.")] = False,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    strict: Strict = False,
    output: Output = Format.text,
) -> int:
    """List the findings of a profile, or explain a code.

    Each finding has its source, consequence and remedy. Each message ends with its code in brackets. For example, `portable explain
    vpn.override` explains [vpn.override].
    """
    from portable.model.ledger import unaccepted

    codes = [name for name in names or () if "." in name]
    apps = [name for name in names or () if name not in codes]
    if codes and apps:
        remedy = f"explain them one after the other: `portable explain {codes[0]}`"
        raise UsageError("a code and an app cannot be explained together", code="usage.options-conflict", where="explain", remedy=remedy)
    if codes:
        _print_codes(codes, output)
        return 0
    prepared = prepared_for(profile, sets=sets, catalogs=catalogs)
    plan = prepared.planned.plan
    known = tuple(app.name for app in plan.apps)
    for name in apps:
        if name not in known:
            raise _absent(name, known, plan.profile, catalogs)
    wanted = [f for f in prepared.ledger if (everything or f.class_ != "cosmetic") and (not apps or f.app in apps)]
    if output is Format.text:
        for group in plan.groups:
            show.line(f"{group.name}: {', '.join(group.apps)}: {type(group.egress).__name__.lower()} egress")
        show.line()
        for finding in wanted:
            about = finding.app or (finding.path.split(".")[1] if finding.path.startswith("volumes.") else "")
            named = f" of {about}" if about and about not in finding.text else ""
            what = f"{finding.verdict} ({finding.class_}) {finding.field}{named}: {finding.text}"
            show.line(f"{finding.where}: {what}{bracketed(finding.code)}")
            show.line(f"    {'waived: ' + finding.reason if finding.reason else finding.remedy}")
        hidden = len(prepared.ledger) - len(wanted)
        show.line(f"{len(wanted)} findings{f', {hidden} more with --all' if hidden and not apps else ''}")
    else:
        headings = ("verdict", "class", "field", "path", "app", "text", "remedy", "reason", "where", "code")
        rows = [(f.verdict, f.class_, f.field, f.path, f.app, f.text, f.remedy, f.reason, str(f.where), f.code) for f in wanted]
        show.table(headings, rows, output, schema="findings")
    return REFUSED if unaccepted(prepared.ledger, strict=strict) else 0


def _absent(name: str, known: tuple[str, ...], profile: str, catalogs: "Sequence[Path]") -> UsageError:
    """The error for an app that the plan does not have: unknown, or only of the catalog."""
    from portable.catalog.catalog import Catalog
    from portable.profiles.load import catalog_folders, find_stack

    if name not in Catalog(catalog_folders(find_stack(Path.cwd()), catalogs)).names():
        return unknown(name, known, place=f"in profile {profile}")
    remedy = f"add it to `apps` in portable.yaml or in the profile; `portable catalog show {name}` prints its file"
    return UsageError(f"profile {profile} does not run {name}", code="usage.unknown-app", where="explain", remedy=remedy)


def _print_codes(codes: "Sequence[str]", output: Format) -> None:
    """Print the explanation of each code. Raises UsageError for an unknown one."""
    from portable.model.codes import all_explanations, area_names

    known = {explanation.code: explanation for explanation in all_explanations()}
    for code in codes:
        if code not in known:
            area = tuple(other for other in known if other.partition(".")[0] == code.partition(".")[0])
            raise unknown(code, area or area_names(), "code" if area else "area of codes", code="usage.unknown-code")
    chosen = [known[code] for code in dict.fromkeys(codes)]
    if output is Format.json:
        show.table(("code", "title", "cause", "remedy"), [(e.code, e.title, e.cause, e.remedy) for e in chosen], output, schema="codes")
        return
    for explanation in chosen:
        show.line(f"{explanation.code}: {explanation.title}")
        show.line(f"    cause: {explanation.cause}")
        show.line(f"    remedy: {explanation.remedy}")
