"""Takes newer images, a group at a time, with a way back: bring, back up, write down, start, wait; and all of it back where it fails.

What is under way stands in the file of images before anything is started, so that the same command completes what was killed.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from portable.live.driver import StackDriver, StackReader
from portable.live.image_needs import ImageNeed
from portable.live.restoring import restoring
from portable.live.stack import Stack
from portable.local.files import write_private
from portable.local.lock import Lock, locked
from portable.model.base import Struct
from portable.model.errors import PortableError, Refused, UnhealthyError
from portable.model.plan import Group
from portable.model.progress import Event, Progress, silent
from portable.planning import Planned
from portable.profiles.images import BACK, Images
from portable.secrets.sources import Source
from portable.upkeep import backup
from portable.upkeep.updating import (
    Newer,
    Registries,
    Update,
    begun,
    groups_of,
    keeps_state,
    put_back,
    replaced,
    returned,
    returning,
    taken,
    taking_again,
    update_of,
)

_ASIDE = "`.before-restore-<time>`"
"""Where no command knows any more which it was."""
Result = Literal["same", "unknown", "newer", "taken", "back", "failed"]


D = TypeVar("D", bound=StackReader)


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A place as its files say it now."""

    stack: Stack
    source: Source
    planned: Planned

    @property
    def images(self) -> Images:
        """What was taken."""
        return self.planned.given.images

    def on(self, driver: D) -> D:
        """The driver, for the stack as it is here."""
        return driver.rebound(self.stack, self.source)


Open = Callable[[], Opened]


class Updated(Struct, frozen=True, kw_only=True):
    """What became of an image; one row each."""

    group: str
    app: str = ""
    container: str = ""
    image: str = ""
    """Repository and tag."""
    result: Result
    """same, unknown: nothing to take; newer: it would be; taken; back: what was there before runs again; failed: that, by itself."""
    before: str = ""
    digest: str = ""
    """What runs, or would."""
    backup: str = ""
    """Of the app's state, of just before."""
    text: str = ""
    why: str = ""
    """Of what failed: why, with the last lines that the app wrote."""
    silent: bool = False
    """Its registry offered nothing, and may at another time."""


def file_of(opened: Opened) -> Path:
    """Where what was taken stands. Raises Refused where nothing would find it again, or this user may not write there."""
    file = opened.planned.given.images_file
    if file is None:
        profile = opened.planned.plan.profile
        raise Refused(
            f"{profile} is a shipped profile, and no `portable.yaml` is here or above: what is taken for it would be found from nowhere",
            remedy="write a `portable.yaml` (`portable: 1`, `name: media`) in a folder of yours, and run this there",
        )
    there = next(folder for folder in file.resolve().parents if folder.is_dir())
    if not os.access(there, os.W_OK):
        raise Refused("what is taken stands here, and you may not write here", where=str(file), remedy="run it as who owns that folder")
    return file


def foresee(
    driver: StackReader, opened: Opened, names: Sequence[str], *, stop: bool = False, without_backup: bool = False
) -> tuple[tuple[Updated, ...], tuple[str, ...]]:
    """What `apply` would do, as rows and as sentences. Needs no method that writes."""
    file, rows, sentences = file_of(opened), list[Updated](), list[str]()
    registries = Registries(driver.offered)
    for group, update in _asked(driver, opened, groups_of(opened.planned.plan, names), registries, stop=stop, without=without_backup):
        if begun_before := opened.images.unfinished(group.apps):
            sentences.append(f"{group.name}: complete what was begun for {', '.join(begun_before)}")
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
    """Take newer images, group after group, each row as it is known; ends after a group that had to be put back.

    `stop` stops apps that can't be copied while they run, `without_backup` goes without a copy of their state. Raises Refused before
    anything is done, where state would be at stake or a group does not run what its files say now.
    """
    with _alone(opened, "update", progress) as first:
        registries = Registries(driver.offered)
        for group, update in _asked(
            driver, first, groups_of(first.planned.plan, names), registries, stop=stop, without=without_backup, progress=progress
        ):
            here = opened()
            if here.images.unfinished(group.apps, *BACK):
                yield from _go_back(
                    driver, opened, group, why="the update had failed, or was taken back", deadline=deadline, progress=progress
                )
                return
            if not here.images.unfinished(group.apps, "taking"):
                yield from _rows(here, group, registries, but=update.images)
                if not update.images:
                    continue
                _begin(driver, opened, update, now=now, progress=progress)
            failed = False
            for row in _complete(driver, opened, group, deadline=deadline, progress=progress):
                yield row
                failed = failed or row.result == "failed"
            if failed:
                return


