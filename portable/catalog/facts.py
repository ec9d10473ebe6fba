"""The types of `app.yaml` and `cloud.yaml`: what an app needs, in its own words. The editors' JSON Schema is made from them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

FORMAT = 1
"""The version of the file formats that this program reads."""

NAME = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"
Name = Annotated[str, Meta(pattern=NAME, description="lower case letters, digits and dashes, at most 40 characters")]
Size = Annotated[str, Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,3})?(Ki|Mi|Gi|Ti)?$", description="a size in bytes, such as 512Mi or 10Gi")]
Duration = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,5}(s|m|h)$", description="a duration, such as 30s, 5m or 1h")]
Cpu = Annotated[str, Meta(pattern=r"^([0-9]{1,6}m|[0-9]{1,4}(\.[0-9]{1,3})?)$", description="a number of cores, such as 500m or 2")]
Umask = Annotated[str, Meta(pattern=r"^[0-7]{3,4}$", description='an octal mask in quotes, such as "002"')]
Mode = Annotated[str, Meta(pattern=r"^0[0-7]{3}$", description='an octal mode in quotes, such as "0440"')]
CRON = r"^[0-9*/,-]{1,100}( [0-9*/,-]{1,100}){4}$"
Cron = Annotated[str, Meta(pattern=CRON, description="the five fields of cron, such as 30 4 * * 0: minute, hour, day, month, weekday")]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
ABSOLUTE_PATH = r"^/([^/\x00]+(/[^/\x00]+)*)?$"
AbsolutePath = Annotated[str, Meta(pattern=ABSOLUTE_PATH, description="an absolute path without a trailing slash")]
RelativePath = Annotated[
    str, Meta(pattern=r"^(?!\.{1,2}(/|$))[^/\x00]+(/(?!\.{1,2}(/|$))[^/\x00]+)*$", description="a relative path without `..`")
]
Variable = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", description="the name of an environment variable")]


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Base of what is read from files: kebab-case keys, unknown keys are errors."""


class SecretValue(Facts, frozen=True, kw_only=True):
    """A value taken from a secret."""

    secret: Name
    key: str = "value"
    optional: bool = False


class ImageFacts(Facts, frozen=True, kw_only=True):
    """What a container runs; pinned by tag and, where known, by digest."""

    repository: Annotated[str, Meta(min_length=1, pattern=r"^[a-z0-9][a-z0-9._/:-]*$")]
    tag: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]
    digest: Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None


class HttpFacts(Facts, frozen=True, kw_only=True):
    """A GET of a port; `ok` lists the answers that count as healthy."""

    port: Name
    path: Annotated[str, Meta(pattern=r"^/")]
    ok: Annotated[tuple[int, ...], Meta(min_length=1)] = (200,)


class ProbeFacts(Facts, frozen=True, kw_only=True):
    """How health is asked: exactly one of http, tcp and exec."""

    http: HttpFacts | None = None
    tcp: Name | None = None
    exec: Annotated[tuple[str, ...], Meta(min_length=1)] | None = None
    startup: Duration = "2m"
    """The longest time from start to the first healthy answer."""
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
    """It drives the engine that runs it. No app gets that: who has the engine's socket owns the host."""


class FileFacts(Facts, frozen=True, kw_only=True):
    """A template of this folder and where the container sees it; a seed is copied once into the app's state."""

    template: RelativePath
    path: AbsolutePath
    seed: bool = False
    mode: Mode = "0444"


class MemoryFacts(Facts, frozen=True, kw_only=True):
    """Memory asked for and the hard limit."""

    request: Size
    limit: Size


class ResourceFacts(Facts, frozen=True, kw_only=True):
    """What a container may use."""

    memory: MemoryFacts
    cpu: Cpu | None = None
    shm: Size | None = None


class ContainerFacts(Facts, frozen=True, kw_only=True):
    """One container of an app; `main` is the one that the app is named after."""

    image: ImageFacts
    recipe: str | None = None
    """The catalog folder whose `image` builds this image from Debian packages where no registry answers."""
    identity: Literal["puid-pgid", "user", "fixed"]
    groups: tuple[Annotated[int, Meta(ge=0)], ...] = ()
    """Numbers of groups of the image that its files want, beside the stack's own."""
    before_main: bool = False
    """A service that the main container calls: that one starts when this one is ready."""
    needs: NeedsFacts = NeedsFacts()
    read_only_root: bool = False
    """It writes nothing outside its volumes: its image is mounted read-only."""
    init: bool = False
    """Its program is no first process, and the image brings none: it needs one before it (tini, `init: true`)."""
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    environment: dict[Variable, str | int | SecretValue] = {}
    files: tuple[FileFacts, ...] = ()
    secrets: dict[Name, AbsolutePath] = {}
    """Secrets seen as folders of files, a file a key."""
    volumes: dict[Name, AbsolutePath] = {}
    """The app's own volumes and where the container sees them."""
    library: Literal["ro", "rw"] | None = None
    """The library is seen at /mnt/media, whole (promise 3)."""
    backs_up: bool = False
    """It sees the state of every other app in /state and the store of backups at /backups."""
    probe: ProbeFacts | None = None
    fetch: Literal["curl", "wget", "none"] = "none"
    resources: ResourceFacts
    stop_grace: Duration = "10s"
    only_if_exposed: Name | None = None
    """The container is there only where this port of the app is exposed."""


