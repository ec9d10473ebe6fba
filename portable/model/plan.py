"""The plan: stack, profile and catalog with every choice made, independent of back ends.

Each back end must translate every leaf or report a finding; `tests/render/test_mutation.py` walks them all.
Named records are in tuples; the path of a leaf contains their names (`apps.sonarr.containers.main.resources.memory_limit`).
"""

from collections.abc import Mapping
from typing import Literal

from portable.model.base import Struct
from portable.model.devices import Devices
from portable.model.exposures import Exposure
from portable.model.external import ExternalSecrets
from portable.model.gitops import GitOps
from portable.model.metadata import ObjectMetadata
from portable.model.secret_refs import SecretRef, Text

LIBRARY = "/mnt/media"
"""The path of the library in every container of every profile (promise 1)."""
CLOUDS = "/mnt/clouds"
"""The folder of the clouds' mounts; `/mnt/media/<cloud>` is a symlink to one (docs/facts/fuse.md#clouds-in-pods)."""
STATE = "/state"
"""Where the backup container sees the state of all apps, one folder for each volume."""
BACKUPS = "backups"
"""The volume of the backups, and its folder in the container."""
NO_FOLDER = ""


# --- storage ---------------------------------------------------------------------------------------------------------


class Folder(Struct, tag="folder", frozen=True, kw_only=True):
    """A directory of the host."""

    path: str
    mounted: bool = False
    """Another file system must be mounted there: without it, apps would start on an empty folder."""


class Share(Struct, tag="share", frozen=True, kw_only=True):
    """A directory of a file server."""

    protocol: Literal["smb", "nfs"]
    server: str
    export: str
    options: tuple[str, ...] = ()
    login: str | None = None
    """Name of the secret with `username` and `password`."""


class Claim(Struct, tag="claim", frozen=True, kw_only=True):
    """A PersistentVolumeClaim; `existing` ones are referenced, never applied. `share` makes the volume static."""

    name: str
    size: int
    """The requested size in bytes."""
    storage_class: str | None = None
    shared: bool = False
    """ReadWriteMany."""
    existing: bool = False
    share: Share | None = None


class Ephemeral(Struct, tag="scratch", frozen=True, kw_only=True):
    """Ephemeral space: it may be lost with the container."""

    size: int | None = None
    """Upper bound in bytes."""
    in_memory: bool = False


Place = Folder | Claim | Ephemeral
Holds = Literal["state", "database", "library", "cache", "backups"]


class Volume(Struct, frozen=True, kw_only=True):
    """One file system view: a folder of a place. All its mounts are one mount, so hard links work between them."""

    id: str
    holds: Holds
    place: Place
    folder: str = NO_FOLDER
    """Folder inside the place, relative; empty for its root."""
    hides: tuple[str, ...] = ()
    """Folders of this volume with the state of other apps: an empty read-only mount covers them in every consumer."""


class Mount(Struct, frozen=True, kw_only=True):
    """A volume mounted in a container, always as a whole."""

    volume: str
    path: str
    access: Literal["ro", "rw"] = "rw"


class FileMount(Struct, frozen=True, kw_only=True):
    """A file of the plan in a container; a seed is copied into the app's state once, if the file does not exist yet."""

    file: str
    path: str
    seed: bool = False


class SecretMount(Struct, frozen=True, kw_only=True):
    """Keys of a secret as files in a folder, for example a certificate."""

    secret: str
    keys: tuple[str, ...]
    path: str
    optional: bool = False


class File(Struct, frozen=True, kw_only=True):
    """A rendered text. If a part is secret, the whole file is: back ends render a reference, and the live layer fills it."""

    id: str
    body: tuple[Text, ...]
    mode: int = 0o444

    @property
    def is_secret(self) -> bool:
        """Whether any part is a secret."""
        return any(isinstance(part, SecretRef) for part in self.body)

    @property
    def secret_refs(self) -> tuple[SecretRef, ...]:
        """The references to secrets in it, in order, with repetitions."""
        return tuple(part for part in self.body if isinstance(part, SecretRef))


# --- containers ------------------------------------------------------------------------------------------------------


class Image(Struct, frozen=True, kw_only=True):
    """The pinned image of a container. `recipe` is the catalog folder to build it from if no registry answers."""

    repository: str
    tag: str
    digest: str | None = None
    recipe: str | None = None

    @property
    def tagged(self) -> str:
        """Repository and tag."""
        return f"{self.repository}:{self.tag}"

    @property
    def reference(self) -> str:
        """The image in the form that engines use: repository:tag@digest."""
        return self.tagged + (f"@{self.digest}" if self.digest else "")


class Http(Struct, tag="http", frozen=True, kw_only=True):
    """A GET of the container's own port; `ok` lists the answers that count as healthy."""

    port: str
    path: str
    ok: tuple[int, ...] = (200,)


