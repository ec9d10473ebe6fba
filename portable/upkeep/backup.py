"""`backup` and `restore` on an engine: a program in the container `backup` copies the folders; this module stops and starts apps.

So a remote engine works the same way, and only that container has access to the state of all apps.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from portable.backends.common import gateway_of
from portable.live.driver import StackDriver, StackReader
from portable.live.fences import refuse_fenced
from portable.live.image_updates import going_back, refuse_stale, refuse_unready, remedy
from portable.live.last_images import note_restored
from portable.live.restoring import Copying, back_as_it_was, copying, mark, mark_copying, restoring, started_again
from portable.live.stack import Stack
from portable.live.tried import runner_in
from portable.local.lock import Lock, locked
from portable.model.backups import is_unlocked_database
from portable.model.base import Struct
from portable.model.codes import Code
from portable.model.errors import PortableError, UsageError
from portable.model.plan import STATE, App, Claim, Plan
from portable.model.progress import Event, Progress, silent
from portable.upkeep.backup_record import record_backups

_UNKNOWN_OPTION = 2
"""The exit code of argparse for options that a program does not know."""
_FAILURES: dict[str, Code] = {"backup": "backup.failed", "check": "backup.check-failed", "list": "backup.list-failed"}
"""Codes of failed rows by command of the program, which knows no codes; the other commands belong to a restore."""


class BackupRow(Struct, frozen=True, kw_only=True):
    """A backup that was made, listed, checked or restored."""

    app: str
    at: str = ""
    """Time at which it was made, UTC; also its name. Empty if there is none."""
    result: str
    """done, failed or left out; sound, unsound or unreadable if listed; staged, then done or given up, if restored."""
    files: int = 0
    databases: int = 0
    bytes: int = 0
    copied: int = 0
    """Bytes that this backup takes in addition to earlier ones."""
    seconds: float = 0.0
    image: str = ""
    """The app's image when the backup was made, as its files had it."""
    images: Mapping[str, str] = {}
    """The images of its containers, by service, as the engine ran them; empty if unknown, as in a scheduled backup."""
    tried: str = ""
    """When a restore of it was last tried, UTC; empty if that failed, if it was never tried, or if it is not a row of a list."""
    failed_try: str = ""
    """When a restore of it was last tried, if that failed."""
    try_text: str = ""
    """Why that failed."""
    missing: tuple[str, ...] = ()
    """Volumes of the app that are not in it, as a list knows them."""
    before: str = ""
    """The folder with the previous state, in each of the app's own folders."""
    unchanged: bool = False
    """A failed restore did not change the app's state, so the app may run."""
    notes: tuple[str, ...] = ()
    code: Code = ""
    """Why it failed, for `portable explain CODE`."""


def has_backup_runner(plan: Plan) -> bool:
    """Whether the plan has an app that makes backups."""
    return runner_in(plan) is not None


def backup_runner_of(plan: Plan) -> str:
    """The name of the app that makes backups. Raises UsageError if the plan has none."""
    return _need_backup_runner(plan).name


def _need_backup_runner(plan: Plan) -> App:
    if (backup_runner := runner_in(plan)) is None:
        remedy = f"add `backup` to its apps and set the folder of the backups, {store_setting(plan)}; then run `portable up backup`"
        raise UsageError(f"profile {plan.profile} has no app that makes backups", code="backup.not-set-up", remedy=remedy)
    return backup_runner


def store_setting(plan: Plan) -> str:
    """An example of the setting of a store, for a profile that has none."""
    is_cluster = any(isinstance(volume.place, Claim) for volume in plan.volumes)
    place = "on: library, below: backups" if is_cluster else "folder: /srv/backups"
    return f"`storage: {{backups: {{{place}}}}}`"


def with_unlocked_databases(stack: Stack, plan: Plan) -> frozenset[str]:
    """The apps whose databases can be copied only while they are stopped, because of where these lie."""
    unlocked = {volume.id for volume in plan.volumes if is_unlocked_database(volume)}
    return frozenset(volume.app for volume in stack.backed_up if volume.id in unlocked)


def kept_of(plan: Plan) -> tuple[str, ...]:
    """The apps whose state is backed up on the schedule, sorted."""
    backup_runner = _need_backup_runner(plan)
    whose = {mount.volume: app.name for app in plan.apps if app.name != backup_runner.name for c in app.containers for mount in c.mounts}
    volumes = {mount.volume for c in backup_runner.containers for mount in c.mounts if mount.path.startswith(f"{STATE}/")}
    return tuple(sorted({whose[volume] for volume in volumes if volume in whose}))


