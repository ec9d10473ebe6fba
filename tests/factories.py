"""Plans for tests: valid by default, a test states only what matters to it."""

from typing import Any

from portable.model import plan as p
from portable.model.devices import Devices, HostDevice, PluginDevice
from portable.model.exposures import Exposure, GatewayRoute, Ingress, Lan, LoadBalancer, Loopback, Route
from portable.model.external import ExternalSecrets, RemoteValue
from portable.model.gitops import ArgoCd, Flux, GitOps
from portable.model.metadata import ObjectMetadata
from portable.model.secret_refs import SecretRef
from tests.kinds import is_host, of_kind

MI = 1024 * 1024
GI = 1024 * MI


def image(**changes: Any) -> p.Image:
    """A pinned image."""
    return p.Image(**({"repository": "registry.test/app", "tag": "1.0"} | changes))


def container(name: str = "main", **changes: Any) -> p.Container:
    """A container that runs as uid 1000 and needs nothing."""
    defaults: dict[str, Any] = {
        "image": image(),
        "identity": p.Identity(how="user"),
        "resources": p.Resources(memory_request=64 * MI, memory_limit=256 * MI),
    }
    return p.Container(name=name, **(defaults | changes))


def app(name: str = "demo", **changes: Any) -> p.App:
    """An app with one container and a web port."""
    defaults: dict[str, Any] = {
        "title": name.title(),
        "zone": "front",
        "ports": (p.Port(name="web", number=8000, serves="http"),),
        "containers": (container(),),
    }
    return p.App(name=name, **(defaults | changes))


def plan(*apps: p.App, **changes: Any) -> p.Plan:
    """A plan of those apps, each in a group of its own, unless told otherwise."""
    apps = apps or (app(),)
    defaults: dict[str, Any] = {
        "stack": "media",
        "profile": "test",
        "tools": container("tools", image=image(repository="registry.test/tools")),
        "groups": tuple(p.Group(name=a.name, apps=(a.name,)) for a in apps),
        "apps": apps,
    }
    return p.Plan(**(defaults | changes))


def port(**changes: Any) -> p.Port:
    """A web port."""
    defaults: dict[str, Any] = {"name": "web", "number": 8000, "serves": "http"}
    return p.Port(**(defaults | changes))


def claim(**changes: Any) -> p.Claim:
    """A claim of one node."""
    defaults: dict[str, Any] = {"name": "disk", "size": MI}
    return p.Claim(**(defaults | changes))


def one(*, within: dict[str, Any] | None = None, **changes: Any) -> p.Plan:
    """The smallest plan with one thing in it: one app with one container, and these changes of the container.

    `within` are changes of the app (`app`) and of the plan (`plan`).
    """
    given = within or {}
    return plan(app(**({"containers": (container(**changes),)} | given.get("app", {}))), **given.get("plan", {}))


def with_volume(
    place: p.Place, *, path: str = "/config", access: Any = "rw", within: dict[str, Any] | None = None, **changes: Any
) -> p.Plan:
    """The smallest plan with a volume: one app mounts it; changes are of the volume."""
    volume = p.Volume(**({"id": "state", "holds": "state", "place": place} | changes))
    given = within or {}
    return one(
        mounts=(p.Mount(volume=volume.id, path=path, access=access),),
        within={"app": given.get("app", {}), "plan": {"volumes": (volume,)} | given.get("plan", {})},
    )


def behind(egress: p.Direct | p.Tunnel | p.Sealed, *, gateway: p.App | None = None, **changes: Any) -> p.Plan:
    """The smallest plan with a gateway: the app `demo` shares its network; changes are of the group."""
    starts = p.Probes(startup=p.Check(how=p.Exec(command=("healthy",))))
    gate = gateway or app("gate", ports=(), containers=(container(probes=starts),))
    group = p.Group(**({"name": "gate", "apps": ("gate", "demo"), "egress": egress} | changes))
    return plan(gate, app(), groups=(group,))


