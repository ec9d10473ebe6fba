"""Labels and annotations of the profile: each kind by itself, and what is told where no object has them."""

from typing import Any

import pytest

from portable.backends.kubernetes import render
from portable.backends.registry import back_end
from portable.model import plan as p
from portable.model.exposures import Exposure, GatewayRoute, Ingress, LoadBalancer, Reach, Route
from portable.model.metadata import ObjectKind, ObjectMetadata
from tests.factories import app, claim, one, plan, with_volume
from tests.unit.backends.reasons import Reason, consequences, difference

MARKS = {"annotations": {"a.test/x": "1"}, "labels": {"b": "2"}}


def marked(kind: ObjectKind, of: str | None = "demo") -> dict[str, Any]:
    return {"metadata": (ObjectMetadata(kind=kind, app=of, **MARKS),)}


def exposed(how: Reach, **changes: Any) -> p.Plan:
    return one(within={"plan": {"exposures": (Exposure(app="demo", port="web", how=how),), **changes}})


def stored(**changes: Any) -> p.Plan:
    return with_volume(claim(), within={"plan": changes})


CASES: dict[ObjectKind, tuple[Any, str, str]] = {
    "service": (lambda **changes: plan(**changes), "kubernetes", "Service demo: metadata"),
    "workload": (lambda **changes: plan(**changes), "kubernetes", "Deployment demo: metadata"),
    "pod": (lambda **changes: plan(**changes), "kubernetes", "Deployment demo: spec.template.metadata"),
    "ingress": (lambda **changes: exposed(Ingress(host="h"), **changes), "kubernetes", "Ingress demo-web: metadata"),
    "http-route": (lambda **changes: exposed(GatewayRoute(host="h", gateway="g"), **changes), "kubernetes", "HTTPRoute demo-web: metadata"),
    "load-balancer": (lambda **changes: exposed(LoadBalancer(number=80), **changes), "kubernetes", "Service demo-web-lb: metadata"),
    "route": (lambda **changes: exposed(Route(host="h"), **changes), "openshift", "Route demo-web: metadata"),
    "claim": (stored, "kubernetes", "PersistentVolumeClaim disk: metadata"),
}


@pytest.mark.parametrize("of", ["demo", None])
@pytest.mark.parametrize("kind", CASES)
def test_marks_of_a_kind_change_its_objects_and_no_other(kind: ObjectKind, of: str | None) -> None:
    make, name, at = CASES[kind]
    found = consequences(back_end(name).render, make(), make(**marked(kind, of)))
    assert {path: value for path, value in found.items() if value is not None} == {
        f"{at}.annotations.a.test/x": "1",
        f"{at}.labels.b": "2",
    }


@pytest.mark.parametrize("kind", [kind for kind in CASES if kind not in ("service", "workload", "pod")])
def test_marks_without_an_object_are_told(kind: ObjectKind) -> None:
    come, gone = difference(render, plan(), plan(**marked(kind)))
    wanted = Reason("metadata.unused", f"metadata.demo:{kind}", "function", "demo", code="kubernetes.metadata-unused")
    assert (come, gone) == ({wanted}, set())


def test_marks_of_another_app_change_nothing() -> None:
    two = (app("demo"), app("other"))
    found = consequences(render, plan(*two), plan(*two, **marked("service", "other")))
    assert {path.partition(":")[0] for path in found} == {"Service other"}


def test_marks_of_an_app_win_over_those_of_all() -> None:
    marks = (ObjectMetadata(kind="service", annotations={"x": "all"}), ObjectMetadata(kind="service", app="demo", annotations={"x": "own"}))
    assert consequences(render, plan(), plan(metadata=marks)) == {"Service demo: metadata.annotations.x": "own"}


def test_the_rendering_of_another_plan_is_not_changed() -> None:
    """Constants that several objects share are never written to."""
    before = exposed(Ingress(host="h"))
    first = render(before).documents
    render(exposed(Ingress(host="h"), **marked("ingress")))
    assert render(before).documents == first


def test_compose_has_no_such_objects() -> None:
    come, gone = difference(back_end("compose").render, plan(), plan(**marked("service")))
    assert (come, gone) == ({Reason("metadata", "metadata", "function", code="compose.cluster-setting")}, set())
