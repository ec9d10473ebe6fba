"""The rendered folder as a whole, and that its invariants can fail."""

import copy
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from portable.backends.kubernetes import render
from portable.backends.kubernetes.administrator import pod_security_level
from portable.model.rendering import RenderedDocument, Rendering
from tests.factories import app, full_plan, plan
from tests.render.invariants_kubernetes import check_kubernetes
from tests.unit.backends.kubernetes.rendered import objects, pod


def test_the_same_plan_gives_the_same_rendering() -> None:
    assert render(full_plan("kubernetes")) == render(full_plan("kubernetes"))


def test_what_an_administrator_creates_lies_apart() -> None:
    files: dict[str, set[str]] = {}
    for document in render(msgspec.structs.replace(full_plan("kubernetes"), gitops=None)).documents:
        files.setdefault(document.file, set()).add(document.body["kind"])
    assert files == {
        "kustomization.yaml": {"Kustomization"},
        "administrator/kustomization.yaml": {"Kustomization"},
        "administrator/namespace.yaml": {"Namespace"},
        "administrator/volumes.yaml": {"PersistentVolume"},
        "accounts.yaml": {"ServiceAccount"},
        "storage.yaml": {"PersistentVolumeClaim"},
        "network.yaml": {"NetworkPolicy"},
        "secrets.yaml": {"ExternalSecret"},
        "shared.yaml": {"ConfigMap"},
        "apps/gateway.yaml": {"StatefulSet", "Service", "Ingress", "HTTPRoute"},
        "apps/player.yaml": {"ConfigMap", "StatefulSet", "Service"},
        "apps/sweep.yaml": {"CronJob"},
    }


def test_the_namespace_admits_its_pods_and_no_more() -> None:
    def level(*apps: Any) -> str:
        (body,) = objects(plan(*apps), "Namespace").values()
        return str(body["metadata"]["labels"]["pod-security.kubernetes.io/enforce"])

    assert level(app()) == "restricted"
    (full,) = objects(full_plan("kubernetes"), "Namespace").values()
    assert full["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    assert pod_security_level(pod(full_plan("kubernetes"), "gateway")) == "privileged"


def test_a_stack_without_a_namespace_has_one_of_its_name() -> None:
    assert sorted(objects(plan(), "Namespace")) == ["media"]


def test_300_apps_are_rendered_within_their_part_of_the_budget() -> None:
    many = plan(*(app(f"app{number}") for number in range(300)))
    started = time.process_time()
    render(many)
    assert time.process_time() - started < 0.3


def sabotage(change: Callable[[dict[str, Any]], None], kind: str, name: str) -> list[str]:
    rendering: Rendering = render(full_plan("kubernetes"))
    documents = [RenderedDocument(file=d.file, body=copy.deepcopy(d.body)) for d in rendering.documents]
    change(next(d.body for d in documents if d.body["kind"] == kind and d.body["metadata"]["name"] == name))
    return check_kubernetes(documents, full_plan("kubernetes"))


def spec(body: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = body["spec"]["template"]["spec"]
    return made


SABOTAGES: dict[str, tuple[str, str, Callable[[dict[str, Any]], Any]]] = {
    "is the fence of no pod": (
        "NetworkPolicy",
        "player",
        lambda b: b["spec"]["podSelector"]["matchLabels"].update({"portable/group": "x"}),
    ),
    "selects 0 pods": ("Service", "player", lambda b: b["spec"]["selector"].update({"portable/group": "x"})),
    "no container listens on": ("Service", "player", lambda b: b["spec"]["ports"][0].update({"targetPort": "x"})),
    "asks an unknown port": ("StatefulSet", "player", lambda b: spec(b)["containers"][0]["livenessProbe"]["httpGet"].update({"port": "x"})),
    "runs as an account that is not there": ("StatefulSet", "player", lambda b: spec(b).update({"serviceAccountName": "x"})),
    "are not there or not used": ("StatefulSet", "player", lambda b: spec(b)["volumes"].pop()),
    "neither exists nor is made": ("PersistentVolumeClaim", "library-claim", lambda b: b["metadata"].update({"name": "x"})),
    "has no key": ("ConfigMap", "player-files", lambda b: b["data"].clear()),
    "is privileged and mounts no cloud, or the reverse": (
        "StatefulSet",
        "player",
        lambda b: spec(b)["containers"][0]["securityContext"].update({"privileged": True}),
    ),
    "has privileges that nobody gave": (
        "StatefulSet",
        "player",
        lambda b: spec(b)["containers"][0]["securityContext"].update({"capabilities": {"drop": []}}),
    ),
    "mounts a part of the library": (
        "StatefulSet",
        "gateway",
        lambda b: next(m for m in spec(b)["containers"][0]["volumeMounts"] if m["mountPath"] == "/mnt/media").update({"subPath": "media"}),
    ),
    "splits the library": (
        "StatefulSet",
        "gateway",
        lambda b: spec(b)["containers"][0]["volumeMounts"].append({"name": "claim-library-claim", "mountPath": "/mnt/media/tv"}),
    ),
    "starts beside the apps": (
        "StatefulSet",
        "gateway",
        lambda b: spec(b)["containers"].insert(0, spec(b)["initContainers"].pop()),
    ),
    "run outside of the pod": ("StatefulSet", "gateway", lambda b: spec(b)["containers"][0].update({"name": "other"})),
    "has no second fence": ("NetworkPolicy", "gateway", lambda b: b["spec"].update({"policyTypes": ["Ingress"]})),
    "could run twice": ("StatefulSet", "player", lambda b: b["spec"].update({"replicas": 2})),
    "goes with its claim": (
        "PersistentVolume",
        "media-test-library-claim",
        lambda b: b["spec"].update({"persistentVolumeReclaimPolicy": "Delete"}),
    ),
    "is a sidecar that nothing waits for": ("StatefulSet", "gateway", lambda b: spec(b)["initContainers"][1].pop("startupProbe")),
    "leads to nowhere": (
        "Ingress",
        "torrents-web",
        lambda b: b["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"].update({"name": "x"}),
    ),
}


@pytest.mark.parametrize("sentence", SABOTAGES)
def test_the_invariants_notice(sentence: str) -> None:
    kind, name, change = SABOTAGES[sentence]
    assert any(sentence in line for line in sabotage(change, kind, name))
