"""The content that all forms of a picture draw: one row for each app, in the order of the groups."""

from collections.abc import Iterator, Mapping

from portable.backends.prepare import Prepared
from portable.catalog.facts import SecretFacts
from portable.graph.prepares import prepares
from portable.model.base import Struct
from portable.model.exposures import Exposure
from portable.model.findings import Finding
from portable.model.plan import (
    App,
    Claim,
    Direct,
    Ephemeral,
    Folder,
    Group,
    Plan,
    Sealed,
    Tunnel,
    Volume,
)


class ReachableAddress(Struct, frozen=True, kw_only=True):
    """A port of an app that is exposed to the outside."""

    port: str
    number: int
    how: str
    """loopback, lan, ingress, route or load-balancer."""
    address: str | None
    """The URL or address for people, or where to find it; None if only the running stack knows it."""


class StoredVolume(Struct, frozen=True, kw_only=True):
    """A volume of an app, and where it is stored."""

    name: str
    holds: str
    place: str


class PictureRow(Struct, frozen=True, kw_only=True):
    """An app with everything that is drawn."""

    app: str
    title: str
    zone: str
    group: str
    egress: str
    """direct, tunnel or sealed."""
    gateway: bool
    """Whether this app is the gateway of its group."""
    containers: tuple[str, ...]
    ports: tuple[str, ...]
    """Ports that other apps may call, for example `web 8989` or `peer 6881/tcp+udp`."""
    reached: tuple[ReachableAddress, ...]
    library: str | None
    """ro or rw; None if the app does not see the library."""
    clouds: tuple[str, ...]
    keeps: tuple[StoredVolume, ...]
    after: tuple[str, ...]
    devices: tuple[str, ...]
    schedule: str | None
    """The schedule in cron's syntax; None if the app always runs."""

    @property
    def called(self) -> tuple[str, ...]:
        """The addresses for other apps, for example `sonarr:8989`."""
        return tuple(f"{self.app}:{port.split(' ')[1].split('/')[0]}" for port in self.ports)

    @property
    def needs(self) -> tuple[str, ...]:
        """The apps it waits for, and its clouds, devices and library access."""
        library = (f"library ({self.library})",) if self.library else ()
        return tuple(dict.fromkeys((*self.after, *(f"cloud {cloud}" for cloud in self.clouds), *self.devices, *library)))


class Picture(Struct, frozen=True, kw_only=True):
    """Everything that is drawn of one profile."""

    stack: str
    profile: str
    about: str
    back_end: str
    library: str
    """Where the library is stored."""
    clouds: tuple[str, ...]
    rows: tuple[PictureRow, ...]
    prepares: tuple[str, ...]
    """The prerequisites, one or two sentences each."""
    findings: tuple[Finding, ...]

    @property
    def boxes(self) -> tuple[tuple[PictureRow, ...], ...]:
        """The rows by group: apps of a group share a network namespace."""
        groups: dict[str, list[PictureRow]] = {}
        for row in self.rows:
            groups.setdefault(row.group, []).append(row)
        return tuple(tuple(rows) for rows in groups.values())


def drawn(prepared: Prepared) -> Picture:
    """Return the picture of a prepared profile."""
    planned = prepared.planned
    return picture(
        planned.plan,
        prepared.back_end.name,
        planned.addresses,
        prepared.ledger,
        about=planned.given.profile.about,
        secrets=planned.secrets,
    )


def picture(
    plan: Plan,
    back_end: str,
    addresses: Mapping[tuple[str, str], str],
    findings: tuple[Finding, ...],
    *,
    about: str = "",
    secrets: Mapping[str, SecretFacts] = {},
) -> Picture:
    """Return the picture of a plan: apps by group, those behind a gateway first.

    `addresses` are by (app, port); `secrets` are the catalog's facts, by the name of the secret.
    """
    apps = {app.name: app for app in plan.apps}
    volumes = {volume.id: volume for volume in plan.volumes}
    rows = [
        _row(apps[name], group, plan, volumes, addresses)
        for group in sorted(plan.groups, key=lambda g: (isinstance(g.egress, Direct), apps[g.apps[0]].zone, g.name))
        for name in group.apps
    ]
    library = volumes.get(plan.library.volume) if plan.library else None
    return Picture(
        stack=plan.stack,
        profile=plan.profile,
        about=about,
        back_end=back_end,
        library=_place(library) if library else "none",
        clouds=tuple(cloud.id for cloud in plan.clouds),
        rows=tuple(rows),
        prepares=prepares(plan, back_end, secrets, findings),
        findings=findings,
    )


def _row(app: App, group: Group, plan: Plan, volumes: Mapping[str, Volume], addresses: Mapping[tuple[str, str], str]) -> PictureRow:
    mounts = {mount.volume: mount for container in app.containers for mount in container.mounts if mount.volume in volumes}
    library = {mount.access for mount in mounts.values() if volumes[mount.volume].holds == "library"}
    needs = [container.needs for container in app.containers]
    return PictureRow(
        app=app.name,
        title=app.title,
        zone=app.zone,
        group=group.name,
        egress=type(group.egress).__name__.lower(),
        gateway=isinstance(group.egress, Tunnel | Sealed) and group.egress.gateway == app.name,
        containers=tuple(container.name for container in app.containers),
        ports=tuple(_ports(app)),
        reached=tuple(_reached(app, exposure, addresses) for exposure in plan.exposures if exposure.app == app.name),
        library=None if not library else "rw" if "rw" in library else "ro",
        clouds=app.clouds,
        keeps=tuple(
            StoredVolume(name=volume.id, holds=volume.holds, place=_place(volume))
            for volume in (volumes[name] for name in sorted(mounts))
            if volume.holds != "library"
        ),
        after=tuple(after.app for after in app.after),
        devices=tuple(name for name in ("tun", "fuse", "gpu") if any(getattr(need, name) for need in needs)),
        schedule=app.schedule.cron if app.schedule else None,
    )


def _ports(app: App) -> Iterator[str]:
    """Yield the public ports, the web port first; TCP and UDP of one number make one entry."""
    protocols: dict[int, dict[str, str]] = {}
    for port in app.ports:
        if not port.private:
            protocols.setdefault(port.number, {})[port.protocol] = port.name
    for number, names in sorted(protocols.items(), key=lambda entry: ("web" not in entry[1].values(), entry[0])):
        suffix = "" if list(names) == ["tcp"] else "/" + "+".join(sorted(names))
        yield f"{names.get('tcp') or names['udp']} {number}{suffix}"


def _reached(app: App, exposure: Exposure, addresses: Mapping[tuple[str, str], str]) -> ReachableAddress:
    number = next((port.number for port in app.ports if port.name == exposure.port), 0)
    how = str(exposure.how.__struct_config__.tag)
    return ReachableAddress(port=exposure.port, number=number, how=how, address=addresses.get((app.name, exposure.port)))


def _place(volume: Volume) -> str:
    folder = f"/{volume.folder}" if volume.folder else ""
    match volume.place:
        case Folder(path=path):
            return f"{path}{folder}"
        case Claim(name=name):
            return f"claim {name}{':' + volume.folder if folder else ''}"
        case Ephemeral(in_memory=in_memory):
            return "memory" if in_memory else "scratch"
