"""Runs the backup program in a Job, follows its output to the end, and removes the Job.

The Job goes on if this command is killed; it is known by its label, so the next command ends it and starts anew. The program itself is made
for that: a backup or a restore that ends half-way is completed by the same command (docs/adr/0010-backups.md).
"""

import contextlib
import json
import secrets as stdlib_secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from portable.engines.kubernetes.cluster import Cluster, ClusterReader, Reference, reference_of
from portable.engines.kubernetes.errors import ClusterError
from portable.engines.kubernetes.inside import follow_log
from portable.engines.kubernetes.lease import LeaseLost, lease_held
from portable.engines.kubernetes.pods import judge_pod
from portable.engines.kubernetes.verdict import KubernetesObject, newest_event, spec_of, status_of
from portable.live.kubernetes.apply import ApplyContext, until
from portable.live.kubernetes.backup_jobs import (
    JOB_KIND,
    JOB_LABEL,
    STOPPED_APPS,
    BackupLot,
    BackupRequest,
    bodies_of,
    claims_of,
    covered_apps,
    cron_job_of,
    lots_of,
    unmountable,
)
from portable.live.kubernetes.desired import claim_reference
from portable.live.kubernetes.stack import INSTANCE, KubernetesStack, store_lease_name
from portable.live.kubernetes.waiting import look_at_groups
from portable.model.codes import Code
from portable.model.errors import EngineError, PortableError, Refused
from portable.model.progress import Deduplicated, Event, Progress

OnLine = Callable[[str], None]
JOB_NAME: Final = "batch.kubernetes.io/job-name"
_POLL_SECONDS: Final = 1.0
_START_SECONDS: Final = 900.0
"""How long a pod may take to start: an image is pulled, and a disk may have to be attached to another node."""
_FINAL_SECONDS: Final = 10.0
_END_SECONDS: Final = 120.0
_SILENCE_SECONDS: Final = 60.0
"""The program gives a sign of life every ten seconds."""
_LOST_SECONDS: Final = 240.0
"""How long the API server may give no new line while the pod runs."""
_ONE_POD: Final = "ReadWriteOncePod"


def run_backup(cluster: Cluster, stack: KubernetesStack, request: BackupRequest, on_line: OnLine, progress: Progress) -> int:
    """Run a command of the backup program for its apps; its exit code. Every line that it prints goes to `on_line`.

    Raises an error before anything starts for what cannot work: no CronJob to take the settings from, a claim that does not exist.
    """
    refuse_impossible(cluster, stack, request)
    if not request.needs_state:
        progress(Event(what="doing", subject=request.runner, text=f"starting a pod that reads the store: {request.verb}"))
    if request.verb == "list":
        return _run_lots(JobRunner(cluster, stack, request, (), on_line, progress), ())
    command = "backup" if request.verb in ("backup", "check") else "restore"
    with lease_held(cluster, stack.namespace, store_lease_name(stack), command, dict(stack.labels)) as lost:
        work = ApplyContext(cluster, stack, lost, progress)
        end_jobs(work, backup_jobs(cluster, stack))  # of killed commands: a running one has the Lease
        wait_for_schedule(work, request.runner)
        runner = JobRunner(cluster, stack, request, (work,), on_line, progress)
        return _run_lots(runner, tuple(_left_out(stack, request)))


def backup_jobs(cluster: ClusterReader, stack: KubernetesStack, *, for_apps: Sequence[str] | None = None) -> tuple[KubernetesObject, ...]:
    """The Jobs of `portable backup` and `portable restore`. With `for_apps` only those that need one of these apps to be stopped."""
    labels = f"{INSTANCE}={stack.instance},{JOB_LABEL}={JOB_KIND}"
    found = tuple(cluster.list("batch/v1", "Job", namespace=stack.namespace, labels=labels))
    if for_apps is None:
        return found
    wanted = set(for_apps)
    return tuple(job for job in found if wanted & set(str((job["metadata"].get("annotations") or {}).get(STOPPED_APPS, "")).split(",")))


def end_jobs(work: ApplyContext, jobs: Sequence[KubernetesObject]) -> None:
    """Delete Jobs, and wait until their pods are gone: nothing works on the state of an app any more."""
    for job in jobs:
        name, uid = str(job["metadata"]["name"]), str(job["metadata"]["uid"])
        if not _is_finished(job):
            work.progress(Event(what="doing", subject=name, text="ending the pod of a command that was interrupted"))
        work.check()
        work.cluster.delete(Reference("batch/v1", "Job", work.stack.namespace, name), uid)
        until(work, lambda name=name: not _pods(work.cluster, work.stack, name), f"the pod of {name} has not ended", _END_SECONDS)  # type: ignore[misc]


