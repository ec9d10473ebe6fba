"""The section `metadata`: keys that may be set, keys that may not, and one value for each object."""

from typing import Any

import pytest

from portable.model.metadata import ObjectMetadata
from tests.unit.planning import CLUSTER, Place, app


def test_the_section_is_in_the_plan_and_in_the_ledger(place: Place) -> None:
    place.write(app("one"), app("two"))
    section = {
        "default": {"ingress": {"annotations": {"cert-manager.io/cluster-issuer": "home"}}, "pod": {}},
        "apps": {"one": {"http-route": {"labels": {"team": "x"}}}, "two": {"claim": {"labels": {"a": "b"}}}},
    }
    planned = place.plan("one", base=CLUSTER, metadata=section)
    assert planned.plan.metadata == (
        ObjectMetadata(kind="ingress", annotations={"cert-manager.io/cluster-issuer": "home"}),
        ObjectMetadata(kind="http-route", app="one", labels={"team": "x"}),
    )
    told = [finding for finding in planned.findings if finding.field == "metadata"]
    assert [(f.path, f.code, f.app) for f in told] == [
        ("metadata.:ingress", "metadata.added", None),
        ("metadata.one:http-route", "metadata.added", "one"),
    ]
    assert "annotation cert-manager.io/cluster-issuer" in told[0].text
    assert told[1].where is not None
    assert told[1].where.line > 1


def test_without_a_section_there_is_none(place: Place) -> None:
    place.write(app("one"))
    assert place.plan("one", base=CLUSTER).plan.metadata == ()


@pytest.mark.parametrize(
    ("kind", "marks", "key"),
    [
        ("ingress", "annotations", "nginx.ingress.kubernetes.io/proxy-body-size"),
        ("load-balancer", "annotations", "metallb.io/loadBalancerIPs"),
        ("service", "annotations", "service.kubernetes.io/topology-mode"),
        ("workload", "annotations", "reloader.stakater.com/auto"),
        ("pod", "annotations", "prometheus.io/scrape"),
        ("pod", "labels", "team"),
        ("claim", "labels", "recurring-job.longhorn.io/source"),
        ("route", "annotations", "haproxy.router.openshift.io/timeout"),
        ("workload", "annotations", "argocd.argoproj.io/sync-wave"),
    ],
)
def test_what_a_controller_reads_may_be_set(place: Place, kind: str, marks: str, key: str) -> None:
    place.write(app("one"))
    assert place.plan("one", base=CLUSTER, metadata={"apps": {"one": {kind: {marks: {key: "1"}}}}}).plan.metadata


@pytest.mark.parametrize(
    ("kind", "marks", "key"),
    [
        ("pod", "annotations", "openshift.io/required-scc"),
        ("pod", "annotations", "container.apparmor.security.beta.kubernetes.io/main"),
        ("pod", "annotations", "seccomp.security.alpha.kubernetes.io/pod"),
        ("pod", "annotations", "k8s.v1.cni.cncf.io/networks"),
        ("pod", "annotations", "sidecar.istio.io/inject"),
        ("pod", "annotations", "io.kubernetes.cri-o.Devices"),
        ("pod", "labels", "portable/group"),
        ("workload", "labels", "app.kubernetes.io/instance"),
        ("workload", "annotations", "openshift.io/scc"),
        ("claim", "annotations", "volume.beta.kubernetes.io/storage-class"),
        ("service", "labels", "service.kubernetes.io/service-proxy-name"),
        ("service", "annotations", "portable/title"),
        ("service", "labels", "argocd.argoproj.io/instance"),
        ("ingress", "annotations", "meta.helm.sh/release-name"),
        ("load-balancer", "annotations", "metallb.io/allow-shared-ip"),
        ("ingress", "annotations", "app.kubernetes.io/x"),
    ],
)
def test_what_a_platform_or_portable_acts_on_may_not(place: Place, kind: str, marks: str, key: str) -> None:
    place.write(app("one"))
    path = f"metadata.apps.one.{kind}.{marks}.{key}"
    place.refuses("one", base=CLUSTER, metadata={"apps": {"one": {kind: {marks: {key: "1"}}}}}, wanted=[(path, "metadata.reserved", key)])


@pytest.mark.parametrize(
    ("marks", "key", "value"),
    [
        ("labels", "a", "not a label"),
        ("labels", "a", "x" * 64),
        ("labels", "-a", "x"),
        ("annotations", "a b", "x"),
        ("annotations", "/a", "x"),
        ("annotations", "A.test/a", "x"),
        ("annotations", "x" * 64, "x"),
        ("annotations", f"{'x.' * 130}y/a", "x"),
        ("annotations", "a.test/", "x"),
    ],
)
def test_what_the_api_server_would_refuse_is_a_mistake(place: Place, marks: str, key: str, value: str) -> None:
    place.write(app("one"))
    caught = place.caught("one", base=CLUSTER, metadata={"default": {"service": {marks: {key: value}}}})
    assert [mistake.code for mistake in caught] == ["metadata.invalid"]


def test_a_long_annotation_is_none(place: Place) -> None:
    place.write(app("one"))
    assert place.plan("one", base=CLUSTER, metadata={"default": {"service": {"annotations": {"a": "x y " * 99}}}}).plan.metadata


def test_an_unknown_app_is_a_mistake(place: Place) -> None:
    place.write(app("one"))
    section = {"apps": {"oen": {"pod": {"labels": {"a": "b"}}}}}
    place.refuses("one", base=CLUSTER, metadata=section, wanted=[("metadata.apps.oen", "metadata.app", "'oen'")])


def test_apps_of_one_pod_agree(place: Place) -> None:
    place.write(app("one", egress="vpn"), app("two", egress="vpn"))

    def section(value: str) -> dict[str, Any]:
        return {
            "apps": {"one": {"pod": {"labels": {"a": "b"}}}, "two": {"pod": {"labels": {"a": value}}, "service": {"labels": {"a": "c"}}}}
        }

    assert place.plan("one", "two", base=CLUSTER, metadata=section("b")).plan.metadata
    path = "metadata.apps.two.pod.labels.a"
    place.refuses("one", "two", base=CLUSTER, metadata=section("c"), wanted=[(path, "metadata.conflict", "one")])


def test_apps_of_one_claim_agree(place: Place) -> None:
    place.write(*(app(name, containers={"main": {"library": "rw"}}) for name in ("one", "two")))
    section = {"apps": {"one": {"claim": {"labels": {"a": "b"}}}, "two": {"claim": {"labels": {"a": "c"}}}}}
    place.refuses(
        "one", "two", base=CLUSTER, metadata=section, wanted=[("metadata.apps.two.claim.labels.a", "metadata.conflict", "library")]
    )
