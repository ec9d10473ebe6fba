"""A rendering that Flux or Argo CD applies: folders, order, and what is never deleted."""

from typing import Any

import msgspec
import pytest

from portable.backends.kubernetes import render
from portable.backends.kubernetes.gitops import KEPT
from portable.backends.kubernetes.groups import start_order, waves
from portable.backends.kubernetes.kustomizations import is_for_cluster
from portable.backends.kubernetes.scope import scope_of
from portable.backends.registry import back_end
from portable.live.kubernetes import order
from portable.live.kubernetes.stack import stack_of
from portable.model import plan as p
from portable.model.findings import Waiver
from portable.model.gitops import ArgoCd, Flux, GitOps
from portable.model.ledger import settle
from portable.model.rendering import Rendering
from tests.factories import app, claim, full_plan, plan, with_volume
from tests.unit.backends.reasons import Reason, difference

ARGO = ArgoCd(repository="https://git.example.test/home.git")
FLUX = Flux()


def gitops(controller: Flux | ArgoCd = FLUX, **changes: Any) -> GitOps:
    return GitOps(path="k8s/home", controller=controller, **changes)


def three(**changes: Any) -> p.Plan:
    """`one`, `two` after it, and `three` after both."""
    after = (p.After(app="one"), p.After(app="two", when="started"))
    return plan(app("one"), app("two", after=after[:1]), app("three", after=after), **changes)


def own(rendering: Rendering) -> dict[str, dict[str, Any]]:
    """The controller's objects by the end of their path."""
    found = [d.body for d in rendering.documents if d.file.startswith("gitops/") and "spec" in d.body]
    return {body["metadata"]["name"]: body for body in found}


def after(body: dict[str, Any]) -> list[str]:
    return [entry["name"].removeprefix("media-test") for entry in body["spec"].get("dependsOn", [])]


def test_flux_applies_each_folder_after_those_that_it_needs() -> None:
    found = own(render(three(gitops=gitops())))
    assert {name.removeprefix("media-test"): (body["spec"]["path"], after(body)) for name, body in found.items()} == {
        ".administrator": ("./k8s/home/administrator", []),
        ".shared": ("./k8s/home/shared", [".administrator"]),
        "-one": ("./k8s/home/apps/one", [".shared"]),
        "-two": ("./k8s/home/apps/two", [".shared", "-one"]),
        "-three": ("./k8s/home/apps/three", [".shared", "-one", "-two"]),
    }
    ready = {name: body["spec"].get("healthChecks") for name, body in found.items()}
    assert ready["media-test-three"] is None  # nothing waits for it
    assert ready["media-test-two"] == [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "two", "namespace": "media"}]
    assert not any(body["spec"].get("wait") for body in found.values())  # a claim may wait for its first pod
    assert {name for name, body in found.items() if not body["spec"]["prune"]} == {"media-test.administrator"}


