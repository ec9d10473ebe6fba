"""The inventory, and what may be pruned by it."""

from typing import Any

import pytest

from portable.engines.kubernetes.cluster import Reference
from portable.live.kubernetes.inventory import InventoryEntry, current, inventory_body, prunable_objects, read_inventory
from portable.model.errors import PortableError
from tests.unit.live.kubernetes.conftest import made

STACK = made("one")
SERVICE = Reference("v1", "Service", "media", "old")
ROLE = Reference("rbac.authorization.k8s.io/v1", "ClusterRole", "", "old")


def live(uid: str = "u1", instance: str | None = "media-test", *, applied: bool = True, **metadata: Any) -> dict[str, Any]:
    """A live object; without an instance it carries no label of `portable`."""
    labels = {"app.kubernetes.io/managed-by": "portable", "app.kubernetes.io/instance": instance} if instance else {}
    fields = [{"manager": "portable", "operation": "Apply"}] if applied else []
    return {"metadata": {"name": "old", "uid": uid, "labels": labels, "managedFields": fields, **metadata}}


def names(entry: InventoryEntry, item: dict[str, Any] | None, wanted: set[Reference] = set()) -> list[Reference]:  # noqa: B006
    """The references that would be pruned."""
    return [r for r, _ in prunable_objects(STACK, [entry], wanted, {entry.reference: item} if item else {})]


def test_it_is_read_as_it_was_written() -> None:
    entries = (InventoryEntry(reference=ROLE, uid="u2"), InventoryEntry(reference=SERVICE, uid="u1"))
    body = inventory_body(STACK, reversed(entries))
    assert set(read_inventory(body)) == set(entries)
    assert body["metadata"]["name"] == "portable-media-test-inventory"
    assert read_inventory(None) == read_inventory({"metadata": {"name": "x"}}) == ()


@pytest.mark.parametrize("text", ["nonsense", "[1]", "{}", "[1,2,3]"])
def test_one_that_is_damaged_is_refused(text: str) -> None:
    with pytest.raises(PortableError, match="damaged"):
        read_inventory({"metadata": {"name": "x", "namespace": "media"}, "data": {"objects": text}})


def test_what_left_the_stack_is_pruned_by_its_uid() -> None:
    assert names(InventoryEntry(reference=SERVICE, uid="u1"), live()) == [SERVICE]
    assert names(InventoryEntry(reference=SERVICE, uid="u1"), live(instance=None)) == [SERVICE]
    assert names(InventoryEntry(reference=SERVICE, uid="u1"), live("u2")) == []
    assert names(InventoryEntry(reference=SERVICE, uid="u1"), live(), {SERVICE}) == []
    assert names(InventoryEntry(reference=SERVICE, uid="u1"), None) == []
    assert names(InventoryEntry(reference=SERVICE, uid="u1"), live(instance="media-other")) == []
    assert names(InventoryEntry(reference=SERVICE, uid="u1"), live(deletionTimestamp="now")) == []
    assert names(InventoryEntry(reference=SERVICE, uid="u1"), live(annotations={"argocd.argoproj.io/tracking-id": "a:b"})) == []


def test_without_a_uid_the_object_itself_has_to_say_whose_it_is() -> None:
    assert names(InventoryEntry(reference=SERVICE), live()) == [SERVICE]
    assert names(InventoryEntry(reference=SERVICE), live(applied=False)) == []
    assert names(InventoryEntry(reference=SERVICE), live(instance=None)) == []


def test_an_object_of_the_whole_cluster_is_never_pruned() -> None:
    assert names(InventoryEntry(reference=ROLE), live()) == []
    assert names(InventoryEntry(reference=ROLE, uid="u1"), live()) == []


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "PersistentVolume", "Namespace", "Secret", "CustomResourceDefinition"])
def test_what_holds_data_is_never_pruned(kind: str) -> None:
    assert names(InventoryEntry(reference=Reference("v1", kind, "media", "old"), uid="u1"), live()) == []


def test_what_exists_stays_recorded_and_what_is_gone_does_not() -> None:
    kept, gone, unknown = (Reference("v1", "Service", "media", name) for name in ("kept", "gone", "unknown"))
    recorded = [InventoryEntry(reference=reference, uid="u1") for reference in (kept, gone, unknown)]
    found = current(STACK, recorded, {SERVICE: "u9"}, {kept: live()}, {unknown})
    assert {entry.reference: entry.uid for entry in found} == {SERVICE: "u9", kept: "u1", unknown: "u1"}