def covered_by(stack: Stack, plan: Plan) -> tuple[str, ...]:
    """The apps that a backup by hand covers, sorted: on a cluster more than the schedule."""
    _need_backup_runner(plan)
    return tuple(sorted({volume.app for volume in stack.backed_up})) or kept_of(plan)


def back_up(
    driver: StackDriver, plan: Plan, *, apps: Sequence[str] = (), stop: bool = False, progress: Progress = silent
) -> tuple[BackupRow, ...]:
    """Back up apps, by default all. With `stop`, stop each app while it is copied, then start it again if it was running.

    If it is killed, the same command starts the stopped apps again.

    Raises UsageError for an app that is not backed up, PortableError if the app that makes backups is not running.
    """
    _known(driver, plan, apps)
    if not stop:
        return run(
            driver, plan, "backup", apps, *_with_images(driver.service_images(), apps or covered_by(driver.stack, plan)), progress=progress
        )
    made: list[BackupRow] = []
    chosen = tuple(apps) or covered_by(driver.stack, plan)
    for app in chosen:
        try:
            made += _stopped(driver, plan, app, progress)
        except PortableError as error:
            if len(chosen) == 1:
                raise
            made.append(BackupRow(app=app, result="failed", notes=(str(error),)))  # go on with the other apps
    return tuple(made)


def _stopped(driver: StackDriver, plan: Plan, app: str, progress: Progress) -> tuple[BackupRow, ...]:
    """Back up one app while it is stopped, under the lock, so that no other command starts it meanwhile."""
    driver.refuse_stop((app,))
    doing = f"backup --stop {app}"
    with locked(driver.stack.project, doing, progress=progress) as lock, driver.exclusive(doing):
        refuse_unready(driver.stack.taken, sharing(plan, app))  # it could not be started again
        unfinished = copying(driver.stack.project).get(app, Copying())
        paused = driver.paused_with(app)
        if unfinished == Copying() and not paused:  # else a killed command stopped it, and it is started again first of all
            driver.refuse_backup(backup_runner_of(plan), (app,))
        again = tuple(sorted({*unfinished.again, *driver.running_with(app), *paused}))
        images = driver.service_images()
        own = {**unfinished.images, **{service: image for service, (whose, image) in images.items() if whose == app}}
        # Both are unknowable once the apps are down.
        mark_copying(driver.stack.project, app, Copying(backup_runner=unfinished.backup_runner, again=again, images=own))
        try:
            driver.stop(apps=(app,), why=doing, progress=progress, held=lock)
            mark_copying(driver.stack.project, app, Copying(backup_runner=backup_runner_of(plan), again=again, images=own))
            known = _with_images({service: (app, image) for service, image in own.items()}, (app,))
            made = run(driver, plan, "backup", (app,), "--stopped", *known, progress=progress)
            mark_copying(driver.stack.project, app, Copying(again=again))
            return made
        except BaseException:
            # The program goes on in its container, and would copy what the restarted app writes.
            driver.end_copies((app,), held=lock, progress=progress)
            raise
        finally:
            _start_again(driver, app, lock, progress)


def _with_images(images: Mapping[str, tuple[str, str]], apps: Collection[str]) -> tuple[str, ...]:
    """The option that tells the program the images of these apps' containers, without digests; none if no container exists."""
    known: dict[str, dict[str, str]] = {}
    for service, (app, image) in sorted(images.items()):
        if app in apps and image:
            known.setdefault(app, {})[service] = image.partition("@")[0]
    return ("--images", json.dumps(known)) if known else ()


def _start_again(driver: StackDriver, app: str, lock: Lock, progress: Progress) -> None:
    """Start the apps that ran before a `backup --stop` of that app, as its note lists them, and those that the engine knows as stopped.

    Only the engine knows of an app that was about to start: it did not run yet.
    """
    known = driver.apps()
    noted = tuple(sorted({*copying(driver.stack.project).get(app, Copying()).again, *driver.paused_with(app)}))
    if again := tuple(name for name in noted if name in known):
        driver.start_again(again, progress=progress, held=lock)
    if noted:
        started_again(driver.stack.project, noted)


