"""The objects of Flux or Argo CD: one for each folder of the rendering, in waves, and one that leads to all of them.

docs/facts/gitops.md#order, docs/facts/gitops.md#what-is-never-deleted
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from portable.backends.common import note, refuse
from portable.backends.kubernetes.administrator import FOLDER
from portable.backends.kubernetes.groups import start_order, waves
from portable.backends.kubernetes.kustomizations import (
    APPS,
    CONTROLLER,
    ROOT,
    SECRETS,
    SHARED,
    controller_folder,
    in_folders_of_apps,
    in_two_folders,
)
from portable.backends.kubernetes.names import GROUP_LABEL, Body, dns_label, label_value, meta
from portable.backends.kubernetes.scope import Scope
from portable.model.findings import Finding, waiver
from portable.model.gitops import ArgoCd, Flux, GitOps
from portable.model.rendering import RenderedDocument

FLUX_API: Final = "kustomize.toolkit.fluxcd.io/v1"
ARGO_CD_API: Final = "argoproj.io/v1alpha1"
KEPT: Final = frozenset({"ExternalSecret", "Namespace", "NetworkPolicy", "PersistentVolume", "PersistentVolumeClaim", "Secret"})
"""Kinds that no controller deletes: data, what leads to it, and the fence of a pod, which must outlive the pod (promises 2 and 5)."""
_KEPT_BY_FLUX: Final = {"kustomize.toolkit.fluxcd.io/prune": "disabled"}
_KEPT_BY_ARGO_CD: Final = {
    "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
}
_WAITS_FOR_PODS: Final = {"argocd.argoproj.io/ignore-healthcheck": "true"}
"""On claims: one may bind only once a pod uses it, and the pods come in a later wave."""
_FINALIZER: Final = "resources-finalizer.argocd.argoproj.io"
_WAVE: Final = "argocd.argoproj.io/sync-wave"
_TIMEOUT: Final = "10m"
_OWN_NAME_MAX: Final = 63 - len(f".{FOLDER}")
"""Flux writes the name of a Kustomization into a label of each object."""


class AppliedFolder(NamedTuple):
    """A folder that the controller applies."""

    name: str
    """Of the controller's object."""
    folder: str
    wave: int
    after: tuple[str, ...] = ()
    """Names of the objects that must be ready first."""
    workload: Body | None = None
    """What must be ready before this folder is: only where another one waits for it."""
    is_app: bool = False
    is_kept: bool = False
    """Whether nothing in it is ever deleted."""


def for_controller(scope: Scope, documents: list[RenderedDocument]) -> tuple[RenderedDocument, ...]:
    """Return the documents in folders; with a controller, in those that it applies, and with its own objects."""
    plan = scope.plan.gitops
    if plan is None:
        return in_two_folders(documents)
    for document in documents:
        if document.body["kind"] in KEPT:
            _annotate(document.body, kept_annotations(plan, document.body["kind"]))
    workloads = {document.file: document.body for document in documents if document.body["kind"] in ("Deployment", "StatefulSet")}
    make = _flux if isinstance(plan.controller, Flux) else _argo_cd
    if isinstance(plan.controller, ArgoCd):
        documents = _fences_beside_pods(scope, documents)
    own = [
        RenderedDocument(file=f"{CONTROLLER}/{plan.controller.__struct_config__.tag}.yaml", body=make(scope, plan, folder))
        for folder in _folders(scope, plan, workloads)
    ]
    root = AppliedFolder(name=scope.own_name(), folder=CONTROLLER, wave=0)
    return (
        RenderedDocument(file=ROOT, body=make(scope, plan, root)),
        controller_folder(own),
        *own,
        *in_folders_of_apps(documents),
    )


def kept_annotations(plan: GitOps, kind: str) -> Mapping[str, str]:
    """Return the annotations with which the controller never deletes an object of a kind that holds data."""
    if isinstance(plan.controller, Flux):
        return _KEPT_BY_FLUX
    return _KEPT_BY_ARGO_CD | (_WAITS_FOR_PODS if kind == "PersistentVolumeClaim" else {})


def gitops_findings(scope: Scope) -> Iterator[Finding]:
    """Yield findings on what the controller must have, and on what it cannot do."""
    plan = scope.plan.gitops
    if plan is None:
        return
    if isinstance(plan.controller, ArgoCd) and plan.secrets == "sops":
        text = "Argo CD does not decrypt files of SOPS: it would apply the encrypted text, and the API server would refuse it."
        accepting = waiver("gitops.secrets", None, "function", "kubernetes.gitops-sops")
        remedy = (
            "use `secrets: {encrypted: {sealed-secrets: {certificate: FILE}}}` or `source: external-secrets`; if a plug-in of your "
            f"Argo CD decrypts them, such as KSOPS, accept it in the profile: {accepting}"
        )
        yield refuse("gitops.secrets", "gitops.secrets", "function", text, remedy, code="kubernetes.gitops-sops", waivable=True)
    if isinstance(plan.controller, Flux) and plan.secrets == "sops":
        flux = plan.controller
        text = f"Flux decrypts Secrets with the keys in the Secret {flux.decryption} of namespace {flux.namespace}, which must exist."
        create = f"kubectl create secret generic -n {flux.namespace} {flux.decryption} --from-file=age.agekey=FILE"
        yield note("gitops.secrets", "gitops.controller.decryption", "function", text, f"run `{create}`", code="kubernetes.gitops-key")
    if isinstance(plan.controller, ArgoCd) and any(start_order(scope).values()):
        text = "Argo CD does not wait for the apps of a wave before it begins the next one, unless it knows the health of an Application."
        remedy = "add the health check of Applications to the ConfigMap `argocd-cm` (docs/how-to/use-gitops.md)"
        yield note("gitops.waves", "gitops.controller", "function", text, remedy, code="kubernetes.gitops-waves")
    if not plan.administrator:
        text = f"The controller does not apply the folder {FOLDER}: a cluster administrator must."
        remedy = f"`kubectl apply --server-side -k {plan.path}/{FOLDER}`"
        yield note("gitops.administrator", "gitops.administrator", "function", text, remedy, code="kubernetes.gitops-administrator")


