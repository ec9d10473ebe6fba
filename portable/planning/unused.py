"""Rejects keys of a profile that have no effect in a place of its kind, so that nobody relies on them."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from portable.formats.document import Steps
from portable.formats.merge import layers_of
from portable.planning.inputs import Mistakes, PlanInput
from portable.profiles.types import ExposeFacts, ExposureFacts, SecretsFacts


class UnusedKey(NamedTuple):
    """A key that is set but has no effect."""

    steps: Steps
    why: str
    remedy: str


def unused(given: PlanInput, mistakes: Mistakes) -> None:
    """Note every key that is set but has no effect."""
    for steps, why, remedy in _without_effect(given):
        mistakes.add(given.profile_source(*steps), ".".join(map(str, steps)), f"this has no effect: {why}", remedy, code="plan.no-effect")


def _without_effect(given: PlanInput) -> Iterator[UnusedKey]:
    profile = given.profile
    if not profile.traits.has_host_names:
        for key, value in (
            ("domain", profile.exposure.domain),
            ("tls-secret", profile.exposure.tls_secret),
            ("ingress-class", profile.exposure.ingress_class),
            ("ingress-namespace", profile.exposure.ingress_namespace),
            ("gateway", profile.exposure.gateway),
        ):
            if value is not None:
                yield UnusedKey(("exposure", key), why=f"{profile.back_end} does not route host names", remedy="remove it")
    if not profile.traits.has_namespaces:
        networks = profile.networks
        for key, is_set in (("namespaces", bool(networks.namespaces)), ("cluster-domain", networks.cluster_domain != "cluster.local")):
            if is_set:
                yield UnusedKey(("networks", key), why=f"{profile.back_end} has no cluster", remedy="remove it")
        if profile.secrets.encrypted is not None:
            why, remedy = "it is for Secrets of a cluster", "remove it; `source: sops` reads values from an encrypted file"
            yield UnusedKey(("secrets", "encrypted"), why=why, remedy=remedy)
    if profile.traits.has_host_names:
        exposure, why = profile.exposure, "browsers reach a cluster by host name, not by one host's address"
        if exposure.lan is not None:
            remedy = "remove it, or use `load-balancer` for single ports"
            yield UnusedKey(("exposure", "lan"), why="a cluster publishes no ports of a host", remedy=remedy)
        if exposure.address is not None:
            yield UnusedKey(("exposure", "address"), why=why, remedy="remove it, or set `domain`")
        if exposure.addresses:
            yield UnusedKey(("exposure", "addresses"), why=why, remedy="remove it, or set `domain`")
    if profile.exposure.lan_address is not None and not _publishes_to_lan(profile.exposure):
        yield UnusedKey(("exposure", "lan-address"), why="no port is published to the LAN", remedy="remove it, or set `default: lan`")
    if profile.engine is not None and not profile.traits.has_engine_address:
        yield UnusedKey(("engine",), why="a cluster's address comes from the kubeconfig", remedy="remove it")
    yield from _secrets(profile.secrets)
    yield from _removes_nothing(given)
    if profile.nodes.weight != 100 and not profile.nodes.prefer:
        remedy = "list the preferred nodes in `nodes.prefer`, or remove it"
        yield UnusedKey(("nodes", "weight"), why="no nodes are preferred", remedy=remedy)


def _secrets(secrets: SecretsFacts) -> Iterator[UnusedKey]:
    if secrets.external is not None and secrets.source != "external-secrets":
        remedy = "set `source: external-secrets`, or remove it"
        yield UnusedKey(("secrets", "external"), why=f"the source of secrets is `{secrets.source}`", remedy=remedy)
    for key, is_set, sources in (
        ("file", secrets.file is not None, ("file", "cluster", "sops")),
        ("command", bool(secrets.command), ("command",)),
    ):
        if is_set and secrets.source not in sources:
            remedy = f"set `source: {sources[0]}`, or remove it; `{key}: null` removes one of a profile that this one extends"
            yield UnusedKey(("secrets", key), why=f"the source of secrets is `{secrets.source}`", remedy=remedy)
    if secrets.source == "external-secrets" and secrets.encrypted is not None:
        yield UnusedKey(("secrets", "encrypted"), why="the operator of the cluster makes the Secrets", remedy="remove it")


def _removes_nothing(given: PlanInput) -> Iterator[UnusedKey]:
    """Nulls under `exposure.apps` that remove no setting of a profile below: their author may believe that they hide a port."""
    known: set[Steps] = set()
    nulls: dict[Steps, None] = {}
    for document, prefix in layers_of(given.profile_document):
        data: Any = document.data
        for step in (*prefix, "exposure", "apps"):
            data = data.get(step) if isinstance(data, Mapping) else None
        for app, ports in data.items() if isinstance(data, Mapping) else ():
            for steps, value in (((app,), ports), *(((app, port), how) for port, how in (ports or {}).items())):
                if value is not None:
                    known.add(steps)
                elif steps in known:
                    known -= {other for other in known if other[: len(steps)] == steps}
                else:
                    nulls[steps] = None
    for steps in nulls:
        why, remedy = "null removes a setting of a profile that this one extends, and nothing here is inherited", "remove it"
        port = steps[1] if len(steps) > 1 else "web"
        if port in ExposeFacts.__struct_encode_fields__:
            why = f"`{port}` is a way to a port, and the name of the port is missing"
            remedy, port = f"write `exposure: {{apps: {{{steps[0]}: {{web: {{{port}: null}}}}}}}}`", "web"
        remedy += f"; to hide a port, write `exposure: {{apps: {{{steps[0]}: {{{port}: {{}}}}}}}}`"
        yield UnusedKey(("exposure", "apps", *steps), why=why, remedy=remedy)


def _publishes_to_lan(exposure: ExposureFacts) -> bool:
    """Whether any port may go to the LAN."""
    return (
        exposure.lan is not None
        or exposure.default == "lan"
        or any(port.lan is not None for ports in exposure.apps.values() for port in ports.values())
    )