def foresee_back(
    opened: Opened, names: Sequence[str], *, state_by: StackDriver | None = None
) -> tuple[tuple[Updated, ...], tuple[str, ...]]:
    """What `back` would do, as rows and as sentences; with the state of before where an engine is given, whose keeper lists what there is.

    Raises Refused where `back` would.
    """
    file, rows, sentences = file_of(opened), list[Updated](), list[str]()
    groups = _returnable(opened, names)
    if state_by is not None:
        _refuse_without_state(state_by, opened, [app for group in groups for app in _with_update(opened, group)])
    for group in groups:
        apps = _with_update(opened, group)
        restored = _restored(opened, apps) if state_by is not None else []
        sentences += [f"{group.name}: write what {', '.join(apps)} ran before to {file}"]
        sentences += [f"{group.name}: put back the state of {app} of {opened.images.images[app].backup}" for app in restored]
        sentences += [f"{group.name}: start {', '.join(apps)} anew, and wait until all of {group.name} is well"]
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
    """Run what ran before the last update of these groups, with the state of before where that is asked for.

    Raises Refused where there is nothing to go back to, or no such state any more, with nothing changed.
    """
    with _alone(opened, "rollback", progress) as first:
        groups = _returnable(first, names)
        if with_state:
            _refuse_without_state(driver, first, [app for group in groups for app in _with_update(first, group)])
        for group in groups:
            here = opened()
            going = _with_update(here, group)
            _bring(driver, here, _before(here, going), progress)
            _write(opened, returning(here.images, going, restored=_restored(here, going) if with_state else ()))
            yield from _go_back(driver, opened, group, deadline=deadline, progress=progress)


@contextlib.contextmanager
def _alone(opened: Open, verb: str, progress: Progress) -> Iterator[Opened]:
    """The place as it is once no other update is at work on it. Raises Refused, before anything is written, where `file_of` does."""
    here = opened()
    file_of(here)
    with locked(f"_images-{here.stack.project}", verb, progress=progress):
        yield opened()


# --- before anything is done -----------------------------------------------------------------------------------------


def _asked(
    driver: StackReader,
    here: Opened,
    groups: Sequence[Group],
    registries: Registries,
    *,
    stop: bool,
    without: bool,
    progress: Progress = silent,
) -> tuple[tuple[Group, Update], ...]:
    """What there is for each group. Raises Refused for all that stands against it at once, so that nothing is left half-done."""
    found, left = list[tuple[Group, Update]](), set[str]()
    for group in groups:
        if here.images.unfinished(group.apps):  # what it was about is known
            found.append((group, Update(group=group.name, apps=group.apps, images=())))
            continue
        left |= backup.finish(here.on(driver), apps=group.apps, progress=progress)
        progress(Event(what="doing", subject=group.name, text="asking for newer images"))
        found.append((group, update_of(here.planned, group, registries, backup=not without)))
    new = [update for _, update in found if update.images]
    lasting = sorted({app for update in new for app in update.kept})
    if lasting and not backup.keeps_backups(here.planned.plan):
        raise Refused(
            f"a newer program may change what {', '.join(lasting)} keeps so that the older one can't read it, and nothing here backs it up",
            where=here.stack.project,
            remedy="add `backup` to the apps of the profile (`storage: {backups: {folder: /srv/backups}}`) and `portable up backup`; "
            "or say `--without-backup`",
        )
    far = sorted(set(lasting) - set(backup.kept_of(here.planned.plan))) if lasting else []
    if far:
        raise Refused(
            f"the state of {', '.join(far)} can't be backed up here", where=here.stack.project, remedy="or say `--without-backup`"
        )
    if not stop and (still := sorted({app for update in new for app in update.stopped})):
        raise Refused(
            f"no copy of {', '.join(still)} would be sound while it runs",
            where=here.stack.project,
            remedy="`--stop` stops it meanwhile; `--without-backup` goes without a copy",
        )
    for update in new:
        if changes := [c for c in here.on(driver).diff(apps=update.apps) if c.app not in left]:
            raise Refused(
                f"{update.group} does not run what its files say, so nobody could tell what an update changes: "
                + "; ".join(change.sentence() for change in changes),
                where=here.stack.project,
                remedy=f"`portable up {' '.join(update.apps)}` first",
            )
    return tuple(found)


