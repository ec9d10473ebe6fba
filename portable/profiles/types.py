"""The types of `portable.yaml` and of `profiles/*.yaml`."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from portable.catalog.facts import AbsolutePath, Facts, Name, PortNumber, RelativePath, SecretValue, Size, Umask
from portable.model.external import CreationPolicy, StoreKind
from portable.model.traits import TRAITS, BackEndName, Traits
from portable.profiles.gitops import EncryptedFacts, GitOpsFacts

Cidr = Annotated[str, Meta(pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$(?!\n)", description="a network, such as 172.20.0.0/16")]
Address = Annotated[str, Meta(pattern=r"^[0-9a-fA-F.:]+$(?!\n)", description="an IP address")]
Host = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$(?!\n)", description="a DNS name")]
HostOrAddress = Annotated[
    str, Meta(pattern=r"^[a-z0-9:]([a-z0-9.:-]*[a-z0-9:])?$(?!\n)", description="a DNS name, or an address of IPv4 or IPv6")
]
RemoteText = Annotated[str, Meta(min_length=1, pattern=r"^\S(.*\S)?$(?!\n)", description="a key in the store")]
ServerFilter = Annotated[str, Meta(pattern=r"^[^,\s]([^,\n]*[^,\s])?$(?!\n)", description="one name, without a comma")]


class StackFile(Facts, frozen=True, kw_only=True):
    """The settings for all places: `portable.yaml`."""

    portable: Literal[1] = 1
    name: Name = "media"
    profile: Name | None = None
    """The profile of commands without `-p`, unless PORTABLE_PROFILE names one. Default: `local`."""
    apps: tuple[Name, ...] | None = None
    uid: Annotated[int, Meta(ge=0, le=4294967294)] = 1000
    gid: Annotated[int, Meta(ge=0, le=4294967294)] = 1000
    umask: Umask = "002"
    timezone: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$(?!\n)")] = "Etc/UTC"
    ports: dict[Name, dict[Name, PortNumber]] = {}
    override: dict[Name, dict[str, Any]] = {}
    """Changes to the files of apps, by app: maps merge, lists replace, null removes."""


class ShareFacts(Facts, frozen=True, kw_only=True):
    """A directory of a file server, for a static volume."""

    protocol: Literal["smb", "nfs"]
    server: str
    export: str
    options: tuple[str, ...] = ()
    login: Name | None = None


class ClaimFacts(Facts, frozen=True, kw_only=True):
    """A PersistentVolumeClaim."""

    name: Name | None = None
    """Default: one claim for each volume, `<app>-<volume>`."""
    storage_class: str | None = None
    size: Size | None = None
    """Default: the size that the app requests."""
    shared: bool = False
    existing: bool = False
    share: ShareFacts | None = None


class ScratchFacts(Facts, frozen=True, kw_only=True):
    """Ephemeral space: it may be lost with the container."""

    size: Size | None = None


class PlaceFacts(Facts, frozen=True, kw_only=True):
    """The place of a kind of volume: exactly one of folder, claim, scratch and on."""

    folder: AbsolutePath | None = None
    mounted: bool = False
    """The folder is a mount point: no app starts until something is mounted there."""
    claim: ClaimFacts | None = None
    scratch: ScratchFacts | None = None
    on: Literal["library"] | None = None
    """In a folder of the library's file system."""
    below: RelativePath | None = None
    """The folder inside that place; an app's volumes are in `<below>/<app>`."""


class StorageFacts(Facts, frozen=True, kw_only=True):
    """The places of the library, the apps' state and their caches; `apps` overrides single volumes."""

    library: PlaceFacts
    datasets: tuple[RelativePath, ...] = ()
    """Folders of the library that are separate file systems (datasets, subvolumes): hard links and renames cannot leave them."""
    state: PlaceFacts
    cache: PlaceFacts = PlaceFacts(scratch=ScratchFacts())
    backups: PlaceFacts | None = None
    """Where the app `backup` stores copies of all state; use another disk, so that they survive a disk failure."""
    apps: dict[Name, dict[Name, PlaceFacts]] = {}


