"""The kustomizations of a rendered folder: one for all, or a folder of its own for each app where a controller applies them."""

from collections.abc import Iterable
from typing import Final

from portable.backends.kubernetes.administrator import FOLDER
from portable.backends.kubernetes.names import Body
from portable.model.rendering import RenderedDocument

APPS: Final = "apps"
COMPONENT: Final = "components/shared"
"""The folder of what several apps share: accounts, claims, NetworkPolicies and files."""
SHARED: Final = "shared"
"""The folder that a controller applies for it: a component cannot stand alone everywhere."""
CONTROLLER: Final = "gitops"
"""The folder with the objects of the controller itself."""
ROOT: Final = "gitops.yaml"
"""The file with the one object that leads the controller to all others."""
SECRETS: Final = "secrets"
"""The folder of encrypted Secrets, which `portable secrets write` writes."""
_FILE: Final = "kustomization.yaml"


def is_for_cluster(document: RenderedDocument) -> bool:
    """Return whether a document is an object of the stack, not one for kustomize or for a GitOps controller."""
    is_for_controller = document.file == ROOT or document.file.startswith(f"{CONTROLLER}/")
    return not is_for_controller and document.body["kind"] not in ("Kustomization", "Component")


def in_two_folders(documents: list[RenderedDocument]) -> tuple[RenderedDocument, ...]:
    """Return the documents after two kustomizations: one for the namespace's owner, one for an administrator."""
    files = sorted({document.file for document in documents})
    owner = [file for file in files if not _is_administrators(file)]
    return (_kustomization("", owner), _kustomization(FOLDER, _inside(FOLDER, files)), *documents)


def in_folders_of_apps(documents: Iterable[RenderedDocument]) -> tuple[RenderedDocument, ...]:
    """Return the documents in a folder for each app, one for an administrator, and a component for all that is shared."""
    placed = [RenderedDocument(file=_place(document.file), body=document.body) for document in documents]
    files = sorted({document.file for document in placed})
    apps = sorted({file.rpartition("/")[0] for file in files if file.startswith(f"{APPS}/")})
    return (
        _kustomization("", apps, components=[COMPONENT]),
        _kustomization(FOLDER, _inside(FOLDER, files)),
        _kustomization(SHARED, [], components=[f"../{COMPONENT}"]),
        _component(COMPONENT, _inside(COMPONENT, files)),
        *(_kustomization(folder, _inside(folder, files)) for folder in apps),
        *placed,
    )


def controller_folder(documents: Iterable[RenderedDocument]) -> RenderedDocument:
    """Return the kustomization of the controller's own objects."""
    return _kustomization(CONTROLLER, _inside(CONTROLLER, sorted({document.file for document in documents})))


def _place(file: str) -> str:
    if _is_administrators(file):
        return file
    if file.startswith(f"{APPS}/"):
        if file.count("/") > 1:
            return file
        return f"{file.removesuffix('.yaml')}/{file.rpartition('/')[2]}"
    return f"{COMPONENT}/{file}"


def _is_administrators(file: str) -> bool:
    return file.startswith(f"{FOLDER}/")


def _inside(folder: str, files: Iterable[str]) -> list[str]:
    return [file.removeprefix(f"{folder}/") for file in files if file.startswith(f"{folder}/")]


def _kustomization(folder: str, resources: list[str], *, components: list[str] | None = None) -> RenderedDocument:
    body: Body = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    if resources or not components:
        body["resources"] = resources
    if components:
        body["components"] = components
    return RenderedDocument(file=f"{folder}/{_FILE}" if folder else _FILE, body=body)


def _component(folder: str, resources: list[str]) -> RenderedDocument:
    body: Body = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "resources": resources}
    return RenderedDocument(file=f"{folder}/{_FILE}", body=body)
