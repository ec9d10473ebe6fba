"""`exposure.lan`: one setting that publishes the ports of a host to its LAN instead of its loopback address."""

import ipaddress

import msgspec

from portable.planning.inputs import Mistakes, PlanInput
from portable.profiles.types import ExposeFacts, ExposureFacts, LanFacts

PUBLISHABLE = "write an address of the host on your LAN, for example 192.168.1.10, or remove it to publish at all of them"


def not_publishable(address: str) -> str | None:
    """Why no port can be published to the LAN at an address; None if one can, as far as the text says."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return f"{address!r} is not a valid IP address"
    if known.is_loopback:
        return f"{address} is the loopback address, which only the host itself reaches: use `loopback` instead of `lan`"
    if known.is_unspecified or known.is_multicast or (known.version == 6 and known.is_link_local):
        return f"{address} is not the address of one interface"
    return None


def with_lan(given: PlanInput, mistakes: Mistakes) -> PlanInput:
    """The input with `lan` for each `loopback`, and with the LAN among the local networks, which sealed apps answer."""
    profile, exposure = given.profile, given.profile.exposure
    if exposure.lan_address is not None and (why := not_publishable(exposure.lan_address)) is not None:
        mistakes.add(given.profile_source("exposure", "lan-address"), "exposure.lan-address", why, PUBLISHABLE, code="port.lan-address")
    if exposure.lan is None:
        return given
    try:
        ipaddress.ip_network(exposure.lan)
    except ValueError as error:
        text, remedy = f"{exposure.lan!r} is not a valid network: {error}", "write your LAN, for example 192.168.1.0/24"
        mistakes.add(given.profile_source("exposure", "lan"), "exposure.lan", text, remedy, code="plan.network")
        return given
    local = tuple(dict.fromkeys((*profile.networks.local, exposure.lan)))
    profile = msgspec.structs.replace(
        profile, exposure=_published(exposure), networks=msgspec.structs.replace(profile.networks, local=local)
    )
    return msgspec.structs.replace(given, profile=profile)


def _published(exposure: ExposureFacts) -> ExposureFacts:
    apps = {app: {name: _to_lan(facts) for name, facts in ports.items()} for app, ports in exposure.apps.items()}
    return msgspec.structs.replace(exposure, apps=apps, default="lan" if exposure.default == "loopback" else exposure.default)


def _to_lan(facts: ExposeFacts) -> ExposeFacts:
    if facts.loopback is None or facts.lan is not None:
        return facts
    lan = facts.loopback if isinstance(facts.loopback, int) else LanFacts(number=facts.loopback.number)
    return msgspec.structs.replace(facts, loopback=None, lan=lan)