def _rows(here: Opened, group: Group, registries: Registries, *, but: Sequence[Newer] = ()) -> Iterator[Updated]:
    """What is known of each image of a group, except for those that are told later."""
    later = {(image.app, image.container) for image in but}
    for app in here.planned.plan.apps:
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


# --- taking ----------------------------------------------------------------------------------------------------------


def _begin(driver: StackDriver, opened: Open, update: Update, *, now: Callable[[], str], progress: Progress) -> None:
    """Bring, back up, write down. Nothing is down meanwhile, but for apps that are copied while they are stopped."""
    here = opened()
    _bring(driver, here, [f"{image.image}@{image.digest}" for image in update.images], progress)
    backups: dict[str, str] = {}
    for stop in (False, True):
        if apps := tuple(app for app in update.kept if (app in update.stopped) == stop):
            progress(Event(what="doing", subject=update.group, text=f"backing up {', '.join(apps)}{' while stopped' if stop else ''}"))
            made = backup.back_up(here.on(driver), here.planned.plan, apps=apps, stop=stop, progress=progress)
            if wrong := [row for row in made if row.result != "done"]:
                said = "; ".join(f"{row.app}: {', '.join(row.notes) or row.result}" for row in wrong)
                raise PortableError(f"nothing was changed, since there is no sound backup of {said}", where=update.group)
            backups |= {row.app: row.at for row in made}
    here = opened()
    progress(Event(what="doing", subject=update.group, text=f"writing what it shall run to {file_of(here)}"))
    _write(opened, begun(here.planned, update, at=now(), backups=backups))


def _complete(driver: StackDriver, opened: Open, group: Group, *, deadline: float | None, progress: Progress) -> Iterator[Updated]:
    """Start what is being taken, and wait until it is well; what does not get well is put back.

    All other trouble (somebody else is at work, a secret is missing, the engine is away, time is over) is raised: the same command goes on.
    So is it where a newer program ran before this command began: nobody knows for how long, and its state would be put aside.
    """
    here = opened()
    apps = here.images.unfinished(group.apps, "taking")
    ran_before = _ran(driver, here, apps)
    try:
        if set(ran_before) != set(apps) or not _is_well(driver, here, group):
            here.on(driver).up(apps=tuple(sorted(group.apps)), deadline=deadline, progress=progress)
    except UnhealthyError as error:
        if not error.apps & set(group.apps):
            raise
        if lasting := [app for app in ran_before if keeps_state(here.planned, app)]:
            raise _left_to_a_person(here, group, lasting, error) from None
        progress(Event(what="doing", subject=group.name, text=f"putting it back, since it did not get well: {error.text}"))
        with locked(here.stack.project, "update", progress=progress) as held:  # nobody starts a newer one after the look
            restored = [app for app in _ran(driver, here, apps) if here.images.images[app].backup]
            _write(opened, returning(here.images, apps, restored=restored), held=held)
        yield from _go_back(driver, opened, group, why=error.text, deadline=deadline, progress=progress)
        return
    _write(opened, taken(opened().images, apps))
    for app in apps:
        yield from _replaced_rows(here, group, app, "taken", text="it is well")


def _left_to_a_person(here: Opened, group: Group, lasting: Sequence[str], error: PortableError) -> PortableError:
    """What ran before this command began, and is not well now, may have been well for long."""
    state = any(here.images.images[app].backup for app in lasting)
    back = f"`portable rollback {lasting[0]}{' --with-state' if state else ''}`"
    what = "what ran before, with the state of then; what was written since is put aside" if state else "what ran before"
    text = f"{', '.join(lasting)} ran what is taken before this command began, and is not well: {error.text}"
    return PortableError(text, where=group.name, remedy=f"mend it, then run the same command again; or go back: {back} brings {what}")


def _is_well(driver: StackDriver, here: Opened, group: Group) -> bool:
    """Whether all of the group runs what the files say, and is well."""
    wanted = {container.image.reference for app in here.planned.plan.apps if app.name in group.apps for container in app.containers}
    rows = [row for row in here.on(driver).status() if row.app in group.apps]
    return not any(row.reason for row in rows) and wanted <= {row.image for row in rows}


