"""What a workload says of its own stop: that a command scaled it to 0 for its work, and whose state is half-restored. Pure."""

import json
from collections.abc import Iterator
from typing import Any, Final

from portable.engines.kubernetes.cluster import Reference
from portable.engines.kubernetes.verdict import KubernetesObject, spec_of
from portable.live.kubernetes.desired import LiveObjects

PAUSED: Final = "portable/paused-for"
"""What a workload with no pods is stopped for: it ran before, and runs again afterwards."""
RESTORING: Final = "portable/restoring"
"""By app of the workload, as JSON: the backup that is being restored. Until it is done, no machine starts the pod."""


def half_restored(live: KubernetesObject) -> dict[str, str]:
    """The apps of a workload whose restore is not finished, each with its backup."""
    text = _annotations(live).get(RESTORING)
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        found = {"an app": str(text)}  # somebody changed it by hand: the state may be half-restored all the same
    return {str(app): str(at) for app, at in found.items()}


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
