"""The inventory: the objects that a stack applied, in a ConfigMap of its namespace. Only listed objects are ever pruned."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from portable.engines.kubernetes.cluster import Reference
from portable.engines.kubernetes.verdict import KubernetesObject
from portable.live.kubernetes.desired import LiveObjects
from portable.live.kubernetes.order import KEPT
from portable.live.kubernetes.owners import has_applied, instance_of, other_tool
from portable.live.kubernetes.stack import KubernetesStack
from portable.model.base import Struct
from portable.model.errors import PortableError

_KEY: Final = "objects"


class InventoryEntry(Struct, frozen=True, kw_only=True):
    """One object that a stack applied, or was about to apply."""

    reference: Reference
    uid: str = ""
    """Empty where the command was killed before it learned it."""


def inventory_reference(stack: KubernetesStack) -> Reference:
    """The ConfigMap with the inventory of a stack."""
    return Reference("v1", "ConfigMap", stack.namespace, f"portable-{stack.project}-inventory")


def read_inventory(item: KubernetesObject | None) -> tuple[InventoryEntry, ...]:
    """The recorded objects. Raises PortableError for an unreadable inventory."""
    if item is None:
        return ()
    try:
        lines = str((item.get("data") or {}).get(_KEY) or "").splitlines()
        rows = [json.loads(line) for line in lines]
        return tuple(InventoryEntry(reference=Reference(*(str(part) for part in row[:4])), uid=str(row[4])) for row in rows)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        name, namespace = item["metadata"]["name"], item["metadata"].get("namespace")
        raise PortableError(
            f"the inventory of applied objects is damaged: {error}",
            code="cluster.inventory",
            where=f"ConfigMap {name}",
            remedy=f"`kubectl delete configmap -n {namespace} {name}`; objects that left the stack before are then not removed",
        ) from None


def inventory_body(stack: KubernetesStack, recorded: Iterable[InventoryEntry]) -> dict[str, Any]:
    """The ConfigMap that records these objects: a line each, sorted."""
    rows = sorted({entry.reference: entry.uid for entry in recorded}.items())
    text = "".join(json.dumps([*reference, uid]) + "\n" for reference, uid in rows)
    reference = inventory_reference(stack)
    labels = {**stack.labels, "app.kubernetes.io/name": reference.name}
    metadata = {"name": reference.name, "namespace": reference.namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {_KEY: text}}


def current(
    stack: KubernetesStack,
    recorded: Iterable[InventoryEntry],
    applied: Mapping[Reference, str],
    live: LiveObjects,
    unreadable: Collection[Reference],
) -> tuple[InventoryEntry, ...]:
    """The inventory of these applied objects by UID, and of earlier entries that are still the same object."""
    found = dict(applied)
    for entry in recorded:
        item = live.get(entry.reference)
        if entry.reference in found:
            continue
        if item is None and entry.reference in unreadable:
            found[entry.reference] = entry.uid
        elif item is not None and is_same(stack, entry, item):
            found[entry.reference] = str(item["metadata"]["uid"])
    return tuple(InventoryEntry(reference=reference, uid=uid) for reference, uid in sorted(found.items()))


def prunable_objects(
    stack: KubernetesStack, recorded: Iterable[InventoryEntry], wanted: Collection[Reference], live: LiveObjects
) -> tuple[tuple[Reference, KubernetesObject], ...]:
    """The recorded objects that the stack no longer has and that may be deleted: the very ones that it applied, in its namespace, of a kind
    without data.
    """
    found = []
    for entry in recorded:
        item = live.get(entry.reference)
        if item is None or entry.reference in wanted or entry.reference.kind in KEPT or other_tool(item):
            continue
        if not entry.reference.namespace:
            continue  # an object of the whole cluster, such as an SCC: another stack may use it
        if item["metadata"].get("deletionTimestamp") or not is_same(stack, entry, item):
            continue
        found.append((entry.reference, item))
    return tuple(found)


def is_same(stack: KubernetesStack, entry: InventoryEntry, item: KubernetesObject) -> bool:
    """Whether a live object is the one that the stack applied, and no other stack claims it.

    Without a UID the object itself has to say so. An object of the whole cluster is never known by its labels alone.
    """
    instance = instance_of(item)
    if instance not in ("", stack.instance):
        return False
    if entry.uid:
        return str(item["metadata"].get("uid")) == entry.uid
    return bool(entry.reference.namespace) and instance == stack.instance and has_applied(item)
