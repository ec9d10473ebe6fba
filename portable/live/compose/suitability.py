"""Compares a project with what its engine says of itself, before anything starts."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from portable.engines.docker.engine import EngineReader
from portable.engines.docker.observed import Observed
from portable.live.compose.desired import ComposeStack, Desired, current
from portable.live.engine_limits import EngineNeeds, limits_of
from portable.live.last_images import last_images
from portable.live.routes import routes_of
from portable.live.state_owners import foreign_state, state_folders
from portable.live.tried import ASK_SECONDS, Ask, refuse_lost, runner_in, text_of_way, ways_back
from portable.live.versions import ImageChange, steps_of
from portable.model.changes import Change
from portable.model.errors import Refused
from portable.model.moments import seconds_of
from portable.model.plan import Plan
from portable.model.progress import Event, Progress, silent

_QEMU = {"qemu-x86_64": "amd64", "qemu-aarch64": "arm64", "qemu-arm": "arm"}
"""Names of interpreters in binfmt_misc to the architectures of images."""


def check_engine(engine: EngineReader, desired: Desired, progress: Progress = silent) -> None:
    """Raise Refused where the engine cannot run the project, and report what it would run with less than the profile says.

    Folders, routes and limits of the host are read for an engine of this machine only.
    """
    facts = engine.facts(engine.check().compose)
    needs = needs_of(desired, local=engine.address.is_local)
    if facts.architecture not in ("x86_64", "amd64"):  # images for amd64 alone are common, the other way round is not
        needs = _with_images(engine, desired, needs)
    found = tuple(limits_of(facts, needs))
    if stopping := [limit for limit in found if limit.stops]:
        raise Refused(
            "; ".join(f"{limit.text}: {limit.why}" for limit in stopping),
            code=stopping[0].code,
            where=engine.address.url,
            remedy="; ".join(limit.remedy for limit in stopping),
        )
    for limit in found:
        progress(Event(what="note", subject="", text=f"{limit.text}: {limit.why} ({limit.remedy}) [{limit.code}]"))


def needs_of(desired: Desired, *, local: bool) -> EngineNeeds:
    """What the project needs of its engine; with `local` also what this machine offers."""
    services = desired.body.get("services", {})
    folders = tuple(sorted({source for service in services.values() for source in _bound(service)}))
    needs = EngineNeeds(
        project=desired.project,
        shares_network=any(service.owner for service in desired.services),
        is_privileged=any(service.get("privileged") for service in services.values()),
        limits_memory=any(service.get("mem_limit") or _deployed(service) for service in services.values()),
        ports=tuple(sorted({port.number for service in desired.services for port in service.ports})),
        subnets=tuple(subnet for subnets in desired.subnets.values() for subnet in subnets),
        folders=folders,
    )
    return _here(needs, _published_at(desired)) if local else needs


def _published_at(desired: Desired) -> tuple[str, ...]:
    """The single addresses at which its services publish ports; everybody has the loopback address."""
    every = ("", "0.0.0.0", "::", "127.0.0.1", "::1")  # noqa: S104 - the engine's own words
    return tuple(sorted({port.address for service in desired.services for port in service.ports} - set(every)))


def _bound(service: Mapping[str, Any]) -> Iterable[str]:
    for volume in service.get("volumes") or ():
        if isinstance(volume, Mapping) and volume.get("type") == "bind":
            yield str(volume["source"])


def _deployed(service: Mapping[str, Any]) -> bool:
    return bool(((service.get("deploy") or {}).get("resources") or {}).get("limits", {}).get("memory"))


def _here(needs: EngineNeeds, published_at: Iterable[str]) -> EngineNeeds:
    """Add what this machine says: labels of folders, routes, missing addresses, foreign programs that it can run, its lowest free port."""
    import msgspec

    labels = {}
    for folder in needs.folders:
        with contextlib.suppress(OSError):
            labels[folder] = os.getxattr(folder, "security.selinux").decode(errors="replace").rstrip("\0")
    interpreters = Path("/proc/sys/fs/binfmt_misc")
    first = 1024
    with contextlib.suppress(OSError, ValueError):
        first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    table = ""
    with contextlib.suppress(OSError):
        table = Path("/proc/net/route").read_text()
    return msgspec.structs.replace(
        needs,
        labels=labels,
        emulated=tuple(its for name, its in _QEMU.items() if (interpreters / name).exists()),
        first_port=first,
        routes=routes_of(table),
        missing_addresses=tuple(address for address in published_at if not _is_own(address)),
    )


def _is_own(address: str) -> bool:
    """Whether this machine has the address: only then can a socket be bound to it."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as tried:
            tried.bind((address, 0))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True


