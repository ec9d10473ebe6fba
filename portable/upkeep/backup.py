"""`backup` and `restore` on an engine: the program that works on folders runs in the container `backup`; here apps are stopped and started.

So a far engine is no different, and nothing but that one container sees the state of all apps.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from portable.backends.common import backs_up, gateway_of
from portable.live.driver import StackDriver, StackReader
from portable.live.restoring import Copying, back_as_it_was, copying, mark, mark_copying, restoring, started_again
from portable.live.taken import going_back, refuse_stale, refuse_unready, remedy
from portable.local.lock import Lock, locked
from portable.model.base import Struct
from portable.model.errors import PortableError, UsageError
from portable.model.plan import STATE, App, Plan
from portable.model.progress import Event, Progress, silent

_PROGRAM = ("python3", "/upkeep/backup.py")


class Kept(Struct, frozen=True, kw_only=True):
    """A backup: made, listed, tried or put back."""

    app: str
    at: str = ""
    """When it was made, UTC: its name. Empty where there is none."""
    result: str
    """done, failed, left out; listed ones are sound, unsound or unreadable; staged and then done, or given up, for one that is put back."""
    files: int = 0
    databases: int = 0
    bytes: int = 0
    copied: int = 0
    """Bytes that this one takes beside the earlier ones."""
    seconds: float = 0.0
    image: str = ""
    """What ran when it was made."""
    before: str = ""
    """The folder, in each of the app's own, in which its state of before lies."""
    unchanged: bool = False
    """Of a restore that failed: nothing of the app's state was changed, so that it may run."""
    notes: tuple[str, ...] = ()


def keeps_backups(plan: Plan) -> bool:
    """Whether the place has an app that backs up."""
    return _keeper(plan) is not None


def keeper_of(plan: Plan) -> str:
    """The app that backs up. Raises UsageError where the place has none."""
    return _need_keeper(plan).name


def _keeper(plan: Plan) -> App | None:
    return next((app for app in plan.apps if any(backs_up(container) for container in app.containers)), None)


def _need_keeper(plan: Plan) -> App:
    if (keeper := _keeper(plan)) is None:
        remedy = "add `backup` to its apps, and say where: `storage: {backups: {folder: /srv/backups}}`; then `portable up backup`"
        raise UsageError(f"profile {plan.profile} keeps no backups", remedy=remedy)
    return keeper


def kept_of(plan: Plan) -> tuple[str, ...]:
    """The apps that have something to back up."""
    keeper = _need_keeper(plan)
    whose = {mount.volume: app.name for app in plan.apps if app.name != keeper.name for c in app.containers for mount in c.mounts}
    volumes = {mount.volume for c in keeper.containers for mount in c.mounts if mount.path.startswith(f"{STATE}/")}
    return tuple(sorted({whose[volume] for volume in volumes if volume in whose}))


def back_up(
    driver: StackDriver, plan: Plan, *, apps: Sequence[str] = (), stop: bool = False, progress: Progress = silent
) -> tuple[Kept, ...]:
    """Back up apps (all where none is named); with `stop` each is stopped meanwhile, and started again where it ran.

    Killed at any moment, the same command starts again what it had stopped.

    Raises UsageError for an app that has nothing to back up, PortableError where the keeper does not run.
    """
    _known(plan, apps)
    if not stop:
        return run(driver, plan, "backup", apps, progress=progress)
    made: list[Kept] = []
    chosen = tuple(apps) or kept_of(plan)
    for app in chosen:
        try:
            made += _stopped(driver, plan, app, progress)
        except PortableError as error:
            if len(chosen) == 1:
                raise
            made.append(Kept(app=app, result="failed", notes=(str(error),)))  # the others are backed up all the same
    return tuple(made)


