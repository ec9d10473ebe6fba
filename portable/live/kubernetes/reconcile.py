"""Cluster state -> steps with a cause each, and every obstacle. Pure: the order of rules is the order of causes."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

from portable.engines.kubernetes.cluster import Reference
from portable.engines.kubernetes.difference import changed_paths, sentences
from portable.engines.kubernetes.verdict import KubernetesObject, spec_of
from portable.live.kubernetes.desired import SECRET_DIGEST, DesiredObject, template_of
from portable.live.kubernetes.inventory import InventoryEntry, current, prunable_objects
from portable.live.kubernetes.look import ClusterState, ObjectState
from portable.live.kubernetes.obstacles import (
    Obstacle,
    is_applied,
    is_ending,
    is_ours,
    note_of,
    notes_of_stack,
    obstacle_of,
    obstacles_of_stack,
    unfinished_restore,
)
from portable.live.kubernetes.order import runs_pods
from portable.live.kubernetes.owners import has_applied, is_managed
from portable.live.kubernetes.stack import KubernetesStack, apps_of
from portable.model.base import Struct
from portable.model.changes import Change

StepKind = Literal["create", "change", "restart", "recreate", "start"]
_REPLACED: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Service", "RoleBinding", "ClusterRoleBinding"})
"""Kinds that are deleted and created again where a field is immutable: they hold no data."""
_IMMUTABLE: Final = ("immutable", "cannot change roleRef", "updates to statefulset spec", "may not change once set")
GONE: Final = "it is not part of the stack any more"


class ApplyStep(Struct, frozen=True, kw_only=True):
    """One object to apply, and why."""

    how: StepKind
    item: DesiredObject
    cause: str
    is_forced: bool = False
    cleaned: KubernetesObject | None = None
    """Written before the object is applied: it as it is, without what a person added."""
    replaces: str = ""
    """UID of the object that is deleted before; empty where it is changed in place."""


class Removal(Struct, frozen=True, kw_only=True):
    """One object to delete, and why."""

    reference: Reference
    live: Any
    cause: str = GONE

    @property
    def uid(self) -> str:
        """The UID of exactly that object."""
        return str(self.live["metadata"]["uid"])


class ApplyPlan(Struct, frozen=True, kw_only=True):
    """The steps and removals, or the obstacles."""

    steps: tuple[ApplyStep, ...] = ()
    removals: tuple[Removal, ...] = ()
    problems: tuple[Obstacle, ...] = ()
    notes: tuple[str, ...] = ()
    """Remarks that stop nothing."""
    is_recorded: bool = True
    """Whether the inventory is as it should be."""

    @property
    def is_done(self) -> bool:
        """Whether nothing has to be written."""
        return not self.steps and not self.removals and self.is_recorded


def reconcile(observed: ClusterState, stack: KubernetesStack, *, apps: tuple[str, ...] = ()) -> ApplyPlan:
    """The steps in the order of the files. Where apps are named, nothing is removed."""
    steps: list[ApplyStep] = []
    problems, notes = list(obstacles_of_stack(observed, stack)), list(notes_of_stack(observed, stack))
    if is_ending(observed, stack):
        return ApplyPlan(problems=tuple(problems))
    for seen in observed.seen:
        if (unfinished := unfinished_restore(seen, observed, stack)) is not None:
            problems.append(unfinished)  # before all else: an object that is made anew would start, too
        elif (note := note_of(seen, stack)) is not None:
            notes.append(note)
        elif (replaced := _replaced(seen, stack)) is not None:
            steps.append(replaced)
        elif (problem := obstacle_of(seen, observed, stack)) is not None:
            problems.append(problem)
        elif (step := _step(seen)) is not None:
            steps.append(step)
    wanted = {seen.item.reference for seen in observed.seen}
    gone = () if apps else prunable_objects(stack, observed.recorded, wanted, observed.live)
    removals = tuple(Removal(reference=reference, live=item) for reference, item in gone)
    return ApplyPlan(
        steps=tuple(steps),
        removals=removals,
        problems=tuple(problems),
        notes=tuple(dict.fromkeys(filter(None, notes))),
        is_recorded=set(current_inventory(stack, observed)) == set(observed.recorded),
    )


def changes_of(reconciled: ApplyPlan, stack: KubernetesStack) -> tuple[Change, ...]:
    """The steps as a person reads them: a line for each app, and one for each object that is about no app or changes in place.

    Objects that come or go together with the workload of their app are not told one by one.
    """
    found: list[Change] = []
    found += _removed(reconciled.removals, stack)
    created = {step.item.group for step in reconciled.steps if step.how == "create" and step.item.has_pods}
    for step in reconciled.steps:
        item = step.item
        if item.has_pods:
            cause = _with_companions(step, reconciled.steps) if step.how == "create" else step.cause
            found += [Change(kind=step.how, service=app, app=app, cause=cause) for app in item.apps or (item.reference.name,)]
        elif not (step.how == "create" and item.group and item.group in created):
            app = item.apps[0] if len(item.apps) == 1 else ""
            found.append(Change(kind=step.how, service=str(item.reference), app=app, cause=step.cause))
    return tuple(found)


def _with_companions(step: ApplyStep, steps: Iterable[ApplyStep]) -> str:
    kinds = sorted(
        {other.item.kind for other in steps if other.how == "create" and other.item.group == step.item.group and other is not step}
    )
    return f"{step.cause}; with its {', '.join(kinds)}" if kinds else step.cause


def _removed(removals: Iterable[Removal], stack: KubernetesStack) -> Iterator[Change]:
    removals = tuple(removals)
    names = {removal.reference.name for removal in removals if runs_pods(removal.reference.kind)}
    known = apps_of(stack)
    for removal in removals:
        label = str((removal.live["metadata"].get("labels") or {}).get("app.kubernetes.io/name") or "")
        if runs_pods(removal.reference.kind):
            app = label or removal.reference.name
            yield Change(kind="remove", service=str(removal.reference) if app in known else app, app=app, cause=removal.cause)
        elif label not in names:
            yield Change(kind="remove", service=str(removal.reference), app=label if label in known else "", cause=removal.cause)


def _step(seen: ObjectState) -> ApplyStep | None:
    item, live, stored = seen.item, seen.live, seen.preview.stored
    if live is None:
        if not seen.is_readable:
            return None
        return ApplyStep(how="create", item=item, cause="it does not exist yet")
    if live["metadata"].get("deletionTimestamp"):
        return ApplyStep(how="recreate", item=item, cause="it is being deleted", replaces=str(live["metadata"]["uid"]))
    if stored is None:
        return None
    if seen.preview.taken_from:
        cause, cleaned = f"it is taken over from {seen.preview.taken_from}", seen.preview.cleaned
        return ApplyStep(how=_how(item, live, stored), item=item, cause=cause, is_forced=True, cleaned=cleaned)
    if not changed_paths(live, stored):
        # Its fields have to be portable's own, or a later change of them would be another owner's business.
        is_new = is_managed(live) and not has_applied(live) and not item.is_prerequisite
        return ApplyStep(how="change", item=item, cause="another tool applied it; portable takes it over") if is_new else None
    return ApplyStep(
        how=_how(item, live, stored),
        item=item,
        cause=sentences(live, stored),
        is_forced=seen.preview.is_forced,
        cleaned=seen.preview.cleaned,
    )


def _how(item: DesiredObject, live: KubernetesObject, stored: KubernetesObject) -> StepKind:
    if not item.has_pods or item.kind in ("CronJob", "Job"):
        return "change"
    before, after = template_of(live), template_of(stored)
    if before == after:
        return "start" if spec_of(live).get("replicas") == 0 and spec_of(stored).get("replicas") else "change"
    return "restart" if _without_digest(before) == _without_digest(after) else "recreate"


def _without_digest(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """The template without the digest of its secrets, whose change only restarts pods."""
    metadata = template.get("metadata") or {}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != SECRET_DIGEST}
    return {**template, "metadata": {**metadata, "annotations": annotations}}


def _replaced(seen: ObjectState, stack: KubernetesStack) -> ApplyStep | None:
    """The step for an object with a change that the API server makes in no existing object."""
    if seen.live is None or seen.preview.kind != "invalid" or seen.item.kind not in _REPLACED:
        return None
    if not any(word in seen.preview.refusal for word in _IMMUTABLE):
        return None
    if not is_ours(seen, stack):
        return None
    return ApplyStep(
        how="recreate",
        item=seen.item,
        cause=f"the API server does not change it in place: {seen.preview.refusal}",
        replaces=str(seen.live["metadata"]["uid"]),
    )


def current_inventory(stack: KubernetesStack, observed: ClusterState) -> tuple[InventoryEntry, ...]:
    """The inventory as it should be now."""
    applied = [(seen.item.reference, seen.live) for seen in observed.seen if is_applied(seen)]
    uids = {reference: str(live["metadata"]["uid"]) for reference, live in applied if live is not None}
    return current(stack, observed.recorded, uids, observed.live, observed.unreadable)
