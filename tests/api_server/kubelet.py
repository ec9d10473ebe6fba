"""The stand-in kubelet as a process: FOLDER PORT. It gives every pod the status of one that runs and is ready.

It stands in for a node: no container runs, no image is pulled, no probe asks anything. Namespaces whose name begins with `quiet` are left
to the tests.
"""

import sys
import time
from pathlib import Path
from typing import Any

from portable.engines.kubernetes.cluster import Cluster
from portable.engines.kubernetes.errors import ClusterError
from tests.api_server.server import Server

MOMENT = "2026-01-01T00:00:00Z"


def ready_status(pod: dict[str, Any]) -> dict[str, Any]:
    """The status of a pod whose containers all run."""

    def seen(container: dict[str, Any], ends: bool) -> dict[str, Any]:
        ended = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": MOMENT, "finishedAt": MOMENT}}
        return {
            "name": container["name"],
            "image": container["image"],
            "imageID": f"stand-in://{container['image']}",
            "ready": True,
            "started": not ends,
            "restartCount": 0,
            "state": ended if ends else {"running": {"startedAt": MOMENT}},
        }

    spec = pod["spec"]
    return {
        "phase": "Running",
        "conditions": [{"type": name, "status": "True"} for name in ("PodScheduled", "Initialized", "ContainersReady", "Ready")],
        "containerStatuses": [seen(container, False) for container in spec["containers"]],
        "initContainerStatuses": [
            seen(container, container.get("restartPolicy") != "Always") for container in spec.get("initContainers") or ()
        ],
    }


def write_status(cluster: Cluster, pod: dict[str, Any], status: dict[str, Any]) -> None:
    """Write the status of a pod by its subresource, as a kubelet does."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
    query = {"content_type": "application/merge-patch+json", "field_manager": "stand-in-kubelet"}
    cluster.request("patch", path, doing="writing a status", body={"status": status}, query=query)


def main(folder: str, port: str) -> None:
    """Write statuses until this process is ended."""
    cluster = Server(folder=Path(folder), port=int(port)).cluster("other")
    while True:
        for pod in cluster.list("v1", "Pod", fields="status.phase=Pending"):
            if pod["metadata"]["namespace"].startswith("quiet"):
                continue
            if (pod.get("status") or {}).get("phase") != "Running" and not pod["metadata"].get("deletionTimestamp"):
                try:
                    write_status(cluster, dict(pod), ready_status(dict(pod)))
                except ClusterError as trouble:
                    if trouble.status not in (404, 409, 422):
                        raise
        time.sleep(0.3)


if __name__ == "__main__":
    main(*sys.argv[1:])
