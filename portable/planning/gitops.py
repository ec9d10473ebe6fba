"""The GitOps controller of the profile."""

import re

from portable.model.gitops import ArgoCd, EncryptedForm, Flux, GitOps
from portable.planning.inputs import Mistakes, PlanInput
from portable.profiles.gitops import GitOpsFacts
from portable.profiles.types import SecretsFacts

_PASSWORD = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/@]*:[^/@]*@|^https?://[^/@]+@|^https?://[^?]*\?")
"""A URL with a password or a token in it, also in its query; `ssh://git@HOST` has none."""


def gitops(given: PlanInput, mistakes: Mistakes) -> GitOps | None:
    """The controller of the plan; None for a profile without one."""
    facts = given.profile.gitops
    if facts is None:
        return None
    if (facts.flux is None) == (facts.argo_cd is None):
        text = "`gitops` needs exactly one of `flux` and `argo-cd`: two controllers would fight for the objects"
        remedy = f"keep one, for example `gitops: {{path: {facts.path}, flux: {{}}}}`"
        mistakes.add(given.profile_source("gitops"), "gitops", text, remedy, code="plan.gitops-controller")
        return None
    if facts.argo_cd is not None and _PASSWORD.search(facts.argo_cd.repository):
        text = "the URL of the repository has a login in it, and everybody who reads the rendered files would see it"
        remedy = "remove it from the URL, and give it to Argo CD: `argocd repo add URL --username NAME`"
        source = given.profile_source("gitops", "argo-cd", "repository")
        mistakes.add(source, "gitops.argo-cd.repository", text, remedy, code="plan.gitops-login")
    form = encrypted_form(given.profile.secrets)
    return GitOps(path=facts.path.rstrip("/"), controller=_controller(facts), administrator=facts.administrator, secrets=form)


def encrypted_secrets(given: PlanInput, mistakes: Mistakes) -> None:
    """Note mistakes in `secrets.encrypted` and in the source `sops`."""
    secrets = given.profile.secrets
    facts = secrets.encrypted
    if facts is not None and (facts.sops is None) == (facts.sealed_secrets is None):
        text, remedy = "`encrypted` needs exactly one of `sops` and `sealed-secrets`", "keep the one that your cluster has"
        source = given.profile_source("secrets", "encrypted")
        mistakes.add(source, "secrets.encrypted", text, remedy, code="plan.secret-encrypted")
    if secrets.source == "sops" and secrets.file is None:
        text = "`source: sops` needs the encrypted file"
        remedy = "name it: `secrets: {source: sops, file: ~/home/secrets.sops.yaml}`"
        mistakes.add(given.profile_source("secrets", "source"), "secrets.file", text, remedy, code="plan.secret-sops")


def encrypted_form(secrets: SecretsFacts) -> EncryptedForm | None:
    """The form of the Secrets in the repository; None if they are not there."""
    if secrets.encrypted is None:
        return None
    return "sops" if secrets.encrypted.sops is not None else "sealed-secrets"


def _controller(facts: GitOpsFacts) -> Flux | ArgoCd:
    if facts.argo_cd is not None:
        argo = facts.argo_cd
        return ArgoCd(repository=argo.repository, revision=argo.revision, project=argo.project, namespace=argo.namespace)
    assert facts.flux is not None
    flux = facts.flux
    return Flux(source=flux.source, namespace=flux.namespace, interval=flux.interval, decryption=flux.decryption)