def _stopped(driver: StackDriver, plan: Plan, app: str, progress: Progress) -> tuple[Kept, ...]:
    """Back up one app while it is stopped; nobody else may start it meanwhile."""
    with locked(driver.stack.project, f"backup --stop {app}", progress=progress) as held:
        refuse_unready(driver.stack.taken, sharing(plan, app))  # it could not be started again
        left = copying(driver.stack.project).get(app, Copying())
        again = tuple(sorted({*left.again, *driver.running_with(app)}))
        mark_copying(driver.stack.project, app, Copying(keeper=left.keeper, again=again))  # nobody could tell any more once they are down
        try:
            driver.down(apps=(app,), progress=progress, held=held)
            mark_copying(driver.stack.project, app, Copying(keeper=keeper_of(plan), again=again))
            made = run(driver, plan, "backup", (app,), "--stopped", progress=progress)
            mark_copying(driver.stack.project, app, Copying(again=again))
            return made
        except BaseException:
            # The program goes on in its container, and would copy what the app, started again, writes.
            driver.end_copies((app,), held=held, progress=progress)
            raise
        finally:
            _start_again(driver, app, held, progress)


def _start_again(driver: StackDriver, app: str, held: Lock, progress: Progress) -> None:
    """Start those that ran before a `backup --stop` of that app, as its note says."""
    known, noted = driver.apps(), copying(driver.stack.project).get(app, Copying()).again
    if again := tuple(name for name in noted if name in known):
        driver.up(apps=again, progress=progress, held=held)
    if noted:
        started_again(driver.stack.project, noted)


def finish(driver: StackReader, *, apps: Collection[str], progress: Progress = silent) -> frozenset[str]:
    """Start again what a `backup --stop` that was killed left down of these apps, or of those with them.

    With an engine that can't write nothing is started: the apps that would be.
    """

    def left() -> dict[str, Copying]:
        return {app: what for app, what in copying(driver.stack.project).items() if {app, *what.again} & set(apps)}

    if not isinstance(driver, StackDriver):
        return frozenset(name for what in left().values() for name in what.again)
    if left():
        with locked(driver.stack.project, "backup --stop", progress=progress) as held:
            for app in left():  # one that was at work has ended by now
                _start_again(driver, app, held, progress)
    return frozenset()


def listed(driver: StackDriver, plan: Plan, *, apps: Sequence[str] = ()) -> tuple[Kept, ...]:
    """The backups of apps, oldest first."""
    _known(plan, apps)
    return run(driver, plan, "list", apps)


def check(driver: StackDriver, plan: Plan, *, apps: Sequence[str] = (), at: str = "", progress: Progress = silent) -> tuple[Kept, ...]:
    """Restore the newest backup of each app, or that of `at`, to a folder beside them, compare it, and remove it."""
    _known(plan, apps)
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
) -> Kept:
    """Put a backup in the place of an app's state, which is put aside; the app is stopped while it is copied, then (`start`) started.

    A backup that is not what was made, not sound, or too large is refused while the app still runs. Killed at any moment, the same command
    goes on; where it fails before something of the state was changed, the app is started as it was.
    """
    _known(plan, (app,))
    at = at or restoring(driver.stack.project).get(app, "")  # one that was begun is finished, also where only the last word was lost
    if dry_run:
        (tried,) = check(driver, plan, apps=(app,), at=at, progress=progress)
        return tried
    progress(Event(what="doing", subject=app, text="proving the backup"))
    (staged,) = run(driver, plan, "stage", (app,), *(("--at", at) if at else ()), progress=progress)
    if staged.result == "failed":
        others = f"`portable backup --list {app}` shows what others there are, `portable restore {app} --at TIME` takes one"
        return msgspec.structs.replace(staged, notes=(*staged.notes, others))
    if staged.result != "staged":
        return staged
    together = sharing(plan, app)
    with locked(driver.stack.project, f"restore {app}", progress=progress) as held:
        if start:
            refuse_unready(driver.stack.taken, together)  # it could not be started again
        mark(driver.stack.project, app, staged.at)  # killed while it stops, it is known to be down
        driver.down(apps=(app,), progress=progress, held=held)
        progress(Event(what="doing", subject=app, text=f"putting its state aside and the backup of {staged.at} in its place"))
        (done,) = run(driver, plan, "swap", (app,), progress=progress)
        if done.result == "done" or done.unchanged:
            mark(driver.stack.project, app, None)
            if start:
                driver.up(apps=together, progress=progress, held=held)
    return msgspec.structs.replace(done, notes=(*staged.notes, *done.notes))


