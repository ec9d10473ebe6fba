"""An index of a plan: its records by name, and the containers of each group's pod in start order."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, assert_never

from msgspec import structs

from portable.backends.common import Index, gateway_of, index, sees_clouds
from portable.backends.kubernetes.names import GROUP_LABEL, MANAGED_BY, dns_label, label_value
from portable.backends.kubernetes.secrets import file_keys
from portable.model.base import Struct
from portable.model.exposures import Exposure
from portable.model.plan import (
    App,
    Claim,
    Cloud,
    Container,
    Ephemeral,
    File,
    Folder,
    Group,
    Identity,
    Needs,
    Plan,
    Port,
    Volume,
)

INIT = "init-dirs"
Kind = Literal["init", "gateway", "cloud", "before", "app"]
SIDECARS: Final = ("gateway", "cloud", "before")
"""Kinds of containers that run as native sidecars: the kubelet starts the next container only after the sidecar has started."""


class PodContainer(Struct, frozen=True, kw_only=True):
    """One container of a pod, with its position in the plan."""

    kind: Kind
    name: str
    """Its name in the pod."""
    path: str
    """Its path in the plan, for findings."""
    owner: str
    """The owner of the ConfigMap with its files: an app, `cloud-<id>`, or the tools."""
    container: Container
    app: App | None = None
    cloud: Cloud | None = None
    clouds: tuple[str, ...] = ()
    """The clouds that it reads."""

    @property
    def app_name(self) -> str | None:
        """The app that findings are about."""
        return self.app.name if self.app else None


class Scope(Struct, frozen=True, kw_only=True):
    """A plan, indexed."""

    plan: Plan
    namespace: str
    apps: Mapping[str, App]
    volumes: Mapping[str, Volume]
    files: Mapping[str, File]
    clouds: Mapping[str, Cloud]
    pods: Mapping[str, tuple[PodContainer, ...]]
    """By group: the containers in start order."""
    exposures: Mapping[str, tuple[Exposure, ...]]
    """By app."""
    mounted_by: Mapping[str, tuple[str, ...]]
    """By volume: the groups whose pods mount it."""
    file_keys: Mapping[str, str]
    """By file that is a Secret: its key there."""
    readers: Mapping[str, tuple[bool, ...]]
    """By file: for each container that reads it, whether it runs as root."""

    def members(self, group: Group) -> tuple[App, ...]:
        """Return the apps of a group, in its order."""
        return tuple(self.apps[name] for name in group.apps if name in self.apps)

    def own_name(self, text: str = "") -> str:
        """Return the name of an object that belongs to no app. It contains the profile: two profiles of a stack may share a namespace."""
        return dns_label("-".join(filter(None, (self.plan.stack, self.plan.profile, text))))

    def labels(self, name: str, *, zone: str | None = None) -> dict[str, str]:
        """Return the labels of an object. Selectors use none of them."""
        plan = self.plan
        return {
            "app.kubernetes.io/name": label_value(name),
            "app.kubernetes.io/instance": label_value(f"{plan.stack}-{plan.profile}"),
            "app.kubernetes.io/part-of": label_value(plan.stack),
            "app.kubernetes.io/managed-by": MANAGED_BY,
            **({"app.kubernetes.io/component": label_value(zone)} if zone else {}),
        }


def scope_of(plan: Plan) -> Scope:
    """Return the index of a plan."""
    known = index(plan)
    pods = {group.name: tuple(_parts(known, group)) for group in plan.groups}
    return Scope(
        plan=plan,
        namespace=plan.namespace or plan.stack,
        apps=known.apps,
        volumes=known.volumes,
        files=known.files,
        clouds=known.clouds,
        pods=pods,
        exposures=_exposures(plan),
        mounted_by=_mounted_by(pods),
        file_keys=file_keys(plan),
        readers=_readers(plan, pods),
    )


def _exposures(plan: Plan) -> dict[str, tuple[Exposure, ...]]:
    found: dict[str, list[Exposure]] = {}
    for exposure in plan.exposures:
        found.setdefault(exposure.app, []).append(exposure)
    return {app: tuple(exposures) for app, exposures in found.items()}


def shared_labels(name: str) -> dict[str, str]:
    """Return the labels of an object of the whole cluster that every stack uses under one name. No stack owns it.

    Pruning by the label of a stack would otherwise delete what its neighbours use, and two stacks would fight over the labels.
    """
    return {"app.kubernetes.io/name": label_value(name), "app.kubernetes.io/managed-by": MANAGED_BY}


def selector(group: Group) -> dict[str, str]:
    """Return the selector of a group's pod. It must never change: a workload's selector is immutable."""
    return {GROUP_LABEL: label_value(group.name)}


def is_claim(volume: Volume) -> bool:
    """Return whether a volume is a claim, which outlives its pod."""
    match volume.place:
        case Claim():
            return True
        case Folder() | Ephemeral():
            return False
        case _:
            assert_never(volume.place)


def starts_as_root(identity: Identity, needs: Needs) -> bool:
    """Return whether the container's first process is root. Images with PUID prepare their folders as root, then drop to a user."""
    return needs.root_start or identity.how == "puid-pgid" or identity.uid == 0


