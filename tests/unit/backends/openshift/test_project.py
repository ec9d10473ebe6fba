"""How an OpenShift rendering differs from one of Kubernetes."""

from portable.backends import kubernetes
from portable.backends.openshift import render
from tests.factories import full_plan
from tests.unit.backends.kubernetes.rendered import objects, workloads


def test_the_same_plan_gives_the_same_rendering() -> None:
    assert render(full_plan("openshift")) == render(full_plan("openshift"))


def test_what_only_an_administrator_may_hand_out_lies_apart() -> None:
    files = {
        d.file
        for d in render(full_plan("openshift")).documents
        if d.body["kind"] in ("SecurityContextConstraints", "ClusterRole", "RoleBinding")
    }
    assert files == {"administrator/scc.yaml", "administrator/roles.yaml"}


def test_a_pod_is_that_of_kubernetes_with_an_scc() -> None:
    plan = full_plan("kubernetes")
    ours, theirs = workloads(render(plan))["player"], workloads(kubernetes.render(plan))["player"]
    annotations = ours["spec"]["template"]["metadata"]["annotations"]
    assert annotations.pop("openshift.io/required-scc") == "privileged"
    assert ours == theirs


def test_dns_is_openshifts_own() -> None:
    egress = objects(render(full_plan("openshift")), "NetworkPolicy")["gateway"]["spec"]["egress"]
    assert egress[1]["ports"] == [{"port": 5353, "protocol": "UDP"}, {"port": 5353, "protocol": "TCP"}]
