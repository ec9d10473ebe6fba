"""The doctor's checks of an engine: what it cannot give the stack, by what it says of itself and of its host."""

import re
from collections.abc import Collection, Iterator

from portable.backends.common import containers, on_host
from portable.live.engine_limits import EngineNeeds, limits_of
from portable.model.contracts import Check, Diagnosis
from portable.model.engine_facts import EngineFacts
from portable.model.exposures import Lan
from portable.model.plan import Folder, Plan
from portable.verify.host import Host

_REFUSES_SYSCTLS = (1, 3, 3)
"""From this version on, runc opens kernel parameters in a way that AppArmor of an older Proxmox VE denies (moby#51405)."""
_CHECKS: dict[str, Check] = {"network.overlap": "network"}
_PRIVATE = re.compile(r"^WARNING: ")


def examine_engine(plan: Plan, facts: EngineFacts, host: Host, *, project: str) -> Iterator[Diagnosis]:
    """Yield each limit of the engine that concerns the plan, then the engine's own warnings."""
    for limit in limits_of(facts, _needs(plan, host, project)):
        yield Diagnosis(
            check=_CHECKS.get(limit.code, "engine"),
            where=limit.code,
            verdict="broken" if limit.stops else "note",
            text=limit.text,
            why=limit.why,
            remedy=limit.remedy,
        )
    yield from _sysctls(facts, host)
    yield from _shared(plan, facts)
    for line in facts.warnings:
        text = _PRIVATE.sub("", line).strip()
        yield Diagnosis(check="engine", where="the engine", verdict="note", text=f"it warns: {text}")
    if plan.subnet:
        clash = any(limit.code == "network.overlap" for limit in limits_of(facts, _needs(plan, host, project)))
        if not clash:
            yield Diagnosis(check="network", where=plan.subnet, verdict="holds", text="no other network of the engine or the host overlaps")


def missing_addresses(plan: Plan, own: Collection[str]) -> tuple[str, ...]:
    """Return the addresses at which the plan publishes ports and that are not among a host's own; none if those are unknown."""
    asked = {how.address for _, how, _ in on_host(plan) if isinstance(how, Lan) and how.address}
    return tuple(sorted(asked - set(own))) if own else ()


def _needs(plan: Plan, host: Host, project: str) -> EngineNeeds:
    needs = [placed.container.needs for placed in containers(plan)]
    return EngineNeeds(
        project=project,
        shares_network=any(len(group.apps) > 1 for group in plan.groups),
        is_privileged=any(need.fuse for need in needs),
        limits_memory=any(placed.container.resources.memory_limit for placed in containers(plan)),
        ports=tuple(sorted({how.number for _, how, _ in on_host(plan)})),
        subnets=(plan.subnet,) if plan.subnet else (),
        folders=tuple(sorted({volume.place.path for volume in plan.volumes if isinstance(volume.place, Folder)})),
        labels=host.labels,
        routes=host.routes,
        missing_addresses=missing_addresses(plan, host.addresses),
        first_port=host.first_port,
    )


def _sysctls(facts: EngineFacts, host: Host) -> Iterator[Diagnosis]:
    """An LXC whose AppArmor profile denies kernel parameters of containers: no container starts, so running ones are a proof."""
    version = tuple(int(part) for part in facts.runc.split(".") if part.isdigit())
    if not host.contained or version < _REFUSES_SYSCTLS or facts.running:
        return
    yield Diagnosis(
        check="engine",
        where="host.sysctl",
        verdict="note",
        text=f"the engine runs in an LXC with runc {facts.runc}, and no container runs yet",
        why="with an older Proxmox VE no container starts: `open sysctl ...: permission denied` (moby#51405)",
        remedy="upgrade Proxmox VE (the package lxc-pve) and restart the LXC; until then write `lxc.apparmor.profile: unconfined` in "
        "/etc/pve/lxc/ID.conf on the Proxmox host",
    )


def _shared(plan: Plan, facts: EngineFacts) -> Iterator[Diagnosis]:
    """Docker Desktop runs in a virtual machine, which mounts of containers do not leave."""
    if plan.clouds and facts.system.startswith("Docker Desktop"):
        yield Diagnosis(
            check="engine",
            where="the engine",
            verdict="broken",
            text="it is Docker Desktop, which runs in a virtual machine",
            why="a cloud that a container mounts is not visible to the apps",
            remedy="run the stack on a Linux host, or leave the clouds out",
        )
