"""The types of `app.yaml` and `cloud.yaml`: the needs of an app. The JSON Schema for editors is made from them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

FORMAT = 1
"""The version of the file formats that this program supports."""

NAME = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$(?!\n)"
Name = Annotated[str, Meta(pattern=NAME, description="lower case letters, digits and dashes, at most 40 characters")]
Size = Annotated[
    str, Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,3})?(Ki|Mi|Gi|Ti)?$(?!\n)", description="a size in bytes, such as 512Mi or 10Gi")
]
Duration = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,5}(s|m|h)$(?!\n)", description="a duration, such as 30s, 5m or 1h")]
Cpu = Annotated[str, Meta(pattern=r"^([0-9]{1,6}m|[0-9]{1,4}(\.[0-9]{1,3})?)$(?!\n)", description="a number of cores, such as 500m or 2")]
Umask = Annotated[str, Meta(pattern=r"^[0-7]{3,4}$(?!\n)", description='an octal mask in quotes, such as "002"')]
Mode = Annotated[str, Meta(pattern=r"^0[0-7]{3}$(?!\n)", description='an octal mode in quotes, such as "0440"')]
CRON = r"^[0-9*/,-]{1,100}( [0-9*/,-]{1,100}){4}$(?!\n)"
Cron = Annotated[str, Meta(pattern=CRON, description="the five fields of cron, such as 30 4 * * 0: minute, hour, day, month, weekday")]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
ABSOLUTE_PATH = r"^/([^/\x00\n]+(/[^/\x00\n]+)*)?$(?!\n)"
AbsolutePath = Annotated[str, Meta(pattern=ABSOLUTE_PATH, description="an absolute path without a trailing slash")]
RelativePath = Annotated[
    str, Meta(pattern=r"^(?!\.{1,2}(/|$))[^/\x00\n]+(/(?!\.{1,2}(/|$))[^/\x00\n]+)*$(?!\n)", description="a relative path without `..`")
]
Variable = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$(?!\n)", description="the name of an environment variable")]


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Base of all types that are read from files: keys are kebab-case, unknown keys are errors."""


SecretKey = Annotated[
    str,
    Meta(
        pattern=r"^(?!\.\.|\.$)[-._a-zA-Z0-9]{1,253}$(?!\n)",
        description="letters, digits, dots, dashes and underscores, as Kubernetes takes them for a key of a Secret",
    ),
]


class SecretValue(Facts, frozen=True, kw_only=True):
    """A reference to a value in a secret."""

    secret: Name
    key: SecretKey = "value"
    optional: bool = False


FLOATING = frozenset(("beta", "dev", "develop", "edge", "latest", "main", "master", "nightly", "release", "rolling", "stable", "testing"))
"""Tags that name no version: each pull may bring another image."""


class ImageFacts(Facts, frozen=True, kw_only=True):
    """The image of a container, pinned by tag and, if known, by digest."""

    repository: Annotated[str, Meta(min_length=1, pattern=r"^[a-z0-9][a-z0-9._/:-]*$(?!\n)")]
    tag: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$(?!\n)")]
    digest: Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$(?!\n)")] | None = None


class HttpFacts(Facts, frozen=True, kw_only=True):
    """A GET of a port; `ok` lists the answers that count as healthy."""

    port: Name
    path: Annotated[str, Meta(pattern=r"^/[^\n]*$(?!\n)")]
    ok: Annotated[tuple[int, ...], Meta(min_length=1)] = (200,)


class ProbeFacts(Facts, frozen=True, kw_only=True):
    """A health check: exactly one of http, tcp and exec."""

    http: HttpFacts | None = None
    tcp: Name | None = None
    exec: Annotated[tuple[str, ...], Meta(min_length=1)] | None = None
    startup_exec: Annotated[tuple[str, ...], Meta(min_length=1)] | None = None
    """Another command for the start: the containers that wait for this one start when it succeeds, even if `exec` does not yet."""
    startup: Duration = "2m"
    """The longest time from the start to the first healthy answer."""
    period: Duration = "10s"
    timeout: Duration = "5s"
    failures: Annotated[int, Meta(ge=1)] = 3
    live: bool = True
    """Whether a container that stays unhealthy is restarted."""


