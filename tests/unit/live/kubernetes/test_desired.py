"""The objects that should exist."""

import base64

from portable.engines.kubernetes.cluster import Reference
from portable.live.kubernetes.desired import (
    SECRET_DIGEST,
    data_of,
    desired_objects,
    rendered_items,
    secret_reference,
    secrets_of,
    template_of,
)
from tests.unit.live.kubernetes.conftest import TOKEN, grouped, made

VALUES = {"token": {"value": TOKEN}}


def test_each_object_has_its_group_and_its_apps() -> None:
    items = {str(item.reference): item for item in rendered_items(grouped())}
    assert items["Deployment pair"].apps == ("one", "two")
    assert items["NetworkPolicy pair"].group == "pair"
    assert items["Service one"].apps == ("one",)
    assert items["ServiceAccount media-test"].group == ""
    assert items["Namespace media"].is_prerequisite
    assert not items["Deployment lone"].is_prerequisite
    assert "Kustomization" not in {item.kind for item in items.values()}


def test_a_secret_has_its_values_a_type_and_the_labels_of_the_stack() -> None:
    stack = made()
    items = {
        item.reference.name: item
        for item in desired_objects(stack, {**VALUES, "web": {"tls.crt": "c", "tls.key": "k"}}, {})
        if item.kind == "Secret"
    }
    token = items["token"].body
    assert base64.b64decode(token["data"]["value"]).decode() == TOKEN
    assert token["type"] == "Opaque"
    assert token["metadata"]["labels"].items() >= stack.labels.items()
    assert items["web"].body["type"] == "kubernetes.io/tls"


def test_a_secret_of_somebody_else_is_used_as_it_is() -> None:
    stack = made()
    other = {"kind": "Secret", "metadata": {"name": "token"}, "data": {"value": base64.b64encode(b"theirs").decode()}}
    reference = secret_reference(stack, "token")
    items = desired_objects(stack, VALUES, {reference: other})
    assert not [item for item in items if item.kind == "Secret"]
    used = next(template_of(item.body) for item in items if str(item.reference) == "StatefulSet two")
    assert used["metadata"]["annotations"][SECRET_DIGEST]


def test_a_secret_that_exists_keeps_its_type() -> None:
    stack = made()
    live = {"kind": "Secret", "type": "custom", "metadata": {"name": "token", "labels": dict(stack.labels)}}
    items = desired_objects(stack, VALUES, {secret_reference(stack, "token"): live})
    assert next(item for item in items if item.kind == "Secret").body["type"] == "custom"


def test_only_pods_that_use_a_secret_have_its_digest_and_equal_values_keep_it() -> None:
    stack = made()
    first = {str(item.reference): item for item in desired_objects(stack, VALUES, {})}
    mark = template_of(first["StatefulSet two"].body)["metadata"]["annotations"][SECRET_DIGEST]
    assert TOKEN not in mark
    assert SECRET_DIGEST not in template_of(first["StatefulSet one"].body)["metadata"].get("annotations", {})
    live = {Reference("apps/v1", "StatefulSet", "media", "two"): first["StatefulSet two"].body}
    again = {str(item.reference): item for item in desired_objects(stack, VALUES, live)}
    assert again["StatefulSet two"].body == first["StatefulSet two"].body
    other = {str(item.reference): item for item in desired_objects(stack, {"token": {"value": "canary-other"}}, live)}
    assert template_of(other["StatefulSet two"].body)["metadata"]["annotations"][SECRET_DIGEST] != mark


def test_every_way_to_refer_to_a_secret_counts() -> None:
    pod = {
        "initContainers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "a"}}}]}],
        "containers": [{"envFrom": [{"secretRef": {"name": "b"}}], "env": [{"name": "X", "value": "y"}]}],
        "volumes": [{"secret": {"secretName": "c"}}, {"projected": {"sources": [{"secret": {"name": "d"}}]}}, {"emptyDir": {}}],
    }
    assert secrets_of({"spec": pod}) == ("a", "b", "c", "d")


def test_a_secret_that_may_be_missing_is_told_apart() -> None:
    volumes = [{"secret": {"secretName": "a", "optional": True}}, {"secret": {"secretName": "b"}}]
    assert secrets_of({"spec": {"volumes": volumes}}) == ("a", "b")
    assert secrets_of({"spec": {"volumes": volumes}}, optional=False) == ("b",)


def test_the_template_of_a_cron_job_is_found() -> None:
    assert template_of({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": {"x": 1}}}}}}) == {"spec": {"x": 1}}
    assert template_of({"kind": "Service", "spec": {}}) == {}


def test_bytes_that_are_no_text_still_make_a_digest() -> None:
    assert data_of({"data": {"a": base64.b64encode(b"\xff").decode(), "b": base64.b64encode(b"x").decode()}}) == {"a": "/w==", "b": "x"}
