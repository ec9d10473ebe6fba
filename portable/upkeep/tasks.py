"""`upkeep`: what runs at its times, run now; a scrub of the host's BTRFS; and newer images, which are only proposed."""

from collections.abc import Callable, Iterator, Sequence

from portable.backends.common import main_container
from portable.live.driver import StackDriver
from portable.model.base import Struct
from portable.model.errors import PortableError, UsageError
from portable.model.plan import App, Folder, Plan
from portable.model.progress import Event, Progress, silent
from portable.model.registry import Offered
from portable.model.shell import script
from portable.upkeep import backup
from portable.upkeep.updating import Registries

_APPS = {"backup": "backup", "links": "stream-links", "downloads": "old-downloads", "capacity": "capacity"}
"""Tasks that are apps with a schedule, in the order in which they make sense: nothing is cleared before it is backed up."""
TASKS = (*_APPS, "scrub", "images")
_CODES = {"0": "done", "3": "failed"}
"""3: there are errors that no copy mends (btrfs-scrub(8), exit status); any other code: it could not be done."""


class Done(Struct, frozen=True, kw_only=True):
    """One thing that upkeep did, or could not do."""

    task: str
    subject: str
    """An app, a folder, or an image."""
    result: str
    """done, failed, not here; images: same, newer, or where none was offered: absent, refused, unknown."""
    text: str = ""
    lines: tuple[str, ...] = ()
    """What it said."""


def upkeep(driver: StackDriver, plan: Plan, tasks: Sequence[str] = (), *, progress: Progress = silent) -> Iterator[Done]:
    """Each task as it is done; one that fails keeps no other from being tried. Raises UsageError for an unknown one."""
    for task in chosen(tasks):
        progress(Event(what="doing", subject=task, text="at work"))
        try:
            match task:
                case "scrub":
                    yield from scrub(driver.run_as_host, plan)
                case "images":
                    yield from newer(driver.offered, plan)
                case "backup" if any(app.name == _APPS[task] for app in plan.apps):
                    yield _backed_up(backup.run(driver, plan, "backup", (), progress=progress), backup.keeper_of(plan))
                case _:
                    yield _run(driver, plan, task)
        except PortableError as error:
            yield Done(
                task=task,
                subject=driver.stack.project,
                result="failed",
                text=f"{error.text}: {error.remedy}" if error.remedy else error.text,
            )


def _backed_up(rows: Sequence[backup.Kept], keeper: str) -> Done:
    """What the keeper's program, which gives signs of life, did for each app."""
    counted = {result: sum(row.result == result for row in rows) for result in ("done", "left out", "failed")}
    text = ", ".join(f"{count} {result}" for result, count in counted.items() if count) or "there was nothing to do"
    lines = [f"{row.app}: {row.result}{f' {row.at}' if row.at else ''}" for row in rows]
    notes = [f"{row.app}: {note}" for row in rows for note in row.notes]
    return Done(task="backup", subject=keeper, result="failed" if counted["failed"] else "done", text=text, lines=(*lines, *notes))


def chosen(tasks: Sequence[str]) -> tuple[str, ...]:
    """Those tasks in the order in which they make sense; all where none is named. Raises UsageError for an unknown one."""
    if unknown := [task for task in tasks if task not in TASKS]:
        raise UsageError(f"there is no task {', '.join(unknown)}", remedy=f"known: {', '.join(TASKS)}")
    return tuple(task for task in TASKS if not tasks or task in tasks)


def _run(driver: StackDriver, plan: Plan, task: str) -> Done:
    """What the app's schedule runs, in its own container."""
    name = _APPS[task]
    app = next((app for app in plan.apps if app.name == name), None)
    if app is None:
        return Done(task=task, subject=name, result="not here", text=f"add {name} to the apps of {plan.profile}")
    if driver.state_of(name) != "running":
        return Done(task=task, subject=name, result="failed", text=f"it is not running: `portable up -p {plan.profile} {name}`")
    lines: list[str] = []
    code = driver.exec_stream(name, _command(app), lines.append)
    said = tuple(driver.hide(line) for line in lines)
    text = f"it said {len(said)} lines" if said else "there was nothing to do"
    return Done(task=task, subject=name, result="done" if code == 0 else "failed", text=text if code == 0 else f"exit {code}", lines=said)


def _command(app: App) -> tuple[str, ...]:
    main = main_container(app)
    return (*(main.command or ()), *(main.args or ()))


def scrub(run: Callable[[str, Sequence[str]], str], plan: Plan) -> Iterator[Done]:
    """Read every byte of the BTRFS file systems that volumes lie on, and mend what a second copy can mend; each once."""
    folders = sorted({volume.place.path for volume in plan.volumes if isinstance(volume.place, Folder)})
    lines = run(script(__name__, "scrub.sh"), folders).splitlines()
    if folders and not lines:
        yield Done(task="scrub", subject=folders[0], result="failed", text="the host said nothing of a scrub")
    for line in lines:
        code, _, rest = line.partition("|")
        folder, _, said = rest.partition("|")
        match code:
            case "absent":
                yield Done(task="scrub", subject=folder, result="failed", text="it is not there")
            case "other":
                yield Done(task="scrub", subject=folder, result="not here", text=f"it lies on {said}, which has no scrub of its own")
            case "missing":
                yield Done(task="scrub", subject=folder, result="failed", text="the host has no `btrfs`: `apt-get install btrfs-progs`")
            case _:
                result = _CODES.get(code, "failed")
                mended = "Corrected:" in said and result == "done"
                why = (
                    f"{said.strip()}; mended from the other copy: `btrfs device stats {folder}` says which disk it was"
                    if mended
                    else said.strip()
                )
                why = why or ("no errors" if result == "done" else f"it could not be scrubbed (exit {code})")
                yield Done(task="scrub", subject=folder, result=result, text=why)


def newer(offered: Callable[[str], Offered], plan: Plan) -> Iterator[Done]:
    """For each image that is pinned by digest: whether its registry has another one under its tag. Nothing is changed."""
    registries = Registries(offered)
    asked: dict[str, list[str]] = {}
    users: dict[str, dict[str, None]] = {}
    for app in plan.apps:
        for container in app.containers:
            path = f"override: {{{app.name}: {{containers: {{{container.name}: {{image: {{digest: "
            asked.setdefault(container.image.reference, []).append(path)
            users.setdefault(container.image.reference, {})[app.name] = None
    for reference, paths in sorted(asked.items()):
        tagged, answer = reference.partition("@")[0], registries.ask(reference)
        if answer.result != "newer":
            yield Done(task="images", subject=tagged, result=answer.why or answer.result, text=answer.text)
            continue
        text = f"`portable update {' '.join(users[reference])}` takes it; by hand, in the profile:"
        lines = tuple(f"{path}{answer.digest}}}}}}}}}}}" for path in paths)
        yield Done(task="images", subject=tagged, result="newer", text=text, lines=lines)
