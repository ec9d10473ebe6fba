"""Every condition of the objects of a cluster by a minimal plan in which it is the only reason: exactly that consequence, and no other."""

from typing import Any, NamedTuple

import pytest

from portable.backends.kubernetes import render
from portable.backends.kubernetes.administrator import pod_security_level
from portable.backends.kubernetes.prepare import script
from portable.backends.kubernetes.scope import scope_of
from portable.model import plan as p
from portable.model.devices import AnnotatedDevice, Devices, HostDevice, PluginDevice
from portable.model.exposures import Exposure, LoadBalancer
from portable.model.secret_refs import SecretRef
from tests.factories import MI, app, behind, claim, container, one, plan, port, with_cloud, with_volume
from tests.unit.backends.kubernetes.rendered import container_of, objects, pod
from tests.unit.backends.reasons import consequences

POD = "Deployment demo: spec.template.spec"
MAIN = f"{POD}.containers.demo"
LEVEL = "Namespace media: metadata.labels.pod-security.kubernetes.io"
CHECK = p.Check(how=p.Exec(command=("ok",)))
ROOT = p.Identity(how="fixed", uid=0, gid=0)
DISK = p.Claim(name="disk", size=MI)
SHARED = p.Claim(name="disk", size=MI, shared=True)
ENDS = (p.Endpoint(cidr="192.0.2.0/24", port=51820),)


class Case(NamedTuple):
    """Two plans that one thing tells apart, and the leaves of the documents that differ."""

    without: p.Plan
    having: p.Plan
    change: dict[str, Any]


def web(**changes: Any) -> p.Plan:
    ports = (port(**changes),)
    return one(within={"app": {"ports": ports}})


def probed(**probes: p.Check) -> p.Plan:
    return one(probes=p.Probes(**probes))


def asked(how: p.Http, serves: Any = "http") -> p.Plan:
    ports = (p.Port(name="web", number=8000, serves=serves),)
    return one(probes=p.Probes(ready=p.Check(how=how)), within={"app": {"ports": ports}})


def balanced(*addresses: str | None) -> p.Plan:
    """An app with a port for each address, each behind a balancer."""
    ports = tuple(p.Port(name=f"p{number}", number=8000 + number) for number in range(len(addresses)))
    exposures = tuple(
        Exposure(app="demo", port=f"p{number}", how=LoadBalancer(number=80 + number, address=address))
        for number, address in enumerate(addresses)
    )
    return one(within={"app": {"ports": ports}, "plan": {"exposures": exposures}})


def level(value: str) -> dict[str, Any]:
    return {f"{LEVEL}/enforce": value}