def _ran(driver: StackDriver, here: Opened, apps: Sequence[str]) -> tuple[str, ...]:
    """Those of these apps that have a container of a new image: what has none wrote nothing."""
    there = here.on(driver).images_in_use()
    wanted = {app.name: {container.image.reference for container in app.containers} for app in here.planned.plan.apps}
    new = {app: {f"{entry.tagged}@{entry.digest}" for entry in replaced(here.planned, app).values()} for app in apps}
    return tuple(app for app in apps if any((app, image) in there for image in wanted[app] & new[app]))


# --- going back ------------------------------------------------------------------------------------------------------


def _returnable(here: Opened, names: Sequence[str]) -> tuple[Group, ...]:
    """The groups that have an update to be taken back. Raises Refused where there is none."""
    groups = tuple(group for group in groups_of(here.planned.plan, names) if _with_update(here, group))
    if not groups:
        about = f" of {', '.join(names)}" if names else ""
        text = f"no update{about} is noted that could be taken back"
        raise Refused(text, where=str(file_of(here)), remedy="pin another digest under `override` of the profile, then `portable up`")
    return groups


def _with_update(here: Opened, group: Group) -> tuple[str, ...]:
    """The apps of a group that went along with its newest update that can be taken back, or are half-way."""
    there, half = here.images.images, here.images.unfinished(group.apps)
    able = [app for app in group.apps if replaced(here.planned, app)]
    newest = max((there[app].at for app in able), default="")
    return tuple(app for app in group.apps if app in half or (app in able and there[app].at == newest))


def _restored(here: Opened, apps: Sequence[str]) -> list[str]:
    """Those of these apps whose state of before is still to be put back."""
    there = here.images.images
    return [app for app in apps if there[app].backup and there[app].step != "restored"]


def _before(here: Opened, apps: Sequence[str]) -> list[str]:
    """The images that ran before."""
    return [f"{entry.tagged}@{entry.before}" for app in apps for entry in replaced(here.planned, app).values()]


def _refuse_without_state(driver: StackDriver, here: Opened, apps: Sequence[str]) -> None:
    """Raise Refused where the state of before is asked for and there is none."""
    there = here.images.images
    wanted = {app: there[app].backup for app in apps if there[app].step != "restored"}
    if bare := [app for app, at in wanted.items() if at is None and keeps_state(here.planned, app)]:
        raise Refused(f"the update of {', '.join(bare)} was made without a backup of its state", remedy="leave `--with-state` out")
    kept = {app: at for app, at in wanted.items() if at is not None}
    listed = backup.listed(here.on(driver), here.planned.plan, apps=tuple(kept)) if kept else ()
    if gone := [f"{app} of {at}" for app, at in kept.items() if not any((row.app, row.at) == (app, at) for row in listed)]:
        remedy = (
            "`portable backup --list` shows those that there are; go back without `--with-state`, then `portable restore APP --at TIME`"
        )
        raise Refused(f"the backup of {', '.join(gone)} is not there any more", remedy=remedy)


def _go_back(
    driver: StackDriver, opened: Open, group: Group, *, why: str = "", deadline: float | None, progress: Progress
) -> Iterator[Updated]:
    """Complete going back: state where that is to be restored, then what ran before. `why` says what went wrong, where something did.

    Raises PortableError where what ran before does not get well either; the same command goes on.
    """
    here = opened()
    apps, plan, there = here.images.unfinished(group.apps, *BACK), here.planned.plan, here.images.images
    told = dict.fromkeys(apps, "")
    for app in here.images.unfinished(group.apps, "restored"):
        told[app] = f"its state is that of {there[app].backup} again, and what it was since lies in {_ASIDE} of its folder"
    for app in here.images.unfinished(group.apps, "restoring"):
        at = there[app].backup or ""
        put = backup.restore(here.on(driver), plan, app, at=at, start=False, progress=progress)
        if put.result != "done":
            raise _not_put_back(driver, opened, group, app, ", ".join(put.notes) or put.result, deadline=deadline, progress=progress)
        told[app] = f"its state is that of {at} again, and what it was since lies in {put.before or _ASIDE} of its folder"
        _write(opened, put_back(opened().images, app))
    rows = [row for app in apps for row in _returned_rows(here, group, app, told[app], why)]
    try:
        here.on(driver).up(apps=tuple(sorted(group.apps)), deadline=deadline, progress=progress)
    except PortableError as error:
        text = f"what ran before does not get well: {error.text}" + (f"\nnor did what was taken: {why}" if why else "")
        raise PortableError(text, where=group.name, remedy="mend it, then run the same command again: it goes on with going back") from None
    _write(opened, returned(opened().images, apps))
    yield from rows


