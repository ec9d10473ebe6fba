"""The plan: stack + profile + catalog with every choice made, in words of no back end.

Every leaf here must be translated by each back end or become a finding; `tests/render/test_mutation.py` walks them all.
Named records live in tuples; a leaf's path names them (`apps.sonarr.containers.main.resources.memory_limit`).
"""

from collections.abc import Mapping
from typing import Literal

from portable.model.base import Struct

LIBRARY = "/mnt/media"
"""Where the library lies inside every container of every place (promise 1)."""
CLOUDS = "/mnt/clouds"
"""The tree in which clouds are mounted; `/mnt/media/<cloud>` is a symlink into it (docs/facts/fuse.md#clouds-in-pods)."""
STATE = "/state"
"""Where the one container that backs up sees the state of all others, a folder a volume."""
BACKUPS = "backups"
"""The volume in which it keeps what it made, and its folder inside."""
NO_FOLDER = ""


class SecretRef(Struct, frozen=True, kw_only=True):
    """A value that lies elsewhere. Never resolved in a plan, a rendering, a label or a log."""

    name: str
    key: str = "value"
    optional: bool = False
    form: Literal["plain", "qbittorrent"] = "plain"
    """How the value is written: as it is, or hashed as qBittorrent stores the password of its web interface."""

    @property
    def called(self) -> str:
        """What people type for it."""
        return called(self.name, self.key)


def called(name: str, key: str) -> str:
    """What people type for a key of a secret: the key that stands alone has no name."""
    return name if key == "value" else f"{name}.{key}"


Text = str | SecretRef


# --- where bytes lie -------------------------------------------------------------------------------------------------


class Folder(Struct, tag="folder", frozen=True, kw_only=True):
    """A directory of the host."""

    path: str
    mounted: bool = False
    """A file system of its own must be mounted there: without it apps would start on an empty folder."""


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
    """Bytes asked for."""
    storage_class: str | None = None
    shared: bool = False
    """ReadWriteMany."""
    existing: bool = False
    share: Share | None = None


class Scratch(Struct, tag="scratch", frozen=True, kw_only=True):
    """Space that may vanish with the container."""

    size: int | None = None
    """Upper bound in bytes."""
    in_memory: bool = False


Place = Folder | Claim | Scratch
Holds = Literal["state", "database", "library", "cache", "backups"]


class Volume(Struct, frozen=True, kw_only=True):
    """One filesystem view: a folder of a place. Mounts of one volume are one mount, hence hard links work between them."""

    id: str
    holds: Holds
    place: Place
    folder: str = NO_FOLDER
    """Folder inside the place, relative; empty for its root."""
    hides: tuple[str, ...] = ()
    """Folders of this volume that hold other apps' state: covered by an empty read-only mount in every consumer."""


class Mount(Struct, frozen=True, kw_only=True):
    """A volume seen in a container, always whole."""

    volume: str
    path: str
    access: Literal["ro", "rw"] = "rw"


class FileMount(Struct, frozen=True, kw_only=True):
    """A file of the plan seen in a container; a seed is copied once into the app's state where nothing lies yet."""

    file: str
    path: str
    seed: bool = False


class SecretMount(Struct, frozen=True, kw_only=True):
    """Keys of a secret as files of a folder, e.g. a certificate."""

    secret: str
    keys: tuple[str, ...]
    path: str
    optional: bool = False


class File(Struct, frozen=True, kw_only=True):
    """A rendered text. Where a part is a secret, the whole file is one: rendered as a reference, filled by live."""

    id: str
    body: tuple[Text, ...]
    mode: int = 0o444

    @property
    def is_secret(self) -> bool:
        """Whether any part is a secret."""
        return any(isinstance(part, SecretRef) for part in self.body)

    @property
    def secret_refs(self) -> tuple[SecretRef, ...]:
        """The secrets in it, in order, one for each place."""
        return tuple(part for part in self.body if isinstance(part, SecretRef))


# --- containers ------------------------------------------------------------------------------------------------------


class Image(Struct, frozen=True, kw_only=True):
    """What a container runs, pinned. `recipe` is the catalog folder it can be built from where no registry answers."""

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
        """The image as engines write it."""
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
    """How health is asked; times in seconds."""

    how: Http | Tcp | Exec
    period: int = 10
    timeout: int = 5
    failures: int = 3


class Probes(Struct, frozen=True, kw_only=True):
    """`startup` may take `failures * period` seconds; then `ready` gates traffic and `live` restarts."""

    startup: Check | None = None
    ready: Check | None = None
    live: Check | None = None