def _fences_beside_pods(scope: Scope, documents: list[RenderedDocument]) -> list[RenderedDocument]:
    """Return the documents with each NetworkPolicy in the folder of its pod.

    Argo CD applies NetworkPolicies before pods, but does not wait for another Application. Flux does the opposite.
    """
    folders = {label_value(group.name): f"{APPS}/{dns_label(group.name)}" for group in scope.plan.groups}
    return [
        RenderedDocument(file=f"{folders[_group_of(document.body)]}/network.yaml", body=document.body)
        if document.body["kind"] == "NetworkPolicy"
        else document
        for document in documents
    ]


def _group_of(policy: Body) -> str:
    return str(policy["spec"]["podSelector"]["matchLabels"][GROUP_LABEL])


def _folders(scope: Scope, plan: GitOps, workloads: Mapping[str, Body]) -> Iterator[AppliedFolder]:
    """Yield the folders in the order of their waves. Names with a dot are no app's."""
    own = dns_label(scope.own_name(), limit=_OWN_NAME_MAX)
    administrator, shared, secrets = (f"{own}.{folder}" for folder in (FOLDER, SHARED, SECRETS))
    first: tuple[str, ...] = ()
    if plan.administrator:
        yield AppliedFolder(name=administrator, folder=FOLDER, wave=0, is_kept=True)
        first = (administrator,)
    yield AppliedFolder(name=shared, folder=SHARED, wave=1, after=first)
    before = [shared]
    if plan.secrets is not None:
        yield AppliedFolder(name=secrets, folder=SECRETS, wave=1, after=first)
        before.append(secrets)
    order = start_order(scope)
    by_wave = waves(order)
    needed = {other for others in order.values() for other in others}
    for name in sorted(order, key=lambda name: (by_wave[name], name)):
        label = dns_label(name)
        yield AppliedFolder(
            name=scope.own_name(label),
            folder=f"{APPS}/{label}",
            wave=2 + by_wave[name],
            after=(*before, *(scope.own_name(dns_label(other)) for other in order[name])),
            workload=workloads.get(f"{APPS}/{label}.yaml") if name in needed else None,
            is_app=True,
        )


def _flux(scope: Scope, plan: GitOps, folder: AppliedFolder) -> Body:
    flux = plan.controller
    assert isinstance(flux, Flux)
    spec: Body = {
        "interval": flux.interval,
        "path": f"./{plan.path}/{folder.folder}",
        "prune": not folder.is_kept,
        "sourceRef": {"kind": "GitRepository", "name": flux.source},
        "timeout": _TIMEOUT,
    }
    if folder.after:
        spec["dependsOn"] = [{"name": name} for name in folder.after]
    if folder.workload is not None:
        found = folder.workload
        reference = {"name": found["metadata"]["name"], "namespace": found["metadata"]["namespace"]}
        spec["healthChecks"] = [{"apiVersion": found["apiVersion"], "kind": found["kind"], **reference}]
    if folder.folder == SECRETS and plan.secrets == "sops":
        spec["decryption"] = {"provider": "sops", "secretRef": {"name": flux.decryption}}
    metadata = meta(folder.name, scope.labels(folder.name), namespace=flux.namespace)
    return {"apiVersion": FLUX_API, "kind": "Kustomization", "metadata": metadata, "spec": spec}


def _argo_cd(scope: Scope, plan: GitOps, folder: AppliedFolder) -> Body:
    argo = plan.controller
    assert isinstance(argo, ArgoCd)
    wave = {} if folder.folder == CONTROLLER else {_WAVE: str(folder.wave)}
    metadata = meta(folder.name, scope.labels(folder.name), namespace=argo.namespace, annotations=wave)
    if folder.is_app:
        metadata["finalizers"] = [_FINALIZER]  # an app that leaves the profile ends; what holds data stays
    namespace = argo.namespace if folder.folder == CONTROLLER else scope.namespace
    return {
        "apiVersion": ARGO_CD_API,
        "kind": "Application",
        "metadata": metadata,
        "spec": {
            "project": argo.project,
            "source": {"repoURL": argo.repository, "targetRevision": argo.revision, "path": f"{plan.path}/{folder.folder}"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "syncPolicy": {
                "automated": {"prune": not folder.is_kept, "selfHeal": True},
                "syncOptions": ["ServerSideApply=true"],
            },
        },
    }


def _annotate(body: Body, annotations: Mapping[str, str]) -> None:
    metadata = body["metadata"]
    metadata["annotations"] = {**metadata.get("annotations", {}), **annotations}