class JobRunner:
    """One command of a program in a Job, and what it needs."""

    def __init__(
        self,
        cluster: Cluster,
        stack: KubernetesStack,
        request: BackupRequest,
        leases: tuple[ApplyContext, ...],
        on_line: OnLine,
        progress: Progress,
        pod: str = "the backup pod",
        codes: tuple[Code, Code] = ("backup.no-pod", "backup.ended-early"),
    ) -> None:
        """`pod` names the pod in errors; `codes` are those of one that cannot start, and of one that ends before its program."""
        self.pod, self.codes = pod, codes
        self.cluster, self.stack, self.request, self._leases = cluster, stack, request, leases
        self.progress = Deduplicated(progress)
        self._on_line = on_line
        self.reported: set[str] = set()
        """The apps of which the program printed a result."""

    def check(self) -> None:
        """Raise LeaseLost where another machine may work on the same store."""
        for lease in self._leases:
            lease.check()

    def say(self, line: str) -> None:
        """Pass on a line of the program."""
        with contextlib.suppress(ValueError, AttributeError):
            self.reported.add(str(json.loads(line).get("app")))
        self._on_line(line)

    def waiting(self, text: str) -> None:
        """Report what the command waits for."""
        self.progress(Event(what="waiting", subject=self.request.runner, text=text))


def _run_lots(runner: JobRunner, left_out: tuple[str, ...]) -> int:
    """Run each lot. One that fails keeps no other from its turn; where there is only one, its error is raised."""
    stack, request = runner.stack, runner.request
    for app in left_out:
        runner.say(json.dumps({"app": app, "result": "left out", "notes": ["it has no volume in a claim, so no other pod can mount it"]}))
    lots = [lot for lot in lots_of(stack, request, nodes_of_apps(runner.cluster, stack)) if lot.apps]
    worst = 0
    for lot in lots:
        why = ""
        try:
            code = _run_lot(runner, lot)
            if code not in (0, 1):
                why = f"the program ended early (exit {code})"
            elif silent := _without_result(runner, lot):
                text = f"the log of the backup pod has no result for {', '.join(silent)}"
                raise EngineError(text, code="backup.ended-early", where=stack.project, remedy="run the same command again")
        except PortableError as error:
            if len(lots) == 1 or isinstance(error, LeaseLost):
                raise
            code, why = 1, str(error)
        if why and len(lots) == 1:
            return code
        for app in lot.apps if why else ():
            if app not in runner.reported:
                runner.say(json.dumps({"app": app, "result": "failed", "notes": [why]}))
        worst = max(worst, 1 if why else code)
    return worst


def _without_result(runner: JobRunner, lot: BackupLot) -> tuple[str, ...]:
    """The apps of a lot of which the program must have printed a result, and of which none arrived."""
    if runner.request.verb == "list":
        return ()  # an app may have no backup
    expected = lot.apps if runner.request.verb != "check" or runner.request.apps else ()
    return tuple(app for app in expected if app not in runner.reported)


def _run_lot(runner: JobRunner, lot: BackupLot) -> int:
    """Run the program for a lot; its exit code. Nothing of it is left afterwards."""
    runner.check()
    job, files = bodies_of(runner.stack, runner.request, lot, stdlib_secrets.token_hex(3))
    made = _created(runner.cluster, job)
    name, uid = str(made["metadata"]["name"]), str(made["metadata"]["uid"])
    try:
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid}
        # Deleted with the Job, also where this command is killed and the cluster removes the Job later.
        _created(runner.cluster, {**files, "metadata": {**files["metadata"], "ownerReferences": [owner]}})
        pod, container = until_started(runner, name)
        return follow(runner, pod, container)
    finally:
        with contextlib.suppress(ClusterError):  # it removes itself an hour after its end
            runner.cluster.delete(Reference("batch/v1", "Job", runner.stack.namespace, name), uid)
            work = ApplyContext(runner.cluster, runner.stack, threading.Event(), runner.progress)
            until(work, lambda: not _pods(runner.cluster, runner.stack, name), f"the pod of {name} has not ended", _END_SECONDS)