def _not_put_back(
    driver: StackDriver, opened: Open, group: Group, app: str, said: str, *, deadline: float | None, progress: Progress
) -> PortableError:
    """What to say of state that could not be put back. Where no state of the group was changed, what was taken runs again first."""
    here = opened()
    going = here.images.unfinished(group.apps, *BACK)
    text = f"its state of {here.images.images[app].backup} could not be put back: {said}"
    without = f"`portable rollback {app}` goes back without that state"
    if restoring(here.stack.project).keys() & set(going) or here.images.unfinished(going, "restored"):
        down = sorted(set(going) - {app for app, _ in here.on(driver).images_in_use()})
        stopped = f"; {', '.join(down)} {'is' if len(down) == 1 else 'are'} stopped" if down else ""
        return PortableError(f"{text}{stopped}", where=app, remedy=f"run the same command again; {without}")
    _write(opened, taking_again(here.images, going))
    here, run = opened(), "runs" if len(going) == 1 else "run"
    runs = f"nothing of it was changed, and {', '.join(going)} {run} what was taken, as before"
    try:
        here.on(driver).up(apps=tuple(sorted(group.apps)), deadline=deadline, progress=progress)
    except PortableError as error:
        runs = f"nothing of it was changed; what was taken shall run again, but: {error.text}"
    else:
        _write(opened, taken(opened().images, going))
    return PortableError(f"{text}; {runs}", where=app, remedy=without)


def _returned_rows(here: Opened, group: Group, app: str, state: str, why: str) -> Iterator[Updated]:
    update = here.images.images[app]
    if not state and keeps_state(here.planned, app):
        state = "its state stays as it is, and an older program may not read what a newer one changed"
        state += f": `portable restore {app} --at {update.backup}` puts back that of before" if update.backup else ""
    yield from _replaced_rows(here, group, app, "failed" if why else "back", text=state, why=why)


def _replaced_rows(here: Opened, group: Group, app: str, result: Result, *, text: str, why: str = "") -> Iterator[Updated]:
    """What the app's last update brought, image by image; from new to old where it is not `taken`."""
    for name, entry in replaced(here.planned, app).items():
        old, new = entry.before or "", entry.digest
        before, digest = (old, new) if result == "taken" else (new, old)
        yield Updated(
            group=group.name,
            app=app,
            container=name,
            image=entry.tagged,
            result=result,
            before=before,
            digest=digest,
            backup=here.images.images[app].backup or "",
            text=text,
            why=why,
        )


# --- small parts -----------------------------------------------------------------------------------------------------


def _bring(driver: StackDriver, here: Opened, references: Sequence[str], progress: Progress) -> None:
    """Have the images there before anything is stopped; what ran before may have been built from a recipe."""
    needs = [ImageNeed(reference=reference, recipe=_recipe(here, reference), apps=()) for reference in references]
    here.on(driver).bring(needs, progress=progress)


def _recipe(here: Opened, reference: str) -> str | None:
    """Only what the files themselves pin is what a recipe stands for, not what a registry has newer."""
    for app in here.planned.plan.apps:
        for container in app.containers:
            if here.planned.chosen.apps[app.name].pinned[container.name] == reference:
                return container.image.recipe
    return None


def _write(opened: Open, images: Images, *, held: Lock | None = None) -> None:
    """Put the file in its place at once; where nothing is taken any more there is none. It belongs to whom its folder belongs to.

    Only under the project's lock: who starts apps looks, with that lock, whether the file still says what they were read from.
    """
    here = opened()
    file = file_of(here)
    with locked(here.stack.project, "update", held=held):
        if not images.images and not file.is_symlink():
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file = file.resolve()
        about = (file if file.exists() else file.parent).stat()
        write_private(file, images.text(), mode=0o644, owner=(about.st_uid, about.st_gid) if os.geteuid() == 0 else None)
