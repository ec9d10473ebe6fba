"""Every condition of a Compose project by a minimal plan in which it is the only reason: exactly that consequence, and those findings."""

from typing import Any, NamedTuple

import pytest

from portable.backends.common import PlacedContainer, index
from portable.backends.compose import render
from portable.backends.compose.health import health
from portable.backends.compose.network import networks
from portable.model import plan as p
from portable.model.devices import AnnotatedDevice, Device, Devices, HostDevice, PluginDevice
from portable.model.exposures import Exposure, Ingress, Lan, LoadBalancer, Loopback, Reach, Route
from portable.model.secret_refs import SecretRef
from tests.factories import MI, app, behind, container, image, one, plan, port, with_cloud, with_volume
from tests.unit.backends.reasons import Reason, consequences, difference, reasons, refused

PLAN = "apps.demo.containers.main"
DEMO = "compose.yaml: services.demo"
FOLDER = p.Folder(path="/srv")
CHECK = p.Check(how=p.Exec(command=("ok",)))
SAFE = "no-new-privileges:true"


class Case(NamedTuple):
    """Two plans that one thing tells apart, the leaves of the project that differ, and the findings that come."""

    without: p.Plan
    having: p.Plan
    change: dict[str, Any]
    come: set[Reason] = set()  # noqa: RUF012 - never changed


def exposed(how: Reach, name: str = "web", **of_port: Any) -> p.Plan:
    ports = (port(**of_port),)
    return one(within={"app": {"ports": ports}, "plan": {"exposures": (Exposure(app="demo", port=name, how=how),)}})


def device(need: str, given: Device | None) -> p.Plan:
    return one(needs=p.Needs(**{need: True}), within={"plan": {"devices": Devices(**{need: given} if given else {})}})


def after(*, when: Any = "ready", probed: bool = False, app_: str = "first") -> p.Plan:
    probes = p.Probes(ready=CHECK) if probed else p.Probes()
    return plan(app("first", containers=(container(probes=probes),)), app("demo", after=(p.After(app=app_, when=when),)))


def two(place: p.Place, *, shared: bool) -> p.Plan:
    """Two apps, one or both of which mount a volume."""
    mounts = (p.Mount(volume="state", path="/config"),)
    apps = (app("demo", containers=(container(mounts=mounts),)), app("other", containers=(container(mounts=mounts if shared else ()),)))
    return plan(*apps, volumes=(p.Volume(id="state", holds="cache", place=place),))


def scheduled(**changes: Any) -> p.Plan:
    return one(within={"app": {"schedule": p.Schedule(hours=(4,))}}, **changes)


