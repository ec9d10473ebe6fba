"""`up` and `diff`."""

from collections.abc import Collection

from portable.engines.kubernetes.cluster import Cluster, ClusterReader, Reference
from portable.engines.kubernetes.connection import OLDEST
from portable.engines.kubernetes.errors import ClusterError
from portable.engines.kubernetes.lease import lease_held
from portable.live.image_updates import refuse_unready
from portable.live.kubernetes.apply import ApplyContext, carry_out, create_namespace, record_current
from portable.live.kubernetes.backup_run import backup_jobs, end_jobs
from portable.live.kubernetes.look import ClusterState, look
from portable.live.kubernetes.obstacles import refuse_obstacles
from portable.live.kubernetes.pauses import PAUSED, noted_pauses
from portable.live.kubernetes.reconcile import ApplyPlan, changes_of, reconcile
from portable.live.kubernetes.secret_values import SecretLookup, look_up
from portable.live.kubernetes.stack import KubernetesStack, apps_of, chosen_groups, lease_name, refuse_unknown
from portable.live.kubernetes.status import status
from portable.live.kubernetes.versions import asking_record, asking_store, version_obstacles, version_ways, wanted_images
from portable.live.kubernetes.waiting import ReadinessWatch
from portable.live.last_images import note_images
from portable.live.restoring import copies_ended, refuse_half_restored, started_again
from portable.live.results import Outcome
from portable.live.tried import text_of_way
from portable.local.lock import Lock, locked
from portable.model.changes import Change
from portable.model.progress import Deduplicated, Event, Progress, silent
from portable.secrets.sources import Source
from portable.secrets.values import Resolved

LEASE_API = "coordination.k8s.io/v1"


def check_version(cluster: ClusterReader) -> str:
    """The version of the API server. Raises ClusterError for one that is too old to have native sidecars."""
    found = cluster.version()
    text = ".".join(str(number) for number in found)
    if found < OLDEST:
        oldest = ".".join(str(number) for number in OLDEST)
        where = cluster.address.where
        raise ClusterError("old", f"Kubernetes {text} is too old", where=where, remedy=f"upgrade the cluster to {oldest} or newer")
    return text


def diff(cluster: ClusterReader, stack: KubernetesStack, source: Source | Resolved, *, apps: tuple[str, ...] = ()) -> tuple[Change, ...]:
    """What `up` would do. Needs no method that writes. Raises Refused with every obstacle."""
    refuse_unknown(stack, apps)
    check_version(cluster)
    found = look_up(stack, source)
    observed = look(cluster, stack, found, source, apps)
    reconciled = reconcile(observed, stack, apps=apps)
    ways = version_ways(observed, stack, asking_record(stack))
    refuse_obstacles((*reconciled.problems, *version_obstacles(ways, stack)), cluster.address.where)
    return changes_of(reconciled, stack)


def up(
    cluster: Cluster,
    stack: KubernetesStack,
    source: Source,
    *,
    apps: tuple[str, ...] = (),
    deadline: float | None = None,
    progress: Progress = silent,
    held: Lock | None = None,
) -> Outcome:
    """Make the cluster have what the stack says, and wait until its apps are ready. Nothing is written where nothing differs.

    Raises Refused with every obstacle before the first write. After another error, finished steps stay, and the same command goes on.
    """
    refuse_unknown(stack, apps)
    check_version(cluster)
    found = look_up(stack, source)
    wanted = _apps_for(stack, apps)
    with locked(stack.project, "up", progress=progress, held=held):
        refuse_unready(stack.taken, wanted)
        refuse_half_restored(stack.project, wanted)
        once = Deduplicated(progress)
        before = lease_transitions(cluster, stack)
        observed, reconciled = _look(cluster, stack, found, source, apps, once)
        if not observed.has_namespace:
            create_namespace(cluster, observed)
            progress(Event(what="doing", subject=f"Namespace {stack.namespace}", text="create: it does not exist yet"))
        for note in reconciled.notes:
            progress(Event(what="note", subject="", text=note))
        watch = ReadinessWatch(cluster, stack, chosen_groups(stack, apps), once, deadline)
        if reconciled.is_done:
            watch.until_ready()
        else:
            changes = changes_of(reconciled, stack)
            with lease_held(cluster, stack.namespace, lease_name(stack), "up", dict(stack.labels)) as lost:
                if not observed.has_namespace or lease_transitions(cluster, stack) != before + 1:
                    # Another command ran since the look; or the namespace is new, and nothing in it was tried yet.
                    observed, again = _look(cluster, stack, found, source, apps, once)
                    changes, reconciled = _joined(changes, changes_of(again, stack)), again
                for change in changes:
                    progress(Event(what="doing", subject=change.service, text=f"{change.kind}: {change.cause}"))
                work = ApplyContext(cluster, stack, lost, progress)
                if reconciled.steps or reconciled.removals:
                    note_images(stack.project, wanted_images(observed, stack))
                    if stack.backed_up:  # a killed command may have left a pod that works on the state of an app that starts now
                        end_jobs(work, backup_jobs(cluster, stack, for_apps=tuple(wanted)))
                        copies_ended(stack.project, wanted)
                    carry_out(work, observed, reconciled)
                    _end_pauses(work, observed, reconciled)
                else:
                    record_current(work, observed)
                watch.until_ready(work.check)
            started_again(stack.project, wanted if apps else ())
            return Outcome(changes=changes, rows=status(cluster, stack))
        started_again(stack.project, wanted if apps else ())
    return Outcome(changes=(), rows=status(cluster, stack))


def lease_transitions(cluster: ClusterReader, stack: KubernetesStack) -> int:
    """The number of changes of the holder of the Lease; -1 where it does not exist yet."""
    lease = cluster.get(Reference(LEASE_API, "Lease", stack.namespace, lease_name(stack)))
    return -1 if lease is None else int((lease.get("spec") or {}).get("leaseTransitions") or 0)


def _end_pauses(work: ApplyContext, observed: ClusterState, reconciled: ApplyPlan) -> None:
    """Remove the note that a command stopped these apps: they run again."""
    started = {step.item.reference for step in reconciled.steps}
    for reference in noted_pauses(observed.live):
        if reference in started:
            work.cluster.merge(reference, {"metadata": {"annotations": {PAUSED: None}}})


def _look(
    cluster: Cluster, stack: KubernetesStack, found: SecretLookup, source: Source | Resolved, apps: tuple[str, ...], progress: Progress
) -> tuple[ClusterState, ApplyPlan]:
    observed = look(cluster, stack, found, source, apps)
    reconciled = reconcile(observed, stack, apps=apps)
    ways = version_ways(observed, stack, asking_store(cluster, stack, progress))
    refuse_obstacles((*reconciled.problems, *version_obstacles(ways, stack)), cluster.address.where)
    for way in ways:
        progress(Event(what="note", subject="", text=text_of_way(way)))
    return observed, reconciled


def _joined(first: tuple[Change, ...], second: tuple[Change, ...]) -> tuple[Change, ...]:
    """The changes of a first look and those of the second one, each subject once."""
    known = {(change.kind, change.service) for change in second}
    return (
        *(change for change in first if (change.kind, change.service) not in known and change.service.startswith("Namespace ")),
        *second,
    )


def _apps_for(stack: KubernetesStack, apps: tuple[str, ...]) -> Collection[str]:
    """The apps that run once these do."""
    chosen = chosen_groups(stack, apps)
    return {app for group in stack.groups if group.name in chosen for app in group.apps} if apps else set(apps_of(stack))
