"""What a profile may patch in the objects of a cluster, setting by setting."""

from typing import Any

import pytest

from portable.backends.kubernetes import render
from portable.backends.kubernetes.patching import PATCHING
from portable.backends.patch import ABSENT, Reason, Target, parsed
from portable.model import plan as p
from portable.model.findings import Class
from tests.factories import app, behind, claim, container, plan, with_volume

POD = "/spec/template"
BY_KIND = {
    "Deployment": POD,
    "StatefulSet": POD,
    "CronJob": "/spec/jobTemplate/spec/template",
}


def asked(kind: str, path: str, before: Any = ABSENT, *, is_fenced: bool = True) -> Reason | None:
    """Why a patch may not set this; None if it may."""
    steps = tuple(int(step) if step.isdigit() else step for step in parsed(path))
    return PATCHING.reason(Target(kind=kind, name="demo", document=0, is_fenced=is_fenced), (steps, before, "new"))


FREE: tuple[tuple[str, str], ...] = (
    # labels and annotations of the object itself
    *(
        (kind, f"/metadata/{marks}/{key}")
        for kind in BY_KIND
        for marks in ("labels", "annotations")
        for key in ("team", "example.org~1team")
    ),
    ("Deployment", "/metadata/labels/portable"),
    ("PersistentVolumeClaim", "/metadata/labels/team"),
    *((kind, "/metadata/annotations/x.kubernetes.io~1y") for kind in ("Service", "Ingress", "HTTPRoute", "Route")),
    ("Route", "/metadata/annotations/openshift.io~1y"),
    # those of the pods
    *((kind, f"{way}/metadata/annotations/{key}") for kind, way in BY_KIND.items() for key in ("team", "prometheus.io~1scrape")),
    ("Deployment", f"{POD}/metadata/labels/backup.velero.io~1x"),
    # the pods and their workloads
    *((kind, f"{way}/spec/nodeSelector/zone") for kind, way in BY_KIND.items()),
    ("Deployment", f"{POD}/spec/containers/0/livenessProbe/timeoutSeconds"),
    ("Deployment", "/spec/revisionHistoryLimit"),
    ("CronJob", "/spec/jobTemplate/spec/backoffLimit"),
    ("Service", "/spec/externalTrafficPolicy"),
    ("ServiceAccount", "/imagePullSecrets/0/name"),
)
REFUSED: dict[str, tuple[Class, tuple[tuple[Any, ...], ...]]] = {
    "the identity": (
        "security",
        (
            ("Deployment", "/metadata/labels/team", "old"),
            ("Deployment", "/metadata/annotations/team", "old"),
            ("Service", "/metadata/annotations/team", "old"),
            *(
                ("Deployment", f"/metadata/{marks}/{domain}~1x")
                for marks in ("labels", "annotations")
                for domain in ("kubernetes.io", "app.kubernetes.io", "k8s.io", "openshift.io", "portable", "sub.portable")
            ),
            ("Service", "/metadata/labels/kubernetes.io~1x"),
            *((kind, "/metadata/annotations/portable~1x") for kind in ("Service", "Ingress", "HTTPRoute", "Route")),
            *((kind, path) for kind in ("Deployment", "Service", "Route") for path in ("/metadata/name", "/kind", "/apiVersion")),
            *((kind, f"{way}/metadata/annotations/team", "old") for kind, way in BY_KIND.items()),
            *((kind, f"{way}/metadata/annotations/sidecar.istio.io~1inject") for kind, way in BY_KIND.items()),
            *((kind, f"{way}/metadata/labels/portable~1group") for kind, way in BY_KIND.items()),
        ),
    ),
    "an account": (
        "security",
        (
            ("ServiceAccount", "/metadata/labels/team"),
            ("ServiceAccount", "/metadata/annotations/team", "old"),
            ("ServiceAccount", "/automountServiceAccountToken"),
        ),
    ),
    "the second fence": (
        "security",
        (("NetworkPolicy", "/spec/egress/0"), ("NetworkPolicy", "/metadata/labels/team"), ("NetworkPolicy", "/metadata/name")),
    ),
    "a port behind a gateway": (
        "security",
        (("Service", "/spec/type"), ("Service", "/spec/selector/a"), ("Service", "/spec/ports/0/nodePort")),
    ),
    "variables": ("security", (("Deployment", f"{POD}/spec/containers/0/env/0/value"),)),
    "the pod's rights": (
        "security",
        (("Deployment", f"{POD}/spec/securityContext/runAsUser"), ("CronJob", "/spec/jobTemplate/spec/template/spec/serviceAccountName")),
    ),
    "containers": ("security", (("Deployment", f"{POD}/spec/containers/0/ports/0"),)),
    "where data is": (
        "data",
        (("StatefulSet", f"{POD}/spec/volumes/0/name"), ("Deployment", f"{POD}/spec/containers/0/volumeMounts/0/subPath")),
    ),
    "how many write": ("data", (("Deployment", "/spec/replicas"), ("CronJob", "/spec/suspend"))),
    "what the app's file sets": ("function", (("Deployment", f"{POD}/spec/containers/0/image"), ("CronJob", "/spec/schedule"))),
    "an unknown setting": (
        "security",
        (
            ("Deployment", "/spec/novelty"),
            ("Deployment", "/nodeSelector/zone"),
            ("Deployment", f"{POD}/nodeSelector/zone"),
            ("Secret", "/data"),
        ),
    ),
}