TUNNEL = p.Tunnel(gateway="gate")
IN_MEMORY = (("type", "tmpfs"), ("target", "/config"), ("tmpfs.mode", 0o1777))
CLOUDS = (
    ("type", "bind"),
    ("source", "/mnt/clouds"),
    ("target", "/mnt/clouds"),
    ("bind.create_host_path", True),
    ("bind.propagation", "rslave"),
    ("read_only", True),
)
PROBED = p.Probes(ready=CHECK)
CASES = {
    # the whole plan
    "a namespace": Case(plan(), plan(namespace="n"), {}, {Reason("namespace", "namespace", "cosmetic", code="compose.cluster-setting")}),
    "a weight of nodes": Case(
        plan(), plan(node_weight=1), {}, {Reason("node_weight", "node_weight", "cosmetic", code="compose.cluster-setting")}
    ),
    "names of Secrets": Case(
        plan(), plan(secret_names={"a": "b"}), {}, {Reason("secret_names", "secret_names", "cosmetic", code="compose.cluster-setting")}
    ),
    "a channel for messages": Case(
        plan(), plan(notify=p.Notify(url=SecretRef(name="u"))), {}, {Reason("notify", "notify", "function", code="compose.notify")}
    ),
    "an image from a recipe": Case(
        one(),
        one(image=image(recipe="demo")),
        {},
        {Reason("images.recipe", "apps.*.containers.*.image.recipe", "cosmetic", code="compose.recipe")},
    ),
    "a mounter's image from a recipe": Case(
        with_cloud(),
        with_cloud(image=image(recipe="r")),
        {},
        {Reason("images.recipe", "clouds.*.fuse_mount.image.recipe", "cosmetic", code="compose.recipe")},
    ),
    "the tools' image from a recipe": Case(
        plan(),
        plan(tools=container("tools", image=image(repository="registry.test/tools", recipe="tools"))),
        {},
        {Reason("images.recipe", "tools.image.recipe", "cosmetic", code="compose.recipe")},
    ),
    "a subnet": Case(
        plan(),
        plan(subnet="10.0.0.0/24"),
        {"compose.yaml: networks.default.ipam.config.0.subnet": "10.0.0.0/24", "compose.yaml: networks.default": None},
    ),
    # service
    "a command": Case(one(), one(command=("run",)), {f"{DEMO}.entrypoint": ["run"]}),
    "arguments": Case(one(), one(args=("a",)), {f"{DEMO}.command": ["a"]}),
    "a program that is no first process": Case(one(), one(init=True), {f"{DEMO}.init": True}),
    "a root that is not written": Case(one(), one(read_only_root=True), {f"{DEMO}.read_only": True}),
    "a request for a processor": Case(
        one(),
        one(resources=p.Resources(memory_request=64 * MI, memory_limit=256 * MI, cpu_request=1500)),
        {f"{DEMO}.cpu_shares": 1536},
    ),
    "a request for next to nothing": Case(
        one(),
        one(resources=p.Resources(memory_request=64 * MI, memory_limit=256 * MI, cpu_request=1)),
        {f"{DEMO}.cpu_shares": 2},
    ),
    "shared memory": Case(
        one(), one(resources=p.Resources(memory_request=64 * MI, memory_limit=256 * MI, shm=MI)), {f"{DEMO}.shm_size": "1m"}
    ),
    "time to end": Case(one(), one(stop_grace=11), {f"{DEMO}.stop_grace_period": "11s"}),
    "a mounter that is beside": Case(
        with_cloud(),
        with_cloud(role="sidecar"),
        {},
        {Reason("containers.role", "clouds.shelf.fuse_mount.role", "cosmetic", code="config.role-ignored")},
    ),
    "an app without a main container": Case(
        one(), one(role="sidecar"), {}, {refused("containers.role", f"{PLAN}.role", "function", "demo", code="config.main-container")}
    ),
    # identity
    "a user by PUID": Case(
        one(identity=p.Identity(how="fixed")),
        one(identity=p.Identity(how="puid-pgid", uid=5, gid=6)),
        {f"{DEMO}.environment.PUID": "5", f"{DEMO}.environment.PGID": "6", f"{DEMO}.environment.UMASK": "002"},
    ),
    "a user that is given": Case(
        one(identity=p.Identity(how="puid-pgid")),
        one(identity=p.Identity(how="user", uid=5, gid=6)),
        {
            f"{DEMO}.user": "5:6",
            f"{DEMO}.environment.PUID": None,
            f"{DEMO}.environment.PGID": None,
            f"{DEMO}.environment.UMASK": None,
        },
        {Reason("containers.identity.umask", f"{PLAN}.identity.umask", "cosmetic", "demo", code="security.umask")},
    ),
    "a user that the image fixes": Case(
        one(),
        one(identity=p.Identity(how="fixed")),
        {f"{DEMO}.user": None},
        {
            Reason(f"containers.identity.{field}", f"{PLAN}.identity.{field}", "cosmetic", "demo", code="security.image-user")
            for field in ("uid", "gid", "umask")
        },
    ),
    "groups of a user": Case(one(), one(identity=p.Identity(how="user", groups=(7,))), {f"{DEMO}.group_add": ["7"]}),
    "groups of a user by PUID": Case(
        one(identity=p.Identity(how="puid-pgid")),
        one(identity=p.Identity(how="puid-pgid", groups=(7,))),
        {f"{DEMO}.group_add": ["7"]},
        {Reason("containers.identity.groups", f"{PLAN}.identity.groups", "cosmetic", "demo", code="compose.groups")},
    ),
    "TZ in the environment": Case(
        one(),
        one(env={"TZ": "UTC"}),
        {f"{DEMO}.environment.TZ": "UTC"},
        {Reason("containers.env", "timezone", "function", "demo", code="config.variable-override")},
    ),
    **{
        f"{variable} in the environment": Case(
            one(identity=p.Identity(how="puid-pgid")),
            one(identity=p.Identity(how="puid-pgid"), env={variable: "1"}),
            {f"{DEMO}.environment.{variable}": "1"},
            {Reason("containers.env", f"{PLAN}.identity.{field}", "function", "demo", code="config.variable-override")},
        )
        for variable, field in (("PUID", "uid"), ("PGID", "gid"), ("UMASK", "umask"))
    },
    "PUID in the environment of an image that isn't told by it": Case(one(), one(env={"PUID": "1"}), {f"{DEMO}.environment.PUID": "1"}),
    # privileges
    "a start as root": Case(
        one(), one(needs=p.Needs(root_start=True)), {f"{DEMO}.cap_add": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"]}
    ),
    "the network": Case(one(), one(needs=p.Needs(net_admin=True)), {f"{DEMO}.cap_add": ["NET_ADMIN"]}),
    "FUSE": Case(
        one(within={"plan": {"devices": Devices(fuse=HostDevice(path="/dev/fuse"))}}),
        device("fuse", HostDevice(path="/dev/fuse")),
        {
            f"{DEMO}.cap_add": ["SYS_ADMIN"],
            f"{DEMO}.security_opt": ["apparmor:unconfined", SAFE],
            f"{DEMO}.devices": ["/dev/fuse:/dev/fuse"],
        },
    ),
    **{
        f"a device of the host ({need})": Case(
            one(within={"plan": {"devices": Devices(**{need: HostDevice(path="/dev/x")})}}),
            device(need, HostDevice(path="/dev/x")),
            {f"{DEMO}.devices": ["/dev/x:/dev/x"]},
        )
        for need in ("tun", "gpu")
    },
    "a device with a group": Case(
        device("gpu", HostDevice(path="/dev/x")), device("gpu", HostDevice(path="/dev/x", group=0)), {f"{DEMO}.group_add": ["0"]}
    ),
    **{
        f"no {need} in this place": Case(
            device(need, HostDevice(path="/dev/x")),
            device(need, None),
            {f"{DEMO}.devices": None},
            {refused(f"devices.{need}", f"{PLAN}.needs.{need}", "function", "demo", code="config.device-missing")},
        )
        for need in ("tun", "fuse", "gpu")
    },
    **{
        f"a device that an engine can't give ({type(given).__name__})": Case(
            device("gpu", HostDevice(path="/dev/x")),
            device("gpu", given),
            {f"{DEMO}.devices": None},
            {refused("devices.gpu", "devices.gpu", "function", code="compose.device")},
        )
        for given in (PluginDevice(resource="x/y"), AnnotatedDevice(path="/dev/x"))
    },
    "a device that nobody asks for": Case(
        one(),
        one(within={"plan": {"devices": Devices(tun=HostDevice(path="/dev/x"))}}),
        {},
        {Reason("devices.tun", "devices.tun", "cosmetic", code="config.device-unused")},
    ),
    # network
    "a private port": Case(
        one(within={"app": {"ports": (p.Port(name="web", number=8000),)}}),
        one(within={"app": {"ports": (p.Port(name="web", number=8000, private=True),)}}),
        {f"{DEMO}.expose": None},
        {Reason("ports.private", "apps.demo.ports.web", "security", "demo", code="compose.private-port")},
    ),
    "a UDP port": Case(
        one(within={"app": {"ports": (p.Port(name="web", number=8000),)}}),
        one(within={"app": {"ports": (p.Port(name="web", number=8000, protocol="udp"),)}}),
        {f"{DEMO}.expose": ["8000/udp"]},
    ),
    "a port for all": Case(exposed(Loopback(number=80)), exposed(Lan(number=80)), {f"{DEMO}.ports.8000.host_ip": None}),
    "a port at one address": Case(
        exposed(Lan(number=80)), exposed(Lan(number=80, address="192.168.7.2")), {f"{DEMO}.ports.8000.host_ip": "192.168.7.2"}
    ),
    **{
        f"an exposure that needs a cluster ({type(how).__name__})": Case(
            one(), exposed(how), {}, {refused("exposures", "exposures.demo:web.how", "function", "demo", code="exposure.unsupported")}
        )
        for how in (Ingress(host="h"), Route(host="h"), LoadBalancer(number=80))
    },
    "an exposure of no port": Case(
        one(),
        exposed(Lan(number=80), "none"),
        {},
        {refused("exposures", "exposures.demo:none.port", "function", "demo", code="network.port-unknown")},
    ),
    "an account": Case(
        plan(),
        plan(groups=(p.Group(name="demo", apps=("demo",), account="a"),)),
        {},
        {Reason("groups.account", "groups.demo.account", "cosmetic", code="compose.cluster-setting")},
    ),
    "a preference for nodes": Case(
        plan(),
        plan(groups=(p.Group(name="demo", apps=("demo",), prefer_nodes=("n",)),)),
        {},
        {Reason("groups.prefer_nodes", "groups.demo.prefer_nodes", "cosmetic", code="compose.cluster-setting")},
    ),
    "an address without a subnet": Case(
        plan(),
        plan(groups=(p.Group(name="demo", apps=("demo",), address="10.0.0.9"),)),
        {f"{DEMO}.networks.default.ipv4_address": "10.0.0.9"},
        {refused("groups.address", "groups.demo.address", "function", code="network.subnet-missing")},
    ),
    "an app that is none": Case(
        plan(),
        plan(groups=(p.Group(name="demo", apps=("demo", "none")),)),
        {},
        {refused("groups", "groups.demo.apps", "function", code="config.app-unknown")},
    ),
    "a sealed group": Case(
        behind(TUNNEL),
        behind(p.Sealed(gateway="gate")),
        {"compose.yaml: services.gate.dns": ["127.0.0.1"], "compose.yaml: services.gate.dns_opt": ["timeout:1", "attempts:1"]},
    ),
    "a gateway without a probe": Case(
        behind(TUNNEL, gateway=app("gate", ports=(), containers=(container(probes=PROBED),))),
        behind(TUNNEL, gateway=app("gate", ports=())),
        {
            "compose.yaml: services.gate.healthcheck.test": None,
            "compose.yaml: services.gate.healthcheck.interval": None,
            "compose.yaml: services.gate.healthcheck.timeout": None,
            "compose.yaml: services.gate.healthcheck.retries": None,
            f"{DEMO}.depends_on.gate.condition": "service_started",
        },
        {refused("egress.gateway", "groups.gate.egress.gateway", "security", "gate", code="health.probe-missing")},
    ),
    # order
    "an app to wait for": Case(
        plan(app("first"), app("demo")),
        after(when="started"),
        {f"{DEMO}.depends_on.first.condition": "service_started"},
    ),
    "an app to wait for that has no probe": Case(
        after(when="started"),
        after(when="ready"),
        {},
        {Reason("after", "apps.demo.after.first", "function", "demo", code="order.start-only")},
    ),
    "an app to wait for that has a probe": Case(
        after(when="started", probed=True), after(when="ready", probed=True), {f"{DEMO}.depends_on.first.condition": "service_healthy"}
    ),
    **{
        f"an app to wait for that is none ({name})": Case(
            plan(app("first"), app("demo")),
            after(app_=name),
            {},
            {refused("after", f"apps.demo.after.{name}", "function", "demo", code="order.app-unknown")},
        )
        for name in ("none", "demo")
    },
    "a cloud that is none": Case(
        plan(),
        plan(app(clouds=("none",))),
        {f"{DEMO}.volumes./mnt/clouds.{key}": value for key, value in CLOUDS},
        {refused("clouds", "apps.demo.clouds", "function", "demo", code="storage.cloud-unknown")},
    ),
    # volumes
    "a read-only folder": Case(with_volume(FOLDER), with_volume(FOLDER, access="ro"), {f"{DEMO}.volumes./config.read_only": True}),
    "a folder on which something is mounted": Case(
        with_volume(FOLDER),
        with_volume(p.Folder(path="/srv", mounted=True)),
        {"compose.yaml: x-portable-mounted.state": "/srv"},
        {Reason("volumes.mounted", "volumes.state.place.mounted", "data", code="compose.mount-unchecked")},
    ),
    "a claim": Case(
        one(),
        with_volume(p.Claim(name="c", size=1)),
        {},
        {
            refused("volumes.place", "volumes.state.place", "data", code="compose.claim"),
            Reason("volumes.holds", "volumes.*.holds", "cosmetic", code="storage.purpose"),
        },
    ),
    "a mount of no volume": Case(
        one(),
        one(mounts=(p.Mount(volume="none", path="/x"),)),
        {},
        {refused("volumes", f"{PLAN}.mounts.none@/x", "data", "demo", code="storage.volume-unknown")},
    ),
    "scratch space with a size": Case(
        with_volume(p.Ephemeral()),
        with_volume(p.Ephemeral(size=MI)),
        {},
        {Reason("volumes.size", "volumes.state.place.size", "function", code="compose.volume-size")},
    ),
    "scratch space with a folder": Case(
        with_volume(p.Ephemeral()),
        with_volume(p.Ephemeral(), folder="f"),
        {},
        {Reason("volumes.folder", "volumes.state.folder", "cosmetic", code="compose.volume-folder")},
    ),
    "memory with a size": Case(
        with_volume(p.Ephemeral(in_memory=True)),
        with_volume(p.Ephemeral(in_memory=True, size=MI)),
        {f"{DEMO}.volumes./config.tmpfs.size": MI},
    ),
    "memory of two containers": Case(
        two(p.Ephemeral(in_memory=True), shared=False),
        two(p.Ephemeral(in_memory=True), shared=True),
        {f"compose.yaml: services.other.volumes./config.{key}": value for key, value in IN_MEMORY},
        {refused("volumes.place", "volumes.state.place.in_memory", "function", code="compose.tmpfs-shared")},
    ),
    # files
    "a file that is none": Case(
        one(),
        one(files=(p.FileMount(file="none", path="/x"),)),
        {},
        {refused("files", f"{PLAN}.files.none@/x", "function", "demo", code="config.file-unknown")},
    ),
    "a secret in the environment": Case(
        one(env={"A": "1"}),
        one(env={"A": SecretRef(name="s")}),
        {f"{DEMO}.environment.A": "${PORTABLE_SECRET_S_VALUE:?the secret is not set}"},
        {Reason("containers.env.secret", f"{PLAN}.env.A", "security", "demo", code="security.secret-variable")},
    ),
    "a secret that may be missing": Case(
        one(env={"A": SecretRef(name="s")}),
        one(env={"A": SecretRef(name="s", optional=True)}),
        {f"{DEMO}.environment.A": "${PORTABLE_SECRET_S_VALUE:-}"},
    ),
    "a secret of another form": Case(
        one(env={"A": SecretRef(name="s")}),
        one(env={"A": SecretRef(name="s", form="qbittorrent")}),
        {},
        {refused("containers.env.secret", f"{PLAN}.env.A.form", "function", "demo", code="security.secret-form")},
    ),
    "a mounted secret": Case(
        one(),
        one(secrets=(p.SecretMount(secret="s", keys=("k",), path="/etc/s/"),)),
        {
            f"{DEMO}.secrets./etc/s/k.source": "s-k",
            f"{DEMO}.secrets./etc/s/k.target": "/etc/s/k",
            "compose.yaml: secrets.s-k.environment": "PORTABLE_SECRET_S_K",
        },
    ),
    "a mounted secret that may be missing": Case(
        one(secrets=(p.SecretMount(secret="s", keys=("k",), path="/etc/s"),)),
        one(secrets=(p.SecretMount(secret="s", keys=("k",), path="/etc/s", optional=True),)),
        {},
        {Reason("containers.secrets.optional", f"{PLAN}.secrets.s.optional", "function", "demo", code="compose.optional-secret")},
    ),
    "files in a root that is not written": Case(
        one(secrets=(p.SecretMount(secret="s", keys=("k",), path="/etc/s"),)),
        one(read_only_root=True, secrets=(p.SecretMount(secret="s", keys=("k",), path="/etc/s"),)),
        {},
        {Reason("containers.read_only_root", f"{PLAN}.read_only_root", "cosmetic", "demo", code="compose.read-only-root")},
    ),
    # schedules
    "a schedule without a command": Case(
        scheduled(command=("run",)),
        scheduled(),
        {f"{DEMO}.entrypoint": ["/bin/sh", "/schedule.sh", "*", "04", "*", "*", "*"]},
        {refused("schedule", "apps.demo.schedule", "function", "demo", code="compose.schedule-command")},
    ),
    # tools
    "tools with a command": Case(
        plan(),
        plan(tools=container("tools", image=image(repository="registry.test/tools"), command=("x",))),
        {},
        {Reason("tools.command", "tools.command", "cosmetic", code="config.tools-ignored")},
    ),
    "tools with arguments": Case(
        plan(),
        plan(tools=container("tools", image=image(repository="registry.test/tools"), args=("x",))),
        {},
        {Reason("tools.args", "tools.args", "cosmetic", code="config.tools-ignored")},
    ),
    **{
        f"tools that need something ({need})": Case(
            plan(),
            plan(tools=container("tools", image=image(repository="registry.test/tools"), needs=p.Needs(**{need: True}))),
            {},
            {Reason("tools.needs", "tools.needs", "cosmetic", code="config.tools-ignored")},
        )
        for need in ("root_start", "net_admin")
    },
    **{
        f"tools that are asked ({kind})": Case(
            plan(),
            plan(tools=container("tools", image=image(repository="registry.test/tools"), probes=p.Probes(**{kind: CHECK}))),
            {},
            {Reason("tools.probes", f"tools.probes.{kind}", "cosmetic", code="config.tools-ignored")},
        )
        for kind in ("startup", "ready")
    },
}


@pytest.mark.parametrize("name", CASES)
def test_one_condition_has_one_consequence(name: str) -> None:
    case = CASES[name]
    assert consequences(render, case.without, case.having) == case.change
    assert difference(render, case.without, case.having)[0] == case.come


def test_a_plan_of_one_app_has_only_what_holds_for_every_app() -> None:
    assert reasons(render, plan()) == {
        Reason("apps.title", "apps.*.title", "cosmetic", code="compose.metadata"),
        Reason("apps.zone", "apps.*.zone", "cosmetic", code="compose.metadata"),
        Reason("containers.identity.umask", f"{PLAN}.identity.umask", "cosmetic", "demo", code="security.umask"),
        Reason("containers.identity.umask", "tools.identity.umask", "cosmetic", code="security.umask"),
        *(
            Reason(f"ports.{field}", f"apps.*.ports.*.{field}", "cosmetic", code="compose.metadata")
            for field in ("name", "serves", "container")
        ),
        Reason("tools.identity", "tools.identity.how", "cosmetic", code="config.tools-ignored"),
    }


def checked(**probes: p.Check) -> dict[str, Any]:
    demo = app(containers=(container(probes=p.Probes(**probes)),))
    found: dict[str, Any] = health(PlacedContainer(PLAN, demo.containers[0], app=demo)).keys["healthcheck"]
    return found


@pytest.mark.parametrize(
    ("period", "failures", "start", "interval", "retries"),
    [
        (10, 3, 10, 10, 3),
        (10, 3, 5, 5, 6),
        (7, 3, 2, 2, 11),  # 10.5 rounds up: an app gets no less time than its own probe gives it
        (7, 3, 20, 7, 3),
        (1, 1, 9, 1, 1),
        (9, 1, 2, 2, 5),
    ],
)
def test_failures_are_rounded_up(period: int, failures: int, start: int, interval: int, retries: int) -> None:
    startup = p.Check(how=CHECK.how, period=start, failures=4)
    found = checked(ready=p.Check(how=CHECK.how, period=period, failures=failures), startup=startup)
    assert (found["interval"], found["retries"], found["start_period"]) == (f"{interval}s", retries, f"{4 * start}s")


@pytest.mark.parametrize(
    ("probes", "lost"),
    [
        ({"ready": CHECK, "startup": CHECK}, set()),
        ({"ready": CHECK, "startup": p.Check(how=p.Exec(command=("other",)))}, {"startup.how"}),
        ({"ready": CHECK, "startup": p.Check(how=CHECK.how, timeout=6)}, {"startup.timeout"}),
        ({"ready": CHECK, "live": CHECK}, {"live"}),
        ({"live": CHECK}, {"live"}),
        ({"live": CHECK, "startup": CHECK}, {"live"}),
        ({"ready": CHECK}, set()),
    ],
)
def test_what_of_three_probes_is_lost(probes: dict[str, p.Check], lost: set[str]) -> None:
    demo = app(containers=(container(probes=p.Probes(**probes)),))
    found = health(PlacedContainer(PLAN, demo.containers[0], app=demo)).findings
    assert {finding.path.removeprefix(f"{PLAN}.probes.") for finding in found} == lost
    assert {finding.app for finding in found} <= {"demo"}


@pytest.mark.parametrize(
    ("subnet", "addresses", "dynamic"),
    [
        ("10.0.0.0/24", (), None),
        ("10.0.0.0/24", ("10.0.0.9",), "10.0.0.128/25"),
        ("10.0.0.0/24", ("10.0.0.128",), "10.0.0.192/26"),
        ("10.0.0.0/24", ("10.0.0.127",), "10.0.0.128/25"),
        ("10.0.0.0/24", ("10.0.0.200",), "10.0.0.128/26"),
        ("10.0.0.0/24", ("10.0.0.255", "10.0.0.129"), "10.0.0.64/26"),
        ("10.0.0.0/24", ("10.0.0.255", "10.0.0.129", "10.0.0.65"), "10.0.0.192/27"),
        ("10.0.0.0/24", tuple(f"10.0.0.{number}" for number in range(16, 256, 16)), None),
        ("10.0.0.0/29", ("10.0.0.2",), "10.0.0.4/30"),
        ("10.0.0.0/30", ("10.0.0.2",), None),
    ],
)
def test_addresses_that_nobody_fixed_come_from_a_part_without_those_that_somebody_did(
    subnet: str, addresses: tuple[str, ...], dynamic: str | None
) -> None:
    groups = tuple(p.Group(name=f"g{number}", apps=(), address=address) for number, address in enumerate(addresses))
    (config,) = networks(index(plan(subnet=subnet, groups=groups)))["default"]["ipam"]["config"]
    assert config.pop("subnet") == subnet
    assert config == ({"gateway": "10.0.0.1", "ip_range": dynamic} if dynamic else {})


def seeded(*mounts: tuple[str, str], path: str) -> str:
    """The script of mounts by volume and path, in that order, and a seed at a path."""
    made = one(
        files=(p.FileMount(file="conf", path=path, seed=True),),
        mounts=tuple(p.Mount(volume=volume, path=at) for volume, at in mounts),
        within={
            "plan": {
                "volumes": tuple(p.Volume(id=name, holds="state", place=p.Folder(path=f"/srv/{name}")) for name, _ in mounts),
                "files": (p.File(id="conf", body=("x",), mode=0o040),),
            }
        },
    )
    text: str = render(made).documents[0].body["configs"]["init-script"]["content"]
    return text


@pytest.mark.parametrize(
    ("mounts", "path", "target"),
    [
        ([("outer", "/config"), ("inner", "/config/deep")], "/config/deep/conf", "/places/inner/conf"),
        ([("inner", "/config/deep"), ("outer", "/config")], "/config/deep/conf", "/places/inner/conf"),
        ([("outer", "/config"), ("inner", "/config/deep")], "/config/conf", "/places/outer/conf"),
        ([("inner", "/config/deep"), ("outer", "/config")], "/config/deeper/conf", "/places/outer/deeper/conf"),
    ],
)
def test_a_seed_goes_to_the_innermost_mount(mounts: list[tuple[str, str]], path: str, target: str) -> None:
    lines = seeded(*mounts, path=path).splitlines()
    assert f"seed /seeds/conf {target} 1000 1000 0640" in lines
    parents = [line for line in lines if line.startswith("folder ")]
    assert parents == (["folder /places/outer/deeper 1000 1000 0750"] if "deeper" in target else [])


def test_a_schedule_is_told_of_the_time_zone_and_a_file_of_its_mode() -> None:
    made = scheduled(command=("run",))
    assert difference(render, one(command=("run",)), made)[0] == {
        Reason("schedule.timezone", "timezone", "cosmetic", "demo", code="compose.schedule-timezone")
    }
    file = one(files=(p.FileMount(file="conf", path="/x"),), within={"plan": {"files": (p.File(id="conf", body=("x",)),)}})
    assert difference(render, one(), file)[0] == {Reason("files.mode", "files.*.mode", "cosmetic", code="security.file-mode")}
    unused = one(within={"plan": {"files": (p.File(id="conf", body=("x",)),)}})
    assert difference(render, file, unused)[0] == {Reason("files", "files.conf", "cosmetic", code="config.file-unused")}


def test_the_library_is_no_second_container_that_mounts_it() -> None:
    made = with_volume(p.Ephemeral(in_memory=True), within={"plan": {"library": p.Library(volume="state")}})
    assert "volumes.state.place.in_memory" not in {reason.path for reason in reasons(render, made)}
    unused = one(within={"plan": {"library": p.Library(volume="s"), "volumes": (p.Volume(id="s", holds="library", place=FOLDER),)}})
    assert "volumes.s" not in {reason.path for reason in reasons(render, unused)}


def test_a_root_is_not_written_where_nothing_is_copied_into_it() -> None:
    services = render(with_cloud(read_only_root=True)).documents[0].body["services"]
    assert services["cloud-shelf"]["read_only"] is True
    made = plan(tools=container("tools", image=image(repository="registry.test/tools"), read_only_root=True))
    assert "read_only" not in render(made).documents[0].body["services"]["init"]
    assert difference(render, plan(), made)[0] == {
        Reason("containers.read_only_root", "tools.read_only_root", "cosmetic", code="compose.read-only-root")
    }
    seed = p.FileMount(file="conf", path="/config/conf", seed=True)
    given = {"plan": {"files": (p.File(id="conf", body=("x",)),), "volumes": (p.Volume(id="state", holds="state", place=FOLDER),)}}
    made = one(read_only_root=True, files=(seed,), mounts=(p.Mount(volume="state", path="/config"),), within=given)
    assert render(made).documents[0].body["services"]["demo"]["read_only"] is True


@pytest.mark.parametrize("place", [FOLDER, p.Ephemeral(), p.Ephemeral(in_memory=True)])
def test_any_volume_can_be_read_only(place: p.Place) -> None:
    assert consequences(render, with_volume(place), with_volume(place, access="ro")) == {f"{DEMO}.volumes./config.read_only": True}


def test_a_folder_on_which_two_volumes_lie_is_told_of_once() -> None:
    volumes = tuple(p.Volume(id=name, holds="state", place=p.Folder(path="/srv", mounted=True), folder=name) for name in ("a", "b"))
    mounts = tuple(p.Mount(volume=name, path=f"/{name}") for name in ("a", "b"))
    found = reasons(render, one(mounts=mounts, within={"plan": {"volumes": volumes}}))
    assert [reason.path for reason in found if reason.field == "volumes.mounted"] == ["volumes.a.place.mounted"]


@pytest.mark.parametrize(
    ("without", "having", "come"),
    [
        (one(), one(fetch="curl"), {Reason("containers.fetch", f"{PLAN}.fetch", "cosmetic", "demo", code="health.client-unused")}),
        (
            plan(),
            plan(tools=container("tools", identity=p.Identity(how="fixed"))),
            {
                Reason("tools.identity", "tools.identity.umask", "cosmetic", code="config.tools-ignored"),
                Reason("containers.identity.uid", "tools.identity.uid", "cosmetic", code="security.image-user"),
                Reason("containers.identity.gid", "tools.identity.gid", "cosmetic", code="security.image-user"),
                Reason("containers.identity.umask", "tools.identity.umask", "cosmetic", code="security.image-user"),
            },
        ),
        (plan(), plan(groups=()), {refused("groups", "apps.demo", "security", "demo", code="network.group-missing")}),
        (
            plan(),
            plan(exposures=(Exposure(app="none", port="web", how=Lan(number=80)),)),
            {refused("exposures", "exposures.none:web.app", "function", code="config.app-unknown")},
        ),
    ],
    ids=["a client that nobody uses", "tools with a fixed user", "an app in no group", "an exposure of no app"],
)
def test_one_reason_makes_one_finding(without: p.Plan, having: p.Plan, come: set[Reason]) -> None:
    assert difference(render, without, having)[0] == come


@pytest.mark.parametrize(("first", "second", "owner"), [("rw", "rw", 5), ("ro", "rw", 6), ("rw", "ro", 5), ("ro", "ro", 5)])
def test_a_folder_belongs_to_the_first_container_that_writes_it(first: Any, second: Any, owner: int) -> None:
    def mounting(name: str, uid: int, access: Any) -> p.App:
        mounts = (p.Mount(volume="state", path="/x", access=access),)
        return app(name, containers=(container(identity=p.Identity(how="user", uid=uid), mounts=mounts),))

    volume = p.Volume(id="state", holds="state", place=FOLDER)
    made = plan(mounting("a", 5, first), mounting("b", 6, second), volumes=(volume,))
    script = render(made).documents[0].body["configs"]["init-script"]["content"]
    assert f"own /places/state {owner} 1000 0750" in script.splitlines()
