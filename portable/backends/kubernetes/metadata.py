"""Labels and annotations that the profile adds to objects, after everything else is rendered."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from portable.backends.common import note
from portable.backends.kubernetes.names import Body, dns_label, label_value
from portable.backends.kubernetes.pod import template_of
from portable.backends.kubernetes.scope import Scope
from portable.model.findings import Finding
from portable.model.metadata import ObjectKind, ObjectMetadata
from portable.model.plan import Claim
from portable.model.rendering import RenderedDocument

_KINDS: Final[Mapping[str, ObjectKind]] = {
    "HTTPRoute": "http-route",
    "Ingress": "ingress",
    "PersistentVolumeClaim": "claim",
    "Route": "route",
    "Service": "service",
    **dict.fromkeys(("CronJob", "Deployment", "StatefulSet"), "workload"),
}
_Wanted = Mapping[tuple[str | None, ObjectKind], ObjectMetadata]


def with_metadata(scope: Scope, documents: Iterable[RenderedDocument]) -> list[RenderedDocument]:
    """Return the documents with the labels and annotations of the profile."""
    documents = list(documents)
    if not scope.plan.metadata:
        return documents
    wanted = {(marks.app, marks.kind): marks for marks in scope.plan.metadata}
    owners = _owners(scope)
    return [RenderedDocument(file=document.file, body=_marked(document.body, wanted, owners)) for document in documents]


def metadata_findings(scope: Scope, documents: Iterable[RenderedDocument]) -> Iterator[Finding]:
    """Yield a finding for labels and annotations that no object has."""
    if not scope.plan.metadata:
        return
    owners = _owners(scope)
    found: set[tuple[str | None, ObjectKind]] = set()
    for document in documents:
        if (kind := _kind(document.body)) is not None:
            for app in (None, *owners.get((kind, _name(document.body)), ())):
                found |= {(app, kind), (app, "pod")} if kind == "workload" else {(app, kind)}
    for marks in scope.plan.metadata:
        if (marks.app, marks.kind) not in found:
            text = f"The labels and annotations for each {marks.kind} of {marks.app or 'all apps'} have no effect: there is no such object."
            path, remedy = f"metadata.{marks.app or ''}:{marks.kind}", "remove them, or expose the app in that way"
            yield note("metadata.unused", path, "function", text, remedy, code="kubernetes.metadata-unused", app=marks.app)


def _owners(scope: Scope) -> dict[tuple[ObjectKind, str], tuple[str, ...]]:
    """Return the apps of each object: by kind, and by the name in its labels."""
    owners: dict[tuple[ObjectKind, str], tuple[str, ...]] = {}
    for group in scope.plan.groups:
        owners["workload", label_value(group.name)] = tuple(app.name for app in scope.members(group))
    for name in scope.apps:
        for kind in ("service", "load-balancer", "ingress", "http-route", "route"):
            owners[kind, label_value(name)] = (name,)
    for volume, groups in scope.mounted_by.items():
        place = scope.volumes[volume].place if volume in scope.volumes else None
        if isinstance(place, Claim):
            key: tuple[ObjectKind, str] = ("claim", dns_label(place.name))
            apps = [
                p.app.name for group in groups for p in scope.pods[group] if p.app and any(m.volume == volume for m in p.container.mounts)
            ]
            owners[key] = tuple(dict.fromkeys((*owners.get(key, ()), *apps)))
    return owners


def _kind(body: Body) -> ObjectKind | None:
    if body["kind"] == "Service" and body["spec"].get("type") == "LoadBalancer":
        return "load-balancer"
    return _KINDS.get(body["kind"])


def _name(body: Body) -> str:
    metadata = body["metadata"]
    return str(metadata["name"] if body["kind"] == "PersistentVolumeClaim" else metadata["labels"]["app.kubernetes.io/name"])


def _marked(body: Body, wanted: _Wanted, owners: Mapping[tuple[ObjectKind, str], tuple[str, ...]]) -> Body:
    kind = _kind(body)
    if kind is None:
        return body
    apps = owners.get((kind, _name(body)), ())
    changed = {**body, "metadata": _merged(body["metadata"], wanted, kind, apps)}
    if kind == "workload":
        template = template_of(body)
        template["metadata"] = _merged(template["metadata"], wanted, "pod", apps)
    return changed


def _merged(metadata: Body, wanted: _Wanted, kind: ObjectKind, apps: tuple[str, ...]) -> Body:
    """Return the metadata with the marks of all apps, then those of each app of the object."""
    own = [marks for app in (None, *apps) if (marks := wanted.get((app, kind))) is not None]
    annotations = {key: value for marks in own for key, value in marks.annotations.items()}
    labels = {key: value for marks in own for key, value in marks.labels.items()}
    return {
        **metadata,
        **({"labels": {**metadata.get("labels", {}), **labels}} if labels else {}),
        **({"annotations": {**metadata.get("annotations", {}), **annotations}} if annotations else {}),
    }
