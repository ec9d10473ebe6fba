"""What an engine cannot give a stack, by what it says of itself. Pure; `up` asks before its first change, and the doctor at any time."""

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath

from portable.model.base import Struct
from portable.model.codes import Code
from portable.model.engine_facts import EngineFacts

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386"}
"""Names of `uname -m` to those of images."""
_SNAP_SEES = ("/home", "/mnt", "/media", "/run/media", "/var/snap/docker")
"""Folders of the host that Docker's snap can see; all others it replaces by its own, silently (canonical/docker-snap#189)."""
_LABELS = ("container_file_t", "container_ro_file_t", "svirt_sandbox_file_t")
"""Types of SELinux that containers may use."""
_OF_DOCKER = re.compile(r"br-[0-9a-f]{12}\Z|docker\d|veth")
"""Interfaces that an engine creates for its networks."""
_BROKEN_COMPOSE = {
    "5.2.0": "recreates apps that share a network at each `up`, also without a change (docker/compose#13878)",
}


class EngineNeeds(Struct, frozen=True, kw_only=True):
    """What a stack needs of an engine."""

    project: str
    shares_network: bool = False
    """Whether apps share a network namespace."""
    is_privileged: bool = False
    limits_memory: bool = False
    ports: tuple[int, ...] = ()
    subnets: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    """Folders of the host that containers see."""
    labels: Mapping[str, str] = {}
    """The SELinux label of each of them, where it is known."""
    images: Mapping[str, str] = {}
    """Image to its architecture, for images that exist."""
    emulated: Collection[str] = ()
    """Foreign architectures that the host can run."""
    first_port: int = 1024
    """The lowest port that every user of the host may open."""
    routes: Mapping[str, str] = {}
    """Networks that the host reaches, each with its interface."""
    missing_addresses: tuple[str, ...] = ()
    """Addresses at which it publishes ports, and that the host does not have."""


class EngineLimit(Struct, frozen=True, kw_only=True):
    """Something that the engine cannot give this stack."""

    code: Code
    text: str
    why: str
    remedy: str
    stops: bool
    """Whether the stack cannot run with it; otherwise it runs with less than its profile says."""


def limits_of(facts: EngineFacts, needs: EngineNeeds) -> Iterator[EngineLimit]:
    """Yield every limit of the engine that concerns the stack."""
    yield from _versions(facts, needs)
    yield from _users(facts, needs)
    yield from _resources(facts, needs)
    yield from _folders(facts, needs)
    yield from _networks(facts, needs)
    yield from _images(facts, needs)


def _limit(code: Code, text: str, why: str, remedy: str, *, stops: bool = True) -> EngineLimit:
    return EngineLimit(code=code, text=text, why=why, remedy=remedy, stops=stops)


def _versions(facts: EngineFacts, needs: EngineNeeds) -> Iterator[EngineLimit]:
    broken = _BROKEN_COMPOSE.get(facts.compose)
    if broken is not None and needs.shares_network:
        text, why = f"Docker Compose {facts.compose} {broken}", "apps behind a gateway would stop at each command"
        yield _limit("engine.compose-broken", text, why, "install another version of the Compose plug-in on this machine")
    if facts.program == "Podman":
        text, why = (
            f"the engine is Podman {facts.version}",
            "portable is tested with Docker: events, networks and health checks of Podman differ",
        )
        yield _limit("engine.podman", text, why, "use Docker where you can, and run `portable verify` after `up`", stops=False)


def _users(facts: EngineFacts, needs: EngineNeeds) -> Iterator[EngineLimit]:
    if facts.remaps_users and (needs.shares_network or needs.is_privileged):
        text = "the engine remaps users (`userns-remap`)"
        why = "it starts no app that shares the network of a gateway, and no container that mounts a cloud"
        remedy = "remove `userns-remap` from the engine's daemon.json and restart it: containers and images then lie in another folder"
        yield _limit("host.user-namespaces", text, why, remedy)
    if not facts.is_rootless:
        return
    low = sorted({port for port in needs.ports if port < needs.first_port})
    if low:
        text = f"the engine is rootless, and apps publish port{'s' if len(low) > 1 else ''} {', '.join(map(str, low))}"
        remedy = (
            f"choose ports of {needs.first_port} or above in `exposure`, or run `sysctl -w net.ipv4.ip_unprivileged_port_start={low[0]}`"
        )
        yield _limit("host.privileged-port", text, f"only root may open ports below {needs.first_port}", remedy)
    if needs.folders:
        text = "the engine is rootless, so the user IDs in containers are others on the host"
        why = "an app that runs as 1000 cannot write to a folder of the host's user 1000"
        remedy = "run the engine as root, or give folders to the users that it maps to: they are listed in /etc/subuid"
        yield _limit("host.rootless", text, why, remedy, stops=False)


