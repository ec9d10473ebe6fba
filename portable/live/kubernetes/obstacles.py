"""Why an object cannot be applied, for a person, and what is only worth knowing. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from portable.backends.kubernetes.external import API as STORE_API
from portable.engines.kubernetes.cluster import Reference
from portable.engines.kubernetes.objects import judge
from portable.live.kubernetes.desired import claim_reference, secret_reference, secrets_of, template_of
from portable.live.kubernetes.look import ClusterState, ObjectState
from portable.live.kubernetes.owners import has_applied, instance_of, is_managed, other_tool
from portable.live.kubernetes.pauses import UNKNOWN_APP, half_restored, recorded_restores, restores_reference
from portable.live.kubernetes.secret_values import incomplete_secrets
from portable.live.kubernetes.stack import KubernetesStack
from portable.model.base import Struct
from portable.model.codes import Code
from portable.model.errors import Refused

_SHARED: Final = ("Namespace", "ClusterRole", "SecurityContextConstraints")
"""Kinds of the whole cluster that several stacks may use under one name."""


class Obstacle(Struct, frozen=True, kw_only=True):
    """One obstacle."""

    text: str
    remedy: str
    where: str = ""
    code: Code = "cluster.obstacles"

    def sentence(self) -> str:
        """For a person."""
        return f"{f'{self.where}: ' if self.where else ''}{self.text} ({self.remedy})"


def refuse_obstacles(problems: Sequence[Obstacle], where: str) -> None:
    """Raise Refused with all of them."""
    if not problems:
        return
    if len(problems) == 1:
        problem = problems[0]
        raise Refused(problem.text, code=problem.code, where=problem.where or where, remedy=problem.remedy)
    lines = "".join(f"\n  {problem.sentence()}" for problem in problems)
    raise Refused(f"{len(problems)} problems, and nothing was changed:{lines}", code="cluster.obstacles", where=where)


def is_ours(seen: ObjectState, stack: KubernetesStack) -> bool:
    """Whether the live object may be changed: no other tool and no other stack has it, and `portable` made it."""
    return seen.live is None or ((stack.is_taking_over or not other_tool(seen.live)) and _foreign(seen, stack) is None)


def is_applied(seen: ObjectState) -> bool:
    """Whether the live object is one that this stack applied, so that the inventory lists it."""
    live = seen.live
    return live is not None and not other_tool(live) and is_managed(live) and has_applied(live) and not _is_borrowed(seen)


def note_of(seen: ObjectState, stack: KubernetesStack) -> str | None:
    """A remark on an object that is used as it is; None where it is to be applied, and empty where nothing is remarkable."""
    item, live = seen.item, seen.live
    if _is_borrowed(seen) and live is not None and _has_all(item.body, live):
        return f"{item.reference} belongs to the stack {instance_of(live)} and is used as it is"
    if not item.is_prerequisite or seen.preview.kind != "refused":
        return None
    if not seen.is_readable:
        return f"{item.reference} needs an administrator, and you may not read it: whether it is up to date is unknown"
    if live is not None and not _has_all(item.body, live):
        return f"{item.reference} differs from {item.file}, and only an administrator may change it: `{stack.administrator_command}`"
    return "" if live is not None else None


def obstacle_of(seen: ObjectState, observed: ClusterState, stack: KubernetesStack) -> Obstacle | None:
    """Why an object cannot be applied; None where it can."""
    item, live, preview = seen.item, seen.live, seen.preview
    reference, file = item.reference, item.file
    if (reference.api_version, reference.kind) in observed.missing_kinds:
        text = f"the cluster does not have the kind {reference.kind} ({reference.api_version}), for {reference.name}"
        remedy = "ask an administrator to install it"
        if reference.api_version == STORE_API:
            remedy = "ask an administrator to install the External Secrets Operator, or upgrade one that does not serve this version"
        return Obstacle(text=text, remedy=remedy, where=file)
    if live is not None and (tool := other_tool(live)) and not stack.is_taking_over:
        return Obstacle(
            text=f"{reference} is managed by {tool}",
            remedy="let that tool apply the rendered files, or remove the object from it and run `portable up --take-over`",
            where=file,
        )
    if live is not None and (problem := _foreign(seen, stack)) is not None:
        return problem
    if live is not None and item.kind == "PersistentVolume" and (verdict := judge(live)).is_final:
        operation = '[{"op": "remove", "path": "/spec/claimRef/uid"}]'
        remedy = f"its data is untouched; `kubectl patch pv {reference.name} --type=json -p '{operation}'` lets the new claim bind"
        return Obstacle(text=f"{reference}: {verdict.reason}", remedy=remedy, where=file)
    if not preview.refusal:
        return None
    if preview.kind == "conflict":
        remedy = "let that owner give the fields up, or take them: `portable up --take-over`"
        return Obstacle(text=preview.refusal, remedy=remedy, where=file)
    if preview.kind == "refused" and item.is_prerequisite:
        text = f"{reference} does not exist, and you may not create it"
        return Obstacle(text=text, remedy=f"an administrator runs `{stack.administrator_command}`", where=file)
    if preview.kind == "refused":
        return Obstacle(text=preview.refusal, remedy="ask an administrator for this permission", where=file)
    return Obstacle(text=preview.refusal, remedy=_remedy_of_invalid(item.kind), where=file)


def unfinished_restore(seen: ObjectState, observed: ClusterState, stack: KubernetesStack) -> Obstacle | None:
    """An app of a pod is being restored, perhaps by another machine; None where none is. The workload may be gone, but not the record."""
    if not seen.item.has_pods:
        return None
    recorded = recorded_restores(observed.live.get(restores_reference(stack)))
    half = {app: at for app, at in recorded.items() if app in (*seen.item.apps, UNKNOWN_APP)}
    if seen.live is not None:
        half |= half_restored(seen.live)
    return restore_obstacle(half) if half else None


def restore_obstacle(half: Mapping[str, str]) -> Obstacle:
    """These apps, each with its backup, must not start."""
    names = ", ".join(f"{app} (to {at})" for app, at in sorted(half.items()))
    commands = " and ".join(f"`portable restore {app}`" for app in sorted(half))
    return Obstacle(
        text=f"the restore of {names} is not finished: an app that is started now would lose the state that it had before",
        remedy=f"run {commands} to complete it, or give it up with `--abort`",
        code="up.restore-unfinished",
    )


def is_ending(observed: ClusterState, stack: KubernetesStack) -> bool:
    """Whether the namespace is being deleted: nothing can be created in it."""
    namespace = observed.live.get(Reference("v1", "Namespace", "", stack.namespace))
    return namespace is not None and bool(namespace["metadata"].get("deletionTimestamp"))


def obstacles_of_stack(observed: ClusterState, stack: KubernetesStack) -> Iterator[Obstacle]:
    """Missing things that the stack does not create: existing claims, Secrets for nodes, keys of Secrets that others manage."""
    if is_ending(observed, stack):
        text = f"the namespace {stack.namespace} is being deleted"
        yield Obstacle(
            text=text, remedy=f"wait until it is gone (`kubectl get namespace {stack.namespace}`), then run the same command again"
        )
        return
    if not observed.has_namespace and not any(seen.item.kind == "Namespace" for seen in observed.seen):
        text = f"the namespace {stack.namespace} does not exist"
        yield Obstacle(text=text, remedy=f"`kubectl create namespace {stack.namespace}`")
    for claim in stack.existing_claims if observed.has_namespace else ():
        reference = claim_reference(stack, claim)
        if reference not in observed.live and reference not in observed.unreadable:
            text = f"the claim {claim}, which should exist already, does not exist in {stack.namespace}"
            yield Obstacle(text=text, remedy=f"create it, or remove `existing` from it in the profile {stack.project}")
    for use in stack.foreign_secrets if observed.has_namespace else ():
        reference = secret_reference(stack, use.name)
        if use.is_required and reference not in observed.live and reference not in observed.unreadable:
            literals = " ".join(f"--from-literal={key}=VALUE" for key in use.keys)
            command = f"kubectl create secret generic -n {stack.namespace} {use.name} {literals}"
            yield Obstacle(text=f"the Secret {use.name} does not exist: {use.why}", remedy=f"`{command}`")
    store = stack.secret_store
    known = store is None or store in observed.live or store in observed.unreadable or _lacks_stores(observed)
    if store is not None and observed.has_namespace and not known:
        text = f"the {store.kind} {store.name}, from which the Secrets come, does not exist"
        yield Obstacle(text=text, remedy=f"create it, or correct `secrets.external` in the profile of {stack.project}")
    for name, keys in incomplete_secrets(stack, observed.live):
        text = f"the Secret {name} exists, portable does not manage it, and it lacks {', '.join(keys)}"
        yield Obstacle(text=text, remedy="add the keys to it, or delete it so that `portable up` creates it")


def notes_of_stack(observed: ClusterState, stack: KubernetesStack) -> Iterator[str]:
    """Secrets without which pods wait, and that neither the stack nor anybody else has created yet."""
    if stack.secret_store is not None and (store := observed.live.get(stack.secret_store)) is not None:
        verdict = judge(store)
        if not verdict.is_ready:
            yield f"{stack.secret_store} is not ready, so Secrets keep their old values, and pods wait for new ones: {verdict.reason}"
    written = {seen.item.reference for seen in observed.seen} | {secret_reference(stack, name) for name in stack.fetched_secrets}
    for seen in observed.seen:
        for name in secrets_of(template_of(seen.item.body), optional=False) if seen.item.has_pods else ():
            reference = secret_reference(stack, name)
            if reference not in written and reference not in observed.live and reference not in observed.unreadable:
                yield f"the Secret {name} does not exist: the pod of {', '.join(seen.item.apps)} waits until it is created"


def _lacks_stores(observed: ClusterState) -> bool:
    """Whether the cluster does not have the kinds of the External Secrets Operator."""
    return any(api_version == STORE_API for api_version, _ in observed.missing_kinds)


def _foreign(seen: ObjectState, stack: KubernetesStack) -> Obstacle | None:
    """The problem with an object that exists and is not this stack's. A Namespace may be anybody's."""
    item, live = seen.item, seen.live
    if live is None or item.kind == "Namespace":
        return None
    instance = instance_of(live)
    if instance and instance != stack.instance:
        return Obstacle(
            text=f"{item.reference} belongs to the stack {instance}",
            remedy="give one of the two stacks another `name` or `namespace`",
            where=item.file,
        )
    if not is_managed(live) and not has_applied(live) and not (stack.is_taking_over and other_tool(live)):
        return Obstacle(
            text=f"{item.reference} exists, and portable did not create it",
            remedy="delete it, or give it another name",
            where=item.file,
        )
    return None


def _is_borrowed(seen: ObjectState) -> bool:
    """Whether an object of the whole cluster was made for another stack, which uses it under the same name."""
    if seen.live is None or seen.item.kind not in _SHARED:
        return False
    own = (seen.item.body["metadata"].get("labels") or {}).get("app.kubernetes.io/instance")
    return bool(instance_of(seen.live)) and instance_of(seen.live) != own


def _has_all(wanted: Any, live: Any, path: tuple[str, ...] = ()) -> bool:
    """Whether a live object has every field that is wanted, whatever else it has. The labels that name a stack do not count."""
    if path[:2] == ("metadata", "labels") and path[2:] and path[2].startswith("app.kubernetes.io/"):
        return True
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(_has_all(value, live.get(key), (*path, str(key))) for key, value in wanted.items())
    if isinstance(wanted, list | tuple):
        if not isinstance(live, list | tuple) or len(wanted) != len(live):
            return not wanted and not live
        return all(_has_all(one, other, path) for one, other in zip(wanted, live, strict=True))
    return bool(wanted == live) or (not wanted and not live)


def _remedy_of_invalid(kind: str) -> str:
    if kind == "PersistentVolumeClaim":
        return "keep the size, class and volume of a claim that exists, or give the volume another claim in the profile"
    if kind == "PersistentVolume":
        return "keep the server and folder of a volume that exists, or give it another name in the profile"
    return "correct the profile or its `patch`"
