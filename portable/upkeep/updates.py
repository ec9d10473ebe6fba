"""Updates groups to newer images, one at a time: pull, back up, record, start, wait; and roll back if that fails.

Each step is recorded in the file of images before anything is started, so that the same command completes what was interrupted.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from portable.live.driver import StackDriver, StackReader
from portable.local.lock import locked
from portable.model.errors import PortableError, Refused, UnhealthyError
from portable.model.plan import Group
from portable.model.progress import Event, Progress, silent
from portable.profiles.images import BACK
from portable.upkeep import backup, image_file
from portable.upkeep.image_file import Open, ReopenedStack, Updated, bring, exclusive, file_of, replaced_rows
from portable.upkeep.rollbacks import go_back
from portable.upkeep.updating import (
    NewerImage,
    RegistryQueries,
    Update,
    begun,
    groups_of,
    keeps_state,
    replaced,
    returning,
    taken,
    update_of,
)


def foresee(
    driver: StackReader, opened: ReopenedStack, names: Sequence[str], *, stop: bool = False, without_backup: bool = False
) -> tuple[tuple[Updated, ...], tuple[str, ...]]:
    """What `apply` would do, as rows and as sentences. Needs only a reader."""
    file, rows, sentences = file_of(opened), list[Updated](), list[str]()
    registries = RegistryQueries(driver.offered)
    for group, update in _available(driver, opened, groups_of(opened.planned.plan, names), registries, stop=stop, without=without_backup):
        if unfinished := opened.images.unfinished(group.apps):
            sentences.append(f"{group.name}: complete the unfinished update or rollback of {', '.join(unfinished)}")
            continue
        sentences += [f"{group.name}: {step}" for step in (update.steps(str(file)) if update.images else ())]
        rows += _rows(opened, group, registries)
    return tuple(rows), tuple(sentences)


def apply(
    driver: StackDriver,
    opened: Open,
    names: Sequence[str],
    *,
    stop: bool = False,
    without_backup: bool = False,
    deadline: float | None = None,
    now: Callable[[], str] = lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    progress: Progress = silent,
) -> Iterator[Updated]:
    """Update groups one after another, yielding each row once it is known. End after a group that was rolled back.

    `stop` stops apps that cannot be copied while they run, `without_backup` skips the backup of state, `deadline` is in seconds. Raises
    Refused before anything is changed, if state would be at risk, or if a group differs from its files.
    """
    with exclusive(opened, "update", progress) as first:
        registries = RegistryQueries(driver.offered)
        for group, update in _available(
            driver, first, groups_of(first.planned.plan, names), registries, stop=stop, without=without_backup, progress=progress
        ):
            place = opened()
            if place.images.unfinished(group.apps, *BACK):
                why = "an earlier update failed, or was being rolled back"
                yield from go_back(driver, opened, group, why=why, deadline=deadline, progress=progress)
                return
            if not place.images.unfinished(group.apps, "taking"):
                yield from _rows(place, group, registries, but=update.images)
                if not update.images:
                    continue
                _begin(driver, opened, update, now=now, progress=progress)
            failed = False
            for row in _complete(driver, opened, group, deadline=deadline, progress=progress):
                yield row
                failed = failed or row.result == "failed"
            if failed:
                return


# --- before anything is done -----------------------------------------------------------------------------------------


def _available(
    driver: StackReader,
    place: ReopenedStack,
    groups: Sequence[Group],
    registries: RegistryQueries,
    *,
    stop: bool,
    without: bool,
    progress: Progress = silent,
) -> tuple[tuple[Group, Update], ...]:
    """The updates of each group. Raises Refused for any obstacle before the first change, so that nothing is left half-done."""
    available, down = list[tuple[Group, Update]](), set[str]()
    unlocked = backup.with_unlocked_databases(place.stack, place.planned.plan)
    for group in groups:
        if place.images.unfinished(group.apps):  # its images are recorded already
            available.append((group, Update(group=group.name, apps=group.apps, images=())))
            continue
        down |= backup.finish(place.on(driver), apps=group.apps, progress=progress)
        progress(Event(what="doing", subject=group.name, text="checking for newer images"))
        available.append((group, update_of(place.planned, group, registries, backup=not without, stopped=unlocked)))
    new = [update for _, update in available if update.images]
    lasting = sorted({app for update in new for app in update.kept})
    if lasting and not backup.has_backup_runner(place.planned.plan):
        raise Refused(
            f"a newer program may change the state of {', '.join(lasting)} so that the older one cannot read it, and no app makes backups",
            code="update.no-backups",
            where=place.stack.project,
            remedy=f"add `backup` to the apps of the profile ({backup.store_setting(place.planned.plan)}) and run `portable up backup`; "
            "or skip the backup with `--without-backup`",
        )
    uncovered = sorted(set(lasting) - set(backup.covered_by(place.stack, place.planned.plan))) if lasting else []
    if uncovered:
        raise Refused(
            f"the state of {', '.join(uncovered)} cannot be backed up here",
            code="update.not-covered",
            where=place.stack.project,
            remedy="skip the backup with `--without-backup`",
        )
    if not stop and (still := sorted({app for update in new for app in update.stopped})):
        raise Refused(
            f"a backup of {', '.join(still)} may be inconsistent if it is made while they run",
            code="update.needs-stop",
            where=place.stack.project,
            remedy="add `--stop` to stop them during the backup, or `--without-backup` to update without one",
        )
    for update in new:
        if changes := [c for c in place.on(driver).diff(apps=update.apps) if c.app not in down]:
            raise Refused(
                f"{update.group}, as it runs, differs from the profile: " + "; ".join(change.sentence() for change in changes),
                code="update.drift",
                where=place.stack.project,
                remedy=f"run `portable up {' '.join(update.apps)}` first, which applies the profile; then run the update again",
            )
    return tuple(available)


def _rows(place: ReopenedStack, group: Group, registries: RegistryQueries, *, but: Sequence[NewerImage] = ()) -> Iterator[Updated]:
    """Yield what is known of each image of a group, except for those in `but`, whose rows come later."""
    later = {(image.app, image.container) for image in but}
    for app in place.planned.plan.apps:
        for container in app.containers if app.name in group.apps else ():
            image, answer = container.image, registries.ask(container.image.reference)
            if (app.name, container.name) not in later:
                yield Updated(
                    group=group.name,
                    app=app.name,
                    container=container.name,
                    image=image.tagged,
                    result=answer.result,
                    before=image.digest or "",
                    digest=answer.digest,
                    text=answer.text,
                    silent=answer.silent,
                )


# --- updating --------------------------------------------------------------------------------------------------------


def _begin(driver: StackDriver, opened: Open, update: Update, *, now: Callable[[], str], progress: Progress) -> None:
    """Pull, back up, and record the new images. All apps keep running, except those that are copied while stopped."""
    place = opened()
    bring(driver, place, [(f"{image.image}@{image.digest}", image.app) for image in update.images], progress)
    backups: dict[str, str] = {}
    for stop in (False, True):
        if apps := tuple(app for app in update.kept if (app in update.stopped) == stop):
            progress(Event(what="doing", subject=update.group, text=f"backing up {', '.join(apps)}{' while stopped' if stop else ''}"))
            made = backup.back_up(place.on(driver), place.planned.plan, apps=apps, stop=stop, progress=progress)
            if failures := [row for row in made if row.result != "done"]:
                reasons = "; ".join(f"{row.app}: {', '.join(row.notes) or row.result}" for row in failures)
                text = f"nothing was changed, because the backup failed: {reasons}"
                remedy = "fix the cause, or skip the backup with `--without-backup`"
                raise PortableError(text, code="update.backup-failed", where=update.group, remedy=remedy)
            backups |= {row.app: row.at for row in made}
    place = opened()
    progress(Event(what="doing", subject=update.group, text=f"writing the new images to {file_of(place)}"))
    image_file.write(opened, begun(place.planned, update, at=now(), backups=backups))


def _complete(driver: StackDriver, opened: Open, group: Group, *, deadline: float | None, progress: Progress) -> Iterator[Updated]:
    """Start the recorded images and wait until the group is healthy; roll back if it does not become healthy.

    All other errors are raised, and the same command goes on: the project is locked, a secret is missing, the engine is away, the time is
    over. An error is raised too if the new image ran before this command began: for how long is unknown, and a rollback would move its
    state aside.
    """
    place = opened()
    apps = place.images.unfinished(group.apps, "taking")
    ran_before = _ran(driver, place, apps)
    try:
        if set(ran_before) != set(apps) or not _is_healthy(driver, place, group):
            place.on(driver).up(apps=tuple(sorted(group.apps)), deadline=deadline, progress=progress)
    except UnhealthyError as error:
        if not error.apps & set(group.apps):
            raise
        if lasting := [app for app in ran_before if keeps_state(place.planned, app)]:
            raise _undecided(place, group, lasting, error) from None
        progress(Event(what="doing", subject=group.name, text=f"rolling back, because it did not become healthy: {error.text}"))
        with locked(place.stack.project, "update", progress=progress) as lock:  # no command starts a new image after this check
            restored = [app for app in _ran(driver, place, apps) if place.images.images[app].backup]
            image_file.write(opened, returning(place.images, apps, restored=restored), held=lock)
        yield from go_back(driver, opened, group, why=error.text, deadline=deadline, progress=progress)
        return
    image_file.write(opened, taken(opened().images, apps))
    for app in apps:
        yield from replaced_rows(place, group, app, "taken", text="healthy")


def _undecided(place: ReopenedStack, group: Group, lasting: Sequence[str], error: PortableError) -> PortableError:
    """Make the error for apps that ran the new image before this command, perhaps healthy for long: a person decides on the rollback."""
    has_backup = any(place.images.images[app].backup for app in lasting)
    text = f"{', '.join(lasting)} already ran the new image before this command, and is unhealthy: {error.text}"
    rollback = f"`portable rollback {lasting[0]}{' --with-state' if has_backup else ''}`"
    state = " (it restores the previous state too, and moves the newer state aside)" if has_backup else ""
    remedy = f"fix the cause and run the same command again, or roll back with {rollback}{state}"
    return PortableError(text, code="update.undecided", where=group.name, remedy=remedy)


def _is_healthy(driver: StackDriver, place: ReopenedStack, group: Group) -> bool:
    """Whether all of the group runs the images in its files, and is healthy."""
    wanted = {container.image.reference for app in place.planned.plan.apps if app.name in group.apps for container in app.containers}
    rows = [row for row in place.on(driver).status() if row.app in group.apps]
    return not any(row.reason for row in rows) and wanted <= {row.image for row in rows}


def _ran(driver: StackDriver, place: ReopenedStack, apps: Sequence[str]) -> tuple[str, ...]:
    """Those of these apps that have a container of a new image. An app without one has written no state with it."""
    used = place.on(driver).images_in_use()
    wanted = {app.name: {container.image.reference for container in app.containers} for app in place.planned.plan.apps}
    new = {app: {f"{entry.tagged}@{entry.digest}" for entry in replaced(place.planned, app).values()} for app in apps}
    return tuple(app for app in apps if any((app, image) in used for image in wanted[app] & new[app]))