def _with_images(engine: EngineReader, desired: Desired, needs: EngineNeeds) -> EngineNeeds:
    import msgspec

    return msgspec.structs.replace(needs, images=engine.image_architectures(service.image for service in desired.services))


def check_data(
    engine: EngineReader, stack: ComposeStack, desired: Desired, observed: Observed, changes: Sequence[Change], progress: Progress = silent
) -> None:
    """Raise Refused where an app would fail on its state, or change it so that there is no way back."""
    check_state(stack.plan, {change.app for change in changes}, local=engine.address.is_local)
    check_versions(engine, stack, desired, observed, changes, progress)


def check_state(plan: Plan | None, services: Iterable[str], *, local: bool) -> None:
    """Raise Refused where the state of one of these apps belongs to another user; checked for an engine of this machine only."""
    if plan is None or not local:
        return
    chosen = set(services)
    foreign = tuple(foreign_state(folder for folder in state_folders(plan) if folder.app in chosen))
    if foreign:
        text, remedy = "; ".join(one.text for one in foreign), "; ".join(one.remedy for one in foreign)
        raise Refused(text, code="host.owner", where="this machine", remedy=remedy)


def check_versions(
    engine: EngineReader,
    stack: ComposeStack,
    desired: Desired,
    observed: Observed,
    changes: Iterable[Change],
    progress: Progress = silent,
) -> None:
    """Raise Refused where a change would start an older version on newer state, or cross a version without a way back.

    A backup that was tried is a way back, and so is the word of a person who names the app.
    """
    if stack.plan is None:
        return
    changed = _changed_images(desired, observed, changes)
    steps = [step for step in steps_of(stack.plan, changed, stack.one_way) if step.app not in stack.accepted_versions]
    runner = runner_in(stack.plan)
    asking = None if runner is None else _asking(engine, observed, runner.name)
    ways = ways_back(steps, asking, runner="" if runner is None else runner.name)
    refuse_lost(ways, desired.project, has_backups=runner is not None)
    for way in ways:
        progress(Event(what="note", subject="", text=text_of_way(way)))


def _changed_images(desired: Desired, observed: Observed, changes: Iterable[Change]) -> Iterable[ImageChange]:
    """The images that would be replaced: those of containers, or where none is left, those that ran last from this machine."""
    there, last = current(observed), last_images(desired.project)
    wanted = {service.name: service for service in desired.services}
    for change in changes:
        if change.kind not in ("create", "recreate") or change.service not in wanted:
            continue
        service = wanted[change.service]
        if (seen := there.get(change.service)) is not None:
            yield ImageChange(app=service.app, before=seen.image, after=service.image, since=seconds_of(seen.started_at))
        elif (ran := last.get(change.service)) is not None:
            yield ImageChange(app=service.app, before=ran.image, after=service.image, since=ran.since)


def _asking(engine: EngineReader, observed: Observed, runner: str) -> Ask | None:
    """How to ask the container that makes backups; None if it does not run."""
    seen = current(observed).get(runner)
    if seen is None or seen.state != "running":
        return None
    return lambda question, arguments: engine.ask(seen.id, question, *arguments, seconds=ASK_SECONDS)
