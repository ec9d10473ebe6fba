"""`portable up`, `diff` and `restart`: bring a stack to the state of its profile."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.opening import prepared_for
from portable.cli.options import Apps, Catalogs, Format, Output, Profile, Set, Strict
from portable.model.errors import DIFFERENCES, PortableError, Refused, SeveralErrors, UsageError, caught, raise_all

if TYPE_CHECKING:
    from portable.live.driver import StackDriver, StackReader
    from portable.live.place import Place
    from portable.live.results import Outcome, ServiceStatus
    from portable.model.changes import Change
    from portable.model.findings import Finding
    from portable.model.traits import Traits
    from portable.planning import Planned


_DEAD_PORTS = ("vpn.sealed-port", "exposure.no-name")
"""Findings of class function about published ports at which other machines get no answer, or an error."""


def _positive(seconds: float | None) -> float | None:
    if seconds is not None and not seconds > 0:
        raise typer.BadParameter("must be greater than 0")
    return seconds


DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and change nothing.")]
Timeout = Annotated[float | None, typer.Option("--timeout", metavar="SECONDS", callback=_positive, help="Stop waiting after this time.")]


def up(
    apps: Apps = None,
    profile: Profile = "local",
    dry_run: DryRun = False,
    timeout: Timeout = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    strict: Strict = False,
    accept: Annotated[
        list[str], typer.Option("--accept-version", metavar="APP", help="Accept an older or a one-way version of this app.")
    ] = [],  # noqa: B006
    take_over: Annotated[
        bool, typer.Option("--take-over", help="On a cluster: take objects and fields from Argo CD, Flux, Helm and other tools.")
    ] = False,
    output: Output = Format.text,
) -> int:
    """Start apps, wait until they are healthy, and show addresses.

    Images are pulled or built, and containers that differ are recreated. A second run changes nothing. Apps that are no longer in the
    stack are removed; their data is kept.
    """
    import msgspec

    from portable.cli.guide import closing
    from portable.cli.progress import printed
    from portable.secrets.generate import generate_missing, missing
    from portable.secrets.owner import owner_of

    place, planned = open_place(profile, sets, catalogs, strict=strict, verb="" if take_over else "up", ledger=_say_dead_ports)
    names = tuple(apps or ())
    if accept:
        stack = msgspec.structs.replace(place.stack, accepted_versions=tuple(accept))
        place = msgspec.structs.replace(place, opened=msgspec.structs.replace(place.opened, stack=stack))
    if take_over:
        place = _taking_over(place, planned.given.profile.traits, profile)
    if dry_run:
        return _rehearsed(place, planned.generated, names, output)
    with driver_of(place) as driver:
        if missing(place.stack.secrets, planned.generated, place.source):
            # Store no secret for a command that is going to be refused.
            raise_all(_rehearsal(place, driver, planned.generated, names)[1])
            driver.record_secrets_owner(owner_of(place.source))
            generate_missing(place.stack.secrets, planned.generated, place.source, project=place.stack.project, progress=printed)
        outcome = driver.up(apps=names, deadline=timeout, progress=printed)
        if place.stack.secrets:
            driver.record_secrets_owner(owner_of(place.source))
    show_outcome(outcome, output)
    if output is Format.text and not names:
        for sentence in closing(place, planned):
            show.line(sentence)
    return 0


def _taking_over(place: "Place", traits: "Traits", profile: str) -> "Place":
    """The place whose stack takes objects of other tools. Raises UsageError on an engine."""
    import msgspec

    if not traits.has_namespaces:
        text = f"profile {profile} runs on an engine, where no other tool owns containers of the stack"
        raise UsageError(text, code="usage.take-over", remedy="leave out --take-over")
    stack = msgspec.structs.replace(place.stack, is_taking_over=True)
    return msgspec.structs.replace(place, opened=msgspec.structs.replace(place.opened, stack=stack))


def diff(
    apps: Apps = None,
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Show what `up` would change, and why. Exit 3 if there are changes."""
    place, planned = open_place(profile, sets, catalogs, strict=False)
    return _foreseen(place, planned.generated, tuple(apps or ()), output, different=DIFFERENCES)