class Identity(Struct, frozen=True, kw_only=True):
    """Who writes files: told by PUID/PGID, by the container's user, or fixed by the image (docs/facts/images.md#puid-and-pgid)."""

    how: Literal["puid-pgid", "user", "fixed"]
    uid: int = 1000
    gid: int = 1000
    groups: tuple[int, ...] = ()
    umask: str = "002"


class Needs(Struct, frozen=True, kw_only=True):
    """Privileges, stated as needs; a back end derives capabilities, devices and SCC from them."""

    root_start: bool = False
    """Starts as root to prepare its folders, then drops to its identity."""
    net_admin: bool = False
    """Changes the network of its namespace (a gateway)."""
    tun: bool = False
    fuse: bool = False
    gpu: bool = False


class Resources(Struct, frozen=True, kw_only=True):
    """Bytes and thousandths of a core."""

    memory_request: int
    memory_limit: int
    cpu_request: int | None = None
    shm: int | None = None


class Container(Struct, frozen=True, kw_only=True):
    """One container of an app."""

    name: str
    role: Literal["main", "beside", "before"] = "main"
    """beside: shares the network of the app's main container (plex's TLS part); before: that too, and main starts when it is ready."""
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
    """It writes nothing outside its mounts."""
    init: bool = False
    """Its program is no first process: it hands on no signal and takes no orphan."""
    probes: Probes = Probes()
    fetch: Literal["curl", "wget", "none"] = "none"
    """The HTTP client that the image has, for places whose engine cannot probe by itself."""
    resources: Resources
    stop_grace: int = 10
    """Seconds between SIGTERM and SIGKILL."""

    @property
    def secret_env(self) -> dict[str, SecretRef]:
        """The variables whose value is a secret."""
        return {name: value for name, value in self.env.items() if isinstance(value, SecretRef)}

    @property
    def secret_refs(self) -> tuple[SecretRef, ...]:
        """The secrets that it takes by themselves: as variables, and as files of one key each. Those in files are the files' own."""
        mounted = (SecretRef(name=m.secret, key=key, optional=m.optional) for m in self.secrets for key in m.keys)
        return (*self.secret_env.values(), *mounted)


Protocol = Literal["tcp", "udp"]


class Port(Struct, frozen=True, kw_only=True):
    """A port that an app listens on: the same number in every place (promise 1)."""

    name: str
    number: int
    protocol: Protocol = "tcp"
    serves: Literal["http", "https", "raw"] = "raw"
    container: str = "main"
    private: bool = False
    """Not for other apps: no name, no Service."""


class After(Struct, frozen=True, kw_only=True):
    """Start order."""

    app: str
    when: Literal["started", "ready"] = "ready"


class Schedule(Struct, frozen=True, kw_only=True):
    """The times at which an app runs that ends by itself, by the place's clock, as cron counts them; empty stands for all of a kind."""

    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    """Of the month, from 1; never together with weekdays."""
    months: tuple[int, ...] = ()
    """From 1."""
    weekdays: tuple[int, ...] = ()
    """From 0, which is Sunday."""

    @property
    def cron(self) -> str:
        """The times as cron writes them: five fields."""
        lists = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        return " ".join(",".join(str(number) for number in numbers) or "*" for numbers in lists)


class App(Struct, frozen=True, kw_only=True):
    """What a person installs; owns the stable name."""

    name: str
    aliases: tuple[str, ...] = ()
    title: str
    zone: str
    ports: tuple[Port, ...] = ()
    containers: tuple[Container, ...]
    clouds: tuple[str, ...] = ()
    after: tuple[After, ...] = ()
    schedule: Schedule | None = None
    """It is no service: it runs at these times, and ends."""


# --- placement -------------------------------------------------------------------------------------------------------


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where a tunnel's outside end may lie."""

    cidr: str
    port: int
    protocol: Protocol = "udp"


class Direct(Struct, tag="direct", frozen=True, kw_only=True):
    """Reaches the outside as the place does."""


class Tunnel(Struct, tag="tunnel", frozen=True, kw_only=True):
    """Reaches the outside only through its gateway's tunnel; `networks` are the place's own.

    The gateway is told the rest by its own settings. It stands here too for whoever checks the running tunnel.
    """

    gateway: str
    networks: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    """The only addresses and ports outside `networks` that are reached past the tunnel; they are those that the gateway connects to."""
    provider: str = ""
    protocol: Literal["wireguard", "openvpn"] = "wireguard"
    interface: str = "tun0"
    """The tunnel's device in the group's namespace."""
    port_forwarding: bool = False
    """The gateway asks the provider for a port by which peers come in."""


