"""Shared by all back ends: an index of a plan, containers with their paths, and functions that make findings. Renders nothing."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from portable.model.codes import Code
from portable.model.exposures import Exposure, Lan, Loopback
from portable.model.findings import Class, Finding
from portable.model.plan import (
    BACKUPS,
    App,
    Cloud,
    Container,
    File,
    Group,
    Plan,
    Port,
    Sealed,
    Tunnel,
    Volume,
)

NOTHING_TO_DO = "nothing to do"


class Index(NamedTuple):
    """A plan with its records by name."""

    plan: Plan
    apps: Mapping[str, App]
    group_of: Mapping[str, Group]
    """By name of the app."""
    volumes: Mapping[str, Volume]
    files: Mapping[str, File]
    clouds: Mapping[str, Cloud]
    exposures: Mapping[str, tuple[Exposure, ...]]
    """By name of the app."""


class PlacedContainer(NamedTuple):
    """A container and its path in the plan: `apps.plex.containers.main`, `clouds.zurg.fuse_mount`, `tools`."""

    path: str
    container: Container
    app: App | None = None
    cloud: Cloud | None = None

    @property
    def about(self) -> str | None:
        """The app that a finding on this container names."""
        return self.app.name if self.app else None


def index(plan: Plan) -> Index:
    """The index of a plan; if two records share a name, the first one wins (planning refuses that)."""
    exposures: dict[str, tuple[Exposure, ...]] = {}
    for exposure in plan.exposures:
        exposures[exposure.app] = (*exposures.get(exposure.app, ()), exposure)
    return Index(
        plan=plan,
        apps={app.name: app for app in reversed(plan.apps)},
        group_of={app: group for group in reversed(plan.groups) for app in group.apps},
        volumes={volume.id: volume for volume in reversed(plan.volumes)},
        files={file.id: file for file in reversed(plan.files)},
        clouds={cloud.id: cloud for cloud in reversed(plan.clouds)},
        exposures=exposures,
    )


def containers(plan: Plan) -> Iterator[PlacedContainer]:
    """Every container: those of the apps, the clouds' mounters, and the tools."""
    for app in plan.apps:
        for container in app.containers:
            yield PlacedContainer(f"apps.{app.name}.containers.{container.name}", container, app=app)
    for cloud in plan.clouds:
        yield PlacedContainer(f"clouds.{cloud.id}.fuse_mount", cloud.fuse_mount, cloud=cloud)
    yield PlacedContainer("tools", plan.tools)


def befores(app: App) -> tuple[Container, ...]:
    """The containers of an app that must be ready before its main one starts."""
    return tuple(container for container in app.containers if container.role == "init")


def main_container(app: App) -> Container:
    """The main container of an app."""
    return next((container for container in app.containers if container.role == "main"), app.containers[0])


def backs_up(container: Container) -> bool:
    """Whether it is the backup container, which sees the state of all apps."""
    return any(mount.volume == BACKUPS for mount in container.mounts)


def port_of(app: App | None, name: str) -> Port | None:
    """The port of an app, by its name."""
    return next((port for port in app.ports if port.name == name), None) if app else None


def on_host(plan: Plan) -> Iterator[tuple[Exposure, Loopback | Lan, Port]]:
    """Exposures on ports of the host, each with the app's port."""
    apps = {app.name: app for app in reversed(plan.apps)}
    for exposure in plan.exposures:
        port = port_of(apps.get(exposure.app), exposure.port)
        if port is not None and isinstance(exposure.how, Loopback | Lan):
            yield exposure, exposure.how, port


def gateway_of(group: Group) -> str | None:
    """The gateway of a group; None if its egress is direct."""
    return group.egress.gateway if isinstance(group.egress, Tunnel | Sealed) else None


def sees_clouds(app: App, container: Container, volumes: Mapping[str, Volume]) -> bool:
    """Whether a container sees the clouds of its app: the main one does, and each with the library, whose links point to them."""
    return bool(app.clouds) and (
        container.role == "main" or any(m.volume in volumes and volumes[m.volume].holds == "library" for m in container.mounts)
    )


def note(
    field: str, path: str, class_: Class, text: str, remedy: str = NOTHING_TO_DO, *, code: Code = "", app: str | None = None
) -> Finding:
    """A noted finding: the command goes on."""
    return Finding(field=field, path=path, class_=class_, text=text, remedy=remedy, code=code, app=app)


def refuse(
    field: str, path: str, class_: Class, text: str, remedy: str, *, code: Code = "", app: str | None = None, waivable: bool | None = None
) -> Finding:
    """A refused finding, which stops the command: the result would differ from the plan.

    By default only a finding about an app is waivable: others are contradictions in the plan, and their results could not work.
    """
    can = app is not None if waivable is None else waivable
    return Finding(field=field, path=path, class_=class_, text=text, remedy=remedy, code=code, app=app, verdict="refused", is_waivable=can)


def told_by_settings(group: Group) -> Iterator[Finding]:
    """Findings on fields of a tunnel that only the gateway's own environment holds: no rendered object repeats them."""
    if isinstance(group.egress, Tunnel):
        for field in ("provider", "protocol", "interface", "port_forwarding"):
            text = f"The VPN settings are only in the environment of the gateway {group.egress.gateway}; no other rendered object has them."
            path = f"groups.{group.name}.egress.{field}"
            yield note("egress.settings", path, "cosmetic", text, code="vpn.settings", app=group.egress.gateway)


def distinct(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings without repetition, in order."""
    return tuple(dict.fromkeys(findings))
