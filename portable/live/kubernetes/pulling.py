"""Lets nodes pull images while the apps still run: an update then stops an app for a short time, and not for an image that is not there.

A Job on the node of the app names the image and a program that no image has. So the node pulls it, with the login of the app's pods, and
nothing of it ever runs, inside or outside a fence.
"""

import contextlib
import copy
import secrets as stdlib_secrets
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from portable.engines.kubernetes.cluster import Cluster, Reference
from portable.engines.kubernetes.errors import AGAIN, ClusterError
from portable.engines.kubernetes.pods import PULL_FAILURES, judge_pod
from portable.engines.kubernetes.verdict import KubernetesObject, conditions_of, containers_of, newest_event, status_of
from portable.live.image_needs import ImageNeed
from portable.live.kubernetes.apply import ApplyContext
from portable.live.kubernetes.backup_jobs import JOB_LABEL, pin
from portable.live.kubernetes.backup_run import JOB_NAME, end_jobs, nodes_of_apps
from portable.live.kubernetes.desired import rendered_items, template_of
from portable.live.kubernetes.stack import INSTANCE, MANAGED_BY, PORTABLE, KubernetesStack, lease_name
from portable.model.base import Struct
from portable.model.errors import EngineError
from portable.model.progress import Deduplicated, Event, Progress

PULL_KIND: Final = "pull"
"""The value of the label of these Jobs."""
_NO_PROGRAM: Final = "/portable-pulls-this-image-and-runs-nothing"
_CONTAINER: Final = "pull"
_POLL_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 1800.0
_FAILING_SECONDS: Final = 90.0
"""How long a pull may fail: a registry may refuse a request too many, and answer the next one."""
_UNPLACED_SECONDS: Final = 60.0
"""How long a pod may have no node. Then the pod of the app itself has to pull."""
_KEPT_SECONDS: Final = 600
_USER: Final = ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile")
"""What a policy of the namespace may demand; no rights of the app are needed to pull."""
_PLACEMENT: Final = ("affinity", "imagePullSecrets", "nodeSelector", "runtimeClassName", "serviceAccountName", "tolerations")


class PullTarget(Struct, frozen=True, kw_only=True):
    """An image, and where it is needed."""

    image: str
    app: str
    template: Mapping[str, Any]
    """The pod template of the app's workload."""
    node: str = ""
    """The node of its pod; empty where it has none."""


def pull_images(cluster: Cluster, stack: KubernetesStack, needs: Sequence[ImageNeed], progress: Progress) -> None:
    """Let the nodes of these apps pull the images, one after another. Raises EngineError for an image that a node cannot pull.

    Where no Job can do that, for example because a quota is used up, a note says so: then the app's own pod pulls.
    """
    nodes = nodes_of_apps(cluster, stack)
    work = ApplyContext(cluster, stack, threading.Event(), progress)
    labels = f"{INSTANCE}={stack.instance},{JOB_LABEL}={PULL_KIND}"
    try:
        end_jobs(work, tuple(cluster.list("batch/v1", "Job", namespace=stack.namespace, labels=labels)))  # of a killed command
        for need in needs:
            for app in need.apps:
                if (template := _template(stack, app)) is not None:
                    _pull(work, PullTarget(image=need.reference, app=app, template=template, node=nodes.get(app, "")))
    except ClusterError as trouble:
        if trouble.kind not in ("refused", "missing", "invalid"):
            raise
        _skip(progress, "all images", trouble.text)


def pull_job(stack: KubernetesStack, target: PullTarget, suffix: str) -> dict[str, Any]:
    """The Job that lets a node pull an image. Pure."""
    spec = target.template.get("spec") or {}
    own = next((one for one in containers_of(spec) if _tagged(str(one.get("image"))) == _tagged(target.image)), {})
    pod: dict[str, Any] = {key: copy.deepcopy(spec[key]) for key in _PLACEMENT if key in spec}
    user = {key: value for key, value in (spec.get("securityContext") or {}).items() if key in _USER}
    rights = {key: value for key, value in (own.get("securityContext") or {}).items() if key in _USER}
    labels = {MANAGED_BY: PORTABLE, INSTANCE: stack.instance, JOB_LABEL: PULL_KIND}  # no group: it is not a pod of an app
    small = {"cpu": "10m", "memory": "16Mi"}
    container = {
        "name": _CONTAINER,
        "image": target.image,
        "imagePullPolicy": "IfNotPresent",
        "command": [_NO_PROGRAM],
        "resources": {"limits": {"cpu": "100m", "memory": "32Mi"}, "requests": small},
        "securityContext": {**rights, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod |= {
        "automountServiceAccountToken": False,
        "containers": [container],
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, **user},
        "terminationGracePeriodSeconds": 0,
    }
    if target.node:
        pin(pod, target.node)
    name = f"{lease_name(stack)[:40].rstrip('-')}-pull-{suffix}"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": stack.namespace, "labels": {**labels, "app.kubernetes.io/name": name}},
        "spec": {
            "activeDeadlineSeconds": int(_LONGEST_SECONDS),
            "backoffLimit": 0,
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
        },
    }