class Tcp(Struct, tag="tcp", frozen=True, kw_only=True):
    """A connection to the container's own port."""

    port: str


class Exec(Struct, tag="exec", frozen=True, kw_only=True):
    """A command inside the container; 0 is healthy."""

    command: tuple[str, ...]


class Check(Struct, frozen=True, kw_only=True):
    """A health check; times in seconds."""

    how: Http | Tcp | Exec
    period: int = 10
    timeout: int = 5
    failures: int = 3


class Probes(Struct, frozen=True, kw_only=True):
    """`startup` may take `failures * period` seconds; then `ready` gates traffic, and `live` restarts the container."""

    startup: Check | None = None
    ready: Check | None = None
    live: Check | None = None


class Identity(Struct, frozen=True, kw_only=True):
    """The owner of written files: by PUID and PGID, by the container's user, or fixed by the image (docs/facts/images.md#puid-and-pgid)."""

    how: Literal["puid-pgid", "user", "fixed"]
    uid: int = 1000
    gid: int = 1000
    groups: tuple[int, ...] = ()
    umask: str = "002"


class Needs(Struct, frozen=True, kw_only=True):
    """Privileges, stated as needs; a back end derives capabilities, devices and SCC from them."""

    root_start: bool = False
    """Starts as root to prepare its folders, then switches to its identity."""
    net_admin: bool = False
    """Changes the network settings of its namespace (a gateway)."""
    tun: bool = False
    fuse: bool = False
    gpu: bool = False


class Resources(Struct, frozen=True, kw_only=True):
    """Memory in bytes, and CPU in thousandths of a core."""

    memory_request: int
    memory_limit: int
    cpu_request: int | None = None
    shm: int | None = None


class Container(Struct, frozen=True, kw_only=True):
    """One container of an app."""

    name: str
    role: Literal["main", "sidecar", "init"] = "main"
    """beside: a sidecar in the network of the main container (plex's TLS proxy); before: one that must be ready before main starts."""
    image: Image
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: Mapping[str, Text] = {}
    files: tuple[FileMount, ...] = ()
    secrets: tuple[SecretMount, ...] = ()
    mounts: tuple[Mount, ...] = ()
    identity: Identity
    needs: Needs = Needs()
    read_only_root: bool = False
    """It writes only to its mounts, so its root file system can be read-only."""
    init: bool = False
    """It needs an init process: its program forwards no signals and reaps no orphans."""
    probes: Probes = Probes()
    fetch: Literal["curl", "wget", "none"] = "none"
    """The HTTP client in the image, for engines that cannot send HTTP probes themselves."""
    resources: Resources
    stop_grace: int = 10
    """Seconds between SIGTERM and SIGKILL."""

    @property
    def secret_env(self) -> dict[str, SecretRef]:
        """The variables whose value is a secret."""
        return {name: value for name, value in self.env.items() if isinstance(value, SecretRef)}

    @property
    def secret_refs(self) -> tuple[SecretRef, ...]:
        """The secrets that it uses as variables, or as files of one key each. Secrets inside a file belong to that File."""
        mounted = (SecretRef(name=m.secret, key=key, optional=m.optional) for m in self.secrets for key in m.keys)
        return (*self.secret_env.values(), *mounted)


Protocol = Literal["tcp", "udp"]


class Port(Struct, frozen=True, kw_only=True):
    """A port that an app listens on: the same number with every profile (promise 1)."""

    name: str
    number: int
    protocol: Protocol = "tcp"
    serves: Literal["http", "https", "raw"] = "raw"
    container: str = "main"
    private: bool = False
    """Not for other apps: it gets no name and no Service."""


class After(Struct, frozen=True, kw_only=True):
    """Start order."""

    app: str
    when: Literal["started", "ready"] = "ready"


class Schedule(Struct, frozen=True, kw_only=True):
    """When an app that ends by itself runs, in the plan's time zone, in the units of cron; empty means every value."""

    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    """Days of the month, from 1; never together with weekdays."""
    months: tuple[int, ...] = ()
    """From 1."""
    weekdays: tuple[int, ...] = ()
    """From 0, which is Sunday."""

    @property
    def cron(self) -> str:
        """The five fields of cron."""
        lists = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        return " ".join(",".join(str(number) for number in numbers) or "*" for numbers in lists)


class App(Struct, frozen=True, kw_only=True):
    """One thing that a person installs. It owns the stable name."""

    name: str
    aliases: tuple[str, ...] = ()
    title: str
    zone: str
    ports: tuple[Port, ...] = ()
    containers: tuple[Container, ...]
    clouds: tuple[str, ...] = ()
    after: tuple[After, ...] = ()
    schedule: Schedule | None = None
    """Not a service: it runs at these times, and ends."""


# --- placement -------------------------------------------------------------------------------------------------------


