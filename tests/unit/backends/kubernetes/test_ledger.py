"""Every finding of a cluster by a minimal plan in which it has one reason, beside the same plan without that reason."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from msgspec import structs

from portable.backends.common import told_by_settings
from portable.backends.kubernetes import render
from portable.model import plan as p
from portable.model.devices import AnnotatedDevice, Device, Devices, HostDevice, PluginDevice
from portable.model.exposures import Exposure, GatewayRoute, Ingress, Lan, LoadBalancer, Loopback, Reach, Route
from portable.model.secret_refs import SecretRef
from tests.factories import MI, app, behind, claim, container, image, one, plan, port, with_cloud, with_volume
from tests.unit.backends.reasons import Reason, difference, reason_of, reasons, refused

MAIN = "apps.demo.containers.main"
CLAIM = p.Claim(name="disk", size=MI)
SHARED = p.Claim(name="disk", size=MI, shared=True)
CHECK = p.Check(how=p.Exec(command=("ok",)))
ROOT = p.Identity(how="fixed", uid=0, gid=0)
FIXED = p.Identity(how="fixed")
GROUPED = p.Identity(how="user", groups=(5,))
FUSE = p.Needs(fuse=True)
ANNOTATED = AnnotatedDevice(path="/dev/any")
STARTS = p.Probes(startup=CHECK)


def share(protocol: Any = "nfs", **changes: Any) -> p.Share:
    return p.Share(**({"protocol": protocol, "server": "192.0.2.1", "export": "/media"} | changes))


def exposed(how: Reach, name: str = "web", **of_port: Any) -> p.Plan:
    ports = (port(**of_port),)
    return one(within={"app": {"ports": ports}, "plan": {"exposures": (Exposure(app="demo", port=name, how=how),)}})


def http(*ok: int, port: str = "web") -> p.Check:
    return p.Check(how=p.Http(port=port, path="/", ok=ok or (200,)))


def probed(kind: str, check: p.Check, **changes: Any) -> p.Plan:
    return one(probes=p.Probes(**{kind: check}), **changes)


def beside(**changes: Any) -> p.Plan:
    """An app with a second container in its pod."""
    return plan(app(containers=(container(), container("side", role="sidecar", **changes))))


def before(**changes: Any) -> p.Plan:
    return plan(app(containers=(container(), container("store", role="init", **changes))))


def device(need: str, given: Device | None, **needs: bool) -> p.Plan:
    return one(needs=p.Needs(**{need: True, **needs}), within={"plan": {"devices": Devices(**{need: given} if given else {})}})


def two_pods(place: p.Place, second: p.Place | None = None) -> p.Plan:
    """Two apps that mount one volume, or one each of the same claim."""
    volumes: tuple[p.Volume, ...] = (p.Volume(id="state", holds="state", place=place),)
    if second is not None:
        volumes = (*volumes, p.Volume(id="other", holds="state", place=second))
    apps = (
        app("demo", containers=(container(mounts=(p.Mount(volume="state", path="/config"),)),)),
        app("other", containers=(container(mounts=(p.Mount(volume=volumes[-1].id, path="/config"),)),)),
    )
    return plan(*apps, volumes=volumes)


def read_file(mode: int, **changes: Any) -> p.Plan:
    mount = p.FileMount(file="conf", path="/etc/conf")
    return one(files=(mount,), within={"plan": {"files": (p.File(id="conf", body=("x",), mode=mode),)}}, **changes)


def seeded(*mounts: p.Mount, path: str = "/config/conf", **changes: Any) -> p.Plan:
    volumes = (p.Volume(id="state", holds="state", place=CLAIM),)
    return one(
        files=(p.FileMount(file="conf", path=path, seed=True),),
        mounts=mounts,
        within={"plan": {"volumes": volumes, "files": (p.File(id="conf", body=("x",)),)}},
        **changes,
    )


def settings(group: str) -> set[Reason]:
    """What every back end reports on the settings of a tunnel."""
    reported = {reason_of(finding) for finding in told_by_settings(p.Group(name=group, apps=(), egress=TUNNEL))}
    assert {reason.path for reason in reported} == {
        f"groups.{group}.egress.{field}" for field in ("provider", "protocol", "interface", "port_forwarding")
    }
    return reported


class Case(NamedTuple):
    """A plan without the reason, one with it, and the findings that come by it."""

    without: p.Plan
    having: p.Plan
    come: set[Reason]


NO_PORT = plan(app(ports=()))
TUNNEL = p.Tunnel(gateway="gate", endpoints=(p.Endpoint(cidr="192.0.2.0/24", port=1),))
MOUNT = p.Mount(volume="state", path="/config")
SCRATCH = p.Mount(volume="scratch", path="/scratch")
CHECKS: dict[str, Callable[[str], p.Http | p.Tcp]] = {
    "HTTP": lambda port: p.Http(port=port, path="/"),
    "TCP": lambda port: p.Tcp(port=port),
}
CASES = {
    # what holds for the whole plan
    "a subnet": Case(plan(), plan(subnet="10.0.0.0/8"), {Reason("subnet", "subnet", "cosmetic", code="kubernetes.address")}),
    "a channel for messages": Case(
        plan(), plan(notify=p.Notify(url=SecretRef(name="u"))), {Reason("notify", "notify", "function", code="kubernetes.notify")}
    ),
    "a preference without a weight": Case(
        plan(node_weight=1, groups=(p.Group(name="demo", apps=("demo",), prefer_nodes=("n",)),)),
        plan(groups=(p.Group(name="demo", apps=("demo",), prefer_nodes=("n",)),)),
        {Reason("node_weight", "node_weight", "cosmetic", code="kubernetes.node-weight")},
    ),
    "an order of apps": Case(
        plan(app("first"), app("demo")),
        plan(app("first"), app("demo", after=(p.After(app="first"),))),
        {Reason("after", "apps.*.after", "cosmetic", code="kubernetes.start-order")},
    ),
    "an order of a cloud": Case(
        with_cloud(),
        with_cloud(cloud={"after": (p.After(app="demo"),)}),
        {Reason("after", "clouds.*.after", "cosmetic", code="kubernetes.start-order")},
    ),
    "an image from a recipe": Case(
        one(),
        one(image=image(recipe="demo")),
        {Reason("images.recipe", "apps.*.containers.*.image.recipe", "function", code="kubernetes.recipe")},
    ),
    "a mounter's image from a recipe": Case(
        with_cloud(),
        with_cloud(image=image(recipe="rclone")),
        {Reason("images.recipe", "clouds.*.fuse_mount.image.recipe", "function", code="kubernetes.recipe")},
    ),
    "the tools' image from a recipe": Case(
        plan(),
        plan(tools=container("tools", image=image(recipe="tools"))),
        {Reason("images.recipe", "tools.image.recipe", "function", code="kubernetes.recipe")},
    ),
    **{
        f"an HTTP check ({kind})": Case(
            probed(kind, p.Check(how=p.Tcp(port="web"))),
            probed(kind, http()),
            {Reason("probes.ok", "apps.*.containers.*.probes.*.how.ok", "cosmetic", code="kubernetes.probe-status")},
        )
        for kind in ("startup", "ready", "live")
    },
    "an HTTP check of the tools, which is never made": Case(
        plan(tools=container("tools", probes=p.Probes(ready=p.Check(how=p.Tcp(port="web"))))),
        plan(tools=container("tools", probes=p.Probes(ready=http()))),
        set(),
    ),
    # tools
    "tools that are root": Case(
        plan(),
        plan(tools=container("tools", identity=p.Identity(how="user", uid=0))),
        {Reason("tools.identity", "tools.identity.uid", "function", code="storage.root-squash")},
    ),
    **{
        f"a probe of the tools ({kind})": Case(
            plan(),
            plan(tools=container("tools", probes=p.Probes(**{kind: CHECK}))),
            {Reason("tools.probes", f"tools.probes.{kind}", "cosmetic", code="config.tools-ignored")},
        )
        for kind in ("startup", "ready", "live")
    },
    # one pod
    "less time to end than another": Case(
        beside(),
        beside(stop_grace=11),
        {Reason("containers.stop_grace", f"{MAIN}.stop_grace", "cosmetic", "demo", code="kubernetes.grace-period")},
    ),
    "a program that is no first process": Case(
        one(), one(init=True), {Reason("containers.init", f"{MAIN}.init", "function", "demo", code="kubernetes.init-process")}
    ),
    "supplemental groups that another has not": Case(
        one(identity=GROUPED),
        plan(app(containers=(container(identity=GROUPED), container("side", role="sidecar")))),
        {
            Reason("containers.identity.groups", f"{MAIN}.identity.groups", "cosmetic", "demo", code="kubernetes.groups"),
            Reason("containers.identity.umask", "apps.demo.containers.side.identity.umask", "cosmetic", "demo", code="security.umask"),
        },
    ),
    "supplemental groups that only what prepares has not": Case(
        one(
            identity=GROUPED, mounts=(SCRATCH,), within={"plan": {"volumes": (p.Volume(id="scratch", holds="cache", place=p.Ephemeral()),)}}
        ),
        one(identity=GROUPED, mounts=(SCRATCH,), within={"plan": {"volumes": (p.Volume(id="scratch", holds="cache", place=SHARED),)}}),
        set(),
    ),
    "a seed below no mount": Case(
        seeded(MOUNT),
        seeded(),
        {
            refused("files.seed", f"{MAIN}.files.conf@/config/conf", "function", "demo", code="storage.seed"),
            Reason("volumes", "volumes.state", "cosmetic", code="storage.volume-unused"),
        },
    ),
    "a seed beside a mount whose name it begins with": Case(
        seeded(MOUNT),
        seeded(MOUNT, path="/configs/conf"),
        {refused("files.seed", f"{MAIN}.files.conf@/configs/conf", "function", "demo", code="storage.seed")},
    ),
    "a disk of its own beside a share": Case(
        with_volume(SHARED),
        one(
            mounts=(MOUNT, p.Mount(volume="own", path="/own")),
            within={
                "plan": {
                    "volumes": (
                        p.Volume(id="state", holds="state", place=SHARED),
                        p.Volume(id="own", holds="state", place=p.Claim(name="own", size=MI)),
                    )
                }
            },
        ),
        {Reason("volumes.group", "volumes.state.place.shared", "function", code="kubernetes.fs-group")},
    ),
    # identity
    "a user that is told": Case(
        one(identity=p.Identity(how="puid-pgid")),
        one(),
        {Reason("containers.identity.umask", f"{MAIN}.identity.umask", "cosmetic", "demo", code="security.umask")},
    ),
    "a user that starts as root": Case(
        one(),
        one(needs=p.Needs(root_start=True)),
        {
            Reason("containers.identity.uid", f"{MAIN}.identity.{field}", "cosmetic", "demo", code="security.image-user")
            for field in ("uid", "gid")
        },
    ),
    "a fixed user that starts as root": Case(
        one(identity=FIXED),
        one(identity=FIXED, needs=p.Needs(root_start=True)),
        {Reason("containers.identity.uid", f"{MAIN}.identity.uid", "cosmetic", "demo", code="security.image-user")},
    ),
    **{
        f"TZ in the environment ({identity.how})": Case(
            one(identity=identity),
            one(identity=identity, env={"TZ": "UTC"}),
            {Reason("containers.env", "timezone", "function", "demo", code="config.variable-override")},
        )
        for identity in (p.Identity(how="user"), p.Identity(how="puid-pgid"))
    },
    "PUID in the environment of an image that isn't told by it": Case(one(), one(env={"PUID": "1"}), set()),
    **{
        f"{variable} in the environment": Case(
            one(identity=p.Identity(how="puid-pgid")),
            one(identity=p.Identity(how="puid-pgid"), env={variable: "1"}),
            {Reason("containers.env", f"{MAIN}.identity.{field}", "function", "demo", code="config.variable-override")},
        )
        for variable, field in (("PUID", "uid"), ("PGID", "gid"), ("UMASK", "umask"))
    },
    # root on a share
    "root that writes to a share": Case(
        with_volume(claim(shared=True)),
        one(identity=ROOT, mounts=(MOUNT,), within={"plan": {"volumes": (p.Volume(id="state", holds="state", place=claim(shared=True)),)}}),
        {
            Reason("containers.identity.root", f"{MAIN}.identity.uid", "function", "demo", code="storage.root-squash"),
            Reason("containers.identity.uid", f"{MAIN}.identity.uid", "cosmetic", "demo", code="security.image-user"),
        },
    ),
    # probes
    "a mounter's readiness": Case(
        with_cloud(),
        with_cloud(probes=p.Probes(startup=CHECK, ready=CHECK)),
        {Reason("probes.ready", "clouds.shelf.fuse_mount.probes.ready", "cosmetic", code="kubernetes.cloud-readiness")},
    ),
    "an app's readiness": Case(one(), probed("ready", CHECK), set()),
    "a mounter without a probe": Case(
        with_cloud(),
        with_cloud(probes=p.Probes()),
        {refused("probes", "clouds.shelf.fuse_mount.probes", "function", code="health.probe-missing")},
    ),
    "a store without a probe": Case(
        before(probes=STARTS),
        before(),
        {refused("probes", "apps.demo.containers.store.probes", "function", "demo", code="health.probe-missing")},
    ),
    "a gateway without a probe": Case(
        behind(TUNNEL),
        behind(TUNNEL, gateway=app("gate", ports=())),
        {refused("egress.gateway", "apps.gate.containers.main.probes", "security", "gate", code="health.probe-missing")},
    ),
    **{
        f"answers that the kubelet takes for wrong ({kind}, {status})": Case(
            probed(kind, p.Check(how=p.Tcp(port="web"))),
            probed(kind, http(200, status)),
            {Reason("probes.ok", f"{MAIN}.probes.{kind}.how", "function", "demo", code="kubernetes.probe-tcp")},
        )
        for kind in ("startup", "ready", "live")
        for status in (199, 400)
    },
    **{
        f"a check of no port ({kind})": Case(
            probed("ready", p.Check(how=how("web"))),
            probed("ready", p.Check(how=how("none"))),
            {refused("probes", f"{MAIN}.probes.ready.how.port", "function", "demo", code="network.port-unknown")},
        )
        for kind, how in CHECKS.items()
    },
    # privileges
    **{
        f"no {need} in this place": Case(
            device(need, PluginDevice(resource="x/y")),
            device(need, None),
            {refused(f"devices.{need}", f"{MAIN}.needs.{need}", "function", "demo", code="config.device-missing")},
        )
        for need in ("tun", "gpu")
    },
    "no FUSE in this place, which a privileged container does not need": Case(
        device("fuse", PluginDevice(resource="x/y")), device("fuse", None), set()
    ),
    "an annotation for FUSE": Case(
        device("fuse", None),
        device("fuse", AnnotatedDevice(path="/dev/fuse")),
        {Reason("devices.fuse", "devices.fuse", "cosmetic", code="kubernetes.fuse-privileged")},
    ),
    "an annotation for a GPU of what mounts FUSE, which has one for FUSE too": Case(
        one(needs=p.Needs(fuse=True, gpu=True), within={"plan": {"devices": Devices(fuse=ANNOTATED, gpu=PluginDevice(resource="x/y"))}}),
        one(needs=p.Needs(fuse=True, gpu=True), within={"plan": {"devices": Devices(fuse=ANNOTATED, gpu=ANNOTATED)}}),
        {Reason("devices.gpu", f"{MAIN}.needs.gpu", "cosmetic", "demo", code="kubernetes.device-annotation")},
    ),
    "a node's FUSE": Case(
        device("fuse", None),
        device("fuse", HostDevice(path="/dev/fuse")),
        {Reason("devices.fuse", "devices.fuse", "cosmetic", code="kubernetes.fuse-privileged")},
    ),
    "a node's GPU": Case(
        device("gpu", PluginDevice(resource="x/y")),
        device("gpu", HostDevice(path="/dev/dri")),
        {Reason("devices.gpu", "devices.gpu", "function", "demo", code="kubernetes.device-cgroup")},
    ),
    "a node's GPU for what mounts FUSE": Case(
        device("gpu", PluginDevice(resource="x/y"), fuse=True),
        device("gpu", HostDevice(path="/dev/dri"), fuse=True),
        {Reason("devices.gpu", "devices.gpu", "cosmetic", code="kubernetes.fuse-privileged")},
    ),
    "an annotation for a GPU": Case(
        device("gpu", PluginDevice(resource="x/y")),
        device("gpu", AnnotatedDevice(path="/dev/dri")),
        {Reason("devices.gpu", f"{MAIN}.needs.gpu", "cosmetic", "demo", code="kubernetes.device-annotation")},
    ),
    "what mounts FUSE": Case(
        one(),
        one(needs=FUSE),
        {
            Reason("containers.needs", f"{MAIN}.needs.{field}", "cosmetic", "demo", code="kubernetes.fuse-privileged")
            for field in ("root_start", "net_admin")
        },
    ),
    # environment
    "a secret in the environment": Case(
        one(env={"KEY": "plain"}),
        one(env={"KEY": SecretRef(name="key")}),
        {Reason("containers.env.secret", f"{MAIN}.env.KEY", "cosmetic", "demo", code="security.secret-variable")},
    ),
    "a secret of another form in the environment": Case(
        one(env={"KEY": SecretRef(name="key")}),
        one(env={"KEY": SecretRef(name="key", form="qbittorrent")}),
        {refused("containers.env.secret", f"{MAIN}.env.KEY.form", "function", "demo", code="security.secret-form")},
    ),
    # groups
    "a fixed address": Case(
        plan(),
        plan(groups=(p.Group(name="demo", apps=("demo",), address="10.0.0.1"),)),
        {Reason("groups.address", "groups.demo.address", "cosmetic", code="kubernetes.address")},
    ),
    "a tunnel with an end that nobody names": Case(
        behind(TUNNEL),
        behind(p.Tunnel(gateway="gate")),
        {Reason("egress.fence", "groups.gate.egress.endpoints", "security", "gate", code="kubernetes.vpn-endpoints")},
    ),
    "a sealed group": Case(
        behind(TUNNEL),
        behind(p.Sealed(gateway="gate")),
        {Reason("egress.dns", "groups.gate.egress.gateway", "function", "gate", code="kubernetes.sealed-dns")},
    ),
    "a gateway outside its group": Case(
        plan(app("gate", ports=()), app(), groups=(p.Group(name="gate", apps=("gate",)), p.Group(name="demo", apps=("demo",)))),
        plan(
            app("gate", ports=()), app(), groups=(p.Group(name="gate", apps=("gate",)), p.Group(name="demo", apps=("demo",), egress=TUNNEL))
        ),
        {
            refused("egress.gateway", "groups.demo.egress", "security", "gate", code="network.gateway-outside"),
            Reason("egress.policy", "groups.demo.egress.gateway", "security", "gate", code="kubernetes.network-policy"),
            Reason("egress.names", "groups.demo.egress.gateway", "function", "gate", code="kubernetes.full-names"),
            *settings("demo"),
        },
    ),
    # apps
    "an app in no group": Case(plan(), plan(groups=()), {refused("groups", "apps.demo", "function", "demo", code="network.group-missing")}),
    "an app with two main containers": Case(
        beside(),
        plan(app(containers=(container(), container("side")))),
        {
            refused("containers.role", f"apps.demo.containers.{name}.role", "function", "demo", code="config.main-container")
            for name in ("main", "side")
        },
    ),
    "an app without a main container": Case(
        one(), one(role="sidecar"), {refused("containers.role", f"{MAIN}.role", "function", "demo", code="config.main-container")}
    ),
    "a private port": Case(
        one(),
        one(within={"app": {"ports": (p.Port(name="web", number=8000, serves="http", private=True),)}}),
        {Reason("ports.serves", "apps.demo.ports.web.serves", "cosmetic", "demo", code="kubernetes.private-port")},
    ),
    "a port of no container": Case(
        one(),
        one(within={"app": {"ports": (p.Port(name="web", number=8000, serves="http", container="none"),)}}),
        {refused("ports.container", "apps.demo.ports.web.container", "function", "demo", code="network.container-unknown")},
    ),
    # references
    "a mount of no volume": Case(
        one(),
        one(mounts=(p.Mount(volume="none", path="/x"),)),
        {refused("volumes", f"{MAIN}.mounts.none@/x", "data", "demo", code="storage.volume-unknown")},
    ),
    "a file that is none": Case(
        one(),
        one(files=(p.FileMount(file="none", path="/x"),)),
        {refused("files", f"{MAIN}.files.none@/x", "function", "demo", code="config.file-unknown")},
    ),
    "a cloud that is none": Case(
        plan(), plan(app(clouds=("none",))), {refused("clouds", "apps.demo.clouds.0", "function", "demo", code="storage.cloud-unknown")}
    ),
    "an app that is none": Case(
        plan(),
        plan(groups=(p.Group(name="demo", apps=("demo", "none")),)),
        {refused("groups", "groups.demo.apps.1", "function", code="config.app-unknown")},
    ),
    # volumes
    "a volume that no pod mounts": Case(
        with_volume(CLAIM),
        one(within={"plan": {"volumes": (p.Volume(id="state", holds="state", place=CLAIM),)}}),
        {Reason("volumes", "volumes.state", "cosmetic", code="storage.volume-unused")},
    ),
    "a folder of a node": Case(
        with_volume(CLAIM),
        with_volume(p.Folder(path="/srv")),
        {refused("volumes.place", "volumes.state.place", "data", code="kubernetes.folder")},
    ),
    "scratch space of one pod": Case(with_volume(CLAIM), with_volume(p.Ephemeral()), set()),
    "scratch space of two pods": Case(
        two_pods(SHARED), two_pods(p.Ephemeral()), {Reason("volumes.scratch", "volumes.state.place", "cosmetic", code="kubernetes.scratch")}
    ),
    "a claim that exists": Case(
        with_volume(claim()),
        with_volume(claim(existing=True)),
        {Reason("volumes.existing", "volumes.state.place", "cosmetic", code="kubernetes.claim-existing")},
    ),
    "a claim of one node in two pods": Case(
        two_pods(SHARED),
        two_pods(CLAIM),
        {Reason("volumes.shared", "volumes.state.place.shared", "function", code="kubernetes.claim-node")},
    ),
    "a login for NFS": Case(
        with_volume(claim(shared=True, share=share())),
        with_volume(claim(shared=True, share=share(login="nas"))),
        {Reason("volumes.share.login", "volumes.state.place.share.login", "security", code="storage.nfs-login")},
    ),
    "a login for SMB": Case(
        with_volume(claim(shared=True, share=share("smb"))), with_volume(claim(shared=True, share=share("smb", login="nas"))), set()
    ),
    "a claim that is described twice": Case(
        two_pods(SHARED, SHARED),
        two_pods(SHARED, claim(shared=True, size=2 * MI)),
        {refused("volumes.place", "volumes.other.place", "data", code="storage.claim-conflict")},
    ),
    # files
    "a file that no pod has": Case(
        read_file(0o444),
        one(within={"plan": {"files": (p.File(id="conf", body=("x",), mode=0o444),)}}),
        {Reason("files", "files.conf", "cosmetic", code="config.file-unused")},
    ),
    **{
        f"a mode that is opened ({mode:04o})": Case(
            read_file(0o555), read_file(mode), {Reason("files.mode", "files.conf.mode", "cosmetic", code="security.file-mode")}
        )
        for mode in (0o400, 0o440, 0o554, 0o500)
    },
    "a mode that lets all do what its owner may": Case(read_file(0o555), read_file(0o444), set()),
    "a mode for root alone, read by root": Case(read_file(0o444, identity=ROOT), read_file(0o400, identity=ROOT), set()),
    # exposures
    "an exposure of no port": Case(
        exposed(LoadBalancer(number=80)),
        exposed(LoadBalancer(number=80), "none"),
        {refused("exposures", "exposures.demo:none", "function", "demo", code="network.port-unknown")},
    ),
    **{
        f"a port of the host ({how.__name__})": Case(
            exposed(LoadBalancer(number=80)),
            exposed(how(number=80)),
            {Reason("exposures", "exposures.demo:web.how", "function", "demo", code="exposure.unsupported")},
        )
        for how in (Lan, Loopback)
    },
    **{
        f"an Ingress to what is not HTTP ({name})": Case(
            exposed(Ingress(host="h", tls_secret="s", namespace="n")),
            exposed(Ingress(host="h", tls_secret="s", namespace="n"), **of_port),
            {refused("exposures", "exposures.demo:web.how", "function", "demo", code="exposure.http-only")},
        )
        for name, of_port in (("udp", {"protocol": "udp"}), ("raw", {"serves": "raw"}))
    },
    "an Ingress without a certificate": Case(
        exposed(Ingress(host="h", tls_secret="s", namespace="n")),
        exposed(Ingress(host="h", namespace="n")),
        {Reason("exposures.tls", "exposures.demo:web.how.tls_secret", "cosmetic", "demo", code="exposure.certificate")},
    ),
    "an Ingress of no namespace": Case(
        exposed(Ingress(host="h", tls_secret="s", namespace="n")),
        exposed(Ingress(host="h", tls_secret="s")),
        {Reason("exposures.from", "exposures.demo:web.how.namespace", "security", "demo", code="kubernetes.ingress-namespace")},
    ),
    "an HTTPRoute": Case(
        exposed(LoadBalancer(number=80)),
        exposed(GatewayRoute(host="h", gateway="home", namespace="n")),
        {Reason("exposures.gateway", "exposures.demo:web.how.gateway", "function", "demo", code="exposure.gateway")},
    ),
    **{
        f"an HTTPRoute to what is not plain HTTP ({name})": Case(
            exposed(GatewayRoute(host="h", gateway="home", namespace="n")),
            exposed(GatewayRoute(host="h", gateway="home", namespace="n"), **of_port),
            {refused("exposures", "exposures.demo:web.how", "function", "demo", code="exposure.http-only")},
        )
        for name, of_port in (("udp", {"protocol": "udp"}), ("raw", {"serves": "raw"}), ("https", {"serves": "https"}))
    },
    "an HTTPRoute of no namespace": Case(
        exposed(GatewayRoute(host="h", gateway="home", namespace="n")),
        exposed(GatewayRoute(host="h", gateway="home")),
        {Reason("exposures.from", "exposures.demo:web.how.namespace", "security", "demo", code="kubernetes.ingress-namespace")},
    ),
    "a Route": Case(
        exposed(LoadBalancer(number=80)),
        exposed(Route(host="h")),
        {refused("exposures", "exposures.demo:web.how", "function", "demo", code="exposure.unsupported")},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_reason_makes_one_finding(name: str) -> None:
    case = CASES[name]
    come, _ = difference(render, case.without, case.having)
    assert come == case.come


def test_a_plan_of_one_app_has_only_what_holds_for_every_app() -> None:
    assert reasons(render, plan()) == {
        Reason("containers.fetch", "apps.*.containers.*.fetch", "cosmetic", code="health.client-unused"),
        Reason("containers.identity.how", "apps.*.containers.*.identity.how", "cosmetic", code="kubernetes.run-as-user"),
        Reason("containers.identity.umask", f"{MAIN}.identity.umask", "cosmetic", "demo", code="security.umask"),
        Reason("containers.fetch", "tools.fetch", "cosmetic", code="health.client-unused"),
        Reason("containers.identity.how", "tools.identity.how", "cosmetic", code="kubernetes.run-as-user"),
        Reason("containers.role", "tools.role", "cosmetic", code="config.role-ignored"),
        Reason("tools.needs", "tools.needs", "cosmetic", code="config.tools-ignored"),
        Reason("tools.stop_grace", "tools.stop_grace", "cosmetic", code="config.tools-ignored"),
    }


def test_a_gateway_has_what_holds_for_every_tunnel() -> None:
    come, _ = difference(render, plan(app("gate", ports=()), app()), behind(TUNNEL))
    assert come == {
        Reason("egress.policy", "groups.gate.egress.gateway", "security", "gate", code="kubernetes.network-policy"),
        Reason("egress.names", "groups.gate.egress.gateway", "function", "gate", code="kubernetes.full-names"),
        Reason("containers.stop_grace", "apps.gate.containers.main.stop_grace", "cosmetic", "gate", code="kubernetes.grace-period"),
        Reason("containers.stop_grace", f"{MAIN}.stop_grace", "cosmetic", "demo", code="kubernetes.grace-period"),
        *settings("gate"),
    }


def test_a_volume_and_a_cloud_have_what_holds_for_all() -> None:
    assert difference(render, plan(), with_volume(CLAIM))[0] == {
        Reason("volumes.holds", "volumes.*.holds", "cosmetic", code="storage.purpose"),
        Reason("volumes.id", "volumes.*.id", "cosmetic", code="kubernetes.volume-name"),
    }
    fuse_mount = "clouds.shelf.fuse_mount"
    assert difference(render, plan(), with_cloud())[0] == {
        Reason("containers.role", "clouds.*.fuse_mount.role", "cosmetic", code="config.role-ignored"),
        Reason("containers.fetch", "clouds.*.fuse_mount.fetch", "cosmetic", code="health.client-unused"),
        Reason("containers.identity.how", "clouds.*.fuse_mount.identity.how", "cosmetic", code="kubernetes.run-as-user"),
        Reason("containers.identity.umask", f"{fuse_mount}.identity.umask", "cosmetic", code="security.umask"),
        Reason("containers.stop_grace", f"{fuse_mount}.stop_grace", "cosmetic", code="kubernetes.grace-period"),
        Reason("containers.stop_grace", f"{MAIN}.stop_grace", "cosmetic", "demo", code="kubernetes.grace-period"),
    }


def test_nobody_looks_at_the_port_of_a_check_that_is_not_made() -> None:
    tools = container("tools", probes=p.Probes(ready=p.Check(how=p.Tcp(port="none"))))
    assert {reason.field for reason in reasons(render, with_volume(CLAIM, within={"plan": {"tools": tools}}))}.isdisjoint({"probes"})


@pytest.mark.parametrize(
    ("changes", "mount"),
    [
        ({"identity": p.Identity(how="fixed", uid=1)}, {}),
        ({"identity": p.Identity(how="user", uid=0)}, {}),
        ({"identity": p.Identity(how="puid-pgid", uid=0)}, {}),
        ({"place": claim(shared=True, share=share("smb"))}, {}),
        ({"place": claim()}, {}),
        ({"place": p.Ephemeral()}, {}),
        ({}, {"access": "ro"}),
    ],
    ids=["another user", "a user that is told", "a user by PUID", "SMB", "a disk of its own", "scratch space", "read-only"],
)
def test_only_what_stays_root_and_writes_to_a_share_meets_root_squash(changes: dict[str, Any], mount: dict[str, Any]) -> None:
    volume = p.Volume(id="state", holds="state", place=changes.get("place", claim(shared=True, share=share())))
    made = one(
        identity=changes.get("identity", ROOT),
        mounts=(p.Mount(**({"volume": "state", "path": "/config"} | mount)),),
        within={"plan": {"volumes": (volume,)}},
    )
    assert "containers.identity.root" not in {reason.field for reason in reasons(render, made)}


def test_a_later_mount_meets_root_squash_too() -> None:
    made = one(
        identity=ROOT,
        mounts=(p.Mount(volume="none", path="/none"), p.Mount(volume="tmp", path="/tmp"), MOUNT),
        within={
            "plan": {
                "volumes": (
                    p.Volume(id="tmp", holds="cache", place=p.Ephemeral()),
                    p.Volume(id="state", holds="state", place=claim(shared=True, share=share())),
                )
            }
        },
    )
    assert "containers.identity.root" in {reason.field for reason in reasons(render, made)}


def test_a_mounter_and_the_tools_are_not_asked_for_root_squash() -> None:
    volumes = (p.Volume(id="state", holds="state", place=claim(shared=True)),)
    made = (
        structs.replace(with_cloud(identity=ROOT, mounts=(MOUNT,)), volumes=volumes),
        one(mounts=(MOUNT,), within={"plan": {"volumes": volumes, "tools": container("tools", identity=ROOT, mounts=(MOUNT,))}}),
    )
    for each in made:
        assert "containers.identity.root" not in {reason.field for reason in reasons(render, each)}


@pytest.mark.parametrize(("namespace", "names"), [("edge", ["home", "edge"]), (None, ["home"])])
def test_a_gateway_that_must_exist_is_named(namespace: str | None, names: list[str]) -> None:
    how = GatewayRoute(host="h", gateway="home", gateway_namespace=namespace)
    (text,) = (finding.text for finding in render(exposed(how)).findings if finding.code == "exposure.gateway")
    assert [name for name in ("home", "edge", "None") if name in text] == names


def test_a_check_of_another_kind_after_one_without_a_port_is_looked_at() -> None:
    probes = p.Probes(startup=CHECK, ready=p.Check(how=p.Tcp(port="none")))
    assert refused("probes", f"{MAIN}.probes.ready.how.port", "function", "demo", code="network.port-unknown") in reasons(
        render, one(probes=probes)
    )
    assert refused("probes", f"{MAIN}.probes.live.how.port", "function", "demo", code="network.port-unknown") in reasons(
        render, one(probes=p.Probes(live=p.Check(how=p.Tcp(port="none"))))
    )