class KeepFacts(Facts, frozen=True, kw_only=True):
    """The number of backups to keep of each app: the last ones, and the newest of each recent day, week and month that has any."""

    last: Annotated[int, Meta(ge=1)] = 3
    daily: Annotated[int, Meta(ge=0)] = 7
    weekly: Annotated[int, Meta(ge=0)] = 4
    monthly: Annotated[int, Meta(ge=0)] = 6


class BackupFacts(Facts, frozen=True, kw_only=True):
    """Settings of the app `backup`; `storage.backups` is the place of its backups."""

    keep: KeepFacts = KeepFacts()


class NetworkFacts(Facts, frozen=True, kw_only=True):
    """The place's own networks."""

    subnet: Cidr | None = None
    local: tuple[Cidr, ...] = ()
    """Networks that apps behind a gateway may reach without the tunnel."""
    namespaces: tuple[Name, ...] = ()
    """Other namespaces of the cluster whose pods may call the apps, for example for monitoring and dashboards."""
    cluster_domain: Host = "cluster.local"
    """The domain of the cluster's own names. Apps behind a gateway call apps of other pods by their names in full."""


class EndpointFacts(Facts, frozen=True, kw_only=True):
    """A network of the VPN provider's servers. The gateway defines port and protocol; values here must be equal to them."""

    cidr: Cidr = "0.0.0.0/0"
    port: PortNumber | None = None
    protocol: Literal["tcp", "udp"] | None = None


class ServersFacts(Facts, frozen=True, kw_only=True):
    """Filters for the provider's servers; each provider supports some of them."""

    countries: tuple[ServerFilter, ...] = ()
    regions: tuple[ServerFilter, ...] = ()
    cities: tuple[ServerFilter, ...] = ()
    hostnames: tuple[ServerFilter, ...] = ()
    names: tuple[ServerFilter, ...] = ()
    isps: tuple[ServerFilter, ...] = ()
    categories: tuple[ServerFilter, ...] = ()
    numbers: tuple[Annotated[int, Meta(ge=1, le=65535)], ...] = ()
    owned_only: bool = False
    free_only: bool = False
    premium_only: bool = False
    stream_only: bool = False
    multihop_only: bool = False
    secure_core_only: bool = False
    tor_only: bool = False
    port_forward_only: bool = False


class TunnelEndFacts(Facts, frozen=True, kw_only=True):
    """The server of a `custom` provider, or another port than a provider's default."""

    address: Address | None = None
    port: PortNumber | None = None
    protocol: Literal["tcp", "udp"] | None = None
    """For OpenVPN; WireGuard always uses UDP."""
    public_key: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{43}=$(?!\n)", description="the server's public key for WireGuard")] | None = (
        None
    )


class VpnFacts(Facts, frozen=True, kw_only=True):
    """The gateway of apps that need the VPN, and its tunnel. Without this section, those apps are sealed."""

    gateway: Name = "gluetun"
    provider: Annotated[str, Meta(min_length=1)] | None = None
    """Default: the gateway's own default."""
    protocol: Literal["wireguard", "openvpn"] | None = None
    """Default: WireGuard if the provider supports it."""
    servers: ServersFacts = ServersFacts()
    endpoint: TunnelEndFacts = TunnelEndFacts()
    config: Name | None = None
    """The secret with the OpenVPN file of a `custom` provider. Default: `openvpn-config`."""
    port_forwarding: bool | str = False
    """Request a forwarded port from the provider, so that peers can connect. With `custom`: the provider whose method to use."""
    interface: Annotated[str, Meta(pattern=r"^(tun|wg)[0-9]{1,3}$(?!\n)", description="the name of the tunnel's device, such as tun0")] = (
        "tun0"
    )
    """Never the name of another device: the firewall allows all traffic through a device of this name."""
    endpoints: tuple[EndpointFacts, ...] = ()
    """Networks of the provider's servers, if known: nothing else is reachable without the tunnel."""


