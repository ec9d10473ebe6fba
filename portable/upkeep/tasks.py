"""`upkeep`: run scheduled tasks now, scrub the host's BTRFS, list newer images without installing them, and write the page."""

from collections.abc import Callable, Iterator, Sequence

from portable.backends.common import main_container
from portable.live.driver import StackDriver
from portable.local.records import ImageAnswer, ImageRecord, now, record
from portable.model.base import Struct
from portable.model.codes import bracketed
from portable.model.errors import PortableError, UsageError
from portable.model.plan import App, Folder, Plan
from portable.model.progress import Event, Progress, silent
from portable.model.registry import Offered
from portable.model.shell import script
from portable.upkeep import backup
from portable.upkeep.updating import RegistryQueries

_APPS = {"backup": "backup", "links": "stream-links", "downloads": "old-downloads", "capacity": "capacity"}
"""Tasks of scheduled apps, in their order: nothing is cleared before it is backed up."""
TASKS = (*_APPS, "scrub", "images", "page")
_CODES = {"0": "done", "3": "failed"}
"""3: some errors cannot be corrected from a copy (btrfs-scrub(8), exit status). Any other code: the scrub did not run."""


class TaskResult(Struct, frozen=True, kw_only=True):
    """The result of one task on one subject."""

    task: str
    subject: str
    """An app, a folder, or an image."""
    result: str
    """done, failed or not here. For images: same or newer, else why no image was offered: absent, refused or unknown."""
    text: str = ""
    lines: tuple[str, ...] = ()
    """Its output."""
    digest: str = ""
    """For images: the digest that the registry offers; empty if unknown."""


WritePage = Callable[[], TaskResult]
"""Writes the page of the place, which shows the results of the tasks before it."""


def upkeep(
    driver: StackDriver, plan: Plan, tasks: Sequence[str] = (), *, write_page: WritePage, progress: Progress = silent
) -> Iterator[TaskResult]:
    """Run the tasks and yield each result. A failed task does not stop the others. Raises UsageError for an unknown one."""
    for task in chosen(tasks):
        progress(Event(what="doing", subject=task, text="running"))
        try:
            match task:
                case "scrub":
                    yield from scrub(driver.run_as_host, plan) if driver.has_host else _unscrubbed(driver)
                case "images":
                    answers = tuple(newer(driver.offered, plan))
                    _record_images(driver.stack.project, answers, progress)
                    yield from answers
                case "page":
                    yield write_page()
                case "backup" if any(app.name == _APPS[task] for app in plan.apps):
                    yield _backed_up(backup.run(driver, plan, "backup", (), progress=progress), backup.backup_runner_of(plan))
                case _:
                    yield _run(driver, plan, task, progress)
        except PortableError as error:
            yield TaskResult(
                task=task,
                subject=driver.stack.project,
                result="failed",
                text=_told(error),
            )


def _told(error: PortableError) -> str:
    return (f"{error.text}: {error.remedy}" if error.remedy else error.text) + bracketed(error.code)


def _backed_up(rows: Sequence[backup.BackupRow], backup_runner: str) -> TaskResult:
    """Sum up the rows of the backup program. It is run through `backup`, which shows that it is alive."""
    counted = {result: sum(row.result == result for row in rows) for result in ("done", "left out", "failed")}
    text = ", ".join(f"{count} {result}" for result, count in counted.items() if count) or "nothing to do"
    lines = [f"{row.app}: {row.result}{f' {row.at}' if row.at else ''}" for row in rows]
    notes = [f"{row.app}: {note}" for row in rows for note in row.notes]
    return TaskResult(
        task="backup", subject=backup_runner, result="failed" if counted["failed"] else "done", text=text, lines=(*lines, *notes)
    )


def chosen(tasks: Sequence[str]) -> tuple[str, ...]:
    """Put tasks in their order; an empty list selects all. Raises UsageError for an unknown one."""
    if unknown := [task for task in tasks if task not in TASKS]:
        raise UsageError(f"unknown task {', '.join(unknown)}", code="usage.unknown-task", remedy=f"use one of: {', '.join(TASKS)}")
    return tuple(task for task in TASKS if not tasks or task in tasks)