CASES = {
    # container
    "a command": Case(one(), one(command=("run", "$(X)")), {f"{MAIN}.command": ["run", "$$(X)"]}),
    "arguments": Case(one(), one(args=("a",)), {f"{MAIN}.args": ["a"]}),
    "a variable": Case(one(), one(env={"A": "1"}), {f"{MAIN}.env.A.name": "A", f"{MAIN}.env.A.value": "1"}),
    "a secret that may be missing": Case(
        one(env={"A": SecretRef(name="s")}),
        one(env={"A": SecretRef(name="s", optional=True)}),
        {f"{MAIN}.env.A.valueFrom.secretKeyRef.optional": True},
    ),
    "a request for a processor": Case(
        one(),
        one(resources=p.Resources(memory_request=64 * MI, memory_limit=256 * MI, cpu_request=1500)),
        {f"{MAIN}.resources.requests.cpu": "1500m"},
    ),
    "a root that is not written": Case(one(), one(read_only_root=True), {f"{MAIN}.securityContext.readOnlyRootFilesystem": True}),
    # security
    "another user": Case(
        one(),
        one(identity=p.Identity(how="user", uid=5, gid=6)),
        {f"{MAIN}.securityContext.runAsUser": 5, f"{MAIN}.securityContext.runAsGroup": 6},
    ),
    "a start as root": Case(
        one(identity=p.Identity(how="fixed", gid=7)),
        one(identity=p.Identity(how="fixed", gid=7), needs=p.Needs(root_start=True)),
        {
            **level("baseline"),
            f"{MAIN}.securityContext.runAsUser": 0,
            f"{MAIN}.securityContext.runAsNonRoot": None,
            f"{MAIN}.securityContext.capabilities.add": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"],
        },
    ),
    "a user by PUID, whose image starts as root": Case(
        one(),
        one(identity=p.Identity(how="puid-pgid")),
        {
            **level("baseline"),
            f"{MAIN}.securityContext.runAsUser": 0,
            f"{MAIN}.securityContext.runAsGroup": 0,
            f"{MAIN}.securityContext.runAsNonRoot": None,
            **{
                f"{MAIN}.env.{name}.{key}": text
                for name, value in (("PUID", "1000"), ("PGID", "1000"), ("UMASK", "002"))
                for key, text in (("name", name), ("value", value))
            },
        },
    ),
    "the network": Case(
        one(),
        one(needs=p.Needs(net_admin=True)),
        {**level("privileged"), f"{MAIN}.securityContext.capabilities.add": ["NET_ADMIN"]},
    ),
    "what mounts FUSE": Case(
        one(identity=ROOT),
        one(identity=ROOT, needs=p.Needs(fuse=True)),
        {
            **level("privileged"),
            f"{MAIN}.securityContext.privileged": True,
            f"{MAIN}.securityContext.allowPrivilegeEscalation": None,
            f"{MAIN}.securityContext.capabilities.drop": None,
        },
    ),
    # devices
    "a GPU of a plug-in": Case(
        one(within={"plan": {"devices": Devices(gpu=PluginDevice(resource="x/gpu"))}}),
        one(needs=p.Needs(gpu=True), within={"plan": {"devices": Devices(gpu=PluginDevice(resource="x/gpu"))}}),
        {f"{MAIN}.resources.limits.x/gpu": "1"},
    ),
    "the group of a GPU of a plug-in": Case(
        one(needs=p.Needs(gpu=True), within={"plan": {"devices": Devices(gpu=PluginDevice(resource="x/gpu"))}}),
        one(needs=p.Needs(gpu=True), within={"plan": {"devices": Devices(gpu=PluginDevice(resource="x/gpu", group=104))}}),
        {f"{POD}.securityContext.supplementalGroups": [104]},
    ),
    # Pod Security's level `baseline` forbids hostPath volumes of any kind, device nodes too.
    "a GPU of the node": Case(
        one(within={"plan": {"devices": Devices(gpu=HostDevice(path="/dev/dri"))}}),
        one(needs=p.Needs(gpu=True), within={"plan": {"devices": Devices(gpu=HostDevice(path="/dev/dri"))}}),
        {
            **level("privileged"),
            f"{POD}.volumes.device-gpu.name": "device-gpu",
            f"{POD}.volumes.device-gpu.hostPath.path": "/dev/dri",
            f"{POD}.volumes.device-gpu.hostPath.type": "CharDevice",
            f"{MAIN}.volumeMounts./dev/dri.name": "device-gpu",
            f"{MAIN}.volumeMounts./dev/dri.mountPath": "/dev/dri",
        },
    ),
    "a node's GPU with a group": Case(
        one(needs=p.Needs(gpu=True), within={"plan": {"devices": Devices(gpu=HostDevice(path="/dev/dri"))}}),
        one(needs=p.Needs(gpu=True), within={"plan": {"devices": Devices(gpu=HostDevice(path="/dev/dri", group=105))}}),
        {f"{POD}.securityContext.supplementalGroups": [105]},
    ),
    "a GPU by annotation": Case(
        one(within={"plan": {"devices": Devices(gpu=AnnotatedDevice(path="/dev/dri"))}}),
        one(needs=p.Needs(gpu=True), within={"plan": {"devices": Devices(gpu=AnnotatedDevice(path="/dev/dri"))}}),
        {"Deployment demo: spec.template.metadata.annotations.io.kubernetes.cri-o.Devices": "/dev/dri"},
    ),
    "FUSE by annotation, which a privileged container does not need": Case(
        one(needs=p.Needs(fuse=True)),
        one(needs=p.Needs(fuse=True), within={"plan": {"devices": Devices(fuse=AnnotatedDevice(path="/dev/fuse"))}}),
        {},
    ),
    # probes
    "a check": Case(
        one(),
        probed(ready=p.Check(how=p.Exec(command=("ok",)), period=7, timeout=6, failures=5)),
        {
            f"{MAIN}.readinessProbe.exec.command": ["ok"],
            f"{MAIN}.readinessProbe.periodSeconds": 7,
            f"{MAIN}.readinessProbe.timeoutSeconds": 6,
            f"{MAIN}.readinessProbe.failureThreshold": 5,
        },
    ),
    **{
        f"an answer that the kubelet takes for healthy ({status})": Case(
            asked(p.Http(port="web", path="/")), asked(p.Http(port="web", path="/", ok=(status,))), {}
        )
        for status in (200, 399)
    },
    **{
        f"an answer that the kubelet takes for wrong ({status})": Case(
            asked(p.Http(port="web", path="/")),
            asked(p.Http(port="web", path="/", ok=(status,))),
            {
                f"{MAIN}.readinessProbe.httpGet.path": None,
                f"{MAIN}.readinessProbe.httpGet.port": None,
                f"{MAIN}.readinessProbe.tcpSocket.port": "demo-web",
            },
        )
        for status in (199, 400)
    },
    "a check of a port that speaks TLS": Case(
        asked(p.Http(port="web", path="/")),
        asked(p.Http(port="web", path="/"), "https"),
        {f"{MAIN}.readinessProbe.httpGet.scheme": "HTTPS", "Service demo: spec.ports.web.appProtocol": "https"},
    ),
    # network
    "a port": Case(
        one(within={"app": {"ports": ()}}),
        web(serves="raw", protocol="udp"),
        {
            f"{MAIN}.ports.demo-web.name": "demo-web",
            f"{MAIN}.ports.demo-web.containerPort": 8000,
            f"{MAIN}.ports.demo-web.protocol": "UDP",
            "Service demo: apiVersion": "v1",
            "Service demo: kind": "Service",
            "Service demo: metadata.name": "demo",
            "Service demo: metadata.namespace": "media",
            "Service demo: metadata.annotations.portable/title": "Demo",
            "Service demo: metadata.labels.app.kubernetes.io/name": "demo",
            "Service demo: metadata.labels.app.kubernetes.io/instance": "media-test",
            "Service demo: metadata.labels.app.kubernetes.io/part-of": "media",
            "Service demo: metadata.labels.app.kubernetes.io/managed-by": "portable",
            "Service demo: metadata.labels.app.kubernetes.io/component": "front",
            "Service demo: spec.type": "ClusterIP",
            "Service demo: spec.selector.portable/group": "demo",
            "Service demo: spec.ports.web.name": "web",
            "Service demo: spec.ports.web.port": 8000,
            "Service demo: spec.ports.web.protocol": "UDP",
            "Service demo: spec.ports.web.targetPort": "demo-web",
        },
    ),
    "HTTP": Case(web(serves="raw"), web(serves="http"), {"Service demo: spec.ports.web.appProtocol": "http"}),
    "a port below 1024": Case(
        web(number=1024),
        web(number=1023),
        {
            f"{MAIN}.ports.demo-web.containerPort": 1023,
            "Service demo: spec.ports.web.port": 1023,
            f"{POD}.securityContext.sysctls.net.ipv4.ip_unprivileged_port_start.name": "net.ipv4.ip_unprivileged_port_start",
            f"{POD}.securityContext.sysctls.net.ipv4.ip_unprivileged_port_start.value": "0",
        },
    ),
    "a tunnel that names its networks": Case(
        behind(p.Tunnel(gateway="gate", endpoints=ENDS)),
        behind(p.Tunnel(gateway="gate", endpoints=ENDS, networks=("10.0.0.0/8",))),
        {"NetworkPolicy gate: spec.egress.2.to.0.ipBlock.cidr": "10.0.0.0/8"},
    ),
    "a tunnel with an end that is named": Case(
        behind(p.Tunnel(gateway="gate")),
        behind(p.Tunnel(gateway="gate", endpoints=ENDS)),
        {
            "NetworkPolicy gate: spec.policyTypes": ["Ingress", "Egress"],
            "NetworkPolicy gate: spec.egress.0.to.0.ipBlock.cidr": "192.0.2.0/24",
            "NetworkPolicy gate: spec.egress.0.ports.0.port": 51820,
            "NetworkPolicy gate: spec.egress.0.ports.0.protocol": "UDP",
            "NetworkPolicy gate: spec.egress.1.to.0.namespaceSelector.matchLabels.kubernetes.io/metadata.name": "kube-system",
            "NetworkPolicy gate: spec.egress.1.to.0.podSelector.matchLabels.k8s-app": "kube-dns",
            "NetworkPolicy gate: spec.egress.1.to.1.ipBlock.cidr": "169.254.20.10/32",
            "NetworkPolicy gate: spec.egress.1.ports.0.port": 53,
            "NetworkPolicy gate: spec.egress.1.ports.0.protocol": "UDP",
            "NetworkPolicy gate: spec.egress.1.ports.1.port": 53,
            "NetworkPolicy gate: spec.egress.1.ports.1.protocol": "TCP",
        },
    ),
    "a sealed group": Case(
        behind(p.Tunnel(gateway="gate")),
        behind(p.Sealed(gateway="gate")),
        {
            "NetworkPolicy gate: spec.policyTypes": ["Ingress", "Egress"],
            "NetworkPolicy gate: spec.egress": [],
            "Deployment gate: spec.template.spec.dnsPolicy": "None",
            "Deployment gate: spec.template.spec.dnsConfig.nameservers": ["127.0.0.1"],
            "Deployment gate: spec.template.spec.dnsConfig.options.ndots.name": None,
            "Deployment gate: spec.template.spec.dnsConfig.options.ndots.value": None,
        },
    ),
    # volumes
    "a read-only mount": Case(
        with_volume(DISK, holds="library"), with_volume(DISK, holds="library", access="ro"), {f"{MAIN}.volumeMounts./config.readOnly": True}
    ),
    "scratch space with a bound": Case(
        with_volume(p.Ephemeral()),
        with_volume(p.Ephemeral(size=4 * MI)),
        {
            f"{POD}.volumes.state.emptyDir.sizeLimit": "4Mi",
            f"{POD}.volumes.state.emptyDir": None,
            f"{MAIN}.resources.requests.ephemeral-storage": "65Mi",
        },
    ),
    "scratch space in memory": Case(
        with_volume(p.Ephemeral()),
        with_volume(p.Ephemeral(in_memory=True)),
        {f"{POD}.volumes.state.emptyDir.medium": "Memory", f"{POD}.volumes.state.emptyDir": None},
    ),
    "memory that containers share": Case(
        one(),
        one(resources=p.Resources(memory_request=64 * MI, memory_limit=256 * MI, shm=2 * MI)),
        {
            f"{POD}.volumes.shm-demo.name": "shm-demo",
            f"{POD}.volumes.shm-demo.emptyDir.medium": "Memory",
            f"{POD}.volumes.shm-demo.emptyDir.sizeLimit": "2Mi",
            f"{MAIN}.volumeMounts./dev/shm.name": "shm-demo",
            f"{MAIN}.volumeMounts./dev/shm.mountPath": "/dev/shm",
        },
    ),
    "a disk of its own": Case(
        with_volume(SHARED),
        with_volume(DISK),
        {
            "PersistentVolumeClaim disk: spec.accessModes": ["ReadWriteOnce"],
            "StatefulSet demo: spec.template.spec.securityContext.fsGroup": 1000,
            "StatefulSet demo: spec.template.spec.securityContext.fsGroupChangePolicy": "OnRootMismatch",
        },
    ),
    "a storage class": Case(
        with_volume(DISK),
        with_volume(p.Claim(name="disk", size=MI, storage_class="fast")),
        {"PersistentVolumeClaim disk: spec.storageClassName": "fast"},
    ),
    "options of a share": Case(
        with_volume(p.Claim(name="disk", size=MI, share=p.Share(protocol="nfs", server="s", export="/e"))),
        with_volume(p.Claim(name="disk", size=MI, share=p.Share(protocol="nfs", server="s", export="/e", options=("hard",)))),
        {"PersistentVolume media-disk: spec.mountOptions": ["hard"]},
    ),
    "a login for a share": Case(
        with_volume(p.Claim(name="disk", size=MI, share=p.Share(protocol="smb", server="s", export="e"))),
        with_volume(p.Claim(name="disk", size=MI, share=p.Share(protocol="smb", server="s", export="e", login="nas"))),
        {
            "PersistentVolume media-disk: spec.csi.nodeStageSecretRef.name": "nas",
            "PersistentVolume media-disk: spec.csi.nodeStageSecretRef.namespace": "media",
        },
    ),
    # the pod
    "a preference for nodes": Case(
        plan(node_weight=7),
        plan(node_weight=7, groups=(p.Group(name="demo", apps=("demo",), prefer_nodes=("n1",)),)),
        {
            f"{POD}.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution.0.weight": 7,
            f"{POD}.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution.0.preference.matchExpressions.0.key": (
                "kubernetes.io/hostname"
            ),
            f"{POD}.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution.0.preference.matchExpressions.0.operator": "In",
            f"{POD}.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution.0.preference.matchExpressions.0.values": ["n1"],
        },
    ),
    "a preference without a weight": Case(
        plan(node_weight=7, groups=(p.Group(name="demo", apps=("demo",), prefer_nodes=("n1",)),)),
        plan(groups=(p.Group(name="demo", apps=("demo",), prefer_nodes=("n1",)),)),
        {f"{POD}.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution.0.weight": 100},
    ),
    "supplemental groups": Case(
        one(), one(identity=p.Identity(how="user", groups=(9, 4))), {f"{POD}.securityContext.supplementalGroups": [4, 9]}
    ),
    "an account": Case(
        plan(groups=(p.Group(name="demo", apps=("demo",), account="media-test"),)),
        plan(groups=(p.Group(name="demo", apps=("demo",)),)),
        {},
    ),
    "time to end": Case(one(), one(stop_grace=11), {f"{POD}.terminationGracePeriodSeconds": 11}),
    "no time to end": Case(one(stop_grace=30), one(stop_grace=0), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_one_condition_has_one_consequence(name: str) -> None:
    case = CASES[name]
    assert consequences(render, case.without, case.having) == case.change


@pytest.mark.parametrize(
    ("addresses", "policies", "shared"),
    [
        (("192.0.2.1",), {"demo-p0-lb": "Local"}, {}),
        ((None,), {"demo-p0-lb": "Local"}, {}),
        ((None, None), {"demo-p0-lb": "Local", "demo-p1-lb": "Local"}, {}),
        (("192.0.2.1", "192.0.2.2"), {"demo-p0-lb": "Local", "demo-p1-lb": "Local"}, {}),
        (("192.0.2.1", "192.0.2.1"), {}, {"demo-p0-lb": "192.0.2.1", "demo-p1-lb": "192.0.2.1"}),
        (("192.0.2.1", "192.0.2.1", None), {"demo-p2-lb": "Local"}, {"demo-p0-lb": "192.0.2.1", "demo-p1-lb": "192.0.2.1"}),
    ],
)
def test_apps_see_who_calls_where_no_address_is_shared(
    addresses: tuple[str | None, ...], policies: dict[str, str], shared: dict[str, str]
) -> None:
    made = {name: body for name, body in objects(balanced(*addresses), "Service").items() if name.endswith("-lb")}
    assert {name: b["spec"]["externalTrafficPolicy"] for name, b in made.items() if "externalTrafficPolicy" in b["spec"]} == policies
    assert {
        n: b["metadata"]["annotations"]["metallb.io/allow-shared-ip"] for n, b in made.items() if b["metadata"].get("annotations")
    } == shared
    assert [body["spec"].get("loadBalancerIP") for body in made.values()] == list(addresses)
    assert [body["spec"]["ports"][0]["port"] for body in made.values()] == [80 + number for number in range(len(addresses))]


NON_ROOT = {"runAsNonRoot": True}


@pytest.mark.parametrize(
    ("contexts", "volumes", "level_"),
    [
        ([NON_ROOT], [], "restricted"),
        ([NON_ROOT, {}], [], "baseline"),
        ([NON_ROOT | {"capabilities": {"add": ["CHOWN"]}}], [], "baseline"),
        ([NON_ROOT | {"capabilities": {"add": ["CHOWN", "NET_ADMIN"]}}], [], "privileged"),
        ([NON_ROOT | {"privileged": True}], [], "privileged"),
        ([NON_ROOT], [{"name": "d", "emptyDir": {}}], "restricted"),
        ([NON_ROOT], [{"name": "d", "emptyDir": {}}, {"name": "g", "hostPath": {"path": "/dev/dri"}}], "privileged"),
    ],
)
@pytest.mark.parametrize("where", ["containers", "initContainers"])
def test_one_reason_gives_the_level(contexts: list[dict[str, Any]], volumes: list[dict[str, Any]], level_: str, where: str) -> None:
    made: dict[str, Any] = {"containers": [{"name": "main", "securityContext": NON_ROOT}], "volumes": volumes}
    made[where] = [*made.get(where, []), *({"name": f"c{number}", "securityContext": context} for number, context in enumerate(contexts))]
    assert pod_security_level(made) == level_


def seeded(*mounts: tuple[str, str], path: str) -> p.Plan:
    """Mounts by volume and path, in that order, and a seed at a path."""
    return one(
        files=(p.FileMount(file="conf", path=path, seed=True),),
        mounts=tuple(p.Mount(volume=volume, path=at) for volume, at in mounts),
        within={
            "plan": {
                "volumes": tuple(p.Volume(id=name, holds="state", place=p.Claim(name=name, size=MI), folder="f") for name, _ in mounts),
                "files": (p.File(id="conf", body=("x",), mode=0o440),),
            }
        },
    )


@pytest.mark.parametrize(
    ("mounts", "path", "target"),
    [
        ([("outer", "/config"), ("inner", "/config/deep")], "/config/deep/conf", "/places/inner/f/conf"),
        ([("inner", "/config/deep"), ("outer", "/config")], "/config/deep/conf", "/places/inner/f/conf"),
        ([("outer", "/config"), ("inner", "/config/deep")], "/config/conf", "/places/outer/f/conf"),
        ([("inner", "/config/deep"), ("outer", "/config")], "/config/deeper/conf", "/places/outer/f/deeper/conf"),
    ],
)
def test_a_seed_goes_to_the_innermost_mount(mounts: list[tuple[str, str]], path: str, target: str) -> None:
    made = seeded(*mounts, path=path)
    scope = scope_of(made)
    assert f"seed /seeds/conf {target} 0640\n" in script(scope, scope.pods["demo"])


def test_a_seed_alone_makes_its_scratch_space_seen() -> None:
    volumes = (p.Volume(id="state", holds="cache", place=p.Ephemeral()), p.Volume(id="other", holds="cache", place=p.Ephemeral()))
    made = one(
        files=(p.FileMount(file="conf", path="/config/conf", seed=True),),
        mounts=(p.Mount(volume="other", path="/other"), p.Mount(volume="state", path="/config")),
        within={"plan": {"volumes": volumes, "files": (p.File(id="conf", body=("x",)),)}},
    )
    assert {m["mountPath"] for m in container_of(made, "init-dirs")["volumeMounts"]} == {"/places/state", "/seeds/conf"}


@pytest.mark.parametrize(
    ("probes", "asked_"),
    [
        (p.Probes(startup=p.Check(how=p.Exec(command=("up",)), failures=3), ready=CHECK), (["up"], 3)),
        (p.Probes(ready=p.Check(how=p.Exec(command=("ready",)), failures=3), live=CHECK), (["ready"], 30)),
        (p.Probes(live=p.Check(how=p.Exec(command=("live",)), failures=31)), (["live"], 31)),
    ],
)
def test_what_says_that_a_sidecar_has_started(probes: p.Probes, asked_: tuple[list[str], int]) -> None:
    startup = container_of(with_cloud(probes=probes), "cloud-shelf")["startupProbe"]
    assert (startup["exec"]["command"], startup["failureThreshold"]) == asked_


def test_a_mounter_has_no_readiness_and_an_app_no_start_of_its_own() -> None:
    assert "readinessProbe" not in container_of(with_cloud(probes=p.Probes(startup=CHECK, ready=CHECK)), "cloud-shelf")
    made = container_of(probed(ready=CHECK, live=CHECK))
    assert {key for key in made if key.endswith("Probe")} == {"readinessProbe", "livenessProbe"}


def test_the_time_to_end_is_that_of_the_slowest_app_and_of_each_sidecar() -> None:
    parts = (
        container(stop_grace=5),
        container("side", role="sidecar", stop_grace=20),
        container("store", role="init", stop_grace=3, probes=p.Probes(startup=CHECK)),
    )
    assert pod(plan(app(containers=parts)))["terminationGracePeriodSeconds"] == 23


def test_what_is_alone_in_its_pod_with_a_gateway_is_its_container() -> None:
    gate = app("gate", ports=(), containers=(container(probes=p.Probes(startup=CHECK)),))
    made = pod(plan(gate, groups=(p.Group(name="gate", apps=("gate",), egress=p.Tunnel(gateway="gate")),)), "gate")
    assert [c["name"] for c in made["containers"]] == ["gate"]
    assert "restartPolicy" not in made["containers"][0]
    assert "initContainers" not in made


def static(**of_share: Any) -> dict[str, Any]:
    """The PersistentVolume of a claim that names a share, in a namespace of its own."""
    share = p.Share(**({"protocol": "smb", "server": "192.0.2.9", "export": "/Xmas/tv/"} | of_share))
    made = with_volume(claim(shared=True, size=3 * MI, share=share), within={"plan": {"namespace": "apps"}})
    ((name, body),) = objects(made, "PersistentVolume").items()
    assert name == "apps-disk"
    assert "namespace" not in body["metadata"]
    found: dict[str, Any] = body["spec"]
    return found


def test_the_static_volume_of_a_share() -> None:
    common = {
        "accessModes": ["ReadWriteMany"],
        "capacity": {"storage": "3Mi"},
        "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": "disk", "namespace": "apps"},
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
    }
    assert static() == common | {
        "csi": {
            "driver": "smb.csi.k8s.io",
            "volumeHandle": "192.0.2.9//Xmas/tv/#apps-disk",
            "volumeAttributes": {"source": "//192.0.2.9/Xmas/tv/"},
        }
    }
    assert static(protocol="nfs") == common | {"nfs": {"server": "192.0.2.9", "path": "/Xmas/tv/"}}


def test_a_claim_of_a_share_binds_its_volume_and_no_other() -> None:
    share = p.Share(protocol="nfs", server="s", export="/e")
    (spec,) = (b["spec"] for b in objects(with_volume(claim(share=share)), "PersistentVolumeClaim").values())
    assert (spec["storageClassName"], spec["volumeName"]) == ("", "media-disk")
    (spec,) = (b["spec"] for b in objects(with_volume(claim(share=share, storage_class="s")), "PersistentVolumeClaim").values())
    assert spec["storageClassName"] == "s"


def test_claims_are_made_once_and_never_where_they_exist() -> None:
    volumes = tuple(p.Volume(id=name, holds="state", place=claim(name="shared-one")) for name in ("a", "b"))
    made = one(within={"plan": {"volumes": (*volumes, p.Volume(id="c", holds="state", place=claim(name="theirs", existing=True)))}})
    assert sorted(objects(made, "PersistentVolumeClaim")) == ["shared-one"]


def test_a_stack_without_pods_has_the_strictest_level() -> None:
    assert objects(plan(groups=()), "Namespace")["media"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_what_prepares_is_not_asked_how_it_is() -> None:
    tools = container("tools", probes=p.Probes(startup=CHECK, ready=CHECK, live=CHECK))
    made = container_of(with_volume(DISK, within={"plan": {"tools": tools}}), "init-dirs")
    assert [key for key in made if key.endswith("Probe")] == []


def test_folders_are_made_behind_a_volume_that_needs_none() -> None:
    volumes = (
        p.Volume(id="cache", holds="cache", place=p.Ephemeral(), folder="no"),
        p.Volume(id="state", holds="state", place=DISK, folder="config/demo", hides=("secret",)),
    )
    made = one(
        mounts=(p.Mount(volume="cache", path="/cache"), p.Mount(volume="state", path="/config")), within={"plan": {"volumes": volumes}}
    )
    scope = scope_of(made)
    lines = [line for line in script(scope, scope.pods["demo"]).splitlines() if line.startswith("folder /")]
    assert lines == ["folder /places/disk/config/demo", "folder /places/disk/config/demo/secret"]


def test_what_an_app_hides_is_covered() -> None:
    made = with_volume(DISK, hides=("appdata",), path="/mnt/media/")
    assert container_of(made)["volumeMounts"][1] == {"name": "hidden", "mountPath": "/mnt/media/appdata", "readOnly": True}
    assert {"name": "hidden", "emptyDir": {"medium": "Memory", "sizeLimit": "64Ki"}} in pod(made)["volumes"]


@pytest.mark.parametrize(("uid", "non_root"), [(0, None), (1, True)])
def test_what_prepares_as_root_does_not_promise_otherwise(uid: int, non_root: bool | None) -> None:
    tools = container("tools", identity=p.Identity(how="user", uid=uid, gid=2))
    security = container_of(with_volume(DISK, within={"plan": {"tools": tools}}), "init-dirs")["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"], security.get("runAsNonRoot")) == (uid, 2, non_root)
