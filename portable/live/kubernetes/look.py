"""One look at the cluster: existing objects, the inventory, and a dry run of each object that may differ. Writes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from portable.engines.kubernetes.cluster import MANAGER, ClusterReader, Reference, reference_of
from portable.engines.kubernetes.errors import ClusterError
from portable.engines.kubernetes.unchanged import is_unchanged_by
from portable.engines.kubernetes.verdict import KubernetesObject
from portable.live.kubernetes.desired import (
    DesiredObject,
    claim_reference,
    desired_objects,
    needed_secrets,
    rendered_items,
    secret_reference,
)
from portable.live.kubernetes.edits import restore_fields, was_edited
from portable.live.kubernetes.inventory import InventoryEntry, inventory_reference, read_inventory
from portable.live.kubernetes.owners import is_by_hand, other_tool, without_marks
from portable.live.kubernetes.secret_values import SecretLookup, complete_values, refuse_missing, values_of
from portable.live.kubernetes.stack import KubernetesStack, chosen_groups
from portable.model.base import Struct
from portable.secrets.sources import Source
from portable.secrets.values import Resolved
from portable.secrets.vpn import check_tunnel

WORKERS: Final = 8
"""Requests that are under way at the same time."""
_TRIES: Final = 4
"""The number of attempts with an object that changes at the same moment."""
Kind = tuple[str, str]
"""API version and kind."""


class Preview(Struct, frozen=True, kw_only=True):
    """The result of a dry run of one object."""

    stored: KubernetesObject | None = None
    """The object as it would be stored; None where it was not tried or was refused."""
    refusal: str = ""
    """Why the API server refuses it, in its words."""
    kind: str = ""
    """The kind of the refusal, as ClusterError has it; `changed` where the object changed meanwhile."""
    is_forced: bool = False
    """Whether it takes fields of others: of a person who changed them by hand, or of a tool whose object is taken over."""
    cleaned: KubernetesObject | None = None
    """The live object without the fields that a person added by hand, or without the marks of another tool, where there are any."""
    taken_from: str = ""
    """The tool that had the object until now."""


class ObjectState(Struct, frozen=True, kw_only=True):
    """One object that should exist, and how the cluster has it."""

    item: DesiredObject
    live: KubernetesObject | None = None
    preview: Preview = Preview()
    is_readable: bool = True
    """Whether this user may read it."""


class ClusterState(Struct, frozen=True, kw_only=True):
    """The cluster at one moment, as far as it concerns a stack."""

    has_namespace: bool
    live: Mapping[Reference, Any]
    seen: tuple[ObjectState, ...]
    recorded: tuple[InventoryEntry, ...] = ()
    missing_kinds: frozenset[Kind] = frozenset()
    unreadable: frozenset[Reference] = frozenset()
    pods: tuple[Any, ...] = ()
    """The pods of the stack."""

    @property
    def namespace_only(self) -> tuple[ObjectState, ...]:
        """The Namespace, where it has to be created before anything in it can be tried."""
        return () if self.has_namespace else tuple(seen for seen in self.seen if seen.item.kind == "Namespace")


def look(
    cluster: ClusterReader, stack: KubernetesStack, found: SecretLookup, source: Source | Resolved, apps: tuple[str, ...] = ()
) -> ClusterState:
    """Read what exists, and try each object that should exist. Raises UsageError where values of secrets are missing,
    and Refused where those of a tunnel cannot work.
    """
    rendered, values = rendered_items(stack), values_of(stack, found)
    reading = _Reading(cluster)
    with ThreadPoolExecutor(WORKERS) as pool:
        reading.namespaced(pool, stack.namespace, [item.reference for item in rendered])
        inventory = inventory_reference(stack)
        recorded = read_inventory(reading.live.get(inventory))
        secrets = [secret_reference(stack, name) for name in needed_secrets(stack, values)]
        wanted = {item.reference for item in rendered if not item.reference.namespace} | {*secrets}
        wanted |= {claim_reference(stack, name) for name in stack.existing_claims}
        wanted |= {entry.reference for entry in recorded}
        if stack.secret_store is not None and not any(api == stack.secret_store.api_version for api, _ in reading.missing):
            wanted.add(stack.secret_store)
        wanted -= {*reading.live}
        wanted.add(Reference("v1", "Namespace", "", stack.namespace))
        reading.each(pool, wanted)
        has_namespace = _exists(reading, stack.namespace)
        refuse_missing(stack, found, source, reading.live)
        resolved = complete_values(stack, found, reading.live)
        cluster.hide = resolved.hide
        check_tunnel(stack.plan, resolved, cluster=True)
        chosen = chosen_groups(stack, apps)
        items = [item for item in desired_objects(stack, values, reading.live) if not item.group or item.group in chosen]
        seen = list(pool.map(lambda item: _seen(cluster, reading, item, has_namespace=has_namespace, takes=stack.is_taking_over), items))
        pods = pods_of(cluster, stack) if has_namespace else ()
    return ClusterState(
        has_namespace=has_namespace,
        live=reading.live,
        seen=tuple(seen),
        recorded=recorded,
        missing_kinds=frozenset(reading.missing),
        unreadable=frozenset(reading.unreadable),
        pods=pods,
    )


def pods_of(cluster: ClusterReader, stack: KubernetesStack) -> tuple[KubernetesObject, ...]:
    """The pods of the stack."""
    return tuple(cluster.list("v1", "Pod", namespace=stack.namespace, labels=f"app.kubernetes.io/instance={stack.instance}"))


class _Reading:
    """The objects that were read so far."""

    def __init__(self, cluster: ClusterReader) -> None:
        self._cluster = cluster
        self.live: dict[Reference, KubernetesObject] = {}
        self.missing: set[Kind] = set()
        self.unreadable: set[Reference] = set()

    def namespaced(self, pool: ThreadPoolExecutor, namespace: str, references: Iterable[Reference]) -> None:
        """Read all objects of the kinds of these references, a list for each kind, and the ConfigMaps with the inventory."""
        kinds = {(reference.api_version, reference.kind) for reference in references if reference.namespace} | {("v1", "ConfigMap")}
        everything = kinds | {(reference.api_version, reference.kind) for reference in references}
        # One after the other: discovery keeps a cache that threads would fight for.
        self.missing = {kind for kind in sorted(everything) if self._cluster.path_of(*kind, None, namespace) is None}

        def read(kind: Kind) -> Sequence[KubernetesObject]:
            return tuple(self._cluster.list(*kind, namespace=namespace))

        # Secrets of others stay unread: those of the stack are read by name.
        for items in pool.map(read, sorted(kinds - self.missing - {("v1", "Secret")})):
            self.live.update({reference_of(item): item for item in items})

    def each(self, pool: ThreadPoolExecutor, references: Iterable[Reference]) -> None:
        """Read these objects, each by its name; what this user may not read is noted."""

        def read(reference: Reference) -> KubernetesObject | None:
            try:
                return self._cluster.get(reference)
            except ClusterError as trouble:
                if trouble.status != 403:
                    raise
                self.unreadable.add(reference)
                return None

        chosen = sorted(reference for reference in references if (reference.api_version, reference.kind) not in self.missing)
        for kind in sorted({(reference.api_version, reference.kind) for reference in chosen}):
            self._cluster.path_of(*kind)
        for reference, item in zip(chosen, pool.map(read, chosen), strict=True):
            if item is not None:
                self.live[reference] = item


def _exists(reading: _Reading, namespace: str) -> bool:
    """Whether the namespace exists. Where this user may not read it, it counts as existing, and trying its objects shows the truth."""
    reference = Reference("v1", "Namespace", "", namespace)
    return reference in reading.live or reference in reading.unreadable


def _seen(cluster: ClusterReader, reading: _Reading, item: DesiredObject, *, has_namespace: bool, takes: bool) -> ObjectState:
    reference, live = item.reference, reading.live.get(item.reference)
    is_known = (reference.api_version, reference.kind) not in reading.missing
    is_readable = reference not in reading.unreadable
    if not is_known or not (has_namespace or not reference.namespace) or (live is not None and other_tool(live) and not takes):
        return ObjectState(item=item, live=live, is_readable=is_readable)
    takes = takes and live is not None and bool(other_tool(live))
    if live is not None and not takes and not was_edited(live) and is_unchanged_by(live, item.body, MANAGER):
        return ObjectState(item=item, live=live, preview=Preview(stored=live), is_readable=is_readable)  # no request is needed
    for _ in range(_TRIES):
        preview = preview_of(cluster, item, live, takes=takes)
        if live is None or not _is_outdated(live, preview):
            break
        # A controller wrote to it since it was read: its change is not one of ours.
        live = cluster.get(reference)
    return ObjectState(item=item, live=live, preview=preview, is_readable=is_readable)


def _is_outdated(live: KubernetesObject, preview: Preview) -> bool:
    if preview.stored is None:
        return preview.kind == "changed"
    return bool(preview.stored["metadata"].get("resourceVersion") != live["metadata"].get("resourceVersion"))


def preview_of(cluster: ClusterReader, item: DesiredObject, live: KubernetesObject | None, *, takes: bool = False) -> Preview:
    """Try an object. Fields that a person changed by hand are restored; fields of other owners are not touched unless `takes`."""
    try:
        stored, is_forced = _applied(cluster, item, takes=takes)
    except ClusterError as trouble:
        if trouble.kind not in ("conflict", "invalid", "refused", "missing"):
            raise
        if trouble.kind == "invalid" and live is not None and was_edited(live):
            return _replaced(cluster, item, live, restore_fields(live, item.body), is_forced=True)
        return Preview(refusal=trouble.text, kind=trouble.kind)
    if live is not None and takes and (tool := other_tool(live)):
        return Preview(stored=without_marks(stored), is_forced=True, cleaned=without_marks(live), taken_from=tool)
    if live is None or not was_edited(live):
        return Preview(stored=stored, is_forced=is_forced)
    body = restore_fields(stored, item.body)
    if body == stored:
        return Preview(stored=stored, is_forced=is_forced)
    return _replaced(cluster, item, live, body, is_forced=is_forced)


def _applied(cluster: ClusterReader, item: DesiredObject, *, takes: bool) -> tuple[KubernetesObject, bool]:
    """The object as an apply would store it, and whether that takes fields back from a person, or with `takes` from anybody."""
    try:
        return cluster.preview(item.body), False
    except ClusterError as trouble:
        if not trouble.owners or (not takes and not all(owner == MANAGER or is_by_hand(owner) for owner in trouble.owners)):
            raise
        return cluster.preview(item.body, force=True), True


def _replaced(cluster: ClusterReader, item: DesiredObject, live: KubernetesObject, body: dict[str, Any], *, is_forced: bool) -> Preview:
    """The preview of an object to which a person added fields: the API server says what is stored without them."""
    body["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    try:
        return Preview(stored=cluster.preview_replacement(body), is_forced=is_forced, cleaned=restore_fields(live, item.body))
    except ClusterError as trouble:
        if trouble.kind not in ("conflict", "invalid", "refused"):
            raise
        return Preview(refusal=trouble.text, kind="changed" if trouble.kind == "conflict" else trouble.kind)
