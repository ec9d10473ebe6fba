"""Checks before `up` changes anything: ports in use, a full disk, foreign containers that write the same data."""

import contextlib
import errno
import os
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from portable.backends.compose.services import ServicePort
from portable.engines.docker.engine import EngineReader
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import Neighbour, Observed
from portable.live.compose.desired import Desired
from portable.model.errors import Holder, Refused
from portable.model.plan import CLOUDS, LIBRARY
from portable.model.ports import PublishedPort

_LEAST_SPACE = 64 * 1024 * 1024
"""With less free space an engine cannot even write a container's layer and logs."""


def refuse_foreign(observed: Observed, project: str) -> None:
    """Raise Refused where the project has containers that portable did not create: it would replace or remove them."""
    if names := sorted(c.name for c in observed.containers if c.foreign):
        raise Refused(
            f"a Compose project {project} exists already, and portable did not create it ({', '.join(names)})",
            code="up.foreign-project",
            where=project,
            remedy="give the stack another `name`, or remove that project with the command that created it",
        )


def check_ports(engine: EngineReader, desired: Desired, services: Iterable[str]) -> None:
    """Raise DockerError that names every port of these services which is in use, and by which container or program."""
    wanted = [(desired.service(name), port) for name in services for port in desired.service(name).ports]
    if not wanted:
        return
    published = engine.ports()
    own = {(t.number, t.protocol) for t in published if t.project == desired.project}
    trouble = []
    holders: list[Holder | None] = []
    for service, port in wanted:
        if clashing := [t for t in published if t.project != desired.project and _clash(port, t)]:
            of = f" of the project {clashing[0].project}" if clashing[0].project else ""
            trouble.append(f"port {port.number}/{port.protocol} of {service.name} is in use by the container {clashing[0].container}{of}")
            holders += [Holder(other.project, other.app, other.container) for other in clashing]
        elif engine.address.is_local and (port.number, port.protocol) not in own and _in_use(port):
            trouble.append(
                f"port {port.number}/{port.protocol} of {service.name} is in use by {_process(port) or 'another program of this machine'}"
            )
            holders.append(None)
    if trouble:
        error = DockerError("port", "; ".join(trouble), remedy="stop it, or give the app another port in the stack")
        error.holders = _if_all(holders)
        raise error


def refuse_shared(engine: EngineReader, desired: Desired, services: Iterable[str]) -> None:
    """Raise Refused where a container of another project writes data of these services, or mounts the same cloud.

    The library may be shared. A foreign container, for example a file server, may also have a folder *around* the data of an app.
    """
    chosen = {name: desired.body["services"][name] for name in services if not desired.service(name).once}
    clouds = {service.app: name for name in chosen if (service := desired.service(name)).app.startswith("cloud-")}
    ours = {folder: name for name, body in chosen.items() for folder in _written(body)}
    if not clouds and not ours:
        return
    real = os.path.realpath if engine.address.is_local else str
    trouble: dict[str, list[str]] = {}
    holders: list[Holder] = []
    for other in engine.neighbours():
        if other.project == desired.project:
            continue
        who = f"the container {other.container}" + (f" of the project {other.project}" if other.project else "")
        if other.app in clouds:
            trouble.setdefault(who, []).append(f"{CLOUDS}/{other.app.removeprefix('cloud-')}, which {clouds[other.app]} would mount too")
        trouble.setdefault(who, []).extend(
            f"{folder}, the data of {name}"
            for folder, name in sorted(ours.items())
            if any(_overlap(real(folder), real(theirs), other) for theirs in _data_of(other))
        )
        if trouble.get(who):
            holders.append(Holder(other.project, other.app, other.container))
    conflicts = "; ".join(f"{who} has {' and '.join(things)}" for who, things in sorted(trouble.items()) if things)
    if conflicts:
        refused = Refused(
            f"two containers that write the same data would damage it: {conflicts}",
            code="up.shared-data",
            where=desired.project,
            remedy="stop the other container, or give this profile other folders (`storage`) and clouds",
        )
        refused.holders = tuple(holders)
        raise refused


def _if_all(holders: Iterable[Holder | None]) -> tuple[Holder, ...]:
    """The holders, each once; empty if one of them is not a container."""
    known = tuple(dict.fromkeys(holders))
    return () if None in known else tuple(holder for holder in known if holder)


def _written(body: Mapping[str, object]) -> Iterator[str]:
    """Folders of the host that a service writes, without the library and the tree of clouds."""
    volumes = body.get("volumes")
    for volume in volumes if isinstance(volumes, list | tuple) else ():
        if isinstance(volume, Mapping) and volume.get("type") == "bind" and not volume.get("read_only"):
            source, target = str(volume["source"]), str(volume.get("target"))
            if target != LIBRARY and not _within(source, CLOUDS):
                yield source


def _data_of(other: Neighbour) -> Iterator[str]:
    return (source for source, target in other.folders.items() if not (other.app and target == LIBRARY) and not _within(source, CLOUDS))


def _overlap(folder: str, theirs: str, other: Neighbour) -> bool:
    return _within(theirs, folder) or (bool(other.app) and _within(folder, theirs))


def _within(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)


def check_space(engine: EngineReader) -> None:
    """Raise DockerError where the engine's disk is full; checked for an engine of this machine only."""
    if not engine.address.is_local:
        return
    root = engine.data_root()
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(root).free
        if free < _LEAST_SPACE:
            text = f"no space left: {free // (1024 * 1024)} MiB are free in {root}, where the engine keeps images and containers"
            raise DockerError("space", text, where=engine.address.url, remedy="free space there (`docker system df` shows what uses it)")


def _clash(port: ServicePort, other: PublishedPort) -> bool:
    everywhere = ("", "0.0.0.0", "::")  # noqa: S104  # compared, not bound
    return (
        port.number == other.number
        and port.protocol == other.protocol
        and (port.address in everywhere or other.address in everywhere or port.address == other.address)
    )


def _in_use(port: ServicePort) -> bool:
    address = port.address or "0.0.0.0"  # noqa: S104  # what the engine would bind
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if port.protocol == "udp" else socket.SOCK_STREAM) as probe:
        if port.protocol != "udp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port.number))
        except OSError as error:
            return error.errno == errno.EADDRINUSE  # an address that isn't this machine's, or a low port: the engine will tell
    return False


def _process(port: ServicePort) -> str:
    """The program that listens there, as far as this user may see."""
    inodes = set()
    for table in ("tcp", "tcp6") if port.protocol == "tcp" else ("udp", "udp6"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port.number and (fields[3] == "0A" or port.protocol == "udp"):
                    inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return ""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(descriptor.readlink()) in inodes:
                        return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return ""
