"""Rejects keys of a profile that have no effect in a place of its kind, so that nobody relies on them."""

from collections.abc import Iterator

from portable.formats.document import Steps
from portable.planning.inputs import Mistakes, PlanInput
from portable.profiles.types import ExposureFacts


def unused(given: PlanInput, mistakes: Mistakes) -> None:
    """Note every key that is set but has no effect."""
    for steps, reason, remedy in _without_effect(given):
        text = f"this has no effect: {reason}"
        mistakes.add(given.profile_source(*steps), ".".join(map(str, steps)), text, remedy, code="plan.no-effect")


def _without_effect(given: PlanInput) -> Iterator[tuple[Steps, str, str]]:
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
                yield ("exposure", key), f"{profile.back_end} does not route host names", "remove it"
    if not profile.traits.has_namespaces:
        networks = profile.networks
        for key, is_set in (("namespaces", bool(networks.namespaces)), ("cluster-domain", networks.cluster_domain != "cluster.local")):
            if is_set:
                yield ("networks", key), f"{profile.back_end} has no cluster", "remove it"
    if profile.traits.has_host_names and profile.exposure.lan is not None:
        yield ("exposure", "lan"), "a cluster publishes no ports of a host", "remove it, or use `load-balancer` for single ports"
    if profile.exposure.lan_address is not None and not _publishes_to_lan(profile.exposure):
        yield ("exposure", "lan-address"), "no port is published to the LAN", "remove it, or set `default: lan`"
    if profile.traits.has_host_names and profile.exposure.address is not None:
        yield ("exposure", "address"), "browsers reach a cluster by host name, not by one host's address", "remove it, or set `domain`"
    if profile.traits.has_host_names and profile.exposure.addresses:
        yield ("exposure", "addresses"), "browsers reach a cluster by host name, not by one host's address", "remove it, or set `domain`"
    if profile.engine is not None and not profile.traits.has_engine_address:
        yield ("engine",), "a cluster's address comes from the kubeconfig", "remove it"
    secrets = profile.secrets
    if secrets.external is not None and secrets.source != "external-secrets":
        yield ("secrets", "external"), f"the source of secrets is `{secrets.source}`", "set `source: external-secrets`, or remove it"
    if secrets.source == "external-secrets":
        for key, is_set in (("file", secrets.file is not None), ("command", bool(secrets.command))):
            if is_set:
                yield ("secrets", key), "the operator of the cluster fetches the values, `portable` reads none", "remove it"
    if profile.nodes.weight != 100 and not profile.nodes.prefer:
        yield ("nodes", "weight"), "no nodes are preferred", "list the preferred nodes in `nodes.prefer`, or remove it"


def _publishes_to_lan(exposure: ExposureFacts) -> bool:
    """Whether any port may go to the LAN."""
    return (
        exposure.lan is not None
        or exposure.default == "lan"
        or any(port.lan is not None for ports in exposure.apps.values() for port in ports.values())
    )
