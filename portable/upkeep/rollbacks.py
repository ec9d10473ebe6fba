"""Rolls groups back to the images before their last update, on request or after a failed update, and restores their state if wanted.

Each step is recorded in the file of images first, so that the same command completes what was interrupted.
"""

from collections.abc import Iterator, Sequence

from portable.live.driver import StackDriver
from portable.live.restoring import restoring
from portable.model.errors import PortableError, Refused
from portable.model.plan import Group
from portable.model.progress import Progress, silent
from portable.profiles.images import BACK
from portable.upkeep import backup, image_file
from portable.upkeep.image_file import Open, ReopenedStack, Updated, bring, exclusive, file_of, replaced_rows
from portable.upkeep.updating import groups_of, keeps_state, put_back, replaced, returned, returning, taken, taking_again

_ASIDE = "`.before-restore-<time>`"
"""Stands in messages for the folder of the previous state where its exact name is no longer on record."""


def foresee_back(
    opened: ReopenedStack, names: Sequence[str], *, state_by: StackDriver | None = None
) -> tuple[tuple[Updated, ...], tuple[str, ...]]:
    """What `back` would do, as rows and as sentences. With an engine in `state_by`, which lists the backups, include the state.

    Raises Refused where `back` would.
    """
    file, rows, sentences = file_of(opened), list[Updated](), list[str]()
    groups = _returnable(opened, names)
    if state_by is not None:
        _refuse_without_state(state_by, opened, [app for group in groups for app in _with_update(opened, group)])
    for group in groups:
        apps = _with_update(opened, group)
        restored = _restored(opened, apps) if state_by is not None else []
        sentences += [f"{group.name}: write the previous images of {', '.join(apps)} to {file}"]
        sentences += [f"{group.name}: restore the state of {app} from {opened.images.images[app].backup}" for app in restored]
        sentences += [f"{group.name}: recreate {', '.join(apps)}, and wait until all of {group.name} is healthy"]
        rows += [row for app in apps for row in _returned_rows(opened, group, app, "", "")]
    return tuple(rows), tuple(sentences)


def back(
    driver: StackDriver,
    opened: Open,
    names: Sequence[str],
    *,
    with_state: bool = False,
    deadline: float | None = None,
    progress: Progress = silent,
) -> Iterator[Updated]:
    """Roll groups back to the images before their last update, and `with_state` to the state of then. `deadline` is in seconds.

    Raises Refused, with nothing changed, if there is no update to roll back, or if the backup of its state no longer exists.
    """
    with exclusive(opened, "rollback", progress) as first:
        groups = _returnable(first, names)
        if with_state:
            _refuse_without_state(driver, first, [app for group in groups for app in _with_update(first, group)])
        for group in groups:
            place = opened()
            going = _with_update(place, group)
            bring(driver, place, _before(place, going), progress)
            image_file.write(opened, returning(place.images, going, restored=_restored(place, going) if with_state else ()))
            yield from go_back(driver, opened, group, deadline=deadline, progress=progress)


def _returnable(place: ReopenedStack, names: Sequence[str]) -> tuple[Group, ...]:
    """The groups that have an update to roll back. Raises Refused if there are none."""
    groups = tuple(group for group in groups_of(place.planned.plan, names) if _with_update(place, group))
    if not groups:
        about = f" of {', '.join(names)}" if names else ""
        remedy = "pin another digest under `override` of the profile, then run `portable up`"
        raise Refused(f"no update{about} is recorded", code="update.no-record", where=str(file_of(place)), remedy=remedy)
    return groups


def _with_update(place: ReopenedStack, group: Group) -> tuple[str, ...]:
    """The apps of a group that were part of its newest update that can be rolled back, or whose update or rollback is unfinished."""
    recorded, unfinished = place.images.images, place.images.unfinished(group.apps)
    able = [app for app in group.apps if replaced(place.planned, app)]
    newest = max((recorded[app].at for app in able), default="")
    return tuple(app for app in group.apps if app in unfinished or (app in able and recorded[app].at == newest))


def _restored(place: ReopenedStack, apps: Sequence[str]) -> list[str]:
    """Those of these apps whose previous state has not been restored yet."""
    recorded = place.images.images
    return [app for app in apps if recorded[app].backup and recorded[app].step != "restored"]


def _before(place: ReopenedStack, apps: Sequence[str]) -> list[tuple[str, str]]:
    """The previous images, each with its app."""
    return [(f"{entry.tagged}@{entry.before}", app) for app in apps for entry in replaced(place.planned, app).values()]