class NeedsFacts(Facts, frozen=True, kw_only=True):
    """Privileges, stated as needs."""

    root_start: bool = False
    net_admin: bool = False
    tun: bool = False
    fuse: bool = False
    gpu: Literal["none", "optional", "required"] = "none"
    engine: bool = False
    """It controls the engine that runs it. No app gets this: access to the engine's socket is root access to the host."""


class FileFacts(Facts, frozen=True, kw_only=True):
    """A template of this folder and its path in the container; a seed is copied into the app's state once."""

    template: RelativePath
    path: AbsolutePath
    seed: bool = False
    mode: Mode = "0444"


class MemoryFacts(Facts, frozen=True, kw_only=True):
    """The requested memory and the hard limit."""

    request: Size
    limit: Size


class ResourceFacts(Facts, frozen=True, kw_only=True):
    """The resources of a container."""

    memory: MemoryFacts
    cpu: Cpu | None = None
    shm: Size | None = None


class ContainerFacts(Facts, frozen=True, kw_only=True):
    """One container of an app; `main` has the name of the app."""

    image: ImageFacts
    recipe: str | None = None
    """The catalog folder whose `image` folder builds this image from Debian packages if no registry answers."""
    identity: Literal["puid-pgid", "user", "fixed"]
    groups: tuple[Annotated[int, Meta(ge=0)], ...] = ()
    """Extra gids that files in the image require, in addition to the stack's own."""
    before_main: bool = False
    """A service that the main container calls: main starts when this container is ready."""
    needs: NeedsFacts = NeedsFacts()
    read_only_root: bool = False
    """It writes only to its volumes: its root file system is mounted read-only."""
    init: bool = False
    """Its program cannot run as process 1, and the image has no init process: it needs one (tini, `init: true`)."""
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    environment: dict[Variable, str | int | SecretValue] = {}
    files: tuple[FileFacts, ...] = ()
    secrets: dict[Name, AbsolutePath] = {}
    """Secrets mounted as folders, with one file for each key."""
    volumes: dict[Name, AbsolutePath] = {}
    """The app's own volumes and their paths in the container."""
    library: Literal["ro", "rw"] | None = None
    """The whole library is mounted at /mnt/media (promise 3)."""
    backs_up: bool = False
    """It sees the state of every other app in /state, and the store of backups at /backups."""
    probe: ProbeFacts | None = None
    fetch: Literal["curl", "wget", "none"] = "none"
    resources: ResourceFacts
    stop_grace: Duration = "10s"
    only_if_exposed: Name | None = None
    """The container exists only if this port of the app is exposed."""


class PortFacts(Facts, frozen=True, kw_only=True):
    """A port that the app listens on."""

    number: PortNumber
    protocol: Literal["tcp", "udp", "tcp+udp"] = "tcp"
    serves: Literal["http", "https", "raw"] = "raw"
    container: Name = "main"
    private: bool = False
    fixed: bool = False
    """The app cannot use another number."""
    own_number: bool = False
    """The app refuses requests for another number: publish it at its own number, or behind a host name."""


class VolumeFacts(Facts, frozen=True, kw_only=True):
    """Data of an app: state and databases are kept, a cache may be lost."""

    holds: Literal["state", "database", "cache"]
    """A `database` is a file that a shared file system can corrupt (SQLite), or the folder of a database server."""
    owner_checked: bool = False
    """The app checks or changes the owner of its folder: a share with fixed or squashed owners cannot hold it."""
    copied: Literal["running", "stopped"] = "running"
    """When a backup may copy it: `stopped` if its files are consistent only together, or if the app does not let others read them."""
    size: Size = "1Gi"
    in_memory: bool = False


class SecretFacts(Facts, frozen=True, kw_only=True):
    """A secret by name; a file of the catalog never contains its values."""

    about: str
    keys: tuple[SecretKey, ...] = ("value",)
    generate: Literal["hex", "password"] | None = None
    """`up` generates a missing value if secrets are in a file: 32 hexadecimal digits, or for a person who logs in, letters and digits."""
    public: tuple[str, ...] = ()
    """Keys whose values may be visible, for example a user name, or addresses that a program prints."""
    optional: bool = False
    """A container that mounts it also starts without it."""


