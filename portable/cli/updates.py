"""`portable upkeep --task images --apply | --back`: newer images taken, and taken back."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from portable.cli import show
from portable.cli.errors import say
from portable.cli.hints import typed
from portable.cli.options import Format
from portable.cli.up import driver_of, open_place, reader_of
from portable.model.errors import FAILED, PortableError, UsageError

if TYPE_CHECKING:
    from portable.live.place import Place
    from portable.upkeep.updates import Opened, Updated

_COLUMNS = ("group", "app", "container", "image", "result", "before", "digest", "backup", "text", "why")


class Asked(NamedTuple):
    """The options that are about images alone."""

    take: str = ""
    back: str = ""
    with_state: bool = False
    stop: bool = False
    without_backup: bool = False
    dry_run: bool = False
    timeout: float | None = None


def change_images(asked: Asked, task: str, profile: str, sets: Sequence[str], catalogs: Sequence[Path], output: Format) -> int:
    """Do it, and show what became of each image; what went wrong is told after what was done."""
    from portable.cli.progress import printed
    from portable.upkeep import updates

    names = _names(asked, task)

    def opened() -> "Opened":
        place, here = _opened(profile, sets, catalogs)
        places.append(place)
        return here

    places: list[Place] = []
    here = opened()
    if asked.dry_run:
        if asked.back and asked.with_state:
            with driver_of(places[0]) as driver:
                rows, steps = updates.foresee_back(here, names, state_by=driver)
        elif asked.back:
            rows, steps = updates.foresee_back(here, names)
        else:
            with reader_of(places[0]) as reader:
                rows, steps = updates.foresee(reader, here, names, stop=asked.stop, without_backup=asked.without_backup)
        _shown(rows, output)
        for step in steps if output is Format.text else ():
            show.line(step)
        return _code(rows)
    with driver_of(places[0]) as driver:
        doing = (
            updates.back(driver, opened, names, with_state=asked.with_state, deadline=asked.timeout, progress=printed)
            if asked.back
            else updates.apply(
                driver,
                opened,
                names,
                stop=asked.stop,
                without_backup=asked.without_backup,
                deadline=asked.timeout,
                progress=printed,
            )
        )
        done, error = _gathered(doing)
    _shown(done, output)
    for said in dict.fromkeys(f"{row.group}: what ran before runs again: {row.why}" for row in done if row.why):
        say(said)
    for said in dict.fromkeys(f"{row.app}: {row.text}" for row in done if row.result in ("failed", "back") and row.text):
        say(said)
    if output is Format.text and (taken := sorted({row.group for row in done if row.result == "taken"})):
        show.line(typed(f"the way back: `portable upkeep --task images --back {','.join(taken)}`"))
    if error is not None:
        raise error
    return _code(done)


def _names(asked: Asked, task: str) -> tuple[str, ...]:
    """The apps and groups that are meant. Raises UsageError for words that do not go together."""
    where = "upkeep"
    if task not in ("", "images"):
        raise UsageError(f"--apply and --back are about images, not about {task}", where=where, remedy="write `--task images`")
    if bool(asked.take) == bool(asked.back):
        raise UsageError("name what to take (--apply) or what to take back (--back)", where=where, remedy="`--apply sonarr`, `--apply all`")
    if asked.back and (asked.stop or asked.without_backup):
        raise UsageError("--stop and --without-backup are about taking images", where=where, remedy="leave them out of --back")
    if asked.take and asked.with_state:
        raise UsageError("--with-state is about going back", where=where, remedy="leave it out: an update that fails restores state itself")
    if not (names := tuple(name for name in (asked.take or asked.back).split(",") if name)):
        raise UsageError("name an app, a group, or `all`", where=where, remedy="several with commas: `--apply sonarr,radarr`")
    return names


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
