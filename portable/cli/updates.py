"""`portable update` and `portable rollback`: take newer images, and go back to the images before them."""

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
    from portable.upkeep.updates import Opened, Updated

_COLUMNS = ("group", "app", "container", "image", "result", "before", "digest", "backup", "text", "why")
_Steps = tuple["Sequence[Updated]", Sequence[str]]


def update(
    apps: Apps = None,
    profile: Profile = "local",
    stop: Annotated[bool, typer.Option("--stop", help="Stop apps that can't be copied while they run.")] = False,
    without_backup: Annotated[bool, typer.Option("--without-backup", help="Make no copy of the apps' state first.")] = False,
    dry_run: DryRun = False,
    timeout: Timeout = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Take newer images of apps, a group at a time, after a backup of their state.

    An app that does not become healthy goes back to its previous image and state, with its group. Exit 1 where that happened.
    `portable rollback` goes back later; `portable upkeep --task images` only lists newer images.
    """
    from portable.cli.progress import printed
    from portable.upkeep import updates

    names = tuple(dict.fromkeys(apps or ()))
    opener = _Opener(profile, sets, catalogs)
    here = opener()
    if dry_run:
        with reader_of(opener.place) as reader:
            return _foreseen(updates.foresee(reader, here, names, stop=stop, without_backup=without_backup), output)

    def work(driver: "StackDriver") -> "Iterator[Updated]":
        return updates.apply(driver, opener, names, stop=stop, without_backup=without_backup, deadline=timeout, progress=printed)

    return _carried_out(opener, work, output)


def rollback(
    apps: Apps = None,
    profile: Profile = "local",
    with_state: Annotated[bool, typer.Option("--with-state", help="Put back the state before the update too, from its backup.")] = False,
    dry_run: DryRun = False,
    timeout: Timeout = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Roll apps back to the images before their last update, each with its group.

    State stays as it is, unless --with-state is given: an older program may not read what a newer one has changed.
    """
    from portable.cli.progress import printed
    from portable.upkeep import updates

    names = tuple(dict.fromkeys(apps or ()))
    opener = _Opener(profile, sets, catalogs)
    here = opener()
    if dry_run and with_state:
        with driver_of(opener.place) as driver:
            return _foreseen(updates.foresee_back(here, names, state_by=driver), output)
    if dry_run:
        return _foreseen(updates.foresee_back(here, names), output)

    def work(driver: "StackDriver") -> "Iterator[Updated]":
        return updates.back(driver, opener, names, with_state=with_state, deadline=timeout, progress=printed)

    return _carried_out(opener, work, output)


class _Opener:
    """Reads the place anew each time it is called, since an update changes a file of it."""

    def __init__(self, profile: str, sets: Sequence[str], catalogs: Sequence[Path]) -> None:
        self._asked = profile, sets, catalogs
        self._place: Place | None = None

    def __call__(self) -> "Opened":
        place, here = _opened(*self._asked)
        self._place = self._place or place
        return here

    @property
    def place(self) -> "Place":
        """The place as it was read first."""
        assert self._place is not None
        return self._place


def _foreseen(steps: _Steps, output: Format) -> int:
    """Show what would be done."""
    rows, sentences = steps
    _shown(rows, output)
    for sentence in sentences if output is Format.text else ():
        show.line(sentence)
    return _code(rows)


def _carried_out(opener: _Opener, work: "Callable[[StackDriver], Iterator[Updated]]", output: Format) -> int:
    """Do it, and show the result of each image; errors are printed after what was done."""
    with driver_of(opener.place) as driver:
        done, error = _gathered(work(driver))
    _shown(done, output)
    for said in dict.fromkeys(f"{row.group}: what ran before runs again: {row.why}" for row in done if row.why):
        say(said)
    for said in dict.fromkeys(f"{row.app}: {row.text}" for row in done if row.result in ("failed", "back") and row.text):
        say(said)
    if output is Format.text and (taken := sorted({row.group for row in done if row.result == "taken"})):
        show.line(f"the way back: `portable rollback {' '.join(taken)}`")
    if error is not None:
        raise error
    return _code(done)


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
    """The commands that do what these options of `portable upkeep` did once; none where none of them was given."""
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
    """The apps and groups of a list with commas; none stands for all of them."""
    named = [name for name in names.split(",") if name]
    return [] if "all" in named else named


def _opened(profile: str, sets: Sequence[str], catalogs: Sequence[Path]) -> "tuple[Place, Opened]":
    from portable.upkeep.updates import Opened

    place, planned = open_place(profile, sets, catalogs, strict=False)
    return place, Opened(stack=place.stack, source=place.source, planned=planned)


def _gathered(doing: "Iterable[Updated]") -> "tuple[tuple[Updated, ...], PortableError | None]":
    """What was done, and what ended it."""
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
    told = [row for row in rows if row.result in ("failed", "back")]  # below, in full
    cells = [(r.group, r.app, r.image, r.result, _short(r.before), _short(r.digest), r.text if r not in told else "") for r in rows]
    show.table(("group", "app", "image", "result", "before", "digest", "text"), cells, output, schema="updates")


def _short(digest: str) -> str:
    """As much of a digest as tells it from others."""
    return digest.removeprefix("sha256:")[:12] or "-"


def _code(rows: "Sequence[Updated]") -> int:
    return FAILED if any(row.result == "failed" or row.silent for row in rows) else 0
