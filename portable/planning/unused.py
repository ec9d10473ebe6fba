"""Keys of a profile that would change nothing in a place of its kind: told as mistakes, so that nobody relies on them."""

from collections.abc import Iterator

from portable.formats.document import Steps
from portable.planning.inputs import Input, Mistakes


def unused(given: Input, mistakes: Mistakes) -> None:
    """Note every key that is set and passed over."""
    for steps, why, remedy in _passed_over(given):
        mistakes.add(given.profile_source(*steps), ".".join(map(str, steps)), why, remedy)


def _passed_over(given: Input) -> Iterator[tuple[Steps, str, str]]:
    profile = given.profile
    if not profile.traits.has_host_names:
        for key, value in (
            ("domain", profile.exposure.domain),
            ("tls-secret", profile.exposure.tls_secret),
            ("ingress-class", profile.exposure.ingress_class),
            ("ingress-namespace", profile.exposure.ingress_namespace),
        ):
            if value is not None:
                yield ("exposure", key), "a Compose engine has no names to expose by: this changes nothing", "remove it"
    elif profile.exposure.address is not None:
        yield ("exposure", "address"), "a cluster has no host that browsers reach: this changes nothing", "remove it, or use `domain`"
    if profile.engine is not None and not profile.traits.has_engine_address:
        yield ("engine",), "a cluster is reached by the kubeconfig: this changes nothing", "remove it"
    if profile.nodes.weight != 100 and not profile.nodes.prefer:
        yield ("nodes", "weight"), "a weight without nodes to prefer changes nothing", "name them in `nodes.prefer`"