def _refuse_without_state(driver: StackDriver, place: ReopenedStack, apps: Sequence[str]) -> None:
    """Raise Refused if the state should be restored and has no backup."""
    recorded = place.images.images
    wanted = {app: recorded[app].backup for app in apps if recorded[app].step != "restored"}
    if bare := [app for app, at in wanted.items() if at is None and keeps_state(place.planned, app)]:
        text = f"the update of {', '.join(bare)} was made without a backup of its state"
        raise Refused(text, code="update.no-state", remedy="roll back without `--with-state`")
    saved = {app: at for app, at in wanted.items() if at is not None}
    listed = backup.listed(place.on(driver), place.planned.plan, apps=tuple(saved)) if saved else ()
    if gone := [f"{app} of {at}" for app, at in saved.items() if not any((row.app, row.at) == (app, at) for row in listed)]:
        remedy = (
            "roll back without `--with-state`; then list the backups with `portable backup --list`, "
            "and restore one with `portable restore APP --at TIME`"
        )
        raise Refused(f"the backup of {', '.join(gone)} no longer exists", code="update.backup-gone", remedy=remedy)


def go_back(
    driver: StackDriver, opened: Open, group: Group, *, why: str = "", deadline: float | None, progress: Progress
) -> Iterator[Updated]:
    """Complete a rollback: restore the state if that is recorded, then run the previous images. `why` is the cause of a failed update.

    Raises PortableError if the previous images do not become healthy either; the same command goes on.
    """
    place = opened()
    apps, plan, recorded = place.images.unfinished(group.apps, *BACK), place.planned.plan, place.images.images
    texts = dict.fromkeys(apps, "")
    for app in place.images.unfinished(group.apps, "restored"):
        texts[app] = _restored_text(recorded[app].backup or "", _ASIDE)
    for app in place.images.unfinished(group.apps, "restoring"):
        at = recorded[app].backup or ""
        row = backup.restore(place.on(driver), plan, app, at=at, start=False, progress=progress)
        if row.result != "done":
            raise _not_restored(driver, opened, group, app, ", ".join(row.notes) or row.result, deadline=deadline, progress=progress)
        texts[app] = _restored_text(at, row.before or _ASIDE)
        image_file.write(opened, put_back(opened().images, app))
    rows = [row for app in apps for row in _returned_rows(place, group, app, texts[app], why)]
    try:
        place.on(driver).up(apps=tuple(sorted(group.apps)), deadline=deadline, progress=progress)
    except PortableError as error:
        text = f"cannot complete the rollback: {error.text}" + (f"\nthe update had failed: {why}" if why else "")
        remedy = "fix the cause, then run the same command again: it continues the rollback"
        raise PortableError(text, code=error.code, where=group.name, remedy=remedy) from None
    image_file.write(opened, returned(opened().images, apps))
    yield from rows


def _restored_text(at: str, folder: str) -> str:
    return f"its state was restored from the backup of {at}; its newer state is in {folder} of its folder"


def _not_restored(
    driver: StackDriver, opened: Open, group: Group, app: str, reason: str, *, deadline: float | None, progress: Progress
) -> PortableError:
    """Make the error for state that cannot be restored. If no state of the group has changed, the new images are started again first."""
    place = opened()
    going = place.images.unfinished(group.apps, *BACK)
    text = f"cannot restore its state of {place.images.images[app].backup}: {reason}"
    without = f"`portable rollback {app}`"
    if restoring(place.stack.project).keys() & set(going) or place.images.unfinished(going, "restored"):
        down = sorted(set(going) - {app for app, _ in place.on(driver).images_in_use()})
        stopped = f"; {', '.join(down)} {'is' if len(down) == 1 else 'are'} stopped" if down else ""
        remedy = f"run the same command again, or roll back without that state: {without}"
        return PortableError(f"{text}{stopped}", code="update.state-not-restored", where=app, remedy=remedy)
    image_file.write(opened, taking_again(place.images, going))
    place, run = opened(), "runs" if len(going) == 1 else "run"
    outcome = f"nothing was changed, and {', '.join(going)} {run} the new image again"
    try:
        place.on(driver).up(apps=tuple(sorted(group.apps)), deadline=deadline, progress=progress)
    except PortableError as error:
        outcome = f"nothing was changed, but the new image cannot be started again: {error.text}"
    else:
        image_file.write(opened, taken(opened().images, going))
    remedy = f"roll back without that state: {without}"
    return PortableError(f"{text}; {outcome}", code="update.state-not-restored", where=app, remedy=remedy)


def _returned_rows(place: ReopenedStack, group: Group, app: str, state: str, why: str) -> Iterator[Updated]:
    update = place.images.images[app]
    if not state and keeps_state(place.planned, app):
        state = "its state is kept, and the older program may not be able to read it"
        state += f": restore the previous state with `portable restore {app} --at {update.backup}`" if update.backup else ""
    yield from replaced_rows(place, group, app, "failed" if why else "back", text=state, why=why)
