"""Runs an app on a schedule now, for `portable upkeep`: in a Job made from its CronJob as the cluster has it."""

import contextlib
import copy
import secrets as stdlib_secrets
import threading
from collections.abc import Callable
from typing import Any, Final

from portable.engines.kubernetes.cluster import Cluster, Reference
from portable.engines.kubernetes.errors import ClusterError
from portable.engines.kubernetes.verdict import KubernetesObject, spec_of
from portable.live.kubernetes.apply import ApplyContext
from portable.live.kubernetes.backup_jobs import JOB_LABEL, BackupRequest, cron_job_of
from portable.live.kubernetes.backup_run import JobRunner, end_jobs, follow, until_started, wait_for_schedule
from portable.live.kubernetes.stack import INSTANCE, KubernetesStack
from portable.model.errors import PortableError
from portable.model.progress import Event, Progress

_RUN_KIND: Final = "run"
"""The value of the label of these Jobs."""
_NAME_LENGTH: Final = 40
_KEPT_SECONDS: Final = 600


def run_now(cluster: Cluster, stack: KubernetesStack, app: str, on_line: Callable[[str], None], progress: Progress) -> int:
    """Run the app once to its end; its exit code. A run of its schedule ends first, and that of a killed command is ended.

    Raises PortableError where its CronJob does not exist, or its pod cannot start.
    """
    item = cron_job_of(stack, app)
    live = cluster.get(item.reference) if item is not None else None
    if live is None:
        remedy = f"start it with `portable up {app}`"
        raise PortableError(f"the CronJob of {app} does not exist", code="up.not-running", where=stack.project, remedy=remedy)
    work = ApplyContext(cluster, stack, threading.Event(), progress)
    labels = f"{INSTANCE}={stack.instance},{JOB_LABEL}={_RUN_KIND}"
    jobs = cluster.list("batch/v1", "Job", namespace=stack.namespace, labels=labels)
    end_jobs(work, tuple(job for job in jobs if str(job["metadata"]["name"]).startswith(_prefix(live))))
    wait_for_schedule(work, app)
    runner = JobRunner(
        cluster,
        stack,
        BackupRequest(runner=app, verb=_RUN_KIND),
        (),
        on_line,
        progress,
        pod=f"the pod of {app}",
        codes=("schedule.no-pod", "schedule.ended-early"),
    )
    made = cluster.create(job_from(live, stdlib_secrets.token_hex(3)))
    name, uid = str(made["metadata"]["name"]), str(made["metadata"]["uid"])
    progress(Event(what="doing", subject=app, text=f"running it in the Job {name}"))
    try:
        pod, container = until_started(runner, name)
        return follow(runner, pod, container)
    finally:
        with contextlib.suppress(ClusterError):  # it removes itself after its end
            cluster.delete(Reference("batch/v1", "Job", stack.namespace, name), uid)


def job_from(live: KubernetesObject, suffix: str) -> dict[str, Any]:
    """The Job that a CronJob would make now, with a label of its own. Pure."""
    template = copy.deepcopy(dict(spec_of(live).get("jobTemplate") or {}))
    metadata = template.get("metadata") or {}
    labels = {**(live["metadata"].get("labels") or {}), **(metadata.get("labels") or {}), JOB_LABEL: _RUN_KIND}
    annotations = {**(metadata.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{_prefix(live)}{suffix}",
            "namespace": live["metadata"]["namespace"],
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {**(template.get("spec") or {}), "backoffLimit": 0, "ttlSecondsAfterFinished": _KEPT_SECONDS},
    }


def _prefix(live: KubernetesObject) -> str:
    return f"{str(live['metadata']['name'])[:_NAME_LENGTH].rstrip('-')}-{_RUN_KIND}-"