class EgressFacts(Facts, frozen=True, kw_only=True):
    """Egress of apps that differs from the catalog."""

    direct: tuple[Name, ...] = ()
    """Apps that need the VPN but run without it here: refused unless `waive` accepts the finding `egress` for each app by name."""


class LoopbackFacts(Facts, frozen=True, kw_only=True):
    """Reachable from the host itself."""

    number: PortNumber | None = None


class LanFacts(Facts, frozen=True, kw_only=True):
    """Reachable from the LAN."""

    number: PortNumber | None = None
    address: Address | None = None
    """The address of the host at which it is published. Default: `exposure.lan-address`, else every address of the host."""


class IngressFacts(Facts, frozen=True, kw_only=True):
    """Reachable through the cluster's Ingress controller."""

    host: Host | None = None
    tls_secret: Name | None = None
    ingress_class: Name | None = None


class GatewayFacts(Facts, frozen=True, kw_only=True):
    """A Gateway of the Gateway API, which exists already; its listener has the certificate."""

    name: Name
    namespace: Name | None = None
    """Default: the namespace of the apps."""
    section: Name | None = None
    """The listener. Default: all listeners whose host names match."""


class GatewayRouteFacts(Facts, frozen=True, kw_only=True):
    """Reachable through the Gateway that `exposure.gateway` names."""

    host: Host | None = None


class RouteFacts(Facts, frozen=True, kw_only=True):
    """Reachable through OpenShift's router."""

    host: Host | None = None
    termination: Literal["edge", "passthrough"] = "edge"
    auth: Literal["oauth-proxy"] | None = None


class LoadBalancerFacts(Facts, frozen=True, kw_only=True):
    """Reachable at an address of its own."""

    address: Address | None = None
    number: PortNumber | None = None


class ExposeFacts(Facts, frozen=True, kw_only=True):
    """How a port is exposed: at most one way; an empty map hides a port that the default would expose."""

    loopback: LoopbackFacts | PortNumber | None = None
    lan: LanFacts | PortNumber | None = None
    """A number, or an empty map for the app's own number."""
    ingress: IngressFacts | None = None
    gateway: GatewayRouteFacts | None = None
    route: RouteFacts | None = None
    load_balancer: LoadBalancerFacts | None = None


class ExposureFacts(Facts, frozen=True, kw_only=True):
    """`default` applies to every app's web port; `apps` overrides it for single ports."""

    default: Literal["none", "loopback", "lan", "ingress", "gateway", "route"] = "none"
    lan: Cidr | None = None
    """The LAN, such as 192.168.1.0/24: every port on `loopback` is published to it, and sealed apps answer it."""
    lan_address: Address | None = None
    """The address of the host at which `lan` publishes. Default: every address of the host, also one of the internet or of a VPN."""
    address: Host | None = None
    """The name or address by which browsers on the LAN reach the host."""
    addresses: tuple[HostOrAddress, ...] = ()
    """Further names and addresses by which people reach the host, for example of Tailscale. Host checks of apps allow all of them."""
    domain: Host | None = None
    """Host names are `<app>.<domain>` unless `host` is set."""
    tls_secret: Name | None = None
    ingress_class: Name | None = None
    ingress_namespace: Name | None = None
    """Namespace of the pods of the Ingress controller or Gateway: only they may reach exposed ports. No effect if they use their node's
    network."""
    gateway: GatewayFacts | None = None
    """The Gateway through which `gateway` exposes ports."""
    apps: dict[Name, dict[Name, ExposeFacts]] = {}


class HostDeviceFacts(Facts, frozen=True, kw_only=True):
    """A device node of the host."""

    path: AbsolutePath
    group: Annotated[int, Meta(ge=0)] | None = None


class DeviceFacts(Facts, frozen=True, kw_only=True):
    """How a device is provided: exactly one of host, plugin and annotation."""

    host: HostDeviceFacts | None = None
    plugin: str | None = None
    annotation: AbsolutePath | None = None
    group: Annotated[int, Meta(ge=0)] | None = None
    """The number of the user group that may open it, on the nodes; for a host device, write it in `host`."""


