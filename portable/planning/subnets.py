"""A subnet of containers inside one of the place's own networks: it takes a part of that network away from the host."""

import contextlib
import ipaddress
from collections.abc import Iterator

from portable.model.findings import Finding
from portable.planning.inputs import PlanInput


def subnet_inside_local(given: PlanInput) -> Iterator[Finding]:
    """Yield a finding for each network under `local` that contains the subnet. One that the subnet covers is a mistake of the profile."""
    networks = given.profile.networks
    if networks.subnet is None or not given.profile.traits.picks_own_addresses:
        return
    for local in networks.local:
        with contextlib.suppress(TypeError):  # IPv6
            if ipaddress.ip_network(networks.subnet).subnet_of(ipaddress.ip_network(local)):  # type: ignore[arg-type]
                yield Finding(
                    field="networks.subnet",
                    path="subnet",
                    class_="function",
                    text=f"the subnet {networks.subnet} lies inside {local}, one of the networks under `local`: the host sends packets for "
                    "these addresses to its containers, so it reaches no machine of that part",
                    remedy="choose a subnet outside of your own networks, for example `networks: {subnet: 172.29.0.0/16}`; if no machine "
                    "has an address in that part, there is nothing to do",
                    code="network.subnet-inside",
                    where=given.profile_source("networks", "subnet"),
                )
