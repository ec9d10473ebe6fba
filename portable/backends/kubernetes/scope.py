"""The plan with its records by name, and each group as the ordered containers of its pod. Reads the plan, writes nothing."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, assert_never

from msgspec import structs

from portable.backends.common import Index, gateway_of, index, sees_clouds
from portable.backends.kubernetes.names import GROUP_LABEL, MANAGED_BY, dns_label, label_value
from portable.backends.kubernetes.secrets import file_keys
from portable.model.base import Struct
from portable.model.plan import (
    App,
    Claim,
    Cloud,
    Container,
    Exposure,
    File,
    Folder,
    Group,
    Identity,
    Needs,
    Plan,
    Port,
    Scratch,
    Volume,
)

INIT = "init-dirs"
Kind = Literal["init", "gateway", "cloud", "before", "app"]
SIDECARS: Final = ("gateway", "cloud", "before")
"""What runs as a native sidecar: the kubelet starts what follows only when it is up."""


class Part(Struct, frozen=True, kw_only=True):
    """One container of a pod, and what its place in the plan decides."""

    kind: Kind
    name: str
    """Its name in the pod."""
    path: str
    """Its path in the plan, for findings."""
    owner: str
    """Whose ConfigMap holds its files: an app, `cloud-<id>`, or the tools."""
    container: Container
    app: App | None = None
    cloud: Cloud | None = None
    clouds: tuple[str, ...] = ()
    """The clouds that it reads."""

    @property
    def app_name(self) -> str | None:
        """The app that findings name."""
        return self.app.name if self.app else None


class Scope(Struct, frozen=True, kw_only=True):
    """A plan, indexed."""

    plan: Plan
    namespace: str
    apps: Mapping[str, App]
    volumes: Mapping[str, Volume]
    files: Mapping[str, File]
    clouds: Mapping[str, Cloud]
    pods: Mapping[str, tuple[Part, ...]]
    """By group, in the order in which they start."""
    exposures: Mapping[str, tuple[Exposure, ...]]
    """By app."""
    mounted_by: Mapping[str, tuple[str, ...]]
    """By volume: the groups whose pods mount it."""
    file_keys: Mapping[str, str]
    """By whole file that is a Secret: its key there."""
    readers: Mapping[str, tuple[bool, ...]]
    """By file: for each container that reads it, whether its process is root."""

    def members(self, group: Group) -> tuple[App, ...]:
        """The apps of a group, in its order."""
        return tuple(self.apps[name] for name in group.apps if name in self.apps)

    def labels(self, name: str, *, zone: str | None = None) -> dict[str, str]:
        """The labels of an object; never what a selector uses, but for those of a pod."""
        plan = self.plan
        return {
            "app.kubernetes.io/name": label_value(name),
            "app.kubernetes.io/instance": label_value(f"{plan.stack}-{plan.profile}"),
            "app.kubernetes.io/part-of": label_value(plan.stack),
            "app.kubernetes.io/managed-by": MANAGED_BY,
            **({"app.kubernetes.io/component": label_value(zone)} if zone else {}),
        }


def scope_of(plan: Plan) -> Scope:
    """Index a plan, once."""
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
        exposures={app: tuple(e for e in plan.exposures if e.app == app) for app in {e.app for e in plan.exposures}},
        mounted_by=_mounted_by(pods),
        file_keys=file_keys(plan),
        readers=_readers(plan, pods),
    )


def selector(group: Group) -> dict[str, str]:
    """What finds the pod of a group. It may never change: a Deployment's selector is immutable."""
    return {GROUP_LABEL: label_value(group.name)}


def is_claim(volume: Volume) -> bool:
    """Whether a volume outlives its pod."""
    match volume.place:
        case Claim():
            return True
        case Folder() | Scratch():
            return False
        case _:
            assert_never(volume.place)


