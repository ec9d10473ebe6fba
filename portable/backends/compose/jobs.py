"""Apps with a schedule. Docker cannot start containers on a schedule, so theirs always runs: a script waits and runs the command."""

from functools import cache
from typing import Any

from portable.backends.common import Index, PlacedContainer, main_container, note, refuse
from portable.backends.compose.part import ServicePart
from portable.model.findings import Finding
from portable.model.plan import File, Schedule
from portable.model.shell import script as read_script

SCRIPT = "schedule-script"
_PATH = "/schedule.sh"


def runs_at_times(placed: PlacedContainer) -> bool:
    """Return whether this is the container that the app's schedule runs."""
    return placed.app is not None and placed.app.schedule is not None and placed.container is main_container(placed.app)


def command(placed: PlacedContainer) -> ServicePart:
    """Return the command of a container: its own, or the script that runs it on schedule."""
    container, app = placed.container, placed.app
    own = list(container.command) if container.command is not None else None
    args = {"command": list(container.args) if container.args is not None else None}
    if app is None or app.schedule is None or not runs_at_times(placed):
        return ServicePart({"entrypoint": own, **args})
    return ServicePart({"entrypoint": ["/bin/sh", _PATH, *_times(app.schedule), *(own or ())], **args}, tuple(_findings(placed)))


@cache
def script() -> File:
    """Return the script that waits for the schedule, as a file of the project."""
    return File(id=SCRIPT, body=(read_script(__name__, "schedule.sh"),))


def mounted_script(placed: PlacedContainer) -> tuple[File, str] | None:
    """Return the script and its path in the container, if the container needs it."""
    return (script(), _PATH) if runs_at_times(placed) else None


def configs(index: Index) -> dict[str, Any]:
    """Return the project's config with the script, if some app needs it."""
    needed = any(app.schedule is not None for app in index.plan.apps)
    return {SCRIPT: {"content": "".join(str(part) for part in script().body)}} if needed else {}


def _times(schedule: Schedule) -> list[str]:
    lists = ((schedule.minutes, 2), (schedule.hours, 2), (schedule.days, 2), (schedule.months, 2), (schedule.weekdays, 1))
    return [",".join(f"{number:0{digits}}" for number in numbers) or "*" for numbers, digits in lists]


def _findings(placed: PlacedContainer) -> list[Finding]:
    findings = []
    if not placed.container.command:
        text = f"{placed.about} has a `schedule` but no `command`: Compose cannot look up the command of its image."
        path = f"apps.{placed.about}.schedule"
        remedy = "add the `command` to the app's file"
        findings.append(refuse("schedule", path, "function", text, remedy, code="compose.schedule-command", app=placed.about))
    text = "If the image lacks time zone data, the schedule runs in UTC instead of the stack's time zone."
    remedy = "check the image, or write the hours of the schedule in UTC"
    findings.append(note("schedule.timezone", "timezone", "cosmetic", text, remedy, code="compose.schedule-timezone", app=placed.about))
    return findings
