"""What should be in the cluster: the rendered objects, with the Secrets and the digests that only live can know. Pure."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from portable.backends.kubernetes.administrator import FOLDER
from portable.backends.kubernetes.names import GROUP_LABEL, dns_label
from portable.engines.kubernetes.cluster import Reference, reference_of
from portable.engines.kubernetes.verdict import KubernetesObject, containers_of
from portable.live.kubernetes.order import phase_of, runs_pods
from portable.live.kubernetes.owners import is_managed
from portable.live.kubernetes.stack import KubernetesStack, PodGroup
from portable.model.base import Struct
from portable.secrets.cluster import secret_object
from portable.secrets.digests import digest

SECRET_DIGEST: Final = "portable/secret-digest"  # noqa: S105  # the name of an annotation
"""The annotation by which a rotated secret restarts the pods that use it."""
SECRETS_FILE: Final = "secrets"
"""The file of a Secret in messages: its values are never rendered."""
LiveObjects = Mapping[Reference, KubernetesObject]
SecretValues = Mapping[str, Mapping[str, str]]
"""Values by name of the Secret and key."""


class DesiredObject(Struct, frozen=True, kw_only=True):
    """One object that should exist."""

    body: Mapping[str, Any]
    file: str = ""
    """The rendered file that it is in."""
    group: str = ""
    """The group to which it belongs; empty for what several groups share."""
    apps: tuple[str, ...] = ()
    """The apps that it is about; empty for what belongs to none."""
    is_prerequisite: bool = False
    """Whether only an administrator may create it."""

    @property
    def reference(self) -> Reference:
        """What names it in the cluster."""
        return reference_of(self.body)

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.body["kind"])

    @property
    def phase(self) -> int:
        """The phase in which it is applied."""
        return phase_of(self.kind)

    @property
    def has_pods(self) -> bool:
        """Whether it makes pods."""
        return runs_pods(self.kind)


def rendered_items(stack: KubernetesStack) -> tuple[DesiredObject, ...]:
    """The objects of the rendered files, each with its group and apps."""
    files = {document.file: group for document in stack.documents if (group := _group_of_workload(stack, document.body)) is not None}
    return tuple(_item(stack, document.file, document.body, files.get(document.file)) for document in stack.documents)


def secret_reference(stack: KubernetesStack, name: str) -> Reference:
    """The reference of a Secret of the stack."""
    return Reference("v1", "Secret", stack.namespace, name)


def claim_reference(stack: KubernetesStack, name: str) -> Reference:
    """The reference of a claim of the stack."""
    return Reference("v1", "PersistentVolumeClaim", stack.namespace, dns_label(name))


def desired_objects(stack: KubernetesStack, values: SecretValues, live: LiveObjects) -> tuple[DesiredObject, ...]:
    """The objects that should exist.

    Secrets that exist and that `portable` does not manage are used as they are. A pod template carries a digest of the values that its
    containers get; equal values keep the digest that is there.
    """
    secrets = [item for name, data in sorted(values.items()) if (item := _secret(stack, name, data, live)) is not None]
    found = {**values, **_adopted(stack, live)}
    items = tuple(_with_digest(item, found, live) if item.has_pods else item for item in rendered_items(stack))
    return (*items, *secrets)


def template_of(body: KubernetesObject) -> Mapping[str, Any]:
    """The pod template of a workload or a CronJob; empty for other kinds."""
    spec = body.get("spec") or {}
    if body.get("kind") == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    template: Mapping[str, Any] = spec.get("template") or {}
    return template


def secrets_of(template: Mapping[str, Any], *, optional: bool = True) -> tuple[str, ...]:
    """The names of the Secrets that the pods of a template refer to; without `optional` only those that have to exist."""
    pod = template.get("spec") or {}
    references: list[tuple[str, Mapping[str, Any]]] = []
    for container in containers_of(pod):
        references += [("name", (variable.get("valueFrom") or {}).get("secretKeyRef") or {}) for variable in container.get("env") or ()]
        references += [("name", source.get("secretRef") or {}) for source in container.get("envFrom") or ()]
    for volume in pod.get("volumes") or ():
        references.append(("secretName", volume.get("secret") or {}))
        references += [("name", source.get("secret") or {}) for source in (volume.get("projected") or {}).get("sources") or ()]
    return tuple(sorted({str(found[key]) for key, found in references if key in found and (optional or not found.get("optional"))}))


def data_of(secret: KubernetesObject) -> dict[str, str]:
    """The values of a live Secret; bytes that are not text stay encoded, which is enough for a digest."""
    found = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            found[key] = base64.b64decode(value).decode()
        except ValueError:
            found[key] = str(value)
    return found


def _item(stack: KubernetesStack, file: str, body: Mapping[str, Any], group: PodGroup | None) -> DesiredObject:
    namespaced = {key: value for key, value in body.items() if key != "status"}
    group = group or _group_of_policy(stack, body)
    name = str((body["metadata"].get("labels") or {}).get("app.kubernetes.io/name") or "")
    apps: tuple[str, ...] = ()
    if group is not None:
        apps = group.apps if runs_pods(body["kind"]) or name not in group.apps else (name,)
    return DesiredObject(
        body=namespaced,
        file=file,
        group=group.name if group else "",
        apps=apps,
        is_prerequisite=file.startswith(f"{FOLDER}/"),
    )


def _group_of_workload(stack: KubernetesStack, body: Mapping[str, Any]) -> PodGroup | None:
    if not runs_pods(str(body.get("kind"))):
        return None
    label = (template_of(body).get("metadata", {}).get("labels") or {}).get(GROUP_LABEL)
    return stack.group_named(str(label)) if label else None


def _group_of_policy(stack: KubernetesStack, body: Mapping[str, Any]) -> PodGroup | None:
    if body.get("kind") != "NetworkPolicy":
        return None
    label = ((body["spec"].get("podSelector") or {}).get("matchLabels") or {}).get(GROUP_LABEL)
    return stack.group_named(str(label)) if label else None


def _secret(stack: KubernetesStack, name: str, data: Mapping[str, str], live: LiveObjects) -> DesiredObject | None:
    """The Secret with these values; None where a Secret of that name exists and `portable` does not manage it."""
    existing = live.get(secret_reference(stack, name))
    if existing is not None and not is_managed(existing):
        return None
    body = secret_object(name, data, namespace=stack.namespace, labels={**stack.labels, "app.kubernetes.io/name": name})
    if existing is not None and existing.get("type"):
        body["type"] = existing["type"]  # the API server refuses to change it
    return DesiredObject(body=body, file=SECRETS_FILE)


def _adopted(stack: KubernetesStack, live: LiveObjects) -> dict[str, dict[str, str]]:
    """The values of Secrets that exist and that `portable` does not manage.

    Those of the External Secrets Operator are not among them: a digest of values that come after the first `up` would restart every pod
    with the second one.
    """
    secrets = ((reference, item) for reference, item in live.items() if reference.kind == "Secret")
    return {
        reference.name: data_of(item)
        for reference, item in secrets
        if reference.namespace == stack.namespace and not is_managed(item) and reference.name not in stack.fetched_secrets
    }


def _with_digest(item: DesiredObject, values: SecretValues, live: LiveObjects) -> DesiredObject:
    template = template_of(item.body)
    existing = template_of(live.get(item.reference) or {"spec": {}}).get("metadata", {}).get("annotations") or {}
    used = {f"{name}/{key}": value for name in secrets_of(template) for key, value in values.get(name, {}).items()}
    if not used:
        return item
    return DesiredObject(
        body=_annotated(item.body, {SECRET_DIGEST: digest(used, existing.get(SECRET_DIGEST))}),
        file=item.file,
        group=item.group,
        apps=item.apps,
        is_prerequisite=item.is_prerequisite,
    )


def _annotated(body: Mapping[str, Any], annotations: Mapping[str, str]) -> dict[str, Any]:
    """The workload with these annotations in its pod template."""
    template = template_of(body)
    metadata = template.get("metadata") or {}
    changed = {**template, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), **annotations}}}
    spec = body["spec"]
    if body["kind"] == "CronJob":
        job = spec["jobTemplate"]
        spec = {**spec, "jobTemplate": {**job, "spec": {**job["spec"], "template": changed}}}
    else:
        spec = {**spec, "template": changed}
    return {**body, "spec": spec}


def needed_secrets(stack: KubernetesStack, values: SecretValues) -> Iterator[str]:
    """The names of all Secrets that the stack writes, or that its pods refer to."""
    names = set(values) | {use.name for use in stack.foreign_secrets}
    for item in rendered_items(stack):
        if item.has_pods:
            names.update(secrets_of(template_of(item.body)))
    yield from sorted(names)