def with_cloud(*, cloud: dict[str, Any] | None = None, read: bool = True, **fuse_mount: Any) -> p.Plan:
    """The smallest plan with a cloud, which the app `demo` reads; changes are of what mounts it."""
    defaults: dict[str, Any] = {"probes": p.Probes(startup=p.Check(how=p.Exec(command=("mounted",))))}
    given: dict[str, Any] = {"id": "shelf", "known_entry": "all", "fuse_mount": container("shelf", **(defaults | fuse_mount))}
    return plan(app(clouds=("shelf",) if read else ()), clouds=(p.Cloud(**(given | (cloud or {}))),))


def full_plan(back_end: str) -> p.Plan:
    """A plan in which every field of the model is set somewhere, as that back end would meet it.

    Only the closed unions differ: a place offers folders or claims, ports or Routes, never both.
    """
    cluster = not is_host(back_end)

    def place(name: str, *, existing: bool = False) -> p.Place:
        if not cluster:
            return p.Folder(path=f"/mnt/storage/{name}" if name != "library" else "/mnt/storage")
        share = p.Share(protocol="smb", server="192.0.2.10", export="media", options=("nobrl", "mfsymlinks"), login="smb-login")
        return p.Claim(
            name=f"{name}-claim", size=10 * GI, storage_class="fast", shared=True, existing=existing, share=None if existing else share
        )

    volumes = (
        p.Volume(id="library", holds="library", place=place("library"), hides=("appdata",)),
        p.Volume(id="player-config", holds="database", place=place("state", existing=cluster), folder="config/player"),
        p.Volume(id="player-transcode", holds="cache", place=p.Ephemeral(size=2 * GI, in_memory=True)),
        p.Volume(id="torrents-config", holds="state", place=place("state", existing=cluster), folder="config/torrents"),
        p.Volume(id="gateway-state", holds="state", place=place("gateway"), folder="gateway"),
        p.Volume(id="shelf-cache", holds="cache", place=p.Ephemeral(size=GI)),
    )
    files = (
        p.File(id="player-conf", body=("listen = 32400\n",), mode=0o440),
        p.File(id="torrents-conf", body=("[Preferences]\nPassword=", SecretRef(name="torrents-login", key="hash"), "\n"), mode=0o400),
        p.File(
            id="shelf-rclone-conf", body=("[shelf]\npass = ", SecretRef(name="shelf-login", key="pass", optional=True), "\n"), mode=0o400
        ),
    )
    gateway = app(
        "gateway",
        zone="vpn",
        ports=(p.Port(name="control", number=8000, serves="http", private=True),),
        containers=(
            container(
                image=image(repository="registry.test/gateway", digest="sha256:" + "a" * 64),
                env={"FIREWALL_INPUT_PORTS": "8080", "KEY": SecretRef(name="vpn-key", key="private", optional=True)},
                identity=p.Identity(how="fixed", uid=0, gid=0),
                needs=p.Needs(root_start=True, net_admin=True, tun=True),
                probes=p.Probes(startup=p.Check(how=p.Exec(command=("/gateway", "healthcheck")), period=2, timeout=3, failures=30)),
                mounts=(p.Mount(volume="gateway-state", path="/gateway"),),
            ),
        ),
    )
    torrents = app(
        "torrents",
        aliases=("transfer",),
        zone="downloaders",
        after=(p.After(app="player", when="started"),),
        ports=(
            p.Port(name="web", number=8080, serves="http"),
            p.Port(name="api", number=8090, serves="http"),
            p.Port(name="peer", number=6881, protocol="udp"),
        ),
        containers=(
            container(
                image=image(recipe="torrents"),
                env={"WEBUI_PORT": "8080"},
                files=(p.FileMount(file="torrents-conf", path="/config/torrents.conf", seed=True),),
                mounts=(p.Mount(volume="torrents-config", path="/config"), p.Mount(volume="library", path=p.LIBRARY)),
                identity=p.Identity(how="puid-pgid", groups=(44,)),
                needs=p.Needs(root_start=True),
                fetch="curl",
                probes=p.Probes(
                    startup=p.Check(how=p.Tcp(port="web"), failures=60),
                    ready=p.Check(how=p.Http(port="web", path="/", ok=(200, 401, 403))),
                    live=p.Check(how=p.Tcp(port="web"), period=30, timeout=10, failures=5),
                ),
                stop_grace=60,
            ),
        ),
    )
    player = app(
        "player",
        zone="players",
        clouds=("shelf",),
        after=(p.After(app="gateway", when="ready"),),
        ports=(
            p.Port(name="web", number=32400, serves="http"),
            p.Port(name="tls", number=8443, serves="https", container="tls"),
        ),
        containers=(
            container(
                command=("/init",),
                args=("--verbose",),
                env={"CLAIM": SecretRef(name="player-claim", optional=True)},
                files=(p.FileMount(file="player-conf", path="/etc/player.conf"),),
                mounts=(
                    p.Mount(volume="player-config", path="/config"),
                    p.Mount(volume="player-transcode", path="/transcode"),
                    p.Mount(volume="library", path=p.LIBRARY, access="ro"),
                ),
                identity=p.Identity(how="user", groups=(44,)),
                needs=p.Needs(gpu=True),
                fetch="wget",
                probes=p.Probes(
                    startup=p.Check(how=p.Http(port="web", path="/identity"), failures=30),
                    ready=p.Check(how=p.Http(port="web", path="/identity")),
                    live=p.Check(how=p.Http(port="web", path="/identity"), period=30),
                ),
                resources=p.Resources(memory_request=512 * MI, memory_limit=4 * GI, cpu_request=500, shm=128 * MI),
                stop_grace=30,
            ),
            container(
                "tls",
                role="sidecar",
                image=image(repository="registry.test/nginx"),
                secrets=(p.SecretMount(secret="player-tls", keys=("tls.crt", "tls.key"), path="/etc/tls", optional=True),),
                probes=p.Probes(ready=p.Check(how=p.Tcp(port="tls"))),
            ),
            container(
                "store",
                role="init",
                image=image(repository="registry.test/store"),
                identity=p.Identity(how="user", groups=(0,)),
                probes=p.Probes(ready=p.Check(how=p.Exec(command=("store", "ping")))),
            ),
        ),
    )
    sweep = app(
        "sweep",
        zone="upkeep",
        ports=(),
        schedule=p.Schedule(minutes=(30,), hours=(4, 16), days=(1,), months=(6,), weekdays=(5,)),
        containers=(
            container(
                command=("sweep",), args=("--all",), read_only_root=True, init=True, mounts=(p.Mount(volume="library", path=p.LIBRARY),)
            ),
        ),
    )
    shelf = p.Cloud(
        id="shelf",
        known_entry="__all__",
        after=(p.After(app="gateway", when="ready"),),
        fuse_mount=container(
            "shelf",
            image=image(repository="registry.test/rclone"),
            command=("sh", "/scripts/mount.sh"),
            env={"CLOUD": "shelf"},
            files=(p.FileMount(file="shelf-rclone-conf", path="/secrets/rclone.conf"),),
            mounts=(p.Mount(volume="shelf-cache", path="/cache"),),
            identity=p.Identity(how="fixed", uid=0, gid=0),
            needs=p.Needs(fuse=True),
            probes=p.Probes(startup=p.Check(how=p.Exec(command=("sh", "/scripts/mount.sh", "health")), failures=60)),
        ),
    )
    reach: dict[str, tuple[Exposure, ...]] = {
        "compose": (
            Exposure(app="torrents", port="web", how=Lan(number=8080)),
            Exposure(app="player", port="web", how=Loopback(number=32400)),
            Exposure(app="player", port="tls", how=Lan(number=443)),
        ),
        "kubernetes": (
            Exposure(
                app="torrents",
                port="web",
                how=Ingress(host="torrents.example.test", tls_secret="torrents-tls", ingress_class="nginx", namespace="ingress-nginx"),
            ),
            Exposure(
                app="torrents",
                port="api",
                how=GatewayRoute(host="api.example.test", gateway="home", gateway_namespace="edge", section="https", namespace="envoy"),
            ),
            Exposure(app="player", port="web", how=LoadBalancer(number=32400, address="192.0.2.20")),
        ),
        "openshift": (
            Exposure(app="torrents", port="web", how=Route(host="torrents.apps.example.test", termination="edge", auth="oauth-proxy")),
            Exposure(app="player", port="tls", how=Route(host="player.apps.example.test", termination="passthrough")),
            Exposure(app="player", port="web", how=LoadBalancer(number=32400, address="192.0.2.20")),
        ),
    }
    return p.Plan(
        stack="media",
        profile="full",
        namespace="media-test",
        callers=("monitoring",),
        timezone="Europe/Berlin",
        subnet="172.20.0.0/16",
        node_weight=100,
        devices=Devices(
            tun=PluginDevice(resource="squat.ai/tun") if cluster else HostDevice(path="/dev/net/tun"),
            fuse=HostDevice(path="/dev/fuse"),
            gpu=PluginDevice(resource="gpu.intel.com/i915") if cluster else HostDevice(path="/dev/dri/renderD128", group=105),
        ),
        tools=container("tools", image=image(repository="registry.test/tools", recipe="tools")),
        library=p.Library(
            volume="library",
            folders=("downloads/torrents", "media/tv"),
            links=(p.Link(path="shelf", target="/mnt/clouds/shelf"),),
        ),
        groups=(
            p.Group(
                name="gateway",
                apps=("gateway", "torrents"),
                egress=p.Tunnel(gateway="gateway", networks=("10.0.0.0/8",), endpoints=(p.Endpoint(cidr="198.51.100.0/24", port=51820),)),
                account="cloud-gateway",
                prefer_nodes=("node2", "node3"),
                address="172.20.0.2",
            ),
            p.Group(name="player", apps=("player",), account="plex", prefer_nodes=("node2",), address="172.20.0.10"),
            p.Group(name="sweep", apps=("sweep",)),
        ),
        apps=(gateway, torrents, player, sweep),
        volumes=volumes,
        clouds=(shelf,),
        files=files,
        exposures=of_kind(back_end, reach),
        secret_names={"torrents-conf": "torrents-config", "player-tls": "tls-of-player", "vpn-key": "tunnel-key"},
        metadata=(
            ObjectMetadata(kind="service", annotations={"example.test/probe": "yes"}),
            ObjectMetadata(kind="pod", app="player", annotations={"prometheus.io/scrape": "true"}, labels={"team": "home"}),
        ),
        external_secrets=None
        if not cluster
        else ExternalSecrets(
            store="vault",
            kind="ClusterSecretStore",
            refresh="30m",
            creation="Orphan",
            values=tuple(
                RemoteValue(secret=name, key=key, remote=f"media/{name}", field=key, version="2")
                for name, key in (
                    ("torrents-login", "hash"),
                    ("shelf-login", "pass"),
                    ("vpn-key", "private"),
                    ("player-claim", "value"),
                    *(("player-tls", key) for key in ("tls.crt", "tls.key")),
                    *(("smb-login", key) for key in ("username", "password")),
                    *((("torrents-tls", key) for key in ("tls.crt", "tls.key")) if back_end == "kubernetes" else ()),
                )
            ),
        ),
        gitops=gitops_of(back_end),
        notify=p.Notify(url=SecretRef(name="notify-url", optional=True), pings={"heal": SecretRef(name="ping-heal", optional=True)}),
    )


def gitops_of(back_end: str) -> GitOps | None:
    """The controller of the full plan: Flux on Kubernetes, Argo CD on OpenShift."""
    if back_end == "kubernetes":
        flux = Flux(source="home", namespace="gitops", interval="30m", decryption="keys")
        return GitOps(path="clusters/home/media", controller=flux, secrets="sops")
    argo = ArgoCd(repository="https://git.example.test/home.git", revision="main", project="media", namespace="gitops")
    return GitOps(path="clusters/home/media", controller=argo, secrets="sealed-secrets") if back_end == "openshift" else None