def restart(
    apps: Apps = None,
    profile: Profile = "local",
    timeout: Timeout = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Restart apps in order. Restarting a gateway also restarts the apps behind it."""
    from portable.cli.progress import printed

    place, _ = open_place(profile, sets, catalogs, strict=False)
    with driver_of(place) as driver:
        outcome = driver.restart(apps=tuple(apps or ()), deadline=timeout, progress=printed)
    show_outcome(outcome, output)
    return 0


def _say_dead_ports(findings: "Iterable[Finding]") -> None:
    """Print the findings about published ports that nobody can reach, on standard error: the plan stops nothing for them."""
    from portable.cli.errors import say
    from portable.cli.formats import is_json

    for finding in findings:
        if finding.code in _DEAD_PORTS and finding.verdict == "noted" and not is_json():
            say(f"{finding.text} [{finding.code}] ({finding.remedy})")


def open_place(
    profile: str,
    sets: Sequence[str],
    catalogs: Sequence[Path],
    *,
    strict: bool,
    verb: str = "",
    ledger: "Callable[[Iterable[Finding]], None] | None" = None,
) -> "tuple[Place, Planned]":
    """Open the place of a profile, with its plan; `ledger` gets its findings.

    Raises Refused if the plan is unsafe, or the engine does not support the command.
    """
    from portable.backends.prepare import refuse_unsafe
    from portable.live.place import place_of

    prepared = prepared_for(profile, sets=sets, catalogs=catalogs)
    refuse_unsafe(prepared, strict=strict)
    if ledger:
        ledger(prepared.ledger)
    return place_of(prepared, verb=verb), prepared.planned


def driver_of(place: "Place") -> "StackDriver":
    """Open the driver of a place for reading and writing. Its messages mask the values of the place's secrets."""
    from portable.cli.progress import printed
    from portable.secrets.generate import hider

    driver = place.opened.driver(hider(place.stack.secrets, place.source, progress=printed))
    return driver.rebound(place.stack, place.source)  # an option may have changed the stack since it was opened


def reader_of(place: "Place") -> "StackReader":
    """Open the driver of a place for reading only. Its messages mask the values of the place's secrets."""
    from portable.cli.progress import printed
    from portable.secrets.generate import hider

    reader = place.opened.reader(hider(place.stack.secrets, place.source, progress=printed))
    return reader.rebound(place.stack, place.source)


def show_changes(changes: "Sequence[Change]", output: Format) -> None:
    """Print one sentence per change."""
    if output is Format.json:
        rows = [(c.kind, c.service, c.app, c.cause) for c in changes]
        show.table(("kind", "service", "app", "cause"), rows, output, schema="changes")
        return
    for change in changes:
        show.line(change.sentence())
    if not changes:
        show.line("no changes")


def show_outcome(outcome: "Outcome", output: Format) -> None:
    """Print the table of apps, and whether nothing was changed."""
    if output is Format.text and not outcome.changes:
        show.line("nothing to change")
    show_rows(outcome.rows, output)


def show_rows(rows: "Sequence[ServiceStatus]", output: Format) -> None:
    """Print the table of apps with their addresses and states."""
    headings = ("app", "service", "egress", "state", "health", "address", "reason")
    if output is Format.json:
        cells = [(r.app, r.service, r.egress, r.state, r.health, r.address, r.reason, r.note) for r in rows]
        show.table((*headings, "note"), cells, output, schema="apps")
        return
    texts = [(r.app, r.service, r.egress or "-", r.state, r.health, r.address, "; ".join(filter(None, (r.reason, r.note)))) for r in rows]
    show.table(headings, texts, output, schema="apps")


def _rehearsed(place: "Place", generated: dict[str, str], apps: tuple[str, ...], output: Format) -> int:
    """Print the changes of `up`. Raises every problem that would stop it, after the changes."""
    with reader_of(place) as reader:
        changes, problems = _rehearsal(place, reader, generated, apps)
    if changes or not problems:
        show_changes(changes, output)
    raise_all(problems)
    return 0


def _rehearsal(
    place: "Place", reader: "StackReader", generated: dict[str, str], apps: tuple[str, ...]
) -> "tuple[Sequence[Change], tuple[PortableError, ...]]":
    """The changes that `up` would make, and every problem that would stop it. Stores nothing, secrets included."""
    from portable.secrets.generate import foreseen, known_values, missing
    from portable.secrets.owner import refuse_other_owner

    secrets, source = place.stack.secrets, place.source
    problems: tuple[PortableError, ...] = ()
    try:
        resolved = foreseen(secrets, generated, source)
        if missing(secrets, generated, source):
            problems = caught(lambda: refuse_other_owner(source, reader.secrets_owner()))
    except PortableError as error:
        problems, resolved = (error,), known_values(secrets, source)
    if not problems:
        try:
            reader.refuse_other_values(resolved)
        except Refused as refused:
            problems = (refused,)
    try:
        return reader.rehearse(apps=apps, resolved=resolved), problems
    except PortableError as error:
        problems += error.errors if isinstance(error, SeveralErrors) else (error,)
    try:
        return reader.diff(apps=apps, resolved=resolved), problems
    except PortableError:  # it is among the problems
        return (), problems


def _foreseen(place: "Place", generated: dict[str, str], apps: tuple[str, ...], output: Format, different: int = 0) -> int:
    from portable.secrets.generate import foreseen

    with reader_of(place) as reader:
        changes = reader.diff(apps=apps, resolved=foreseen(place.stack.secrets, generated, place.source))
    show_changes(changes, output)
    return different if changes else 0