def serves(app: App, container: Container) -> tuple[Port, ...]:
    """Return the ports of the app on which this container listens."""
    return tuple(port for port in app.ports if port.container == container.name)


def own_files(part: PodContainer) -> Iterator[str]:
    """Yield the files that the container mounts, each once. Seeds are mounted in `init-dirs` only."""
    yield from dict.fromkeys(mount.file for mount in part.container.files if not mount.seed)


def _parts(known: Index, group: Group) -> Iterator[PodContainer]:
    """Yield the containers of a pod in start order.

    `init-dirs` starts before the gateway closes the network namespace: its fixed script does not use the network. The gateway's state
    folder must exist before the kubelet mounts it: a subPath that the kubelet creates belongs to root, which root squash denies. The
    gateway starts before the mount containers of clouds, which use the network, so that they run behind it.
    """
    apps, clouds, volumes, tools = known.apps, known.clouds, known.volumes, known.plan.tools
    members = [apps[name] for name in group.apps if name in apps]
    gateway = gateway_of(group)
    read = [clouds[name] for name in dict.fromkeys(name for app in members for name in app.clouds) if name in clouds]
    parts: list[PodContainer] = []
    for app in members:
        for container in app.containers:
            main = container.role == "main"
            parts.append(
                PodContainer(
                    kind="gateway" if main and app.name == gateway else "before" if container.role == "init" else "app",
                    name=dns_label(app.name if main and container.name == "main" else f"{app.name}-{container.name}"),
                    path=f"apps.{app.name}.containers.{container.name}",
                    owner=app.name,
                    container=container,
                    app=app,
                    clouds=app.clouds if sees_clouds(app, container, volumes) else (),
                )
            )
    fuse_mounts = [
        PodContainer(
            kind="cloud",
            name=dns_label(f"cloud-{cloud.id}" if cloud.fuse_mount.name == cloud.id else f"cloud-{cloud.id}-{cloud.fuse_mount.name}"),
            path=f"clouds.{cloud.id}.fuse_mount",
            owner=f"cloud-{cloud.id}",
            container=cloud.fuse_mount,
            cloud=cloud,
        )
        for cloud in read
    ]
    if _needs_preparing(parts + fuse_mounts, volumes):
        # It only creates folders that it owns, so on a cluster it needs no rights, not even root.
        yield PodContainer(kind="init", name=INIT, path="tools", owner=tools.name, container=structs.replace(tools, needs=Needs()))
    yield from (part for part in parts if part.kind == "gateway")
    yield from fuse_mounts
    yield from (part for part in parts if part.kind == "before")
    yield from (part for part in parts if part.kind == "app")


def _needs_preparing(parts: list[PodContainer], volumes: Mapping[str, Volume]) -> bool:
    seeds = any(mount.seed for part in parts for mount in part.container.files)
    return seeds or any(m.volume in volumes and is_claim(volumes[m.volume]) for part in parts for m in part.container.mounts)


def _mounted_by(pods: Mapping[str, tuple[PodContainer, ...]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, dict[str, None]] = {}
    for name, parts in pods.items():
        for part in parts:
            for mount in part.container.mounts:
                groups.setdefault(mount.volume, {})[name] = None
    return {volume: tuple(names) for volume, names in groups.items()}


def _readers(plan: Plan, pods: Mapping[str, tuple[PodContainer, ...]]) -> dict[str, tuple[bool, ...]]:
    root_tools = plan.tools.identity.uid == 0
    readers: dict[str, list[bool]] = {}
    for parts in pods.values():
        for part in parts:
            identity = part.container.identity
            # A process that starts as root and then drops reads its files as the user that it drops to.
            root = identity.uid == 0 and starts_as_root(identity, part.container.needs)
            for mount in part.container.files:
                readers.setdefault(mount.file, []).append(root_tools if mount.seed else root)
    return {file: tuple(roots) for file, roots in readers.items()}