def abort(driver: StackDriver, plan: Plan, app: str, *, progress: Progress = silent) -> Kept:
    """Give up a restore that was begun, wherever it stands: the app has the state again that it had, and runs.

    Raises UsageError where none was begun.
    """
    _known(plan, (app,))
    with locked(driver.stack.project, f"restore --abort {app}", progress=progress) as held:
        refuse_stale(driver.stack.taken, sharing(plan, app))
        (found,) = run(driver, plan, "abort", (app,), progress=progress)
        begun = restoring(driver.stack.project).get(app)
        if found.result == "not begun" and begun is None:
            raise UsageError(f"no restore of {app} was begun", remedy=f"`portable restore {app}` begins one")
        if found.result == "half":
            mark(driver.stack.project, app, begun := found.at, back=True)
            driver.down(apps=(app,), progress=progress, held=held)
            progress(Event(what="doing", subject=app, text="putting its state back as it was"))
            (found,) = run(driver, plan, "abort", (app,), "--stopped", progress=progress)
        elif found.result == "not begun" and back_as_it_was(driver.stack.project, app):
            found = msgspec.structs.replace(found, at=begun or "", result="given up")
        elif found.result == "not begun":
            ended = ("it had ended already, and nothing is given up: what was there before lies in .before-restore-* of its folder",)
            found = msgspec.structs.replace(found, at=begun or "", result="done", notes=ended)
        if begun is not None and found.result != "failed":
            mark(driver.stack.project, app, None)
            if waiting := going_back(driver.stack.taken, sharing(plan, app)):
                said = f"nothing is started, since {', '.join(waiting)} goes back from an update: {remedy(waiting)}"
                return msgspec.structs.replace(found, notes=(*found.notes, said))
            driver.up(apps=sharing(plan, app), progress=progress, held=held)
        elif found.result == "given up" and not driver.running_with(app):
            told = f"it does not run, and this machine did not stop it: `portable up {app}` starts it"
            found = msgspec.structs.replace(found, notes=(*found.notes, told))
    return found


def sharing(plan: Plan, app: str) -> tuple[str, ...]:
    """The apps that go down when that one does: its group's, where it is their gateway."""
    for group in plan.groups:
        if gateway_of(group) == app:
            return tuple(sorted(group.apps))
    return (app,)


def run(driver: StackDriver, plan: Plan, command: str, apps: Sequence[str], *options: str, progress: Progress = silent) -> tuple[Kept, ...]:
    """Have the keeper's program do it; a row for each app. Raises PortableError where it does not run or breaks off."""
    keeper = keeper_of(plan)
    if driver.state_of(keeper) != "running":
        raise PortableError(f"{keeper} is not running", where=driver.stack.project, remedy=f"`portable up -p {plan.profile} {keeper}`")
    rows: list[Kept] = []
    said: list[str] = []

    def read(line: str) -> None:
        try:
            row: dict[str, Any] = json.loads(line)
        except ValueError:
            said.append(line)
            return
        if "pulse" in row:
            progress(Event(what="waiting", subject=keeper, text="still at work"))
            return
        rows.append(msgspec.convert(row, Kept))
        if command != "list":
            progress(Event(what="done", subject=rows[-1].app, text=f"{command}: {rows[-1].result}"))

    code = driver.exec_stream(keeper, [*_PROGRAM, command, *apps, *options, "--json"], read, beats=f"`portable restart {keeper}` ends it")
    if code not in (0, 1) or (code == 1 and not any(row.result == "failed" for row in rows)):
        last = said[-1] if said else "no reason given"
        raise PortableError(f"{command} broke off (exit {code}): {driver.hide(last)}", where=keeper, remedy="run the same command again")
    return tuple(rows)


def _known(plan: Plan, apps: Sequence[str]) -> None:
    known = kept_of(plan)
    if unknown := [app for app in apps if app not in known]:
        raise UsageError(f"nothing of {', '.join(unknown)} is backed up in {plan.profile}", remedy=f"known: {', '.join(known)}")
