"""A process that runs `up` and is killed after its n-th write: FOLDER PORT NAMESPACE SECRETS N [APP...]."""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portable.engines.kubernetes.cluster import Cluster
from portable.engines.kubernetes.verdict import KubernetesObject
from portable.live.kubernetes.driver import KubernetesDriver
from portable.secrets.sources import FileSource
from tests.api_server.server import Server
from tests.api_server.stacks import plan, stack


class KilledCluster(Cluster):
    """A cluster whose caller is killed right after its n-th write."""

    left = 0
    _lock = threading.Lock()

    def request(
        self, method: str, path: str, *, doing: str, body: KubernetesObject | None = None, query: Mapping[str, Any] | None = None
    ) -> KubernetesObject:
        answer = super().request(method, path, doing=doing, body=body, query=query)
        if method != "get" and not (query or {}).get("dry_run") and "reviews" not in path:
            with self._lock:
                KilledCluster.left -= 1
                if KilledCluster.left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        return answer


def main(folder: str, port: str, namespace: str, secrets: str, number: str, *names: str) -> None:
    """Run `up` until the kill."""
    KilledCluster.left = int(number)
    server = Server(folder=Path(folder), port=int(port))
    cluster = KilledCluster(server.address(), cache=server.folder / "kinds")
    KubernetesDriver(cluster, stack(plan(namespace, *names)), FileSource(path=secrets)).up(deadline=120)


if __name__ == "__main__":
    main(*sys.argv[1:])