def _created(cluster: Cluster, item: KubernetesObject) -> KubernetesObject:
    """Create an object whose name is new; as stored. One that exists is this one, and the answer to the first request was lost."""
    try:
        return cluster.create(item)
    except ClusterError as trouble:
        if trouble.kind == "conflict" and (there := cluster.get(reference_of(item))) is not None:
            return there
        raise


def until_started(runner: JobRunner, job: str) -> tuple[str, str]:
    """Wait until the first program of a pod runs or has ended; its pod and container. Gives up where waiting cannot help."""
    end, failing_since = time.monotonic() + _START_SECONDS, 0.0
    while True:
        runner.check()
        try:
            pods = _pods(runner.cluster, runner.stack, job)
            if pods and _state(pods[0], container := str(spec_of(pods[0])["containers"][0]["name"])).keys() & {"running", "terminated"}:
                return str(pods[0]["metadata"]["name"]), container
            reason, is_final = _why_not_started(runner, job, pods)
        except ClusterError as trouble:  # it may pass: the API server is being updated
            if trouble.kind == "refused" or time.monotonic() >= end:
                raise
            reason, is_final = trouble.text, False
        failing_since = (failing_since or time.monotonic()) if is_final else 0.0
        if (is_final and time.monotonic() - failing_since >= _FINAL_SECONDS) or time.monotonic() >= end:
            remedy = f"mend it, then run the same command again; `kubectl describe job -n {runner.stack.namespace} {job}` shows more"
            raise EngineError(f"{runner.pod} cannot start: {reason}", code=runner.codes[0], where=runner.stack.project, remedy=remedy)
        runner.waiting(reason)
        time.sleep(_POLL_SECONDS)


def _why_not_started(runner: JobRunner, job: str, pods: Sequence[KubernetesObject]) -> tuple[str, bool]:
    """What the program still waits for, and whether waiting cannot help."""
    events = tuple(runner.cluster.list("v1", "Event", namespace=runner.stack.namespace))
    if pods:
        verdict = judge_pod(pods[0], _about(pods[0], events))
        return verdict.reason or "its container is about to start", verdict.is_final
    if refused := newest_event([event for event in events if (event.get("involvedObject") or {}).get("name") == job], "FailedCreate"):
        return f"its pod is refused: {refused.get('message')}", True
    return "no pod was created yet", False


def follow(runner: JobRunner, pod: str, container: str) -> int:
    """Pass on the program's lines until it has ended; its exit code. A connection that breaks is taken up again where it was."""
    passed, last = 0, time.monotonic()
    while True:
        ended, is_whole = None, False
        try:
            ended = _ended(runner, pod, container)  # known before the last reading, so that this one is complete
            for number, line in enumerate(
                follow_log(runner.cluster, runner.stack.namespace, pod, container, silence=_SILENCE_SECONDS), start=1
            ):
                runner.check()
                if number > passed:
                    passed, last = number, time.monotonic()
                    runner.say(line.partition(" ")[2])
            is_whole = True
        except ClusterError as trouble:
            if trouble.kind == "refused" or time.monotonic() - last > _LOST_SECONDS:
                raise
            runner.waiting(trouble.text)
        if ended is not None and is_whole:
            return ended
        if time.monotonic() - last > _LOST_SECONDS:
            text = f"the pod {pod} runs, and gave no sign of life for {_LOST_SECONDS:.0f} s"
            raise EngineError(text, code=runner.codes[1], where=runner.stack.project, remedy="run the same command again")
        time.sleep(_POLL_SECONDS)


def _ended(runner: JobRunner, pod: str, container: str) -> int | None:
    """The exit code of the program, None while it runs. Raises EngineError for a pod that is gone, or was ended by its node."""
    found = runner.cluster.get(Reference("v1", "Pod", runner.stack.namespace, pod))
    if found is not None and (ended := _state(found, container).get("terminated")):
        if ended.get("reason") == "OOMKilled":
            runner.say("the kernel killed the program, because its pod has too little memory: raise `resources` of the app in the profile")
        return int(ended.get("exitCode") or 0)
    if found is None or status_of(found).get("phase") in ("Failed", "Succeeded"):
        told = status_of(found) if found is not None else {"reason": "somebody deleted it"}
        reason = str(told.get("message") or told.get("reason") or "its node gave no reason")
        text = f"{runner.pod} ended before the program did: {reason}"
        raise EngineError(text, code=runner.codes[1], where=runner.stack.project, remedy="run the same command again")
    return None