def _pull(work: ApplyContext, target: PullTarget) -> None:
    """Pull one image. Nothing of it is left afterwards but the image."""
    where = f" on {target.node}" if target.node else ""
    work.progress(Event(what="doing", subject=target.app, text=f"pulling {target.image}{where}"))
    made = work.cluster.create(pull_job(work.stack, target, stdlib_secrets.token_hex(3)))
    name, uid = str(made["metadata"]["name"]), str(made["metadata"]["uid"])
    try:
        _until_pulled(work, target, name)
    finally:
        with contextlib.suppress(ClusterError):  # it removes itself after its end
            work.cluster.delete(Reference("batch/v1", "Job", work.stack.namespace, name), uid)


def _until_pulled(work: ApplyContext, target: PullTarget, job: str) -> None:
    """Wait until the node has the image. Raises EngineError where it cannot pull it; returns with a note where no pod gets that far."""
    begin, failing_since = time.monotonic(), 0.0
    once = Deduplicated(work.progress)
    while True:
        pods = tuple(work.cluster.list("v1", "Pod", namespace=work.stack.namespace, labels=f"{JOB_NAME}={job}"))
        events = tuple(work.cluster.list("v1", "Event", namespace=work.stack.namespace))
        now = time.monotonic()
        if not pods or conditions_of(pods[0]).get("PodScheduled", {}).get("status") == "False":
            refused = newest_event([one for one in events if _is_about(one, job)], "FailedCreate")
            reason = judge_pod(pods[0]).reason if pods else str((refused or {}).get("message") or "no pod was created")
            if (refused and not pods) or now - begin >= _UNPLACED_SECONDS:
                _skip(work.progress, target.app, reason)
                return
        else:
            pod = pods[0]
            state = _waiting_state(pod)
            if state is not None and state not in ("", "ContainerCreating", "PodInitializing", *PULL_FAILURES):
                return  # past the pull: the program does not exist
            if state is None:
                return
            verdict = judge_pod(pod, [one for one in events if _is_about(one, str(pod["metadata"]["name"]))])
            failing_since = (failing_since or now) if state in PULL_FAILURES else 0.0
            if failing_since and (verdict.is_final or now - failing_since >= _FAILING_SECONDS):
                text = f"a node cannot pull {target.image}: {verdict.reason}"
                remedy = f"check the registry, its rate limit and the login in `imagePullSecrets`, {AGAIN}"
                raise EngineError(text, code="cluster.pull", where=target.node or work.stack.project, remedy=remedy)
            once(Event(what="waiting", subject=target.app, text=verdict.reason))
        if now - begin >= _LONGEST_SECONDS:
            text = f"{target.image} was not pulled within {_LONGEST_SECONDS / 60:.0f} minutes"
            raise EngineError(text, code="cluster.pull", where=target.node or work.stack.project, remedy=f"check the registry, {AGAIN}")
        time.sleep(_POLL_SECONDS)


def _waiting_state(pod: KubernetesObject) -> str | None:
    """Why the container waits; empty where the node says nothing yet, None where it does not wait any more."""
    seen = next(iter(status_of(pod).get("containerStatuses") or ()), None)
    if status_of(pod).get("phase") in ("Failed", "Succeeded"):
        return None
    if seen is None:
        return ""
    state = seen.get("state") or {}
    return str((state.get("waiting") or {}).get("reason") or "") if "waiting" in state or not state else None


def _template(stack: KubernetesStack, app: str) -> Mapping[str, Any] | None:
    group = stack.group_of(app)
    items = (item for item in rendered_items(stack) if group is not None and item.has_pods and item.group == group.name)
    return next((template_of(item.body) for item in items), None)


def _tagged(reference: str) -> str:
    return reference.partition("@")[0]


def _is_about(event: KubernetesObject, name: str) -> bool:
    return str((event.get("involvedObject") or {}).get("name")) == name


def _skip(progress: Progress, subject: str, reason: str) -> None:
    text = f"no image is pulled beforehand, so the app is down while its node pulls: {reason}"
    progress(Event(what="note", subject=subject, text=text))
