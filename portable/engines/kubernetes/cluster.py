"""The thin edge to a cluster: `ClusterReader` looks, `Cluster` also writes. Decides nothing, prints nothing."""

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from portable.engines.kubernetes.address import ClusterAddress
from portable.engines.kubernetes.connection import ClusterConnection
from portable.engines.kubernetes.errors import ClusterError
from portable.engines.kubernetes.verdict import KubernetesObject

MANAGER: Final = "portable"
"""The field manager of everything that `portable` applies."""
_PAGE: Final = 500
"""Objects in one answer of a list."""


class Reference(NamedTuple):
    """What names an object in a cluster."""

    api_version: str
    kind: str
    namespace: str
    """Empty for an object of the whole cluster."""
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def reference_of(item: KubernetesObject) -> Reference:
    """The reference of an object, rendered or read."""
    metadata = item["metadata"]
    return Reference(item["apiVersion"], item["kind"], metadata.get("namespace") or "", metadata["name"])


class ClusterReader(ClusterConnection):
    """A cluster to look at only: no method changes an object."""

    def get(self, reference: Reference) -> KubernetesObject | None:
        """The object, or None where it, or its kind, does not exist."""
        path = self.path_of(reference.api_version, reference.kind, reference.name, reference.namespace)
        if path is None:
            return None
        try:
            return self.request("get", path, doing=f"reading {reference}")
        except ClusterError as trouble:
            if trouble.status == 404:
                return None
            raise

    def list(
        self, api_version: str, kind: str, *, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> Iterator[KubernetesObject]:
        """Objects of a kind, in pages; none where the server does not have that kind. Each has its kind, which lists leave out."""
        path = self.path_of(api_version, kind, None, namespace)
        token: str | None = None
        while path is not None:
            query: dict[str, Any] = {"limit": _PAGE, "_continue": token, "label_selector": labels or None, "field_selector": fields or None}
            answer = self.request("get", path, doing=f"listing {kind} objects", query=query)
            for item in answer.get("items") or ():
                yield {"apiVersion": api_version, "kind": kind, **item}
            token = answer["metadata"].get("continue")
            if not token:
                return

    def preview(self, item: KubernetesObject, *, force: bool = False) -> KubernetesObject:
        """The object as the API server would store it, admission and defaults included. Changes nothing.

        Raises ClusterError of kind `conflict` where another owner manages a field, `invalid` or `refused` where it would be rejected.
        """
        return self._apply(item, force=force, dry_run="All", doing=f"trying {reference_of(item)}")

    def preview_replacement(self, item: KubernetesObject) -> KubernetesObject:
        """The object as the API server would store it in the place of the version that it was read as. Changes nothing."""
        reference = reference_of(item)
        path = self.path_of(reference.api_version, reference.kind, reference.name, reference.namespace)
        assert path is not None
        query = {"dry_run": "All", "field_manager": MANAGER}
        return self.request("put", path, doing=f"trying {reference}", body=item, query=query)

    def may(self, verb: str, group: str, resource: str, *, namespace: str | None = None, subresource: str = "") -> bool:
        """Whether the user of this connection has a permission. Creates a review, which the server does not store."""
        attributes = {"verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace or ""}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self.request("post", path, doing="asking for a permission", body=body)
        return bool((answer.get("status") or {}).get("allowed"))

    def _apply(self, item: KubernetesObject, *, force: bool, dry_run: str | None, doing: str) -> KubernetesObject:
        reference = reference_of(item)
        path = self.path_of(reference.api_version, reference.kind, reference.name, reference.namespace)
        if path is None:
            text = f"the cluster does not have the kind {reference.kind} ({reference.api_version})"
            raise ClusterError("missing", text, where=self.address.where, remedy="ask an administrator to install it")
        query = {
            "content_type": "application/apply-patch+yaml",
            "field_manager": MANAGER,
            "force_conflicts": force or None,
            "dry_run": dry_run,
        }
        return self.request("patch", path, doing=doing, body=item, query=query)


class Cluster(ClusterReader):
    """A cluster with the methods that write."""

    def __init__(self, address: ClusterAddress, *, cache: Path, hide: Callable[[str], str] = lambda text: text) -> None:
        """As a connection to look only."""
        super().__init__(address, cache=cache, hide=hide)
        self.leases: dict[Reference, threading.Event] = {}
        """The Leases that this connection holds; an event is set once its Lease is lost."""

    def apply(self, item: KubernetesObject, *, force: bool = False) -> KubernetesObject:
        """Apply an object by server-side apply, and return it as stored. An object that is as it should be is not written."""
        return self._apply(item, force=force, dry_run=None, doing=f"applying {reference_of(item)}")

    def delete(self, reference: Reference, uid: str, *, propagation: str = "Foreground") -> bool:
        """Delete exactly this object; whether it was there. One that was made anew meanwhile has another UID and stays."""
        path = self.path_of(reference.api_version, reference.kind, reference.name, reference.namespace)
        if path is None:
            return False
        body: Mapping[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": propagation,
        }
        try:
            self.request("delete", path, doing=f"deleting {reference}", body=body)
        except ClusterError as trouble:
            if trouble.status in (404, 409):
                return False
            raise
        return True

    def replace(self, item: KubernetesObject) -> KubernetesObject:
        """Write an object over the version that it was read as. Raises ClusterError of kind `conflict` where somebody was faster."""
        reference = reference_of(item)
        path = self.path_of(reference.api_version, reference.kind, reference.name, reference.namespace)
        assert path is not None
        return self.request("put", path, doing=f"writing {reference}", body=item, query={"field_manager": MANAGER})

    def merge(self, reference: Reference, body: Mapping[str, Any]) -> KubernetesObject:
        """Change only these fields of an object that exists (a JSON merge patch)."""
        path = self.path_of(reference.api_version, reference.kind, reference.name, reference.namespace)
        assert path is not None
        query = {"content_type": "application/merge-patch+json", "field_manager": MANAGER}
        return self.request("patch", path, doing=f"changing {reference}", body=body, query=query)

    def create(self, item: KubernetesObject) -> KubernetesObject:
        """Create an object. Raises ClusterError of kind `conflict` where it exists."""
        reference = reference_of(item)
        path = self.path_of(reference.api_version, reference.kind, None, reference.namespace)
        assert path is not None
        return self.request("post", path, doing=f"creating {reference}", body=item)
