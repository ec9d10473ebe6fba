"""Whether an apply changes nothing, from managed fields in the form of a real API server, whose dry runs tests/api_server compares with."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from portable.engines.kubernetes.unchanged import is_unchanged_by


def body() -> dict[str, Any]:
    """An applied Service with ports, a selector that is one whole, and a finalizer."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "media", "labels": {"app": "web"}, "finalizers": ["test/keep"]},
        "spec": {
            "selector": {"group": "web"},
            "ports": [{"name": "web", "port": 80}, {"name": "peer", "port": 6881, "protocol": "UDP"}],
        },
    }


def live() -> dict[str, Any]:
    """The same as the API server has it, with defaults and the fields of others."""
    item = copy.deepcopy(body())
    item["metadata"] |= {
        "uid": "1",
        "resourceVersion": "7",
        "annotations": {"of": "another owner"},
        "managedFields": [
            {"manager": "kubectl", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:metadata": {"f:annotations": {"f:of": {}}}}},
            {
                "manager": "portable",
                "operation": "Apply",
                "apiVersion": "v1",
                "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {'v:"test/keep"': {}}},
                    "f:spec": {
                        "f:selector": {},
                        "f:ports": {
                            'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}},
                            'k:{"port":6881,"protocol":"UDP"}': {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}},
                        },
                    },
                },
            },
        ],
    }
    item["spec"]["clusterIP"] = "10.96.0.7"
    item["spec"]["ports"][0]["protocol"] = "TCP"
    return item


def test_the_same_document_changes_nothing() -> None:
    assert is_unchanged_by(live(), body(), "portable")


def changed(of: Callable[[], dict[str, Any]], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """A document with one thing changed."""
    made = of()
    change(made)
    return made


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b["metadata"]["labels"].update(app="other"),
        lambda b: b["metadata"]["labels"].update(more="1"),
        lambda b: b["metadata"]["labels"].pop("app"),
        lambda b: b["metadata"].pop("labels"),
        lambda b: b["metadata"]["finalizers"].append("test/more"),
        lambda b: b["metadata"].update(finalizers=[]),
        lambda b: b["spec"]["selector"].update(group="other"),
        lambda b: b["spec"]["selector"].update(more="1"),
        lambda b: b["spec"]["ports"][0].update(name="other"),
        lambda b: b["spec"]["ports"][0].update(port=81),
        lambda b: b["spec"]["ports"][0].update(targetPort="web"),
        lambda b: b["spec"]["ports"][1].pop("name"),
        lambda b: b["spec"]["ports"].pop(),
        lambda b: b["spec"]["ports"].reverse(),
        lambda b: b["spec"].update(type="LoadBalancer"),
        lambda b: b["spec"].update(clusterIP="10.96.0.7"),
        lambda b: b.update(apiVersion="v2"),
    ],
)
def test_every_change_of_the_document_is_left_to_the_api_server(change: Callable[[dict[str, Any]], object]) -> None:
    assert not is_unchanged_by(live(), changed(body, change), "portable")


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b["metadata"]["labels"].update(app="other"),
        lambda b: b["metadata"]["labels"].clear(),
        lambda b: b["spec"]["ports"][1].update(protocol="TCP"),
        lambda b: b["spec"]["ports"].insert(0, {"name": "of another owner", "port": 9}),
        lambda b: b["spec"]["ports"].pop(),
        lambda b: b["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z"),
        lambda b: b["metadata"].update(managedFields=[]),
        lambda b: b["metadata"]["managedFields"].pop(),
        lambda b: b["metadata"]["managedFields"].append(b["metadata"]["managedFields"][1]),
        lambda b: b["metadata"]["managedFields"][1].update(operation="Update"),
    ],
)
def test_every_change_of_the_object_is_left_to_the_api_server(change: Callable[[dict[str, Any]], object]) -> None:
    assert not is_unchanged_by(changed(live, change), body(), "portable")


def test_fields_of_other_owners_do_not_count() -> None:
    assert is_unchanged_by(changed(live, lambda b: b["spec"].update(clusterIP="10.96.0.8")), body(), "portable")
    assert is_unchanged_by(changed(live, lambda b: b["metadata"]["annotations"].update(more="1")), body(), "portable")
