"""The values that a stack writes into Secrets, and which values are missing in both the source and the cluster. Pure but for the source."""

from collections.abc import Iterator, Mapping

from portable.backends.kubernetes.names import dns_label
from portable.backends.kubernetes.secrets import file_keys, secret_name
from portable.live.kubernetes.desired import LiveObjects, SecretValues, data_of, secret_reference
from portable.live.kubernetes.owners import is_managed
from portable.live.kubernetes.stack import KubernetesStack
from portable.model.base import Struct
from portable.model.errors import UsageError
from portable.model.secret_refs import called
from portable.secrets.cluster import cluster_secrets
from portable.secrets.lookup import examine, resolve
from portable.secrets.needs import Need
from portable.secrets.remedies import how_to_store
from portable.secrets.sources import ExternalSource, Source
from portable.secrets.values import NOTHING, Resolved, Secret

SecretPlace = tuple[str, str]
"""Name of a Secret of the cluster, and a key in it."""


class SecretLookup(Struct, frozen=True, kw_only=True):
    """The values of a source, and which needs have none there."""

    resolved: Resolved
    missing: tuple[Need, ...] = ()
    is_external: bool = False
    """Whether an operator of the cluster fetches the values: `portable` writes no Secret, and needs no value."""


def look_up(stack: KubernetesStack, source: Source | Resolved) -> SecretLookup:
    """The values of the source. A need without a value may still be met by a Secret that exists in the cluster."""
    if isinstance(source, Resolved):
        return SecretLookup(resolved=source, missing=tuple(need for need in stack.secrets if not source.of(need.name, need.key)))
    if isinstance(source, ExternalSource):
        return SecretLookup(resolved=NOTHING, is_external=True)
    rows, resolved = examine(stack.secrets, source)
    absent = {(row.name, row.key) for row in rows if not row.present}
    return SecretLookup(resolved=resolved, missing=tuple(need for need in stack.secrets if (need.name, need.key) in absent))


def values_of(stack: KubernetesStack, found: SecretLookup) -> SecretValues:
    """The Secrets to write, by name and key: those of which the source has every value that must be there."""
    if found.is_external:
        return {}
    missing = {(need.name, need.key) for need in found.missing if not need.optional}
    incomplete = {name for need, places in places_of(stack).items() if need in missing for name, _ in places}
    return {name: data for name, data in _all_values(stack, found.resolved).items() if name not in incomplete and data}


def refuse_missing(stack: KubernetesStack, found: SecretLookup, source: Source | Resolved, live: LiveObjects) -> None:
    """Raise UsageError for the values that neither the source nor a Secret of the cluster has."""
    places = places_of(stack)
    lacking = [need for need in found.missing if not need.optional and not _is_met(stack, places.get((need.name, need.key), ()), live)]
    if not lacking:
        return
    if isinstance(source, Resolved):
        names = ", ".join(called(need.name, need.key) for need in lacking)
        remedy = how_to_store([(need.name, need.key) for need in lacking], source.source)
        raise UsageError(f"secrets are missing: {names}", code="secret.missing", remedy=remedy)
    resolve(lacking, source)  # says where each is looked for, and how to set it


def complete_values(stack: KubernetesStack, found: SecretLookup, live: LiveObjects) -> Resolved:
    """All values that are known: those of the source, and those of Secrets that exist in the cluster."""
    known = {(need.name, need.key): found.resolved.of(need.name, need.key) for need in stack.secrets}
    for need, places in places_of(stack).items():
        for name, key in places:
            item = live.get(secret_reference(stack, name))
            if not known.get(need) and item is not None and key == need[1]:
                known[need] = data_of(item).get(key, "")
    return Resolved({need: Secret(value) for need, value in known.items() if value}, source=found.resolved.source)


def incomplete_secrets(stack: KubernetesStack, live: LiveObjects) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Secrets that `portable` does not manage and that lack keys which the stack needs: name and keys."""
    optional = {(need.name, need.key) for need in stack.secrets if need.optional}
    wanted: dict[str, set[str]] = {}
    for need, places in places_of(stack).items():
        for name, key in places:
            if need not in optional:
                wanted.setdefault(name, set()).add(key)
    for name, keys in sorted(wanted.items()):
        item = live.get(secret_reference(stack, name))
        if name in stack.fetched_secrets:
            continue  # the operator adds them
        if item is not None and not is_managed(item) and (lacking := sorted(keys - {*(item.get("data") or {})})):
            yield name, tuple(lacking)


def places_of(stack: KubernetesStack) -> Mapping[tuple[str, str], tuple[SecretPlace, ...]]:
    """Where each value lies in the cluster: in its own Secret, and in the Secrets that are whole files."""
    if stack.plan is None:
        return {(need.name, need.key): ((dns_label(need.name), need.key),) for need in stack.secrets}
    found: dict[tuple[str, str], dict[SecretPlace, None]] = {}
    for container in stack.plan.containers():
        for ref in container.secret_refs:
            found.setdefault((ref.name, ref.key), {})[secret_name(stack.plan, ref.name), ref.key] = None
    keys = file_keys(stack.plan)
    for file in stack.plan.files:
        if file.id in keys:
            for ref in file.secret_refs:
                found.setdefault((ref.name, ref.key), {})[secret_name(stack.plan, file.id), keys[file.id]] = None
    return {need: tuple(places) for need, places in found.items()}


def _is_met(stack: KubernetesStack, places: tuple[SecretPlace, ...], live: LiveObjects) -> bool:
    data = {name: (live.get(secret_reference(stack, name)) or {}).get("data") or {} for name, _ in places}
    return bool(places) and all(key in data[name] for name, key in places)


def _all_values(stack: KubernetesStack, resolved: Resolved) -> Mapping[str, Mapping[str, str]]:
    if stack.plan is not None:
        return cluster_secrets(stack.plan, resolved)
    found: dict[str, dict[str, str]] = {}
    for need in stack.secrets:
        if value := resolved.of(need.name, need.key):
            found.setdefault(dns_label(need.name), {})[need.key] = value
    return found
