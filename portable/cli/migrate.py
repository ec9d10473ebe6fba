"""`portable migrate`: move apps with their state from one profile to another."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from portable.cli import show
from portable.cli.completion import complete_profile, complete_source_app
from portable.cli.options import Catalogs, Format, Output
from portable.cli.up import Timeout, driver_of, reader_of
from portable.model.errors import DIFFERENCES, UsageError

if TYPE_CHECKING:
    from portable.backends.prepare import Prepared
    from portable.live.driver import StackDriver
    from portable.migrate.sides import MoveSide
    from portable.migrate.stack_ending import StackMoveEnd
    from portable.migrate.stack_journal import StackMoveJournal


def migrate(
    apps: Annotated[
        list[str] | None,
        typer.Argument(metavar="[APP]...", autocompletion=complete_source_app, help="Apps to move. Default: all that both profiles have."),
    ] = None,
    source: Annotated[str, typer.Option("--from", metavar="PROFILE", autocompletion=complete_profile, help="Profile to move from.")] = "",
    target: Annotated[str, typer.Option("--to", metavar="PROFILE", autocompletion=complete_profile, help="Profile to move to.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would move, and what stands in the way. Change nothing.")] = False,
    read_all: Annotated[
        bool, typer.Option("--read-all", help="With --dry-run: read every file and check databases, as the move itself does first.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Complete a move that was interrupted.")] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Undo a move that is not confirmed: the apps run at the source again.")
    ] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="End a move for good. The source's data stays, except for --remove.")] = False,
    remove: Annotated[list[str], typer.Option("--remove", metavar="VOLUME", help="With --confirm: remove the source of this volume.")] = [],  # noqa: B006
    release: Annotated[bool, typer.Option("--release", help="With --confirm: let the apps start at the source again.")] = False,
    with_library: Annotated[
        bool, typer.Option("--with-library", help="Copy the library too, if the profiles have different ones.")
    ] = False,
    waive: Annotated[
        list[str], typer.Option("--waive", metavar="KIND=REASON", help="Accept a loss that --dry-run names, with a reason.")
    ] = [],  # noqa: B006
    timeout: Timeout = None,
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Move apps and their state to another profile, with proof.

    Apps run while most of their state is copied; then they stop, the rest is copied, a second program compares both sides, and the apps
    start at the target. The source stays whole until --confirm. Today both profiles must run on Docker Compose, on one engine of this
    machine. Exit 3 if a contract is broken at the target.
    """
    from portable.migrate.weighing import parse_waivers

    _check_options(source, target, apps, dry_run=dry_run, ends=(resume, rollback, confirm), begins=bool(waive or with_library))
    if (remove or release) and not confirm:
        raise UsageError("--remove and --release need --confirm", code="usage.option-missing", remedy="add --confirm")
    if read_all and (not dry_run or confirm):
        remedy = "add --dry-run, or leave it out: a move reads every file anyway"
        raise UsageError("--read-all needs --dry-run", code="usage.option-missing", remedy=remedy)
    waivers = parse_waivers(waive)
    one, other, prepared = _sides(source, target, catalogs)
    if confirm and dry_run:
        return _show_rests(one, other, output)
    if dry_run:
        return _show_plan(one, other, apps or (), waivers, output, with_library=with_library, reads=read_all)
    with driver_of(one.place) as here, driver_of(other.place) as there:
        if rollback:
            return _roll_back(one, other, here, there, timeout, output)
        if confirm:
            return _confirm(one, other, here, remove, output, release=release)
        mover = _mover(one, other, here, there, prepared, timeout)
        journal = mover.resume() if resume else mover.begin(apps or (), waive=waivers, with_library=with_library)
    return _show_move(journal, output)


def _check_options(
    source: str, target: str, apps: Sequence[str] | None, *, dry_run: bool, ends: tuple[bool, bool, bool], begins: bool
) -> None:
    """Raises UsageError for options that do not go together."""
    if not source or not target:
        remedy = "name both profiles: `portable migrate --from PROFILE --to PROFILE --dry-run`"
        raise UsageError("--from and --to are needed", code="usage.option-missing", remedy=remedy)
    if sum(ends) > 1:
        text = "cannot combine --resume, --rollback and --confirm"
        raise UsageError(text, code="usage.options-conflict", remedy="use only one of them")
    if any(ends) and (apps or begins):
        text = "an unfinished move keeps its apps and waivers"
        raise UsageError(
            text, code="usage.options-conflict", remedy="give no APP, --waive or --with-library with --resume, --rollback and --confirm"
        )
    if dry_run and (ends[0] or ends[1]):
        text = "cannot combine --dry-run with --resume or --rollback"
        raise UsageError(text, code="usage.options-conflict", remedy="`--confirm --dry-run` lists what could be removed")


def _sides(source: str, target: str, catalogs: Sequence[Any]) -> "tuple[MoveSide, MoveSide, Prepared]":
    from portable.backends.prepare import refuse_unsafe
    from portable.cli.opening import prepared_for
    from portable.live.place import place_of
    from portable.migrate.sides import MoveSide, refuse_back_ends

    one, other = prepared_for(source, catalogs=catalogs), prepared_for(target, catalogs=catalogs)
    refuse_back_ends(one, other)
    for prepared in (one, other):
        refuse_unsafe(prepared, strict=False)
    sides = [
        MoveSide(profile=name, plan=p.planned.plan, place=place_of(p), generated=p.planned.generated, ledger=p.ledger)
        for name, p in ((source, one), (target, other))
    ]
    return sides[0], sides[1], other


