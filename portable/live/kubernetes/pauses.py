"""Notes in the cluster on stopped apps: that a command scaled a workload to 0 for its work, and whose state is half-restored. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from portable.engines.kubernetes.cluster import Reference
from portable.engines.kubernetes.verdict import KubernetesObject, spec_of
from portable.live.kubernetes.desired import LiveObjects
from portable.live.kubernetes.stack import KubernetesStack

PAUSED: Final = "portable/paused-for"
"""What a workload with no pods is stopped for: it ran before, and runs again afterwards."""
RESTORING: Final = "portable/restoring"
"""By app of the workload, as JSON: the backup that is being restored. Until it is done, no machine starts the pod."""
UNKNOWN_APP: Final = "an app"
_KEY: Final = "restores"


def half_restored(live: KubernetesObject) -> dict[str, str]:
    """The apps of a workload whose restore is not finished, each with its backup."""
    return _parsed(str(_annotations(live).get(RESTORING) or ""))


def _parsed(text: str) -> dict[str, str]:
    try:
        return {str(app): str(at) for app, at in json.loads(text).items()} if text else {}
    except (ValueError, AttributeError):
        return {UNKNOWN_APP: text}  # somebody changed it by hand: the state may be half-restored all the same


def restores_reference(stack: KubernetesStack) -> Reference:
    """The ConfigMap with the unfinished restores. Neither `down` nor a prune deletes it, while an app's workload may be gone."""
    return Reference("v1", "ConfigMap", stack.namespace, f"portable-{stack.project}-restores")


def recorded_restores(item: KubernetesObject | None) -> dict[str, str]:
    """The apps whose restore is not finished, each with its backup, as that ConfigMap has them."""
    return _parsed(str(((item or {}).get("data") or {}).get(_KEY) or ""))


def restores_body(stack: KubernetesStack, restores: Mapping[str, str]) -> dict[str, Any]:
    """The ConfigMap that records these restores."""
    reference = restores_reference(stack)
    labels = {**stack.labels, "app.kubernetes.io/name": reference.name}
    metadata = {"name": reference.name, "namespace": reference.namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {_KEY: json.dumps(dict(restores), sort_keys=True)}}


def is_paused(live: KubernetesObject) -> bool:
    """Whether a workload has no pods because a command stopped it for its work."""
    return bool(_annotations(live).get(PAUSED)) and spec_of(live).get("replicas") == 0


def reason_of_stop(live: KubernetesObject) -> str:
    """Why a workload has no pods, where a command stopped it; empty where none did."""
    if half := half_restored(live):
        apps = " ".join(sorted(half))
        return f"the restore of {apps} is not finished: `portable restore {apps}` completes it"
    return f"stopped for `portable {_annotations(live)[PAUSED]}`; `portable up` starts it" if is_paused(live) else ""


def noted_pauses(live: LiveObjects) -> Iterator[Reference]:
    """The workloads that say so, whether they have pods again or not."""
    yield from (reference for reference, item in live.items() if _annotations(item).get(PAUSED))


def _annotations(live: KubernetesObject) -> dict[str, Any]:
    return live["metadata"].get("annotations") or {}