def refuse_impossible(cluster: ClusterReader, stack: KubernetesStack, request: BackupRequest) -> None:
    """Raise an error for what would fail only later."""
    item = cron_job_of(stack, request.runner)
    if item is None or cluster.get(item.reference) is None:
        remedy = f"run `portable up {request.runner}`, then this command again"
        text = f"backups are made by the app {request.runner}, which does not exist on the cluster"
        raise PortableError(text, code="backup.not-running", where=stack.project, remedy=remedy)
    if request.apps and request.needs_state and (without := unmountable(stack, request.apps)):
        text = f"no other pod can mount the state of {', '.join(without)}: it is not in a claim"
        raise Refused(text, code="backup.no-claim", where=stack.project, remedy="give it a claim with `storage` in the profile")
    apps = (request.apps or covered_apps(stack)) if request.needs_state else ()
    running = nodes_of_apps(cluster, stack)
    for name in claims_of(stack, apps):
        claim = cluster.get(claim_reference(stack, name))
        if claim is None:
            text = f"the claim {name} does not exist"
            remedy = "create it with `portable up`, then run the same command again"
            raise EngineError(text, code="backup.no-claim", where=stack.project, remedy=remedy)
        users = [app for app in apps if app in running and name in claims_of(stack, (app,))]
        if users and not request.has_stopped_apps and _ONE_POD in (spec_of(claim).get("accessModes") or ()):
            text = f"the claim {name} is {_ONE_POD}, so no other pod can mount it while {', '.join(users)} runs"
            names = " ".join(users)
            remedy = f"`portable backup --stop {names}` stops it meanwhile"
            if request.verb != "backup":
                remedy = f"run `portable down {names}`, then the same command again, which starts it afterwards"
            raise Refused(text, code="backup.no-claim", where=stack.project, remedy=remedy)


def _left_out(stack: KubernetesStack, request: BackupRequest) -> Iterator[str]:
    """The apps of a command for all that have no volume in a claim."""
    if request.needs_state and not request.apps:
        yield from unmountable(stack, covered_apps(stack))


def wait_for_schedule(work: ApplyContext, runner: str) -> None:
    """Wait until a run of the schedule has ended: both write to the store, and not every file server knows the other's lock."""
    item = cron_job_of(work.stack, runner)
    once = Deduplicated(work.progress)
    while item is not None:
        work.check()
        jobs = work.cluster.list("batch/v1", "Job", namespace=work.stack.namespace)  # their labels are up to who applies the CronJob
        active = [job for job in jobs if _is_of_schedule(job, item.reference.name) and not _is_finished(job)]
        if not active:
            return
        once(Event(what="waiting", subject=runner, text=f"waiting for its scheduled run {active[0]['metadata']['name']}"))
        time.sleep(_POLL_SECONDS)


def _is_of_schedule(job: KubernetesObject, cron_job: str) -> bool:
    owners = job["metadata"].get("ownerReferences") or ()
    return any((owner.get("kind"), owner.get("name")) == ("CronJob", cron_job) for owner in owners)


def nodes_of_apps(cluster: ClusterReader, stack: KubernetesStack) -> Mapping[str, str]:
    """The node of each app that has a pod on one."""
    found: dict[str, str] = {}
    for standing in look_at_groups(cluster, stack):
        node = str(spec_of(standing.pod).get("nodeName") or "") if standing.pod is not None else ""
        if standing.pod is not None and status_of(standing.pod).get("phase") not in ("Failed", "Succeeded") and node:
            found |= dict.fromkeys(standing.group.apps, node)
    return found


def _pods(cluster: ClusterReader, stack: KubernetesStack, job: str) -> tuple[KubernetesObject, ...]:
    return tuple(cluster.list("v1", "Pod", namespace=stack.namespace, labels=f"{JOB_NAME}={job}"))


def _state(pod: KubernetesObject, container: str) -> Mapping[str, Any]:
    for seen in status_of(pod).get("containerStatuses") or ():
        if seen["name"] == container:
            state: Mapping[str, Any] = seen.get("state") or {}
            return state
    return {}


def _is_finished(job: KubernetesObject) -> bool:
    conditions = status_of(job).get("conditions") or ()
    return any(condition["type"] in ("Complete", "Failed") and condition["status"] == "True" for condition in conditions)


def _about(item: KubernetesObject, events: Sequence[KubernetesObject]) -> tuple[KubernetesObject, ...]:
    uid = item["metadata"].get("uid")
    return tuple(event for event in events if (event.get("involvedObject") or {}).get("uid") == uid)
