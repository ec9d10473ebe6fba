"""Undoing changes by hand, field by field."""

from typing import Any

from portable.live.kubernetes.edits import restore_fields, was_edited

CONTAINER = 'k:{"name":"main"}'


def item(spec: dict[str, Any], hand: dict[str, Any], own: dict[str, Any] | None = None, **entry: Any) -> dict[str, Any]:
    """An object whose fields a person and `portable` own."""
    managers = [
        {"manager": "portable", "operation": "Apply", "fieldsV1": own or {}},
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": hand, **entry},
    ]
    return {"metadata": {"name": "x", "managedFields": managers}, "spec": spec}


def test_an_added_field_goes_and_a_changed_one_gets_its_desired_value() -> None:
    live = item({"a": 2, "b": 3}, {"f:spec": {"f:a": {}, "f:b": {}}}, {"f:spec": {"f:c": {}}})
    assert restore_fields(live, {"spec": {"a": 1}})["spec"] == {"a": 1}
    assert live["spec"] == {"a": 2, "b": 3}


def test_a_field_that_portable_owns_too_stays() -> None:
    live = item({"a": 1}, {"f:spec": {"f:a": {}}}, {"f:spec": {"f:a": {}}})
    assert restore_fields(live, {"spec": {"a": 1}}) == live


def test_a_field_of_a_controller_stays() -> None:
    live = item({"a": 1, "b": 2}, {"f:spec": {"f:a": {}}})
    live["metadata"]["managedFields"].append({"manager": "autoscaler", "operation": "Update", "fieldsV1": {"f:spec": {"f:a": {}}}})
    assert restore_fields(live, {"spec": {}}) == live


def test_items_of_lists_are_found_by_their_keys() -> None:
    containers = [{"name": "main", "image": "evil", "env": [{"name": "ADDED", "value": "x"}]}, {"name": "spy", "image": "y"}]
    hand = {
        CONTAINER: {"f:image": {}, "f:env": {".": {}, 'k:{"name":"ADDED"}': {".": {}, "f:name": {}, "f:value": {}}}},
        'k:{"name":"spy"}': {".": {}, "f:name": {}, "f:image": {}},
    }
    live = item({"containers": containers}, {"f:spec": {"f:containers": hand}}, {"f:spec": {"f:containers": {CONTAINER: {"f:name": {}}}}})
    body = restore_fields(live, {"spec": {"containers": [{"name": "main", "image": "good"}]}})
    assert body["spec"]["containers"] == [{"name": "main", "image": "good"}]


def test_ports_without_a_protocol_are_tcp() -> None:
    port = 'k:{"port":80,"protocol":"TCP"}'
    live = item({"ports": [{"port": 80, "protocol": "TCP", "targetPort": 1}]}, {"f:spec": {"f:ports": {port: {"f:targetPort": {}}}}})
    body = restore_fields(live, {"spec": {"ports": [{"port": 80, "targetPort": 2}]}})
    assert body["spec"]["ports"][0]["targetPort"] == 2


def test_values_of_sets_are_removed() -> None:
    live = item({"list": ["a", "b"]}, {"f:spec": {"f:list": {'v:"b"': {}}}}, {"f:spec": {"f:list": {'v:"a"': {}}}})
    assert restore_fields(live, {"spec": {"list": ["a"]}})["spec"] == {"list": ["a"]}


def test_labels_annotations_and_the_status_stay() -> None:
    template: dict[str, Any] = {"f:metadata": {"f:annotations": {"f:restartedAt": {}}}}
    hand = {"f:metadata": {"f:labels": {"f:team": {}}}, "f:status": {"f:x": {}}, "f:spec": {"f:template": template}}
    spec = {"template": {"metadata": {"annotations": {"restartedAt": "now"}}}}
    live = item(spec, hand, {"f:spec": {"f:template": {"f:spec": {}}}})
    assert restore_fields(live, {"spec": {"template": {}}}) == live


def test_only_a_persons_change_of_what_an_object_does_counts() -> None:
    assert was_edited(item({}, {"f:spec": {"f:a": {}}}))
    assert not was_edited(item({}, {"f:metadata": {"f:labels": {}}}))
    assert not was_edited(item({}, {"f:spec": {"f:replicas": {}}}, subresource="scale"))
