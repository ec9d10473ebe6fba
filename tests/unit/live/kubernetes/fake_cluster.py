"""A cluster in memory, as far as the driver uses one: apply, list, delete, and controllers that make pods at once.

It knows nothing of field owners, defaults or immutable fields: the ring with a real API server tries those.
"""

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from portable.engines.kubernetes.address import ClusterAddress
from portable.engines.kubernetes.cluster import Cluster, Reference, reference_of
from portable.engines.kubernetes.errors import ClusterError
from portable.engines.kubernetes.verdict import KubernetesObject
from portable.live.kubernetes.desired import template_of

ADDRESS = ClusterAddress(files=(Path("/nowhere"),), context="fake", server="https://fake.test")
MOMENT = "2026-01-01T00:00:00Z"


def overlaid(before: Any, after: Any) -> Any:
    """The second value over the first one, mapping by mapping."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return {key: overlaid(before.get(key), after[key]) if key in after else before[key] for key in {**before, **after}}
    return after


class FakeCluster(Cluster):
    """Objects by reference. `on_write` is called before each write with what is done."""

    def __init__(
        self, *, missing: tuple[str, ...] = (), forbidden: Callable[[str, Reference], bool] = lambda verb, reference: False
    ) -> None:
        super().__init__(ADDRESS, cache=Path("/nowhere"))
        self.objects: dict[Reference, dict[str, Any]] = {}
        self.missing, self.forbidden = missing, forbidden
        self.writes: list[str] = []
        self.on_write: Callable[[str], None] = lambda _: None
        self.pods_are_ready = True
        self.has_started: bool | None = None
        """Whether programs passed their startup probes; None where that follows from `pods_are_ready`."""
        self._numbers = itertools.count(1)

    def path_of(self, api_version: str, kind: str, name: str | None = None, namespace: str | None = None) -> str | None:
        return None if kind in self.missing else f"/{api_version}/{kind}/{namespace}/{name}"

    def version(self) -> tuple[int, int]:
        return 1, 34

    def request(
        self, method: str, path: str, *, doing: str, body: KubernetesObject | None = None, query: Mapping[str, Any] | None = None
    ) -> KubernetesObject:
        raise ClusterError("missing", doing, status=404)

    def get(self, reference: Reference) -> KubernetesObject | None:
        self._refuse("get", reference)
        return self.objects.get(reference)

    def list(
        self, api_version: str, kind: str, *, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> Iterator[KubernetesObject]:
        wanted = dict(pair.split("=") for pair in labels.split(",") if pair)
        for reference, item in sorted(self.objects.items()):
            found = item["metadata"].get("labels") or {}
            if reference[:2] == (api_version, kind) and namespace in (None, reference.namespace) and wanted.items() <= found.items():
                yield item

    def preview(self, item: KubernetesObject, *, force: bool = False) -> KubernetesObject:
        reference = reference_of(item)
        self._refuse("patch", reference)
        if reference.namespace and Reference("v1", "Namespace", "", reference.namespace) not in self.objects:
            raise ClusterError("missing", f"namespaces {reference.namespace!r} not found", status=404)
        return self._stored(item)

    def apply(self, item: KubernetesObject, *, force: bool = False) -> KubernetesObject:
        stored = dict(self.preview(item))
        reference = reference_of(item)
        if stored == self.objects.get(reference):
            return stored
        self._write(f"apply {reference}")
        stored["metadata"] = {**stored["metadata"], "resourceVersion": str(next(self._numbers))}
        self.objects[reference] = stored
        if reference.kind in ("Deployment", "StatefulSet"):
            self._control(reference)
        return stored

    def create(self, item: KubernetesObject) -> KubernetesObject:
        reference = reference_of(item)
        if reference in self.objects:
            raise ClusterError("conflict", f"{reference} already exists", status=409)
        self._write(f"create {reference}")
        self.objects[reference] = self._stored(item)
        return self.objects[reference]

    def replace(self, item: KubernetesObject) -> KubernetesObject:
        reference = reference_of(item)
        self._write(f"replace {reference}")
        self.objects[reference] = {**item, "metadata": {**item["metadata"], "resourceVersion": str(next(self._numbers))}}
        return self.objects[reference]

    def merge(self, reference: Reference, body: Mapping[str, Any]) -> KubernetesObject:
        self._write(f"merge {reference}")
        self.objects[reference] = overlaid(self.objects[reference], body)
        self._control(reference)
        return self.objects[reference]

    def delete(self, reference: Reference, uid: str, *, propagation: str = "Foreground") -> bool:
        item = self.objects.get(reference)
        if item is None or item["metadata"]["uid"] != uid:
            return False
        self._write(f"delete {reference}")
        del self.objects[reference]
        for other in [r for r, pod in self.objects.items() if any(o["uid"] == uid for o in pod["metadata"].get("ownerReferences", ()))]:
            del self.objects[other]
        return True

    def _stored(self, item: KubernetesObject) -> dict[str, Any]:
        before = self.objects.get(reference_of(item))
        managers = [{"manager": "portable", "operation": "Apply", "fieldsV1": {}}]
        fresh = {"metadata": {"uid": f"uid-{next(self._numbers)}", "resourceVersion": "1", "creationTimestamp": MOMENT}}
        stored: dict[str, Any] = copy.deepcopy(overlaid(before or fresh, item))
        stored["metadata"]["managedFields"] = managers
        return stored

    def _write(self, what: str) -> None:
        self.on_write(what)
        self.writes.append(what)

    def _refuse(self, verb: str, reference: Reference) -> None:
        if self.forbidden(verb, reference):
            raise ClusterError("refused", f"{reference} is forbidden", status=403)

    def _control(self, reference: Reference) -> None:
        """Make the pod of a workload, and write its status."""
        item = self.objects[reference]
        uid, name = item["metadata"]["uid"], f"{reference.name}-pod"
        pod = Reference("v1", "Pod", reference.namespace, name)
        if not item["spec"].get("replicas", 1):
            self.objects.pop(pod, None)
            return
        template = template_of(item)
        ready = self.pods_are_ready
        started = ready if self.has_started is None else self.has_started
        seen = [
            {"name": c["name"], "image": c["image"], "imageID": c["image"], "ready": ready, "started": started, "restartCount": 0}
            | {"state": {"running": {"startedAt": MOMENT}}}
            for c in template["spec"]["containers"]
        ]
        conditions = [{"type": "Ready", "status": str(ready)}]
        self.objects[pod] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": reference.namespace,
                "uid": f"{uid}-pod",
                "labels": template["metadata"]["labels"],
                "ownerReferences": [{"uid": uid}],
                "creationTimestamp": MOMENT,
            },
            "spec": {**template["spec"], "initContainers": []},
            "status": {"phase": "Running", "conditions": conditions, "containerStatuses": seen},
        }
        count = 1 if ready else 0
        item["status"] = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": count, "availableReplicas": count}