class Sealed(Struct, tag="sealed", frozen=True, kw_only=True):
    """Reaches nothing outside the place's own networks: its gateway has the same firewall and no tunnel."""

    gateway: str
    networks: tuple[str, ...] = ()


class Group(Struct, frozen=True, kw_only=True):
    """THE unit of placement: one network namespace. Compose: one owner; a cluster: one pod."""

    name: str
    apps: tuple[str, ...]
    egress: Direct | Tunnel | Sealed = Direct()
    account: str | None = None
    prefer_nodes: tuple[str, ...] = ()
    address: str | None = None


class Cloud(Struct, frozen=True, kw_only=True):
    """A remote store shown as files by FUSE at `/mnt/clouds/<id>`."""

    id: str
    known_entry: str
    """A name that is always in it: what a health check reads."""
    after: tuple[After, ...] = ()
    mounter: Container


class Loopback(Struct, tag="loopback", frozen=True, kw_only=True):
    """Reached from the host itself only."""

    number: int


class Lan(Struct, tag="lan", frozen=True, kw_only=True):
    """Reached at the host's address."""

    number: int


class Ingress(Struct, tag="ingress", frozen=True, kw_only=True):
    """Reached by name through the cluster's Ingress controller, with TLS."""

    host: str
    tls_secret: str | None = None
    ingress_class: str | None = None
    namespace: str | None = None
    """Of the controller's pods, where nobody else is to reach the port past it."""


class Route(Struct, tag="route", frozen=True, kw_only=True):
    """Reached by name through OpenShift's router."""

    host: str
    termination: Literal["edge", "passthrough"] = "edge"
    auth: Literal["oauth-proxy"] | None = None


class LoadBalancer(Struct, tag="load-balancer", frozen=True, kw_only=True):
    """Reached at an address of its own."""

    number: int
    address: str | None = None


Reach = Loopback | Lan | Ingress | Route | LoadBalancer


class Exposure(Struct, frozen=True, kw_only=True):
    """How a port of an app is reached from outside the place's own network."""

    app: str
    port: str
    how: Reach


# --- what the place offers -------------------------------------------------------------------------------------------


class HostDevice(Struct, tag="host", frozen=True, kw_only=True):
    """A device node of the host; `group` is the numeric gid that may open it."""

    path: str
    group: int | None = None


class PluginDevice(Struct, tag="plugin", frozen=True, kw_only=True):
    """A device that a device plug-in hands out as an extended resource."""

    resource: str


class AnnotatedDevice(Struct, tag="annotation", frozen=True, kw_only=True):
    """A device that CRI-O gives by the annotation `io.kubernetes.cri-o.Devices`."""

    path: str


Device = HostDevice | PluginDevice | AnnotatedDevice


class Devices(Struct, frozen=True, kw_only=True):
    """How a place gives devices; what it does not name it does not have."""

    tun: Device | None = None
    fuse: Device | None = None
    gpu: Device | None = None


class Link(Struct, frozen=True, kw_only=True):
    """A symlink of the library, relative path to absolute target."""

    path: str
    target: str


class Library(Struct, frozen=True, kw_only=True):
    """The tree that must be there before any app starts; nothing in it is ever removed."""

    volume: str
    folders: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


class Plan(Struct, frozen=True, kw_only=True):
    """Everything a back end is told."""

    stack: str
    profile: str
    namespace: str | None = None
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
    """What a cluster calls the Secret of a value, by its name, or of a whole file, by its id, where it has one of another name."""

    def containers(self) -> tuple[Container, ...]:
        """All: those of the apps, the clouds' mounters, and the tools."""
        return (*(c for app in self.apps for c in app.containers), *(cloud.mounter for cloud in self.clouds), self.tools)

    def is_library(self, volume: str) -> bool:
        """Whether that volume is the library."""
        return self.library is not None and self.library.volume == volume

    @property
    def behind_gateways(self) -> Mapping[str, str]:
        """Each app that shares the network of a gateway, with that gateway; the gateways themselves are not among them."""
        return {
            app: group.egress.gateway
            for group in self.groups
            if not isinstance(group.egress, Direct)
            for app in group.apps
            if app != group.egress.gateway
        }

    @property
    def gateways(self) -> frozenset[str]:
        """The apps whose network others share, or may share, because their own way out is closed."""
        return frozenset(group.egress.gateway for group in self.groups if not isinstance(group.egress, Direct))
