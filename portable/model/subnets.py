"""How an engine's network divides its subnet: its own addresses, fixed ones, and the rest."""

import ipaddress
from collections.abc import Collection

Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network
_FINEST = 4
"""Bits: the smallest part of a subnet that is considered for free addresses is a sixteenth."""


def free_block(subnet: Subnet, fixed: Collection[int]) -> Subnet | None:
    """Return the part of the subnet for containers without a fixed address; it contains no fixed one. None if there is no such part."""
    finest = min(_FINEST, subnet.max_prefixlen - subnet.prefixlen - 2)
    for bits in range(1, finest + 1):
        size = subnet.num_addresses >> bits
        for low in range(
            int(subnet[0]) + subnet.num_addresses - size, int(subnet[0]), -size
        ):  # from the top, because the network's gateway is in the lowest part
            if not any(low <= address < low + size for address in fixed):
                return type(subnet)((low, subnet.prefixlen + bits))
    return None


def capacity(subnet: Subnet, part: Subnet | None = None) -> int:
    """Return how many containers can get an address from the subnet, or from a part of it."""
    reserved = {subnet[0], subnet[min(1, subnet.num_addresses - 1)], subnet[-1]}
    part = part or subnet
    return max(part.num_addresses - sum(address in part for address in reserved), 0)
