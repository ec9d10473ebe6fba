"""How often a cloud is mounted in a place, and the share of its cache and connections that each mount gets."""

from portable.catalog.facts import CloudFacts
from portable.catalog.quantities import size
from portable.planning.inputs import PlanInput
from portable.planning.network import PlannedNetwork
from portable.planning.select import Selection

_SMALLEST = 2**30
"""Bytes: with less, rclone would fetch parts of a film again while somebody watches it."""


def mounts_of(given: PlanInput, chosen: Selection, net: PlannedNetwork, cloud: str) -> int:
    """Return the number of mounts of a cloud: one that all readers share, or one for each group that reads it; at least 1."""
    if given.profile.traits.shares_cloud_mounts:
        return 1
    readers = readers_of(chosen, cloud)
    return max(1, sum(1 for group in net.groups if readers & set(group.apps)))


def readers_of(chosen: Selection, cloud: str) -> frozenset[str]:
    """Return the apps that read a cloud."""
    return frozenset(name for name, entry in chosen.apps.items() if cloud in entry.facts.clouds)


def cache_size(facts: CloudFacts, mounts: int) -> int:
    """Return the size in bytes of the cache of each mount: the cloud's cache is divided, but each mount gets 1 GiB."""
    whole = size(facts.cache)
    return min(whole, max(_SMALLEST, whole // mounts))
