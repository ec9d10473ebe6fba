"""Steps with their causes, from what was observed."""

from typing import Any

from portable.live.kubernetes.desired import SECRET_DIGEST, DesiredObject, rendered_items
from portable.live.kubernetes.look import ClusterState, ObjectState, Preview
from portable.live.kubernetes.order import KEPT
from portable.live.kubernetes.reconcile import changes_of, reconcile
from tests.unit.live.kubernetes.conftest import grouped, made
from tests.unit.live.kubernetes.fake_cluster import overlaid

STACK = made("one")
ITEMS = {str(item.reference): item for item in rendered_items(STACK)}


def as_live(item: DesiredObject, **changes: Any) -> dict[str, Any]:
    """The object as it was applied, with changes."""
    metadata = {"uid": "u1", "resourceVersion": "1", "managedFields": [{"manager": "portable", "operation": "Apply", "fieldsV1": {}}]}
    found: dict[str, Any] = overlaid(overlaid(item.body, {"metadata": metadata}), changes)
    return found


def observed(*seen: ObjectState, **changes: Any) -> ClusterState:
    """What was observed of these objects."""
    live = {one.item.reference: one.live for one in seen if one.live is not None}
    defaults: dict[str, Any] = {"has_namespace": True, "live": live, "seen": seen}
    return ClusterState(**(defaults | changes))


def test_what_is_as_it_should_be_gives_no_step() -> None:
    item = ITEMS["Service one"]
    found = reconcile(observed(ObjectState(item=item, live=as_live(item), preview=Preview(stored=as_live(item)))), STACK)
    assert (found.steps, found.problems) == ((), ())


def test_what_another_tool_applied_as_rendered_is_taken_over() -> None:
    item = ITEMS["Service one"]
    live = as_live(item, metadata={"managedFields": [{"manager": "kubectl", "operation": "Apply"}]})
    found = reconcile(observed(ObjectState(item=item, live=live, preview=Preview(stored=live))), STACK)
    assert [(step.how, step.cause) for step in found.steps] == [("change", "another tool applied it; portable takes it over")]


def test_a_changed_object_names_the_paths() -> None:
    item = ITEMS["Service one"]
    live = as_live(item, spec={"type": "NodePort"})
    found = reconcile(observed(ObjectState(item=item, live=live, preview=Preview(stored=as_live(item), is_forced=True))), STACK)
    assert [(step.how, step.cause, step.is_forced) for step in found.steps] == [
        ("change", "spec.type changes from NodePort to ClusterIP", True)
    ]
    assert [change.sentence() for change in changes_of(found, STACK)] == [
        "change Service one: spec.type changes from NodePort to ClusterIP"
    ]


def workload_step(live: dict[str, Any], stored: dict[str, Any]) -> str:
    """The kind of the step for the workload."""
    found = reconcile(observed(ObjectState(item=ITEMS["StatefulSet one"], live=live, preview=Preview(stored=stored))), STACK)
    return found.steps[0].how


def test_what_a_change_does_to_pods_decides_its_kind() -> None:
    item = ITEMS["StatefulSet one"]
    labels = {"spec": {"template": {"metadata": {"annotations": {SECRET_DIGEST: "new"}}}}}
    image = {"spec": {"template": {"spec": {"serviceAccountName": "other"}}}}
    assert workload_step(as_live(item), as_live(item, **image)) == "recreate"
    assert workload_step(as_live(item), as_live(item, **labels)) == "restart"
    assert workload_step(as_live(item), as_live(item, spec={"revisionHistoryLimit": 9})) == "change"
    assert workload_step(as_live(item, spec={"replicas": 0}), as_live(item)) == "start"


def test_what_the_server_never_changes_is_deleted_and_created_where_it_holds_no_data() -> None:
    for name, is_replaced in (("StatefulSet one", True), ("PersistentVolumeClaim one-state", False)):
        item = ITEMS[name]
        preview = Preview(refusal="spec.selector: field is immutable", kind="invalid")
        found = reconcile(observed(ObjectState(item=item, live=as_live(item), preview=preview)), STACK)
        assert [(step.how, step.replaces) for step in found.steps] == ([("recreate", "u1")] if is_replaced else [])
        assert bool(found.problems) is not is_replaced
        assert item.kind in KEPT or is_replaced


def test_an_object_that_is_being_deleted_is_created_after_it() -> None:
    item = ITEMS["Service one"]
    live = as_live(item, metadata={"deletionTimestamp": "now"})
    found = reconcile(observed(ObjectState(item=item, live=live, preview=Preview(stored=live))), STACK)
    assert [(step.how, step.cause) for step in found.steps] == [("recreate", "it is being deleted")]


def test_new_apps_are_told_once_with_all_that_belongs_to_them() -> None:
    stack = grouped()
    found = reconcile(observed(*(ObjectState(item=item, preview=Preview(stored=item.body)) for item in rendered_items(stack))), stack)
    changes = changes_of(found, stack)
    about = {change.service: change.cause for change in changes if change.app}
    assert about == {
        "one": "it does not exist yet; with its NetworkPolicy, Service",
        "two": "it does not exist yet; with its NetworkPolicy, Service",
        "lone": "it does not exist yet; with its NetworkPolicy, Service",
    }
    assert [change.service for change in changes if not change.app] == ["Namespace media", "ServiceAccount media-test"]


def test_where_apps_are_named_nothing_is_removed() -> None:
    from portable.engines.kubernetes.cluster import Reference
    from portable.live.kubernetes.inventory import InventoryEntry

    reference = Reference("v1", "Service", "media", "old")
    live = {"metadata": {"name": "old", "uid": "u1", "labels": dict(STACK.labels)}}
    looked = observed(live={reference: live}, recorded=(InventoryEntry(reference=reference, uid="u1"),))
    assert [removal.reference for removal in reconcile(looked, STACK).removals] == [reference]
    assert reconcile(looked, STACK, apps=("one",)).removals == ()