class Endpoint(Struct, frozen=True, kw_only=True):
    """An address range and port of the VPN server."""

    cidr: str
    port: int
    protocol: Protocol = "udp"


class Direct(Struct, tag="direct", frozen=True, kw_only=True):
    """Reaches the internet directly, like the host or the nodes."""


class Tunnel(Struct, tag="tunnel", frozen=True, kw_only=True):
    """Reaches the internet only through its gateway's tunnel; `networks` are the place's own.

    The gateway gets the other fields from its own settings. They are here too for checks of the running tunnel.
    """

    gateway: str
    networks: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    """The only addresses and ports outside `networks` that may be reached without the tunnel: the gateway connects to them."""
    provider: str = ""
    protocol: Literal["wireguard", "openvpn"] = "wireguard"
    interface: str = "tun0"
    """The tunnel's device in the group's namespace."""
    port_forwarding: bool = False
    """The gateway requests a forwarded port from the provider, so that peers can connect."""


class Sealed(Struct, tag="sealed", frozen=True, kw_only=True):
    """Reaches only the place's own networks: its gateway has the same firewall, but no tunnel."""

    gateway: str
    networks: tuple[str, ...] = ()


class Group(Struct, frozen=True, kw_only=True):
    """The unit of placement: one network namespace. On Compose one owner, on a cluster one pod."""

    name: str
    apps: tuple[str, ...]
    egress: Direct | Tunnel | Sealed = Direct()
    account: str | None = None
    prefer_nodes: tuple[str, ...] = ()
    address: str | None = None


class Cloud(Struct, frozen=True, kw_only=True):
    """A remote store that FUSE shows as files at `/mnt/clouds/<id>`."""

    id: str
    known_entry: str
    """An entry that always exists in it, for the health check to read."""
    after: tuple[After, ...] = ()
    fuse_mount: Container


# --- devices, library, plan ------------------------------------------------------------------------------------------


class Link(Struct, frozen=True, kw_only=True):
    """A symlink in the library, from a relative path to an absolute target."""

    path: str
    target: str


class Library(Struct, frozen=True, kw_only=True):
    """Folders and links that must exist before any app starts; nothing in the library is ever removed."""

    volume: str
    folders: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


class Notify(Struct, frozen=True, kw_only=True):
    """Where `portable` reports faults and recoveries. No container gets these secrets: the commands of `portable` send the messages."""

    url: SecretRef | None = None
    """The URL of the channel, in the form of Apprise."""
    pings: Mapping[str, SecretRef] = {}
    """By command: the URL that it calls after each complete run, so that another service notices when it stops."""


class Plan(Struct, frozen=True, kw_only=True):
    """The complete input of a back end."""

    stack: str
    profile: str
    namespace: str | None = None
    callers: tuple[str, ...] = ()
    """Other namespaces of the cluster whose pods may call the apps' ports."""
    timezone: str = "Etc/UTC"
    subnet: str | None = None
    node_weight: int | None = None
    devices: Devices = Devices()
    tools: Container
    """The container that prepares folders, links and seeds before apps start."""
    library: Library | None = None
    groups: tuple[Group, ...] = ()
    apps: tuple[App, ...] = ()
    volumes: tuple[Volume, ...] = ()
    clouds: tuple[Cloud, ...] = ()
    files: tuple[File, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    secret_names: Mapping[str, str] = {}
    """Names of Secrets on the cluster that differ from the plan's: by the secret's name, or by the id of a whole file."""
    metadata: tuple[ObjectMetadata, ...] = ()
    """Labels and annotations that the profile adds to objects of a cluster."""
    external_secrets: ExternalSecrets | None = None
    """Where an operator of the cluster gets the values of Secrets from; None: `portable` writes them."""
    gitops: GitOps | None = None
    """The controller that applies the rendered files from a repository; None: `portable up` or kubectl does."""
    notify: Notify | None = None

    def containers(self) -> tuple[Container, ...]:
        """All containers: those of the apps, the clouds' mounters, and the tools."""
        return (*(c for app in self.apps for c in app.containers), *(cloud.fuse_mount for cloud in self.clouds), self.tools)

    def is_library(self, volume: str) -> bool:
        """Whether that volume is the library."""
        return self.library is not None and self.library.volume == volume

    @property
    def behind_gateways(self) -> Mapping[str, str]:
        """Each app behind a gateway, with that gateway. The gateways themselves are not included."""
        return {
            app: group.egress.gateway
            for group in self.groups
            if not isinstance(group.egress, Direct)
            for app in group.apps
            if app != group.egress.gateway
        }

    @property
    def gateways(self) -> frozenset[str]:
        """The gateways of all groups whose egress is not direct."""
        return frozenset(group.egress.gateway for group in self.groups if not isinstance(group.egress, Direct))
