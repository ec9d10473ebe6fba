"""Who an object belongs to."""

from typing import Any

import pytest

from portable.live.kubernetes.owners import has_applied, instance_of, is_by_hand, is_managed, other_tool


def item(labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    """An object with these labels."""
    return {"metadata": {"name": "x", "labels": labels, "annotations": annotations, **metadata}}


@pytest.mark.parametrize("manager", ["kubectl", "kubectl-edit", "kubectl-client-side-apply", "oc", "oc-patch", "k9s", "Mozilla"])
def test_tools_that_people_type_into(manager: str) -> None:
    assert is_by_hand(manager)


@pytest.mark.parametrize(
    "manager", ["portable", "argocd-controller", "kube-controller-manager", "helm", "kustomize-controller", "octopus", ""]
)
def test_tools_that_act_by_themselves(manager: str) -> None:
    assert not is_by_hand(manager)


def test_other_tools_are_named() -> None:
    assert other_tool(item()) == ""
    assert other_tool(item({"argocd.argoproj.io/instance": "media"})) == "Argo CD (application media)"
    assert other_tool(item({}, {"argocd.argoproj.io/tracking-id": "media:apps/Deployment:ns/x"})) == "Argo CD (application media)"
    assert other_tool(item({"kustomize.toolkit.fluxcd.io/name": "apps"})) == "Flux (apps)"
    assert other_tool(item({"helm.toolkit.fluxcd.io/name": "apps"})) == "Flux (apps)"
    assert other_tool(item({"app.kubernetes.io/managed-by": "Helm"})) == "Helm (release unknown)"


def test_the_stack_of_an_object_is_told_by_its_label() -> None:
    mine = {"app.kubernetes.io/managed-by": "portable", "app.kubernetes.io/instance": "media-nas"}
    assert instance_of(item(mine)) == "media-nas"
    assert instance_of(item({"app.kubernetes.io/instance": "media-nas"})) == ""
    assert is_managed(item(mine))
    assert not is_managed(item())


def test_what_portable_applied_is_told_by_its_fields() -> None:
    assert has_applied(item(managedFields=[{"manager": "portable", "operation": "Apply"}]))
    assert not has_applied(item(managedFields=[{"manager": "portable", "operation": "Update"}, {"manager": "x", "operation": "Apply"}]))