def finish(driver: StackReader, *, apps: Collection[str], progress: Progress = silent) -> frozenset[str]:
    """Start the apps that a killed `backup --stop` of `apps`, or of apps in their groups, left down.

    With a reader nothing is started; the result is the apps that would be.
    """

    def unfinished() -> dict[str, Copying]:
        return {app: copy for app, copy in copying(driver.stack.project).items() if {app, *copy.again} & set(apps)}

    if not isinstance(driver, StackDriver):
        return frozenset(name for copy in unfinished().values() for name in copy.again)
    if unfinished():
        with locked(driver.stack.project, "backup --stop", progress=progress) as lock:
            for app in unfinished():  # read again: a running backup has ended by now
                _start_again(driver, app, lock, progress)
    return frozenset()


def listed(driver: StackDriver, plan: Plan, *, apps: Sequence[str] = ()) -> tuple[BackupRow, ...]:
    """List the backups of apps, oldest first."""
    _known(driver, plan, apps)
    return run(driver, plan, "list", apps)


def check(driver: StackDriver, plan: Plan, *, apps: Sequence[str] = (), at: str = "", progress: Progress = silent) -> tuple[BackupRow, ...]:
    """Restore the newest backup of each app, or that of `at`, to a scratch folder in the store, compare it, and remove it."""
    _known(driver, plan, apps)
    return run(driver, plan, "check", apps, *(("--at", at) if at else ()), progress=progress)


def restore(
    driver: StackDriver,
    plan: Plan,
    app: str,
    *,
    at: str = "",
    dry_run: bool = False,
    start: bool = True,
    progress: Progress = silent,
) -> BackupRow:
    """Replace an app's state with a backup, and move the previous state aside. Stop the app meanwhile, then start it if `start`.

    A backup that has changed, is unsound, or does not fit is rejected while the app still runs. If it is killed, the same command goes on.
    If it fails before it changes the state, the app is started as it was.
    """
    _known(driver, plan, (app,))
    # Complete an unfinished restore, even if only its last step is missing.
    at = at or restoring(driver.stack.project).get(app, "") or driver.noted_restore(app)
    refuse_fenced(driver.fences(), (app,), driver.stack.project)  # its state here must stay as it was proven
    if dry_run:
        (checked,) = check(driver, plan, apps=(app,), at=at, progress=progress)
        return checked
    driver.refuse_stop((app,))
    progress(Event(what="doing", subject=app, text="verifying the backup"))
    (staged,) = run(driver, plan, "stage", (app,), *(("--at", at) if at else ()), progress=progress)
    if staged.result == "failed":
        others = f"list other backups with `portable backup --list {app}`, and restore one with `portable restore {app} --at TIME`"
        return msgspec.structs.replace(staged, notes=(*staged.notes, others))
    if staged.result != "staged":
        return staged
    together = sharing(plan, app)
    doing = f"restore {app}"
    with locked(driver.stack.project, doing, progress=progress) as lock, driver.exclusive(doing):
        if start:
            refuse_unready(driver.stack.taken, together)  # it could not be started again
        _mark(driver, app, staged.at)  # if it is killed while the app stops, the next command knows why it is down
        driver.stop(apps=(app,), why=doing, progress=progress, held=lock)
        progress(Event(what="doing", subject=app, text=f"moving its state aside and restoring the backup of {staged.at}"))
        (done,) = run(driver, plan, "swap", (app,), progress=progress)
        if done.result == "done":
            note_restored(driver.stack.project, app, done.images or ({app: done.image} if done.image else {}))
        if done.result == "done" or done.unchanged:
            _mark(driver, app, None)
            if start:
                _restarted(driver, app).up(apps=together, progress=progress, held=lock)
    return msgspec.structs.replace(done, notes=(*staged.notes, *done.notes))


def _mark(driver: StackDriver, app: str, at: str | None, *, back: bool = False) -> None:
    """Note here and on the engine that a restore is about to stop an app, or with `at=None` that the app may run."""
    if at:
        mark(driver.stack.project, app, at, back=back)
        driver.note_restore(app, at)
    else:
        driver.note_restore(app, None)
        mark(driver.stack.project, app, None)


def _restarted(driver: StackDriver, app: str) -> StackDriver:
    """The driver for the start after a restore. The person named the app, and its backup has just been tried: that is the way back."""
    stack = msgspec.structs.replace(driver.stack, accepted_versions=(*driver.stack.accepted_versions, app))
    return driver.rebound(stack, driver.source)


