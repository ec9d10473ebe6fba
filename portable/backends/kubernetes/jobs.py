"""Apps that run at times: a CronJob around the pod that a Deployment would keep."""

from collections.abc import Iterator

from portable.backends.common import refuse
from portable.backends.kubernetes.names import Body
from portable.backends.kubernetes.scope import Scope
from portable.model.findings import Finding
from portable.model.plan import Group, Schedule

_MISSED = 3600
"""Seconds after which a time that was missed is left out."""
_LONGEST = 6 * 3600
"""Seconds after which a run is given up: one that waits for a cloud that stays away would keep all later ones from starting."""


def group_schedule(scope: Scope, group: Group) -> Schedule | None:
    """The times of the group's one app; None where the pod is to be there always."""
    members = scope.members(group)
    return members[0].schedule if len(members) == 1 else None


def cron_job(metadata: Body, template: Body, schedule: Schedule, timezone: str) -> Body:
    """A CronJob; a run that isn't over is not joined by another one, and one that fails waits for its next time."""
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
    """Schedules that no CronJob can keep: a pod ends when all that is in it does."""
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
                if container.role == "beside":
                    path = f"apps.{app.name}.containers.{container.name}.role"
                    text = f"{app.name} has a schedule, but its container {container.name} never ends, so its job would never end."
                    remedy = f"remove the container {container.name}, or the schedule"
                    yield refuse("schedule", path, "function", text, remedy, code="kubernetes.schedule-sidecar", app=app.name)