def starts_as_root(identity: Identity, needs: Needs) -> bool:
    """Whether the container's first process is root; an image of the PUID family prepares its folders as root and drops then."""
    return needs.root_start or identity.how == "puid-pgid" or identity.uid == 0


def serves(app: App, container: Container) -> tuple[Port, ...]:
    """The ports on which that container of the app listens."""
    return tuple(port for port in app.ports if port.container == container.name)


def own_files(part: Part) -> Iterator[str]:
    """The files that stand in the container, each once; seeds are not among them, they only stand in `init-dirs`."""
    yield from dict.fromkeys(mount.file for mount in part.container.files if not mount.seed)


def _parts(known: Index, group: Group) -> Iterator[Part]:
    """The containers of a pod in the order of their start.

    `init-dirs` comes first although a gateway has to close the namespace before anything talks: its fixed script has no use for the
    network, and the gateway's own state folder must exist before the kubelet binds it (a subPath that the kubelet has to make itself
    belongs to root, which a share with root squash refuses). Then the gateway, so that clouds, which do talk, already stand behind it.
    """
    apps, clouds, volumes, tools = known.apps, known.clouds, known.volumes, known.plan.tools
    members = [apps[name] for name in group.apps if name in apps]
    gateway = gateway_of(group)
    read = [clouds[name] for name in dict.fromkeys(name for app in members for name in app.clouds) if name in clouds]
    parts: list[Part] = []
    for app in members:
        for container in app.containers:
            main = container.role == "main"
            parts.append(
                Part(
                    kind="gateway" if main and app.name == gateway else "before" if container.role == "before" else "app",
                    name=dns_label(app.name if main and container.name == "main" else f"{app.name}-{container.name}"),
                    path=f"apps.{app.name}.containers.{container.name}",
                    owner=app.name,
                    container=container,
                    app=app,
                    clouds=app.clouds if sees_clouds(app, container, volumes) else (),
                )
            )
    mounters = [
        Part(
            kind="cloud",
            name=dns_label(f"cloud-{cloud.id}" if cloud.mounter.name == cloud.id else f"cloud-{cloud.id}-{cloud.mounter.name}"),
            path=f"clouds.{cloud.id}.mounter",
            owner=f"cloud-{cloud.id}",
            container=cloud.mounter,
            cloud=cloud,
        )
        for cloud in read
    ]
    if _needs_preparing(parts + mounters, volumes):
        # It only makes folders that are its own: it needs nothing, on a cluster not even root.
        yield Part(kind="init", name=INIT, path="tools", owner=tools.name, container=structs.replace(tools, needs=Needs()))
    yield from (part for part in parts if part.kind == "gateway")
    yield from mounters
    yield from (part for part in parts if part.kind == "before")
    yield from (part for part in parts if part.kind == "app")


def _needs_preparing(parts: list[Part], volumes: Mapping[str, Volume]) -> bool:
    seeds = any(mount.seed for part in parts for mount in part.container.files)
    return seeds or any(m.volume in volumes and is_claim(volumes[m.volume]) for part in parts for m in part.container.mounts)


def _mounted_by(pods: Mapping[str, tuple[Part, ...]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for name, parts in pods.items():
        for part in parts:
            for mount in part.container.mounts:
                found.setdefault(mount.volume, {})[name] = None
    return {volume: tuple(names) for volume, names in found.items()}


def _readers(plan: Plan, pods: Mapping[str, tuple[Part, ...]]) -> dict[str, tuple[bool, ...]]:
    root_tools = plan.tools.identity.uid == 0
    readers: dict[str, list[bool]] = {}
    for parts in pods.values():
        for part in parts:
            identity = part.container.identity
            # What starts as root and then drops reads its files as what it dropped to.
            root = identity.uid == 0 and starts_as_root(identity, part.container.needs)
            for mount in part.container.files:
                readers.setdefault(mount.file, []).append(root_tools if mount.seed else root)
    return {file: tuple(roots) for file, roots in readers.items()}