class PortFacts(Facts, frozen=True, kw_only=True):
    """A port that the app listens on."""

    number: PortNumber
    protocol: Literal["tcp", "udp", "tcp+udp"] = "tcp"
    serves: Literal["http", "https", "raw"] = "raw"
    container: Name = "main"
    private: bool = False
    fixed: bool = False
    """The app can't be told another number."""
    own_number: bool = False
    """The app refuses requests that came for another number: it is published at its own, or behind a name."""


class VolumeFacts(Facts, frozen=True, kw_only=True):
    """What an app keeps: state and databases stay, a cache may vanish."""

    holds: Literal["state", "database", "cache"]
    """A `database` is a file that a shared file system corrupts (SQLite), or the folder of a database server."""
    owner_checked: bool = False
    """The app refuses a folder that isn't its user's alone, or gives it away: a share with fixed or squashed owners can't hold it."""
    copied: Literal["running", "stopped"] = "running"
    """When a backup may copy it: `stopped` where its files mean something together only, or the app lets nobody read them."""
    size: Size = "1Gi"
    in_memory: bool = False


class SecretFacts(Facts, frozen=True, kw_only=True):
    """A secret by name; its values never stand in a file of the catalog."""

    about: str
    keys: tuple[str, ...] = ("value",)
    generate: Literal["hex", "password"] | None = None
    """Made by `up` where it is missing and the values lie in a file: 32 hexadecimal digits, or letters and digits."""
    public: tuple[str, ...] = ()
    """Keys whose values are no harm where they are seen, as a user's name, or addresses that a program prints."""
    optional: bool = False
    """A container that mounts it starts without it, too."""


class AfterFacts(Facts, frozen=True, kw_only=True):
    """Start order."""

    app: Name
    when: Literal["started", "ready"] = "ready"


class Upstream(Facts, frozen=True, kw_only=True):
    """How well the app is kept by its makers."""

    status: Literal["active", "quiet", "unmaintained", "archived", "retired"] = "active"
    successor: Name | None = None
    note: str = ""


class LibraryFacts(Facts, frozen=True, kw_only=True):
    """Folders of the library that the app expects."""

    folders: tuple[RelativePath, ...] = ()


class InterfaceFacts(Facts, frozen=True, kw_only=True):
    """The interface by which the app is told of other apps, and by which they call it (`portable wire`)."""

    speaks: Literal["lidarr", "prowlarr", "qbittorrent", "radarr", "readarr", "sabnzbd", "seerr", "sonarr", "whisparr"]
    """The program whose interface it is."""
    port: Name = "web"
    secret: Name
    """What opens it: a key, or with `user` a password."""
    user: str = ""


class AppFacts(Facts, frozen=True, kw_only=True):
    """An app of the catalog."""

    portable: Literal[1]
    name: Name
    title: str
    about: str
    zone: Name
    aliases: tuple[Name, ...] = ()
    schedule: Cron | None = None
    """It is no service: its command runs at these times, by the stack's time zone, and ends."""
    egress: Literal["direct", "vpn"] = "direct"
    gateway: Literal["tunnel", "seal"] | None = None
    """Whether other apps reach the outside through this one's namespace."""
    needs_apps: tuple[Name, ...] = ()
    """Apps without which this one is useless: selected with it."""
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
    lacks: tuple[str, ...] = ()
    """What a person would expect of it and miss: told as findings."""
    mounter: bool = False
    """This app is no service of its own: it is the container that mounts clouds."""
    tools: bool = False
    """This app is no service of its own: it is the container that prepares folders before apps start."""


class CloudFacts(Facts, frozen=True, kw_only=True):
    """A remote store that the mounter shows as files at /mnt/clouds/<name>."""

    portable: Literal[1]
    name: Name
    title: str
    about: str
    remote: str
    """The remote of rclone.conf that is mounted, as `zurg:`."""
    template: RelativePath = "rclone.conf.j2"
    known_entry: str
    """A name that is always in it: what health checks read."""
    needs_apps: tuple[Name, ...] = ()
    after: tuple[AfterFacts, ...] = ()
    environment: dict[Variable, str | int] = {}
    cache: Size = "10Gi"
    secrets: dict[Name, SecretFacts] = {}