def _resources(facts: EngineFacts, needs: EngineNeeds) -> Iterator[EngineLimit]:
    if needs.limits_memory and not facts.limits_memory:
        text = "the engine's kernel does not limit the memory of containers"
        why = "memory limits and `memory.total` of the profile have no effect: one app can use up the memory of the host"
        remedy = "add `cgroup_enable=memory` to the kernel's command line (Raspberry Pi: /boot/firmware/cmdline.txt) and restart the host"
        yield _limit("host.limits", text, why, remedy, stops=False)


def _folders(facts: EngineFacts, needs: EngineNeeds) -> Iterator[EngineLimit]:
    if facts.is_snap:
        hidden = sorted(f for f in needs.folders if not any(PurePosixPath(f).is_relative_to(seen) for seen in _SNAP_SEES))
        if hidden:
            text = f"the engine is a snap, which does not see {', '.join(hidden)}"
            why = "apps would start on empty folders inside the snap, and what they write would be lost"
            yield _limit(
                "host.hidden-folder", text, why, "replace the snap by Docker's own packages, or keep all folders below /home or /mnt"
            )
    if facts.has_selinux and needs.folders:
        bare = sorted(f for f, label in needs.labels.items() if not any(type_ in label for type_ in _LABELS))
        if bare:
            text = f"SELinux is on, and containers may not use {', '.join(bare)}"
            remedy = f"label them once as root: `chcon -Rt container_file_t {' '.join(bare)}`"
            yield _limit("host.selinux", text, "apps would get `permission denied` on their folders", remedy)
        elif not needs.labels:
            text, why = "SELinux is on", "containers may only use folders with the type container_file_t, which cannot be read from here"
            shown = " ".join(sorted(needs.folders))
            remedy = f"check on the engine's host with `ls -Zd {shown}`, and label them with `chcon -Rt container_file_t FOLDER`"
            yield _limit("host.selinux", text, why, remedy, stops=False)


def _networks(facts: EngineFacts, needs: EngineNeeds) -> Iterator[EngineLimit]:
    """Compare the stack's own subnets with the engine's networks and the host's routes."""
    ours = [(text, network) for text in needs.subnets if (network := _network(text)) is not None]
    known = set()
    for other in facts.networks:
        for text in other.subnets:
            known.add(text)
            for mine, network in ours:
                if other.project != needs.project and (theirs := _network(text)) is not None and _overlaps(network, theirs):
                    of = f" of the project {other.project}" if other.project else ""
                    yield _overlap(mine, f"the engine's network {other.name}{of} ({text})", "the engine does not create the network")
    for address in needs.missing_addresses:
        yield _limit(
            "network.no-address",
            f"the host has no address {address}, at which ports are published to the LAN",
            "the engine cannot start their containers",
            "write an address that `ip -brief address` shows on the host in `exposure.lan-address` or `lan: {address: ...}`; give it the "
            "host for good (a fixed lease of your router)",
        )
    for text, interface in needs.routes.items():
        if text in known or (theirs := _network(text)) is None or not theirs.prefixlen:
            continue
        for mine, network in ours:
            if _overlaps(network, theirs) and not _OF_DOCKER.match(interface):
                why = "the host would send what is for that network to the containers, and may become unreachable"
                yield _overlap(mine, f"the host's network {text} ({interface})", why)


def _overlap(mine: str, other: str, why: str) -> EngineLimit:
    remedy = "choose a subnet that no other network uses, for example `networks: {subnet: 172.29.0.0/16}`"
    return _limit("network.overlap", f"the subnet {mine} overlaps with {other}", why, remedy)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _overlaps(one: ipaddress.IPv4Network | ipaddress.IPv6Network, other: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _images(facts: EngineFacts, needs: EngineNeeds) -> Iterator[EngineLimit]:
    here = _MACHINES.get(facts.architecture, facts.architecture)
    foreign = sorted(f"{image} ({its})" for image, its in needs.images.items() if its not in (here, "") and its not in needs.emulated)
    if foreign:
        text = f"the engine's host is {here}, and these images are for another processor: {', '.join(foreign)}"
        remedy = "choose tags that exist for it with `override` (`docker manifest inspect IMAGE` lists them), or leave the apps out"
        yield _limit("registry.platform", text, "they end at once with `exec format error`", remedy)
