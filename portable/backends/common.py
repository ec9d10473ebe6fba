"""What all back ends share: an index of a plan, containers with their paths, and the making of findings. It renders nothing."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from portable.model.codes import Code
from portable.model.findings import Class, Finding
from portable.model.plan import BACKUPS, App, Cloud, Container, Exposure, File, Group, Lan, Loopback, Plan, Port, Sealed, Tunnel, Volume

NOTHING_TO_DO = "nothing to do"


class Index(NamedTuple):
    """A plan with its named records found by name."""

    plan: Plan
    apps: Mapping[str, App]
    group_of: Mapping[str, Group]
    """By name of the app."""
    volumes: Mapping[str, Volume]
    files: Mapping[str, File]
    clouds: Mapping[str, Cloud]
    exposures: Mapping[str, tuple[Exposure, ...]]
    """By name of the app."""


class Placed(NamedTuple):
    """A container and where it stands in the plan: `apps.plex.containers.main`, `clouds.zurg.mounter`, `tools`."""

    path: str
    container: Container
    app: App | None = None
    cloud: Cloud | None = None

    @property
    def about(self) -> str | None:
        """The app that a finding on this container is about."""
        return self.app.name if self.app else None


def index(plan: Plan) -> Index:
    """The index of a plan; where two records share a name, the first one holds (planning refuses that)."""
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


def containers(plan: Plan) -> Iterator[Placed]:
    """Every container: those of the apps, the clouds' mounters, and the tools."""
    for app in plan.apps:
        for container in app.containers:
            yield Placed(f"apps.{app.name}.containers.{container.name}", container, app=app)
    for cloud in plan.clouds:
        yield Placed(f"clouds.{cloud.id}.mounter", cloud.mounter, cloud=cloud)
    yield Placed("tools", plan.tools)


def befores(app: App) -> tuple[Container, ...]:
    """The containers of an app that must be ready before its main one starts."""
    return tuple(container for container in app.containers if container.role == "before")


def main_container(app: App) -> Container:
    """The container that the app's name stands for."""
    return next((container for container in app.containers if container.role == "main"), app.containers[0])


def backs_up(container: Container) -> bool:
    """Whether it is the one container that sees the state of all others, to copy it."""
    return any(mount.volume == BACKUPS for mount in container.mounts)


def port_of(app: App | None, name: str) -> Port | None:
    """The port of an app, by its name."""
    return next((port for port in app.ports if port.name == name), None) if app else None


def on_host(plan: Plan) -> Iterator[tuple[Exposure, Loopback | Lan, Port]]:
    """What a plan exposes on ports of the host, and the port of the app that each leads to."""
    apps = {app.name: app for app in reversed(plan.apps)}
    for exposure in plan.exposures:
        port = port_of(apps.get(exposure.app), exposure.port)
        if port is not None and isinstance(exposure.how, Loopback | Lan):
            yield exposure, exposure.how, port


def gateway_of(group: Group) -> str | None:
    """The app whose network the group's other apps share, where their way out is not direct."""
    return group.egress.gateway if isinstance(group.egress, Tunnel | Sealed) else None


def sees_clouds(app: App, container: Container, volumes: Mapping[str, Volume]) -> bool:
    """Whether a container sees the clouds of its app: the main one does, and one that has the library, whose links lead there."""
    return bool(app.clouds) and (
        container.role == "main" or any(m.volume in volumes and volumes[m.volume].holds == "library" for m in container.mounts)
    )


def note(
    field: str, path: str, class_: Class, text: str, remedy: str = NOTHING_TO_DO, *, code: Code = "", app: str | None = None
) -> Finding:
    """A finding on what goes on without: the person may want to know."""
    return Finding(field=field, path=path, class_=class_, text=text, remedy=remedy, code=code, app=app)


def refuse(field: str, path: str, class_: Class, text: str, remedy: str, *, code: Code = "", app: str | None = None) -> Finding:
    """A finding that stops the command: going on would give something else than the plan says."""
    return Finding(field=field, path=path, class_=class_, text=text, remedy=remedy, code=code, app=app, verdict="refused")


def told_by_settings(group: Group) -> Iterator[Finding]:
    """What a plan says of a tunnel for those who check it: the gateway is told by its own settings, so that no object repeats it."""
    if isinstance(group.egress, Tunnel):
        for field in ("provider", "protocol", "interface", "port_forwarding"):
            text = f"The gateway {group.egress.gateway} is told by its environment: nothing else repeats it."
            yield note("egress.settings", f"groups.{group.name}.egress.{field}", "cosmetic", text, app=group.egress.gateway)


def distinct(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings without repetition, in order."""
    return tuple(dict.fromkeys(findings))