def abort(driver: StackDriver, plan: Plan, app: str, *, progress: Progress = silent) -> BackupRow:
    """Abort an unfinished restore at any step: put the app's previous state back, and start the app.

    Raises UsageError if there is no unfinished restore.
    """
    _known(driver, plan, (app,))
    doing = f"restore --abort {app}"
    with locked(driver.stack.project, doing, progress=progress) as lock, driver.exclusive(doing):
        refuse_stale(driver.stack.taken, sharing(plan, app))
        (row,) = run(driver, plan, "abort", (app,), progress=progress)
        here = restoring(driver.stack.project).get(app)
        begun = here or driver.noted_restore(app) or None
        if row.result == "not begun" and begun is None:
            text = f"there is no unfinished restore of {app}"
            raise UsageError(text, code="restore.not-begun", remedy=f"start a restore with `portable restore {app}`")
        if row.result == "half":
            _mark(driver, app, begun := row.at, back=True)
            driver.stop(apps=(app,), why=doing, progress=progress, held=lock)
            progress(Event(what="doing", subject=app, text="putting its previous state back"))
            (row,) = run(driver, plan, "abort", (app,), "--stopped", progress=progress)
        elif row.result == "not begun" and back_as_it_was(driver.stack.project, app):
            row = msgspec.structs.replace(row, at=begun or "", result="given up")
        elif row.result == "not begun":
            how = "complete" if here else "complete, or aborted from another machine"
            note = f"the restore was already {how}, so nothing is undone: the previous state is in .before-restore-* of its folder"
            row = msgspec.structs.replace(row, at=begun or "", result="done", notes=(note,))
        if row.result != "failed":
            driver.note_restore(app, None)  # also one that another machine began
        if begun is not None and row.result != "failed":
            mark(driver.stack.project, app, None)
            if waiting := going_back(driver.stack.taken, sharing(plan, app)):
                note = f"not started, because {', '.join(waiting)} is being rolled back from an update: {remedy(waiting)}"
                return msgspec.structs.replace(row, notes=(*row.notes, note))
            driver.up(apps=sharing(plan, app), progress=progress, held=lock)
        elif row.result == "given up" and not driver.running_with(app):
            note = f"the app is not running, and was not stopped from this machine: start it with `portable up {app}`"
            row = msgspec.structs.replace(row, notes=(*row.notes, note))
    return row


def sharing(plan: Plan, app: str) -> tuple[str, ...]:
    """The apps that go down with an app: its whole group if it is their gateway, else itself."""
    for group in plan.groups:
        if gateway_of(group) == app:
            return tuple(sorted(group.apps))
    return (app,)


def run(
    driver: StackDriver, plan: Plan, command: str, apps: Sequence[str], *options: str, progress: Progress = silent
) -> tuple[BackupRow, ...]:
    """Run a command of the backup program, with a row for each app.

    Raises PortableError if it cannot run, or if the program ends early.
    """
    backup_runner = backup_runner_of(plan)
    rows: list[BackupRow] = []
    messages: list[str] = []

    def read(line: str) -> None:
        try:
            row: dict[str, Any] = json.loads(line)
        except ValueError:
            messages.append(line)
            return
        if "pulse" in row:
            progress(Event(what="waiting", subject=backup_runner, text="still working"))
            return
        if row.get("result") == "failed":
            row["code"] = _FAILURES.get(command, "restore.failed")
        rows.append(msgspec.convert(row, BackupRow))
        if command != "list":
            progress(Event(what="done", subject=rows[-1].app, text=f"{command}: {rows[-1].result}"))

    code = driver.run_backup(backup_runner, command, apps, options, read, progress=progress)
    if code == _UNKNOWN_OPTION:
        raise PortableError(
            f"the container of {backup_runner} runs an older program, which does not know this command",
            code="backup.outdated",
            where=driver.stack.project,
            remedy=f"run `portable up -p {plan.profile} {backup_runner}`, then this command again",
        )
    if code not in (0, 1) or (code == 1 and not any(row.result == "failed" for row in rows)):
        text = f"{command} ended early (exit {code}): {driver.hide(messages[-1]) if messages else 'no reason given'}"
        raise PortableError(text, code="backup.ended-early", where=backup_runner, remedy="run the same command again")
    if not driver.can_list_backups:
        covered = tuple(apps) or covered_by(driver.stack, plan)
        record_backups(driver.stack.project, command, covered, map(msgspec.to_builtins, rows), progress=progress)
    return tuple(rows)


def _known(driver: StackReader, plan: Plan, apps: Sequence[str]) -> None:
    known = covered_by(driver.stack, plan)
    if unknown := [app for app in apps if app not in known]:
        text = f"profile {plan.profile} does not back up {', '.join(unknown)}"
        raise UsageError(text, code="backup.not-covered", remedy=f"use one of: {', '.join(known)}")
