"""Connects to apps of a stack through the API server, as `kubectl port-forward` does. No Service and no exposure is needed."""

import contextlib
import re
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from portable.engines.kubernetes.cluster import Cluster
from portable.engines.kubernetes.errors import ClusterError
from portable.live.kubernetes.stack import KubernetesStack
from portable.live.kubernetes.status import groups_by_app, pod_of, state_of
from portable.live.kubernetes.waiting import look_at_groups
from portable.live.network import Stream, Unreachable

_REFUSED = re.compile(r"connection refused", re.IGNORECASE)


class ClusterNetwork:
    """Connections to the loopback address inside the pod of an app, one at a time."""

    def __init__(self, cluster: Cluster, stack: KubernetesStack) -> None:
        self._cluster, self._stack = cluster, stack

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing to end: each connection ends by itself."""

    def missing(self, app: str) -> str:
        """The state of an app that does not run; empty if it runs or is being started anew."""
        found = groups_by_app(look_at_groups(self._cluster, self._stack)).get(app)
        state = state_of(found, app) if found is not None else "missing"
        return "" if state in ("running", "restarting", "created") else state

    @contextlib.contextmanager
    def connect(self, host: str, port: int) -> Iterator[Stream]:
        """Connect to a port in the pod of an app. Raises Unreachable if nothing answers."""
        forward = self._forward(host, port)
        try:
            yield forward.socket(port)
        except Exception as error:
            if reason := forward.error(port):
                raise Unreachable("connection refused" if _REFUSED.search(reason) else " ".join(reason.split())) from None
            raise error
        finally:
            forward.close()

    def _forward(self, app: str, port: int) -> Any:
        found = groups_by_app(look_at_groups(self._cluster, self._stack)).get(app)
        place = pod_of(found, found.group, app) if found is not None else None
        if place is None:
            raise Unreachable("its pod does not run")
        try:
            with self._cluster.doing(f"connecting to port {port} of {app}"):
                return self._cluster.open_forward(self._stack.namespace, place[0], port)
        except ClusterError as error:
            if error.kind == "refused":  # waiting gives no right to do it
                raise
            raise Unreachable(error.text) from None