def test_argo_cd_has_waves() -> None:
    found = own(render(three(gitops=gitops(ARGO))))
    wave = {
        name.removeprefix("media-test"): body["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] for name, body in found.items()
    }
    assert wave == {".administrator": "0", ".shared": "1", "-one": "2", "-two": "3", "-three": "4"}
    cascading = {name.removeprefix("media-test") for name, body in found.items() if body["metadata"].get("finalizers")}
    assert cascading == {"-one", "-two", "-three"}
    assert {body["spec"]["destination"]["namespace"] for body in found.values()} == {"media"}


@pytest.mark.parametrize("controller", [FLUX, ARGO])
def test_one_object_leads_to_all_others(controller: Flux | ArgoCd) -> None:
    rendering = render(three(gitops=gitops(controller)))
    (root,) = (d.body for d in rendering.documents if d.file == "gitops.yaml")
    spec = root["spec"]
    assert root["metadata"]["name"] == "media-test"
    assert (spec.get("path") or spec["source"]["path"]).removeprefix("./") == "k8s/home/gitops"
    assert "finalizers" not in root["metadata"]
    (kustomization,) = (d.body for d in rendering.documents if d.file == "gitops/kustomization.yaml")
    assert {f"gitops/{file}" for file in kustomization["resources"]} == {d.file for d in rendering.documents if "spec" in d.body} & {
        "gitops/flux.yaml",
        "gitops/argo-cd.yaml",
    }


def test_groups_that_need_each_other_do_not_wait() -> None:
    """Apps may form no circle, but the groups of a gateway may: a controller would wait for ever."""
    apps = (app("a", after=(p.After(app="b"),)), app("b"), app("c", after=(p.After(app="a"),)), app("d", after=(p.After(app="a"),)))
    groups = (p.Group(name="first", apps=("a",)), p.Group(name="second", apps=("b", "c")), p.Group(name="third", apps=("d",)))
    found = start_order(scope_of(plan(*apps, groups=groups)))
    assert found == {"first": (), "second": (), "third": ("first",)}
    assert waves(found) == {"first": 0, "second": 0, "third": 1}


@pytest.mark.parametrize("name", ["shared", "secrets", "administrator", "gitops"])
def test_an_app_may_have_the_name_of_a_folder(name: str) -> None:
    rendering = render(plan(app(name), gitops=gitops(secrets="sops")))
    assert {"media-test.shared", "media-test.secrets", f"media-test-{name}"} <= {*own(rendering)}
    assert len({d.file for d in rendering.documents if d.file.startswith(f"apps/{name}/")}) == 2


@pytest.mark.parametrize(("stack", "profile"), [("m" * 40, "p" * 40), ("media", "p" * 63)])
def test_names_fit_into_the_label_of_flux(stack: str, profile: str) -> None:
    base = msgspec.structs.replace(plan(app("a" * 63), gitops=gitops(secrets="sops")), stack=stack, profile=profile, namespace="media")
    names = [*own(render(base))]
    assert len({*names}) == 4
    assert all(len(name) <= 63 for name in names)


@pytest.mark.parametrize("controller", [FLUX, ARGO])
@pytest.mark.parametrize("back", ["kubernetes", "openshift"])
def test_data_and_fences_are_never_deleted_by_a_controller(controller: Flux | ArgoCd, back: str) -> None:
    base = msgspec.structs.replace(full_plan(back), gitops=gitops(controller))
    documents = [d for d in back_end(back).render(base).documents if is_for_cluster(d)]
    mark = "kustomize.toolkit.fluxcd.io/prune" if controller is FLUX else "argocd.argoproj.io/sync-options"
    value = "disabled" if controller is FLUX else "Prune=false,Delete=false"
    kept = {d.body["kind"] for d in documents if d.body["metadata"].get("annotations", {}).get(mark) == value}
    assert kept == {d.body["kind"] for d in documents} & KEPT
    assert {"NetworkPolicy", "PersistentVolumeClaim", "Namespace", "ExternalSecret"} <= kept
    assert order.KEPT - {"CustomResourceDefinition"} <= KEPT


def test_a_claim_does_not_hold_up_a_wave_of_argo_cd() -> None:
    base = with_volume(claim(), within={"plan": {"gitops": gitops(ARGO)}})
    (found,) = (d.body for d in render(base).documents if d.body["kind"] == "PersistentVolumeClaim")
    assert found["metadata"]["annotations"]["argocd.argoproj.io/ignore-healthcheck"] == "true"


def test_the_fence_comes_before_the_pod() -> None:
    """Flux applies NetworkPolicies after the pods of a folder, Argo CD before them but without waiting for another Application."""
    files = {
        controller: [d.file for d in render(plan(gitops=gitops(controller))).documents if d.body["kind"] == "NetworkPolicy"]
        for controller in (FLUX, ARGO)
    }
    assert files == {FLUX: ["components/shared/network.yaml"], ARGO: ["apps/demo/network.yaml"]}


def test_the_driver_takes_the_objects_of_the_stack_only() -> None:
    with_it, without = plan(gitops=gitops()), plan()
    kinds = [sorted(d.body["kind"] for d in stack_of(each, render(each)).documents) for each in (with_it, without)]
    assert kinds[0] == kinds[1]
    assert not {"Application", "Component", "Kustomization"} & {*kinds[0]}


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        ({}, {"secrets": "sops"}, Reason("gitops.secrets", "gitops.controller.decryption", "function", code="kubernetes.gitops-key")),
        (
            {},
            {"administrator": False},
            Reason("gitops.administrator", "gitops.administrator", "function", code="kubernetes.gitops-administrator"),
        ),
    ],
)
def test_what_flux_needs_is_told(before: dict[str, Any], now: dict[str, Any], reason: Reason) -> None:
    assert difference(render, plan(gitops=gitops(**before)), plan(gitops=gitops(**now))) == ({reason}, set())


def test_argo_cd_cannot_decrypt_files_of_sops() -> None:
    come, gone = difference(render, plan(gitops=gitops(ARGO, secrets="sealed-secrets")), plan(gitops=gitops(ARGO, secrets="sops")))
    assert {reason.code for reason in come} == {"kubernetes.gitops-sops"}
    assert gone == set()
    verdicts = {f.verdict for f in render(plan(gitops=gitops(ARGO, secrets="sops"))).findings if f.code == "kubernetes.gitops-sops"}
    assert verdicts == {"refused"}


def test_a_plug_in_that_decrypts_files_of_sops_is_accepted_by_the_code() -> None:
    """Such as KSOPS: `portable` cannot see it, and the finding is about no app."""
    (refused,) = [f for f in render(plan(gitops=gitops(ARGO, secrets="sops"))).findings if f.code == "kubernetes.gitops-sops"]
    accepting = Waiver(field="gitops.secrets", class_="function", code="kubernetes.gitops-sops", reason="KSOPS")
    assert settle([refused], [accepting], [])[0].verdict == "waived"
    assert "`waive: [{field: gitops.secrets, class: function, code: kubernetes.gitops-sops, reason: ...}]`" in refused.remedy


def test_waves_of_argo_cd_are_told_where_an_app_waits() -> None:
    def codes(*apps: p.App) -> set[str]:
        return {f.code for f in render(plan(*apps, gitops=gitops(ARGO))).findings}

    assert "kubernetes.gitops-waves" not in codes(app("one"), app("two"))
    assert "kubernetes.gitops-waves" in codes(app("one"), app("two", after=(p.After(app="one"),)))


def test_flux_decrypts_only_what_sops_encrypted() -> None:
    decryption = {
        form: own(render(plan(gitops=gitops(secrets=form))))["media-test.secrets"]["spec"].get("decryption")
        for form in ("sops", "sealed-secrets")
    }
    assert decryption == {"sops": {"provider": "sops", "secretRef": {"name": "sops-age"}}, "sealed-secrets": None}
    assert "media-test.secrets" not in own(render(plan(gitops=gitops())))


def test_compose_has_no_controller() -> None:
    come, gone = difference(back_end("compose").render, plan(), plan(gitops=gitops()))
    assert ({reason.code for reason in come}, gone) == ({"compose.gitops"}, set())