class AfterFacts(Facts, frozen=True, kw_only=True):
    """Start order."""

    app: Name
    when: Literal["started", "ready"] = "ready"


class Upstream(Facts, frozen=True, kw_only=True):
    """The state of the app's maintenance upstream."""

    status: Literal["active", "quiet", "unmaintained", "archived", "retired"] = "active"
    successor: Name | None = None
    note: str = ""


class LibraryFacts(Facts, frozen=True, kw_only=True):
    """Folders of the library that the app expects."""

    folders: tuple[RelativePath, ...] = ()


class InterfaceFacts(Facts, frozen=True, kw_only=True):
    """The API that `portable wire` uses to tell the app about other apps, and that other apps call."""

    speaks: Literal["lidarr", "prowlarr", "qbittorrent", "radarr", "readarr", "sabnzbd", "seerr", "sonarr", "whisparr"]
    """The program that defines the API."""
    port: Name = "web"
    secret: Name
    """The secret that grants access: a key, or with `user` a password."""
    user: str = ""


class AccountClaimFacts(Facts, frozen=True, kw_only=True):
    """An app that an account of its maker claims: until then it answers its settings to machines of its own network only."""

    secret: Name
    """The secret with which its first start claims it."""
    addresses: Annotated[str, Meta(min_length=1, description="the setting of the app that lists its addresses for people")]


class OneWayFacts(Facts, frozen=True, kw_only=True):
    """The first version of an app whose state an older one cannot read: `up` asks before it crosses it."""

    version: Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6}){0,5}$(?!\n)", description='a version in quotes, such as "10.11"')]
    source: Annotated[str, Meta(min_length=1, description="where that is written, such as owner/repository#123")]
    slow: bool = False
    """Whether its migration may take hours."""


class AppFacts(Facts, frozen=True, kw_only=True):
    """An app of the catalog."""

    portable: Literal[1]
    name: Name
    title: str
    about: str
    zone: Name
    aliases: tuple[Name, ...] = ()
    schedule: Cron | None = None
    """Not a service: its command runs at these times, in the stack's time zone, and ends."""
    egress: Literal["direct", "vpn"] = "direct"
    gateway: Literal["tunnel", "seal"] | None = None
    """Whether other apps use the network namespace of this one as their gateway."""
    needs_apps: tuple[Name, ...] = ()
    """Apps that this one cannot work without: they are selected with it."""
    after: tuple[AfterFacts, ...] = ()
    clouds: tuple[Name, ...] = ()
    containers: dict[Name, ContainerFacts]
    ports: dict[Name, PortFacts] = {}
    volumes: dict[Name, VolumeFacts] = {}
    secrets: dict[Name, SecretFacts] = {}
    library: LibraryFacts = LibraryFacts()
    interface: InterfaceFacts | None = None
    icon: str | None = None
    upstream: Upstream = Upstream()
    one_way: tuple[OneWayFacts, ...] = ()
    """Versions without a way back, oldest first."""
    lacks: tuple[str, ...] = ()
    """Features that a person would expect but that are missing: reported as findings."""
    login: Literal["first-visitor", "open"] | None = None
    """How its pages are open at first: until the first visitor sets a login, or until somebody turns one on. Default: never."""
    claim: AccountClaimFacts | None = None
    """Who owns the app is decided by a claim at its first start, which machines of the LAN cannot make later."""
    fuse_mount: bool = False
    """This app is not a service: it is the container that mounts clouds."""
    tools: bool = False
    """This app is not a service: it is the container that prepares folders before apps start."""


class CloudFacts(Facts, frozen=True, kw_only=True):
    """A remote store that the mounter shows as files at /mnt/clouds/<name>."""

    portable: Literal[1]
    name: Name
    title: str
    about: str
    remote: str
    """The remote of rclone.conf to mount, for example `zurg:`."""
    template: RelativePath = "rclone.conf.j2"
    known_entry: str
    """An entry that always exists in it, for health checks to read."""
    needs_apps: tuple[Name, ...] = ()
    after: tuple[AfterFacts, ...] = ()
    environment: dict[Variable, str | int] = {}
    cache: Size = "10Gi"
    """On disk, for all mounts of the place together: where each pod has its own, they divide it, but each gets 1 GiB."""
    secrets: dict[Name, SecretFacts] = {}
