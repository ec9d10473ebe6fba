"""The least SCC for each pod, held against OpenShift's own."""

from typing import Any

import msgspec
import pytest

from portable.backends.kubernetes.scope import scope_of
from portable.backends.openshift import explain, render
from portable.backends.openshift.scc import ORDER, OWN, Scc, admissions, admitting, bindings, sccs
from portable.model import plan as p
from portable.model.devices import Devices, HostDevice
from tests.factories import app, container, full_plan, plan
from tests.render.invariants_kubernetes import check_kubernetes, published_sccs, scc_refusals
from tests.unit.backends.kubernetes.rendered import objects, pod, workloads

PUBLISHED = published_sccs()
needs_published = pytest.mark.skipif(not PUBLISHED, reason="OpenShift's SCCs lie in ../shared/crds, which is not beside this checkout")
ROOT: dict[str, Any] = {"identity": p.Identity(how="puid-pgid"), "needs": p.Needs(root_start=True)}
FUSE: dict[str, Any] = {"identity": p.Identity(how="fixed", uid=0, gid=0), "needs": p.Needs(fuse=True)}
VPN: dict[str, Any] = {"identity": p.Identity(how="fixed", uid=0, gid=0), "needs": p.Needs(root_start=True, net_admin=True)}


def one(**changes: Any) -> p.Plan:
    return plan(app(containers=(container(**changes),)))


@pytest.mark.parametrize(("given", "scc"), [({}, "nonroot-v2"), (ROOT, "portable-root"), (VPN, "portable-vpn"), (FUSE, "privileged")])
def test_the_least_scc_admits_and_no_lesser_does(given: dict[str, Any], scc: Scc) -> None:
    made = one(**given)
    assert explain(made)["demo"][0] == scc
    rendering = render(made)
    template = workloads(rendering)["demo"]["spec"]["template"]
    assert template["metadata"]["annotations"]["openshift.io/required-scc"] == scc
    known = PUBLISHED | _own()
    for lesser in ORDER[: ORDER.index(scc)]:
        assert lesser not in known or scc_refusals(known[lesser], template["spec"]), f"{lesser} would do"
    assert scc not in known or scc_refusals(known[scc], template["spec"]) == []


@needs_published
@pytest.mark.parametrize("given", [ROOT, VPN])
def test_anyuid_would_not_do(given: dict[str, Any]) -> None:
    assert "demo: seccomp RuntimeDefault" in scc_refusals(PUBLISHED["anyuid"], pod(render(one(**given))))


def test_a_pod_that_asks_for_nothing_needs_nothing() -> None:
    assert admitting({"containers": [{"name": "main", "securityContext": {}}]}) == ("restricted-v2", "needs no special rights")


def test_reasons_name_who_asks() -> None:
    assert "cloud-shelf" in explain(full_plan("openshift"))["player"][1]
    scc, reason = explain(full_plan("openshift"))["gateway"]
    assert (scc, reason.startswith("gateway "), "NET_ADMIN" in reason) == ("portable-vpn", True, True)


def test_our_sccs_allow_what_is_needed_and_nothing_of_the_host() -> None:
    made = objects(render(full_plan("openshift")), "SecurityContextConstraints")
    assert sorted(made) == ["portable-vpn"]
    scc = made["portable-vpn"]
    assert scc["allowedCapabilities"] == sorted(OWN["portable-vpn"])
    assert not any(value for key, value in scc.items() if key.startswith("allow") and key != "allowedCapabilities")
    assert scc["users"] == scc["groups"] == []
    # Client-side apply rejects null here.
    assert (scc["priority"], scc["defaultAddCapabilities"]) == (0, [])


def test_what_several_stacks_share_is_the_same_for_all_and_belongs_to_none() -> None:
    made = [render(msgspec.structs.replace(one(**VPN), stack=name, namespace=name)) for name in ("one", "two")]
    for kind in ("SecurityContextConstraints", "ClusterRole"):
        first, second = (objects(rendering, kind) for rendering in made)
        assert first == second
        assert {label for body in first.values() for label in body["metadata"]["labels"]} == {
            "app.kubernetes.io/name",
            "app.kubernetes.io/managed-by",
        }


def test_accounts_of_one_name_are_split_by_need() -> None:
    apps = [app(name, containers=(container(**given),)) for name, given in (("plain", {}), ("rooted", ROOT), ("mounting", FUSE))]
    made = plan(*apps, groups=tuple(p.Group(name=a.name, apps=(a.name,), account="managers") for a in apps))
    rendering = render(made)
    assert {name: pod(rendering, name)["serviceAccountName"] for name in ("plain", "rooted", "mounting")} == {
        "plain": "managers",
        "rooted": "managers-root",
        "mounting": "managers-fuse",
    }
    bound = {b["subjects"][0]["name"]: b["roleRef"]["name"] for b in objects(rendering, "RoleBinding").values()}
    assert bound == {
        "managers": "system:openshift:scc:nonroot-v2",
        "managers-root": "portable:scc:portable-root",
        "managers-fuse": "system:openshift:scc:privileged",
    }
    assert check_kubernetes(rendering.documents, made) == []


def test_the_account_that_needs_nothing_keeps_its_name_and_gets_no_binding() -> None:
    made = plan(
        *(app(name) for name in ("plain", "user")), groups=tuple(p.Group(name=n, apps=(n,), account="one") for n in ("plain", "user"))
    )
    scope = scope_of(made)
    pods: dict[str, Any] = {
        "plain": {"containers": [{"name": "c"}]},
        "user": {"containers": [{"name": "c", "securityContext": {"runAsUser": 1000}}]},
    }
    admitted = admissions(scope, pods)
    assert {name: (admission.scc, admission.account) for name, admission in admitted.items()} == {
        "plain": ("restricted-v2", "one"),
        "user": ("nonroot-v2", "one-user"),
    }
    assert [body["subjects"][0]["name"] for body in bindings(scope, admitted)] == ["one-user"]


def test_an_account_with_one_need_keeps_its_name() -> None:
    assert pod(render(full_plan("openshift")), "player")["serviceAccountName"] == "plex"


def test_a_device_of_the_node_costs_privileged_and_says_so() -> None:
    made = msgspec.structs.replace(one(needs=p.Needs(gpu=True)), devices=Devices(gpu=HostDevice(path="/dev/dri/renderD128")))
    scc, reason = explain(made)["demo"]
    assert scc == "privileged"
    assert "/dev/dri/renderD128" in reason


@needs_published
def test_a_wrong_scc_is_noticed() -> None:
    rendering = render(full_plan("openshift"))
    for document in rendering.documents:
        if document.body["kind"] in ("Deployment", "StatefulSet"):
            document.body["spec"]["template"]["metadata"]["annotations"]["openshift.io/required-scc"] = "restricted-v2"
    assert sum("is not admitted by restricted-v2" in line for line in check_kubernetes(rendering.documents)) > 2


def _own() -> dict[str, Any]:
    made = plan(app("rooted", containers=(container(**ROOT),)), app("gateway", containers=(container(**VPN),)))
    assert list(scope_of(made).pods) == ["rooted", "gateway"]
    return objects(render(made), "SecurityContextConstraints")


def test_each_of_our_sccs_is_written_once() -> None:
    assert list(sccs({})) == []