class DevicesFacts(Facts, frozen=True, kw_only=True):
    """The devices that a place has."""

    tun: DeviceFacts | None = None
    fuse: DeviceFacts | None = None
    gpu: DeviceFacts | None = None


class NodesFacts(Facts, frozen=True, kw_only=True):
    """Preferred nodes; never required."""

    prefer: tuple[str, ...] = ()
    weight: Annotated[int, Meta(ge=1, le=100)] = 100


class ShareOfMemoryFacts(Facts, frozen=True, kw_only=True):
    """The memory that some apps may use together."""

    apps: Annotated[tuple[Name, ...], Meta(min_length=1)]
    limit: Size


class HostMemoryFacts(Facts, frozen=True, kw_only=True):
    """The memory for containers: their limits must fit, in total and by share."""

    total: Size
    shares: dict[Name, ShareOfMemoryFacts] = {}
    """Apps that do not run here are ignored."""


class RemoteFacts(Facts, frozen=True, kw_only=True):
    """The place of a value in the store, where it differs from the pattern; `{name}` and the like are replaced here too."""

    key: RemoteText | None = None
    property: str | None = None
    """An empty one selects all that lies at the key."""
    version: str = ""
    """Default: the newest."""


class ExternalFacts(Facts, frozen=True, kw_only=True):
    """The store from which the External Secrets Operator fetches the values."""

    store: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$(?!\n)", description="the name of a store")]
    kind: StoreKind = "SecretStore"
    key: RemoteText = "{stack}/{name}"
    """The pattern of keys in the store: `{stack}`, `{profile}`, `{namespace}`, `{name}` and `{key}` are replaced."""
    property: str = "{key}"
    """The pattern of properties; an empty one selects all that lies at the key."""
    refresh: Annotated[str, Meta(pattern=r"^([1-9][0-9]{0,5}(s|m|h)|0s)$(?!\n)", description="a duration, such as 1h; 0s fetches once")] = (
        "1h"
    )
    creation: CreationPolicy = "Owner"
    """Owner: the Secret is deleted with its ExternalSecret. Orphan: it stays. Merge: it exists already, and gets these keys."""
    remote: dict[
        Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*(\.[A-Za-z0-9._-]+)?$(?!\n)", description="NAME or NAME.KEY")], RemoteFacts
    ] = {}
    """Single secrets, by NAME or NAME.KEY. An optional secret is fetched only if it is named here; an empty map follows the pattern."""


class SecretsFacts(Facts, frozen=True, kw_only=True):
    """The source of secret values."""

    source: Literal["file", "environment", "command", "cluster", "external-secrets", "sops"] = "file"
    file: str | None = None
    """An absolute path, or one that begins with ~/. Default: `secrets.yaml` in the user's configuration folder, one for each stack.

    With `sops`, the encrypted file."""
    command: tuple[str, ...] = ()
    """Prints one value: `{name}` and `{key}` are replaced in its arguments."""
    external: ExternalFacts | None = None
    """The store, for the source `external-secrets`."""
    encrypted: EncryptedFacts | None = None
    """The form in which `portable secrets write` writes Secrets for a repository."""
    names: dict[Name, Name] = {}
    """Secrets with other names on the cluster: by the name of a value, or by the id of a whole file."""


class MarksFacts(Facts, frozen=True, kw_only=True):
    """Labels and annotations of one kind of object; a value is text, so quote numbers and `"true"`."""

    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}


class ObjectsFacts(Facts, frozen=True, kw_only=True):
    """Labels and annotations by kind of object."""

    claim: MarksFacts | None = None
    http_route: MarksFacts | None = None
    ingress: MarksFacts | None = None
    load_balancer: MarksFacts | None = None
    """A Service with an address of its own."""
    pod: MarksFacts | None = None
    route: MarksFacts | None = None
    service: MarksFacts | None = None
    workload: MarksFacts | None = None
    """The StatefulSet, Deployment or CronJob that runs the pod."""