def _mover(
    one: "MoveSide", other: "MoveSide", here: "StackDriver", there: "StackDriver", prepared: "Prepared", timeout: float | None
) -> Any:
    from portable.cli.progress import printed
    from portable.migrate.stack_move import StackMover

    return StackMover(one, other, here, there, verify=_verifier(prepared, other, there), deadline=timeout, progress=printed)


def _verifier(prepared: "Prepared", side: "MoveSide", driver: "StackDriver") -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """A function that checks all contracts at the target, and returns those that are broken for some apps."""

    def check(apps: tuple[str, ...]) -> tuple[str, ...]:
        from portable.cli.verify import contracts_of
        from portable.verify import verify

        results = verify(driver.view(side.plan), contracts_of(prepared, side.place, None, disruptive=False))
        broken = [one for one in results if one.verdict == "broken" and one.subject.partition(" ")[0] in apps]
        return tuple(driver.hide(f"{one.contract}: {one.subject}: {one.text} ({one.remedy})") for one in broken)

    return check


def _show_plan(
    one: "MoveSide", other: "MoveSide", apps: Sequence[str], waivers: dict[str, str], output: Format, *, with_library: bool, reads: bool
) -> int:
    from portable.cli.move_plan import print_plan
    from portable.cli.progress import printed
    from portable.migrate.sides import refuse_pair
    from portable.migrate.stack_plan import plan_stack_move, refuse_open

    refuse_pair(one, other)
    with reader_of(one.place) as here, reader_of(other.place) as there:
        plan, problems = plan_stack_move(
            one, other, here, there, apps, waive=waivers, with_library=with_library, reads=reads, progress=printed
        )
    print_plan(plan, one, other, output)
    refuse_open(plan, problems, f"{one.profile} to {other.profile}")
    return 0


def _show_move(journal: "StackMoveJournal", output: Format) -> int:
    from portable.migrate.move_report import document_of, downtimes, keep_report

    outcome = "the apps run at the target; the source is whole and waits for the confirmation"
    text, data = keep_report(journal, outcome)
    code = DIFFERENCES if journal.broken else 0
    if output is Format.json:
        show.document({**document_of(journal, outcome), "report": str(data)})
        return code
    down = downtimes(journal)
    show.table(("app", "downtime"), [(app, f"{down[app]:.1f} s" if app in down else None) for app in journal.apps], output, schema="move")
    for sentence in journal.broken:
        show.line(f"broken: {sentence}")
    show.line(f"report: {text}")
    show.line(f"to undo it: {journal.command('--rollback')}; to end it: {journal.command('--confirm')}")
    return code


def _roll_back(one: "MoveSide", other: "MoveSide", here: "StackDriver", there: "StackDriver", timeout: float | None, output: Format) -> int:
    from portable.cli.progress import printed
    from portable.migrate.stack_ending import roll_back_stack

    end = roll_back_stack(one, other, here, there, deadline=timeout, progress=printed)
    sentences = [f"the apps run at {one.profile} again: {', '.join(end.journal.ran) or 'none ran before'}"]
    sentences += [
        f"the state that the apps had at {other.profile} is in {path}; remove it when you no longer need it" for path in end.aside
    ]
    return _show_end(end, "rolled back", sentences, output)


def _confirm(one: "MoveSide", other: "MoveSide", here: "StackDriver", remove: Sequence[str], output: Format, *, release: bool) -> int:
    from portable.cli.progress import printed
    from portable.migrate.stack_ending import confirm_stack, rests
    from portable.model.progress import Event

    for rest in rests(one, other):
        if rest.volume in remove:
            text = f"removing {rest.entries} entries, {rest.bytes / 1e6:.1f} MB, in {rest.folder}"
            printed(Event(what="note", subject=rest.volume, text=text))
    end = confirm_stack(one, other, here, remove=tuple(remove), release=release, progress=printed)
    sentences = [f"removed {path}" for path in end.removed]
    sentences += [f"kept at {one.profile}: {path}" for path in end.left]
    if not end.journal.release:
        back = f"`portable migrate --from {other.profile} --to {one.profile}`"
        sentences.append(f"these apps stay fenced at {one.profile}, so that no second copy runs; {back} moves them back")
    return _show_end(end, "confirmed", sentences, output)


def _show_end(end: "StackMoveEnd", outcome: str, sentences: Sequence[str], output: Format) -> int:
    from portable.migrate.move_report import document_of, keep_report

    text, data = keep_report(end.journal, outcome, end)
    if output is Format.json:
        show.document({**document_of(end.journal, outcome, end), "report": str(data)})
        return 0
    for sentence in sentences:
        show.line(sentence)
    show.line(f"report: {text}")
    return 0


def _show_rests(one: "MoveSide", other: "MoveSide", output: Format) -> int:
    """Print what `--confirm --remove` could remove."""
    from portable.migrate.stack_ending import rests

    rows = [(rest.volume, rest.folder, rest.entries, rest.bytes) for rest in rests(one, other)]
    show.table(("volume", "folder", "entries", "bytes"), rows, output, schema="rests")
    return 0