@pytest.mark.parametrize(("kind", "path"), FREE)
def test_what_is_safe_may_be_patched(kind: str, path: str) -> None:
    assert asked(kind, path) is None


@pytest.mark.parametrize("cause", REFUSED)
def test_each_cause_has_one_reason(cause: str) -> None:
    class_, rows = REFUSED[cause]
    first = asked(*rows[0])
    assert first is not None
    assert first.class_ == class_
    assert [(row, asked(*row)) for row in rows] == [(row, first) for row in rows]


def test_each_cause_has_a_reason_of_its_own() -> None:
    assert len({asked(*rows[0]) for _, rows in REFUSED.values()}) == len(REFUSED)


@pytest.mark.parametrize("path", ["/spec/type", "/spec/externalIPs/0", "/spec/ports/0/nodePort"])
def test_only_a_service_outside_the_fence_may_open_ports(path: str) -> None:
    assert asked("Service", path, is_fenced=False) is None
    assert asked("Service", path) is not None
    assert asked("Deployment", path, is_fenced=False) is not None


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("/metadata/labels/team", 1, "team"),
        ("/metadata/labels/team", "not valid!", "team"),
        ("/metadata/annotations/owner", True, "owner"),
        (f"{POD}/metadata/labels/team", "x" * 64, "team"),
        (f"{POD}/metadata/annotations/owner", None, "owner"),
        ("/metadata/labels/team", "media", None),
        ("/metadata/labels/team", "", None),
        ("/metadata/labels/team", ABSENT, None),
        ("/metadata/annotations/owner", "not valid!", None),
        ("/metadata/finalizers/0", 1, None),
        ("/spec/labels/team", 1, None),
        ("/spec/replicas", 1, None),
    ],
)
def test_labels_and_annotations_are_text_and_labels_are_short(path: str, value: Any, key: str | None) -> None:
    text = PATCHING.invalid(Target(kind="Deployment", name="demo", document=0), (tuple(parsed(path)), ABSENT, value))
    assert (text is not None) == (key is not None)
    assert (key or "") in (text or "")


def test_what_a_patch_can_name_and_whether_it_is_fenced() -> None:
    gated = behind(p.Tunnel(gateway="gate"))
    job = app("sweep", ports=(), schedule=p.Schedule(), containers=(container(command=("sweep",)),))
    stateful = with_volume(claim())
    direct = app("free", containers=stateful.apps[0].containers)
    alone = tuple(p.Group(name=name, apps=(name,)) for name in ("sweep", "free"))
    made = plan(*gated.apps, job, direct, groups=(*gated.groups, *alone), volumes=stateful.volumes)
    rendering = render(made)
    targets = PATCHING.targets(made, rendering)
    bodies = [rendering.documents[target.document].body for target in targets]
    assert [(target.kind, target.name) for target in targets] == [(body["kind"], body["metadata"]["name"]) for body in bodies]
    assert {target.document for target in targets} == {
        number for number, document in enumerate(rendering.documents) if document.body["kind"] != "Kustomization"
    }
    found = {(target.kind, target.name): (target.app, target.is_fenced) for target in targets}
    assert {key: value for key, value in found.items() if value != (None, True)} == {
        ("Deployment", "gate"): ("gate", True),
        ("Service", "demo"): ("gate", True),
        ("CronJob", "sweep"): ("sweep", False),
        ("StatefulSet", "free"): ("free", False),
        ("Service", "free"): ("free", False),
    }
