"""`portable verify`: check the contracts on the running stack."""

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.completion import complete_contract
from portable.cli.opening import prepared_for
from portable.cli.options import Beacon, Catalogs, Format, Output, Profile, Set
from portable.model.errors import DIFFERENCES, FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portable.backends.prepare import Prepared
    from portable.live.driver import StackDriver
    from portable.live.place import Place
    from portable.live.view import View
    from portable.model.contracts import ContractResult
    from portable.verify.contract import Contract


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CONTRACT]...", autocompletion=complete_contract, help="Contracts to check. Default: all."),
    ] = None,
    profile: Profile = "local",
    beacon: Beacon = None,
    disruptive: Annotated[bool, typer.Option("--disruptive", help="Also test the kill switch, which cuts the tunnel briefly.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show passing checks as well.")] = False,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Check the contracts on the running stack. Exit 3 if one is broken, 1 if none could be checked.

    CONTRACTS: runs, shares, fence, names, tunnel, environment, privileges, egress, listener, clouds, paths, links, identity, privacy,
    answers, ports, devices, databases, secrecy, and with --disruptive kill-switch. docs/reference/verify.md describes the
    promise and the check of each.
    """
    from portable.cli.reporting import reported
    from portable.cli.up import driver_of
    from portable.live.place import place_of
    from portable.upkeep.faults import of_contracts, of_down
    from portable.verify import contracts, down, named

    prepared = prepared_for(profile, sets=sets, catalogs=catalogs)
    _checked(names or (), beacon, disruptive=disruptive)
    named(contracts(disruptive=disruptive), names or ())  # report an unknown name before contacting an engine
    place = place_of(prepared, verb="verify")
    chosen = named(contracts_of(prepared, place, beacon, disruptive=disruptive), names or ())
    with driver_of(place) as driver, reported("verify", place, prepared.planned.plan) as report:
        driver.check()
        stack = driver.view(prepared.planned.plan)
        absent = down(stack)
        results = _checked_contracts(driver, stack, chosen, absent)
        report.is_complete = not names and absent is None
        report.add((of_down(absent),) if absent is not None else of_contracts(results))
    if output is Format.json:
        _print_rows(results)
    elif absent is not None:
        show.line(f"{absent.text}: {absent.remedy}")
    else:
        _printed(chosen, results, everything=everything)
    if any(held.verdict == "broken" for held in results):
        return DIFFERENCES
    return 0 if any(held.verdict == "holds" for held in results) else FAILED


def _checked_contracts(
    driver: "StackDriver", stack: "View", chosen: "Sequence[Contract]", absent: "ContractResult | None"
) -> "list[ContractResult]":
    """Check the contracts, and record what was found, also if an error ends the check. `absent` is the result of a stack that is down."""
    import msgspec

    from portable.cli.progress import printed
    from portable.local.records import VerifyRecord, now, record, with_run
    from portable.model.progress import Event
    from portable.verify import verify as check_contracts

    # Of a stack that is down, the record keeps the results of the last run, except that of `runs`.
    results, done = ([absent], [absent.contract]) if absent is not None else ([], [])
    try:
        for contract in chosen if absent is None else ():
            printed(Event(what="doing", subject=contract.name, text=f"checking: {contract.promise}"))
            results += [msgspec.structs.replace(held, text=driver.hide(held.text)) for held in check_contracts(stack, (contract,))]
            done.append(contract.name)
    finally:
        moment = now()
        record(driver.stack.project, VerifyRecord, lambda before: with_run(before, done, results, moment), progress=printed)
    return results


def contracts_of(prepared: "Prepared", place: "Place", beacon: str | None, *, disruptive: bool) -> "tuple[Contract, ...]":
    """All contracts, with the values of secrets that must not appear anywhere."""
    from portable.cli.progress import printed
    from portable.model.secret_refs import called
    from portable.planning.hosts import name_for
    from portable.secrets.generate import known_values
    from portable.verify import contracts

    public = {(name, key) for name, facts in prepared.planned.secrets.items() for key in facts.public}
    wanted = [need for need in place.stack.secrets if (need.name, need.key) not in public]
    values = known_values(place.stack.secrets, place.source, progress=printed)
    return contracts(
        lambda text: values.named_in(text, public=public),
        [called(n.name, n.key) for n in wanted if not n.optional and not values.of(n.name, n.key)],
        known=not wanted or any(values.of(n.name, n.key) for n in wanted),
        beacon=beacon,
        disruptive=disruptive,
        values=values,
        host_of=partial(name_for, prepared.planned.given),
    )


def _checked(names: "Sequence[str]", beacon: str | None, *, disruptive: bool) -> None:
    """Raises UsageError for a disruptive contract without its option, and for an invalid beacon URL, which is used in commands in apps."""
    from portable.model.errors import UsageError
    from portable.verify.kill_switch import NAME

    if NAME in names and not disruptive:
        remedy = f"add --disruptive: `portable verify --disruptive {NAME}`"
        raise UsageError(f"{NAME} cuts the tunnel briefly", code="usage.option-missing", where="verify", remedy=remedy)
    check_beacon(beacon)


def check_beacon(beacon: str | None) -> None:
    """Raises UsageError for an invalid beacon URL, which is used in commands in apps."""
    from urllib.parse import urlsplit

    from portable.model.errors import UsageError

    url = urlsplit(beacon or "")
    if beacon is not None and (url.scheme not in ("http", "https") or not url.hostname or not beacon.isprintable()):
        remedy = "use an http or https URL, for example http://203.0.113.1/ip"
        raise UsageError(f"{beacon!r} is not a valid URL", code="usage.beacon", where="--beacon", remedy=remedy)


def _print_rows(results: "Sequence[ContractResult]") -> None:
    """Print the results as JSON."""
    rows = [(h.contract, h.subject, h.verdict, h.text, h.remedy, h.code) for h in results]
    show.table(("contract", "subject", "verdict", "text", "remedy", "code"), rows, Format.json, schema="verify")


def _printed(chosen: "Sequence[Contract]", results: "Sequence[ContractResult]", *, everything: bool) -> None:
    """Print one line per contract, then the unknown and the broken checks with their remedies."""
    counted = Counter((h.contract, h.verdict) for h in results)
    rows = [(c.name, *(counted[c.name, v] for v in ("holds", "broken", "unknown")), c.promise) for c in chosen]
    show.table(("contract", "holds", "broken", "unknown", "promise"), rows, Format.text, schema="verify")
    _clouds(results)
    for verdict in ("holds", "unknown", "broken"):
        for h in results:
            if h.verdict == verdict and (everything or verdict != "holds"):
                show.line(f"{h.contract}: {h.subject}: {'' if verdict == 'holds' else f'{verdict}: '}{h.text}")
                if h.remedy:
                    show.line(f"    {h.remedy}")


def _clouds(results: "Sequence[ContractResult]") -> None:
    """Print a table of each app's view of each cloud, in which a missing mount stands out."""
    seen: dict[str, dict[str, str]] = {}
    for h in results:
        app, is_cloud, cloud = h.subject.rpartition(" cloud ")
        if h.contract == "clouds" and is_cloud:
            seen.setdefault(app, {})[cloud] = h.text if h.verdict == "holds" else f"{h.verdict}: {h.text}"
    if clouds := sorted({cloud for row in seen.values() for cloud in row}):
        show.line()
        rows = [(app, *(row.get(cloud, "-") for cloud in clouds)) for app, row in sorted(seen.items())]
        show.table(("app", *clouds), rows, Format.text, schema="clouds")
        show.line()
