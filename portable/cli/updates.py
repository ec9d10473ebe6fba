"""`portable update` and `portable rollback`: update apps to newer images, and roll them back to the previous ones."""

import contextlib
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.errors import say
from portable.cli.options import Apps, Catalogs, Format, Output, Profile, Set
from portable.cli.up import DryRun, Timeout, driver_of, open_place, reader_of
from portable.model.errors import FAILED, PortableError

if TYPE_CHECKING:
    from portable.live.driver import StackDriver
    from portable.live.place import Place
    from portable.model.plan import Plan
    from portable.upkeep.image_file import ReopenedStack, Updated

_COLUMNS = ("group", "app", "container", "image", "result", "before", "digest", "backup", "text", "why")
_Steps = tuple["Sequence[Updated]", Sequence[str]]


def update(
    apps: Apps = None,
    profile: Profile = "local",
    stop: Annotated[bool, typer.Option("--stop", help="Stop apps that cannot be copied while they run.")] = False,
    without_backup: Annotated[bool, typer.Option("--without-backup", help="Skip the backup of the apps' state.")] = False,
    dry_run: DryRun = False,
    timeout: Timeout = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Update apps to newer images, one group at a time.

    The state of each app is backed up first. If an app does not become healthy, its group is rolled back to the previous images and state,
    and the exit code is 1. `portable rollback` rolls back later; `portable upkeep --task images` only lists newer images.
    """
    from portable.cli.progress import printed
    from portable.upkeep import updates

    names = tuple(dict.fromkeys(apps or ()))
    opener = _Opener(profile, sets, catalogs, "update")
    opened = opener()
    if dry_run:
        with reader_of(opener.place) as reader:
            return _foreseen(updates.foresee(reader, opened, names, stop=stop, without_backup=without_backup), output)

    def work(driver: "StackDriver") -> "Iterator[Updated]":
        return updates.apply(driver, opener, names, stop=stop, without_backup=without_backup, deadline=timeout, progress=printed)

    return _carried_out(opener, work, output, plan=opened.planned.plan, is_complete=not names)


def rollback(
    apps: Apps = None,
    profile: Profile = "local",
    with_state: Annotated[
        bool,
        typer.Option(
            "--with-state",
            help="Also restore the apps' state from the backup made just before the update. Changes made since that backup are lost.",
        ),
    ] = False,
    dry_run: DryRun = False,
    timeout: Timeout = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Return apps to the images that they used before an update.

    The other apps of an app's group are rolled back too. Without --with-state, the state does not change, and the older program possibly
    cannot read it.
    """
    from portable.cli.progress import printed
    from portable.upkeep import rollbacks

    names = tuple(dict.fromkeys(apps or ()))
    opener = _Opener(profile, sets, catalogs, "rollback")
    opened = opener()
    if dry_run and with_state:
        with driver_of(opener.place) as driver:
            return _foreseen(rollbacks.foresee_back(opened, names, state_by=driver), output)
    if dry_run:
        return _foreseen(rollbacks.foresee_back(opened, names), output)

    def work(driver: "StackDriver") -> "Iterator[Updated]":
        return rollbacks.back(driver, opener, names, with_state=with_state, deadline=timeout, progress=printed)

    return _carried_out(opener, work, output)


class _Opener:
    """Reads the place again at each call, because an update changes one of its files."""

    def __init__(self, profile: str, sets: Sequence[str], catalogs: Sequence[Path], verb: str) -> None:
        self._arguments = profile, sets, catalogs, verb
        self._place: Place | None = None

    def __call__(self) -> "ReopenedStack":
        place, opened = _opened(*self._arguments)
        self._place = self._place or place
        return opened

    @property
    def place(self) -> "Place":
        """The place as the first call read it."""
        assert self._place is not None
        return self._place


def _foreseen(steps: _Steps, output: Format) -> int:
    """Print what would be done."""
    rows, sentences = steps
    _shown(rows, output)
    for sentence in sentences if output is Format.text else ():
        show.line(sentence)
    return _code(rows)


def _carried_out(
    opener: _Opener,
    work: "Callable[[StackDriver], Iterator[Updated]]",
    output: Format,
    *,
    plan: "Plan | None" = None,
    is_complete: bool = True,
) -> int:
    """Carry out the work and print the result of each image. An error is raised after the results are printed.

    With `plan`, the results are also reported to its channel.
    """
    with driver_of(opener.place) as driver:
        done, error = _gathered(work(driver))
    with contextlib.suppress(PortableError):  # raised below, after the results
        _report(opener.place, plan, done, error, is_complete=is_complete)
    _shown(done, output)
    for text in dict.fromkeys(f"{row.group}: rolled back to the previous images: {row.why}" for row in done if row.why):
        say(text)
    for text in dict.fromkeys(f"{row.app}: {row.text}" for row in done if row.result in ("failed", "back") and row.text):
        say(text)
    if output is Format.text and (updated := sorted({row.group for row in done if row.result == "taken"})):
        show.line(f"to roll back: `portable rollback {' '.join(updated)}`")
    if error is not None:
        raise error
    return _code(done)


def _report(place: "Place", plan: "Plan | None", done: "Sequence[Updated]", error: PortableError | None, *, is_complete: bool) -> None:
    """Report the results of an update, and its error. Raises that error."""
    if plan is None or plan.notify is None:
        return
    from portable.cli.reporting import reported
    from portable.upkeep.faults import of_updates

    with reported("update", place, plan) as report:
        report.is_complete = is_complete and not any(row.silent for row in done)
        report.add(of_updates(done))
        if error is not None:
            raise error


def in_place_of_upkeep(
    *,
    take: str,
    back: str,
    with_state: bool,
    stop: bool,
    without_backup: bool,
    dry_run: bool,
    timeout: float | None,
    sets: Sequence[str],
    catalogs: Sequence[Path],
    output: Format,
) -> tuple[str, ...]:
    """Return the commands that replace these former options of `portable upkeep`; none if none of them is used."""
    if not (take or back or with_state or stop or without_backup or dry_run or timeout is not None):
        return ()
    both = [*(["--dry-run"] if dry_run else ()), *(["--timeout", f"{timeout:g}"] if timeout is not None else ())]
    both += [part for value in sets for part in ("--set", value)]
    both += [part for folder in catalogs for part in ("--catalog", str(folder))]
    both += ["--format", "json"] if output is Format.json else []
    updating = [*_named(take), *(["--stop"] if stop else ()), *(["--without-backup"] if without_backup else ()), *both]
    going_back = [*_named(back), *(["--with-state"] if with_state else ()), *both]
    wanted = []
    if take or stop or without_backup or not (back or with_state):
        wanted.append(" ".join(("`portable update", *map(shlex.quote, updating))))
    if back or with_state:
        wanted.append(" ".join(("`portable rollback", *map(shlex.quote, going_back))))
    return tuple(f"{command}`" for command in wanted)


def _named(names: str) -> list[str]:
    """Split a comma-separated list of apps and groups; an empty result stands for all of them."""
    parts = [name for name in names.split(",") if name]
    return [] if "all" in parts else parts


def _opened(profile: str, sets: Sequence[str], catalogs: Sequence[Path], verb: str) -> "tuple[Place, ReopenedStack]":
    from portable.upkeep.image_file import ReopenedStack

    place, planned = open_place(profile, sets, catalogs, strict=False, verb=verb)
    return place, ReopenedStack(stack=place.stack, source=place.source, planned=planned)


def _gathered(doing: "Iterable[Updated]") -> "tuple[tuple[Updated, ...], PortableError | None]":
    """Collect the rows until the work ends, with the error that ended it."""
    rows: list[Updated] = []
    try:
        rows.extend(doing)
    except PortableError as error:
        return tuple(rows), error
    return tuple(rows), None


def _shown(rows: "Sequence[Updated]", output: Format) -> None:
    if output is Format.json:
        show.table(_COLUMNS, [tuple(getattr(row, name) for name in _COLUMNS) for row in rows], output, schema="updates")
        return
    explained = [row for row in rows if row.result in ("failed", "back")]  # their texts are printed below the table
    cells = [(r.group, r.app, r.image, r.result, _short(r.before), _short(r.digest), r.text if r not in explained else "") for r in rows]
    show.table(("group", "app", "image", "result", "before", "digest", "text"), cells, output, schema="updates")


def _short(digest: str) -> str:
    """Shorten a digest to the digits that distinguish it."""
    return digest.removeprefix("sha256:")[:12] or "-"


def _code(rows: "Sequence[Updated]") -> int:
    return FAILED if any(row.result == "failed" or row.silent for row in rows) else 0
