"""Reads an engine's answers about itself: `/info`, `/version` and its networks. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from portable.engines.docker.observed import PROJECT
from portable.model.engine_facts import EngineFacts, EngineNetwork


def facts_of(info: Mapping[str, Any], version: Mapping[str, Any], networks: Iterable[Mapping[str, Any]], compose: str) -> EngineFacts:
    """Return the facts from the engine's JSON answers. Podman answers in the same form, with names of its own in `Components`."""
    parts = {str(part.get("Name", "")): str(part.get("Version", "")) for part in version.get("Components") or ()}
    options = {str(option).split(",")[0].removeprefix("name=") for option in info.get("SecurityOptions") or ()}
    runc = re.search(r"\d+\.\d+\.\d+", parts.get("runc", ""))
    return EngineFacts(
        program="Podman" if "Podman Engine" in parts else "Docker",
        version=str(version.get("Version", "")),
        compose=compose,
        runc=runc[0] if runc else "",
        architecture=str(info.get("Architecture") or "x86_64"),
        system=str(info.get("OperatingSystem") or ""),
        folder=str(info.get("DockerRootDir") or ""),
        limits_memory=info.get("MemoryLimit") is not False,
        limits_cpu=info.get("CpuCfsQuota") is not False,
        has_selinux="selinux" in options,
        is_rootless="rootless" in options,
        remaps_users="userns" in options,
        running=int(info.get("ContainersRunning") or 0),
        warnings=tuple(str(line) for line in info.get("Warnings") or ()),
        networks=tuple(sorted((_network(network) for network in networks), key=lambda n: n.name)),
    )


def _network(described: Mapping[str, Any]) -> EngineNetwork:
    ranges = (described.get("IPAM") or {}).get("Config") or ()
    return EngineNetwork(
        name=str(described.get("Name", "")),
        project=(described.get("Labels") or {}).get(PROJECT, ""),
        subnets=tuple(str(part["Subnet"]) for part in ranges if part.get("Subnet")),
    )