class MetadataFacts(Facts, frozen=True, kw_only=True):
    """Labels and annotations of objects in a cluster, for controllers: `default` applies to all apps, `apps` wins over it."""

    default: ObjectsFacts = ObjectsFacts()
    apps: dict[Name, ObjectsFacts] = {}


class NotifyFacts(Facts, frozen=True, kw_only=True):
    """The channel for faults and recoveries, and the dead man's pings. All URLs are secrets, so they are references."""

    url: SecretValue | None = None
    """A secret with one URL in the form of Apprise, such as ntfys://ntfy.sh/TOPIC or mailtos://USER:PASSWORD@example.com."""
    ping: dict[Literal["backup", "heal", "update", "upkeep", "verify"], SecretValue] = {}
    """By command: a secret with the http or https URL to call after each complete run, such as that of a check of healthchecks.io."""


class WaiverFacts(Facts, frozen=True, kw_only=True):
    """Acceptance of findings."""

    field: str
    class_: Literal["security", "data", "function", "cosmetic"] = msgspec.field(name="class")
    apps: tuple[Name, ...] = ()
    code: str = ""
    """Only findings of this code. A refused finding that is about no app is accepted by its code only."""
    reason: Annotated[str, Meta(min_length=1)]


class PatchFacts(Facts, frozen=True, kw_only=True):
    """A change to a rendered object, for a setting that neither the catalog nor the profile supports."""

    kind: Annotated[
        str,
        Meta(pattern=r"^[A-Za-z]+$(?!\n)", description="`service` or `network`; on a cluster the object's own kind, such as Deployment"),
    ]
    name: Annotated[str, Meta(min_length=1)]
    op: Literal["add", "replace", "remove"]
    """As in RFC 6902: `add` sets a key, or inserts into a list; the others need an existing value."""
    path: Annotated[
        str, Meta(pattern=r"^(/([^~/]|~[01])*)+$(?!\n)", description="a JSON Pointer (RFC 6901), such as /logging/options/max-size")
    ]
    value: Any = None


class Profile(Facts, frozen=True, kw_only=True):
    """One place: `profiles/*.yaml`."""

    portable: Literal[1]
    name: Name
    about: str = ""
    extends: Name | None = None
    back_end: BackEndName
    engine: str | None = None
    """Address of the engine: unix://, tcp:// or ssh://. Default: the one that Docker itself uses."""
    namespace: Name | None = None
    apps: tuple[Name, ...] = ()
    """The apps here if the stack names none."""
    without: tuple[Name, ...] = ()
    clouds: tuple[Name, ...] = ()
    """The clouds to mount here; an app reads those that it names."""
    networks: NetworkFacts = NetworkFacts()
    storage: StorageFacts
    backup: BackupFacts = BackupFacts()
    vpn: VpnFacts | None = None
    egress: EgressFacts = EgressFacts()
    exposure: ExposureFacts = ExposureFacts()
    accounts: dict[Name, Name] = {}
    """Service accounts by zone."""
    addresses: dict[Name, Address] = {}
    """Fixed addresses by app."""
    memory: HostMemoryFacts | None = None
    nodes: NodesFacts = NodesFacts()
    devices: DevicesFacts = DevicesFacts()
    secrets: SecretsFacts = SecretsFacts()
    metadata: MetadataFacts = MetadataFacts()
    gitops: GitOpsFacts | None = None
    """The controller that applies the rendered files from a Git repository."""
    notify: NotifyFacts | None = None
    """Messages about faults and recoveries. Without this section, nobody is told."""
    waive: tuple[WaiverFacts, ...] = ()
    override: dict[Name, dict[str, Any]] = {}
    """Changes to the files of apps in this place only."""
    patch: tuple[PatchFacts, ...] = ()
    """Changes to rendered objects, in order. A change that breaks a promise is refused, and no waiver accepts it."""

    @property
    def traits(self) -> Traits:
        """The traits of the profile's back end."""
        return TRAITS[self.back_end]
