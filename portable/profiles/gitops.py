"""The types of the section `gitops` of a profile."""

from typing import Annotated

from msgspec import Meta

from portable.catalog.facts import Facts, RelativePath

ObjectName = Annotated[
    str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$(?!\n)", description="the name of an object in the cluster")
]
NamespaceName = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$(?!\n)", description="the name of a namespace")]
Text = Annotated[str, Meta(min_length=1, pattern=r"^\S+$(?!\n)", description="text without spaces")]


class FluxFacts(Facts, frozen=True, kw_only=True):
    """Flux, which knows the repository as a GitRepository."""

    source: ObjectName = "flux-system"
    """The name of the GitRepository."""
    namespace: NamespaceName = "flux-system"
    """The namespace of the GitRepository, and of the rendered Kustomizations."""
    interval: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,5}(s|m|h)$(?!\n)", description="a duration, such as 1h")] = "1h"
    """How often Flux corrects changes that somebody made in the cluster."""
    decryption: ObjectName = "sops-age"
    """The Secret with the private keys of SOPS, in the same namespace."""


class ArgoCdFacts(Facts, frozen=True, kw_only=True):
    """Argo CD."""

    repository: Text
    """The URL of the repository, without a login: Argo CD has that in a Secret of its own."""
    revision: Text = "HEAD"
    """A branch or tag. Default: the repository's default branch."""
    project: ObjectName = "default"
    namespace: NamespaceName = "argocd"
    """The namespace of Argo CD, and of the rendered Applications."""


class GitOpsFacts(Facts, frozen=True, kw_only=True):
    """The GitOps controller that applies the rendered files: exactly one of `flux` and `argo-cd`."""

    path: RelativePath
    """The rendered folder in the repository."""
    flux: FluxFacts | None = None
    argo_cd: ArgoCdFacts | None = None
    administrator: bool = True
    """Whether the controller also applies the folder `administrator`; otherwise an administrator does."""


class SopsFacts(Facts, frozen=True, kw_only=True):
    """SOPS with age."""

    age: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^age1[0-9a-z]{10,}$(?!\n)", description="a public key of age, such as age1...")], ...],
        Meta(min_length=1),
    ]
    """The public keys for which files are encrypted: yours, and that of the cluster."""


class SealedSecretsFacts(Facts, frozen=True, kw_only=True):
    """Sealed Secrets, whose controller alone has the private key."""

    certificate: Annotated[str, Meta(pattern=r"^(/|~/).+$(?!\n)", description="an absolute path, or one that begins with ~/")]
    """The controller's certificate: `kubeseal --fetch-cert > FILE`."""


class EncryptedFacts(Facts, frozen=True, kw_only=True):
    """How `portable secrets write` encrypts the Secrets for a repository: exactly one of `sops` and `sealed-secrets`."""

    sops: SopsFacts | None = None
    sealed_secrets: SealedSecretsFacts | None = None
