"""Apps with a schedule: a CronJob around the pod that would otherwise always run."""

from collections.abc import Iterator

from portable.backends.common import refuse
from portable.backends.kubernetes.names import Body
from portable.backends.kubernetes.scope import Scope
from portable.model.findings import Finding
from portable.model.plan import Group, Schedule

_MISSED = 3600
"""Seconds after which a missed start is skipped."""
_LONGEST = 6 * 3600
"""Seconds after which a run is stopped. A run that waits forever for a cloud would block all later ones."""


def group_schedule(scope: Scope, group: Group) -> Schedule | None:
    """Return the schedule of the group's only app; None if the pod always runs."""
    members = scope.members(group)
    return members[0].schedule if len(members) == 1 else None


def cron_job(metadata: Body, template: Body, schedule: Schedule, timezone: str) -> Body:
    """Return a CronJob. Runs never overlap, and a failed run waits for the next scheduled time."""
    template["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata,
        "spec": {
            "concurrencyPolicy": "Forbid",
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": {"activeDeadlineSeconds": _LONGEST, "backoffLimit": 0, "template": template}},
            "schedule": schedule.cron,
            "startingDeadlineSeconds": _MISSED,
            "successfulJobsHistoryLimit": 1,
            "timeZone": timezone,
        },
    }


def job_findings(scope: Scope) -> Iterator[Finding]:
    """Yield findings on schedules that a CronJob cannot run: a pod ends only when all its containers end."""
    for group in scope.plan.groups:
        members = scope.members(group)
        for app in members:
            if app.schedule is None:
                continue
            if len(members) > 1:
                text = f"{app.name} has a schedule, but shares the pod of group {group.name}, which always runs."
                path, remedy = f"apps.{app.name}.schedule", "give the app a group of its own, or remove its schedule"
                yield refuse("schedule", path, "function", text, remedy, code="kubernetes.schedule-pod", app=app.name)
            for container in app.containers:
                if container.role == "sidecar":
                    path = f"apps.{app.name}.containers.{container.name}.role"
                    text = f"{app.name} has a schedule, but its container {container.name} never ends, so its job would never end."
                    remedy = f"remove the container {container.name}, or the schedule"
                    yield refuse("schedule", path, "function", text, remedy, code="kubernetes.schedule-sidecar", app=app.name)
