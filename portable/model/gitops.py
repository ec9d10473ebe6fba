"""A GitOps controller that applies the rendered files from a repository, as a plan knows it."""

from typing import Literal

from portable.model.base import Struct

EncryptedForm = Literal["sops", "sealed-secrets"]


class Flux(Struct, tag="flux", frozen=True, kw_only=True):
    """Flux reads a repository as a GitRepository, and applies a Kustomization for each folder."""

    source: str = "flux-system"
    """The GitRepository."""
    namespace: str = "flux-system"
    """Of the GitRepository and of the Kustomizations."""
    interval: str = "1h"
    """How often Flux corrects what somebody changed in the cluster."""
    decryption: str = "sops-age"
    """The Secret with the private keys for files that SOPS encrypted."""


class ArgoCd(Struct, tag="argo-cd", frozen=True, kw_only=True):
    """Argo CD applies an Application for each folder."""

    repository: str
    """Its URL, as Argo CD knows it."""
    revision: str = "HEAD"
    project: str = "default"
    namespace: str = "argocd"
    """Of the Applications."""


class GitOps(Struct, frozen=True, kw_only=True):
    """The controller, and the place of the rendered folder in the repository."""

    path: str
    controller: Flux | ArgoCd
    administrator: bool = True
    """Whether the controller also applies the objects that only a cluster administrator may create."""
    secrets: EncryptedForm | None = None
    """The form of the Secrets in the folder `secrets`, which `portable secrets write` writes; None: no such folder."""