def _run(driver: StackDriver, plan: Plan, task: str, progress: Progress) -> TaskResult:
    """Run the scheduled command of the task's app where the engine runs it."""
    name = _APPS[task]
    app = next((app for app in plan.apps if app.name == name), None)
    if app is None:
        return TaskResult(task=task, subject=name, result="not here", text=f"add {name} to the apps of {plan.profile}")
    lines: list[str] = []
    try:
        code = driver.run_scheduled(name, _command(app), lines.append, progress=progress)
    except PortableError as error:
        return TaskResult(task=task, subject=name, result="failed", text=_told(error))
    hidden = tuple(driver.hide(line) for line in lines)
    text = f"{len(hidden)} line{'' if len(hidden) == 1 else 's'} of output" if hidden else "nothing to do"
    return TaskResult(
        task=task, subject=name, result="done" if code == 0 else "failed", text=text if code == 0 else f"exit {code}", lines=hidden
    )


def _command(app: App) -> tuple[str, ...]:
    main = main_container(app)
    return (*(main.command or ()), *(main.args or ()))


def scrub(run: Callable[[str, Sequence[str]], str], plan: Plan) -> Iterator[TaskResult]:
    """Scrub each BTRFS file system that contains volumes, once: read every byte, and repair errors from a second copy."""
    folders = sorted({volume.place.path for volume in plan.volumes if isinstance(volume.place, Folder)})
    lines = run(script(__name__, "scrub.sh"), folders).splitlines()
    if folders and not lines:
        yield TaskResult(task="scrub", subject=folders[0], result="failed", text="the host reported no result of the scrub")
    for line in lines:
        code, _, rest = line.partition("|")
        folder, _, output = rest.partition("|")
        match code:
            case "absent":
                yield TaskResult(task="scrub", subject=folder, result="failed", text="the folder does not exist")
            case "other":
                text = f"its file system is {output}, which does not support scrubbing"
                yield TaskResult(task="scrub", subject=folder, result="not here", text=text)
            case "missing":
                yield TaskResult(
                    task="scrub", subject=folder, result="failed", text="the host has no `btrfs`: run `apt-get install btrfs-progs`"
                )
            case _:
                result = _CODES.get(code, "failed")
                text = output.strip()
                if "Corrected:" in text and result == "done":
                    text += f"; repaired from the other copy: `btrfs device stats {folder}` shows the failing disk"
                text = text or ("no errors" if result == "done" else f"the scrub failed (exit {code})")
                yield TaskResult(task="scrub", subject=folder, result=result, text=text)


def _unscrubbed(driver: StackDriver) -> Iterator[TaskResult]:
    """Say why no disk is scrubbed."""
    text = "the disks of a cluster belong to its nodes and file servers: scrub them there"
    yield TaskResult(task="scrub", subject=driver.stack.project, result="not here", text=text)


def newer(offered: Callable[[str], Offered], plan: Plan) -> Iterator[TaskResult]:
    """Check for each image pinned by digest whether its registry has a newer one under its tag. Nothing is changed."""
    registries = RegistryQueries(offered)
    overrides: dict[str, list[str]] = {}
    users: dict[str, dict[str, None]] = {}
    for app in plan.apps:
        for container in app.containers:
            path = f"override: {{{app.name}: {{containers: {{{container.name}: {{image: {{digest: "
            overrides.setdefault(container.image.reference, []).append(path)
            users.setdefault(container.image.reference, {})[app.name] = None
    for reference, paths in sorted(overrides.items()):
        tagged, answer = reference.partition("@")[0], registries.ask(reference)
        if answer.result != "newer":
            yield TaskResult(task="images", subject=tagged, result=answer.why or answer.result, text=answer.text, digest=answer.digest)
            continue
        text = f"update with `portable update {' '.join(users[reference])}`, or by hand in the profile:"
        lines = tuple(f"{path}{answer.digest}}}}}}}}}}}" for path in paths)
        yield TaskResult(task="images", subject=tagged, result="newer", text=text, lines=lines, digest=answer.digest)


def _record_images(project: str, answers: Sequence[TaskResult], progress: Progress) -> None:
    """Record what the registries offer."""
    images = tuple(ImageAnswer(image=done.subject, result=done.result, text=done.text, digest=done.digest) for done in answers)
    found = ImageRecord(at=now(), images=images)
    record(project, ImageRecord, lambda _: found, progress=progress)
