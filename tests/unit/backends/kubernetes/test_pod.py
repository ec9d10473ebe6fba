"""What runs in one pod, in which order, and what recreates it."""

from typing import Any

import msgspec
import pytest

from portable.backends.kubernetes import render
from portable.model import plan as p
from portable.model.devices import AnnotatedDevice, Devices
from tests.factories import app, claim, container, full_plan, plan, with_volume
from tests.unit.backends.kubernetes.rendered import container_of, found, objects, pod, workloads

STARTUP = p.Probes(startup=p.Check(how=p.Exec(command=("/check",))))


def grouped(egress: p.Tunnel | p.Sealed) -> p.Plan:
    gateway = app("gateway", ports=(), containers=(container(needs=p.Needs(net_admin=True), probes=STARTUP),))
    return plan(gateway, app("demo"), groups=(p.Group(name="gateway", apps=("gateway", "demo"), egress=egress),))


def test_a_gateway_runs_before_its_apps() -> None:
    made = pod(full_plan("kubernetes"), "gateway")
    assert [(c["name"], c.get("restartPolicy")) for c in made["initContainers"]] == [("init-dirs", None), ("gateway", "Always")]
    assert made["initContainers"][1]["startupProbe"]["exec"]["command"] == ["/gateway", "healthcheck"]
    assert [c["name"] for c in made["containers"]] == ["torrents"]


def test_apps_wait_for_a_gateway_that_only_has_a_probe_of_its_readiness() -> None:
    ready = p.Probes(ready=p.Check(how=p.Exec(command=("/check",)), period=5))
    made = grouped(p.Tunnel(gateway="gateway"))
    gateway = app("gateway", ports=(), containers=(container(needs=p.Needs(net_admin=True), probes=ready),))
    sidecar = pod(msgspec.structs.replace(made, apps=(gateway, *made.apps[1:])), "gateway")["initContainers"][0]
    assert sidecar["startupProbe"] == {"exec": {"command": ["/check"]}, "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 30}


def test_a_gateway_without_a_probe_is_refused() -> None:
    made = grouped(p.Tunnel(gateway="gateway"))
    gateway = app("gateway", ports=(), containers=(container(needs=p.Needs(net_admin=True)),))
    findings = render(msgspec.structs.replace(made, apps=(gateway, *made.apps[1:]))).findings
    assert [(f.class_, f.path) for f in findings if f.verdict == "refused"] == [("security", "apps.gateway.containers.main.probes")]


def test_clouds_are_mounted_behind_the_gateway() -> None:
    made = full_plan("kubernetes")
    apps = tuple(msgspec.structs.replace(a, clouds=("shelf",)) if a.name == "torrents" else a for a in made.apps)
    names = [c["name"] for c in pod(msgspec.structs.replace(made, apps=apps), "gateway")["initContainers"]]
    assert names == ["init-dirs", "gateway", "cloud-shelf"]


def test_a_gateway_alone_is_an_ordinary_container() -> None:
    made = grouped(p.Tunnel(gateway="gateway"))
    alone = msgspec.structs.replace(
        made, groups=(p.Group(name="gateway", apps=("gateway",), egress=p.Tunnel(gateway="gateway")),), apps=made.apps[:1]
    )
    assert "initContainers" not in pod(alone, "gateway")
    assert "restartPolicy" not in pod(alone, "gateway")["containers"][0]


def test_a_sealed_pod_has_no_names_of_the_outside() -> None:
    made = grouped(p.Sealed(gateway="gateway", networks=("10.0.0.0/8",)))
    assert pod(made, "gateway")["dnsPolicy"] == "None"
    assert pod(made, "gateway")["dnsConfig"] == {"nameservers": ["127.0.0.1"]}
    assert found(render(made), "egress.dns") == ["groups.gateway.egress.gateway"]


@pytest.mark.parametrize("egress", [p.Direct(), p.Tunnel(gateway="gateway")])
def test_names_with_a_dot_are_not_tried_in_search_domains(egress: p.Direct | p.Tunnel) -> None:
    """A search domain with a wildcard, which nodes at home often have, would answer for every name of the internet."""
    made = grouped(egress) if isinstance(egress, p.Tunnel) else plan(app())
    (name, *_) = (group.name for group in made.groups)
    assert pod(made, name)["dnsConfig"] == {"options": [{"name": "ndots", "value": "1"}]}
    assert "dnsPolicy" not in pod(made, name), "names of other apps are searched in the namespace as before"


def test_the_cloud_is_seen_through_the_pods_own_tree() -> None:
    made = pod(full_plan("kubernetes"), "player")
    fuse_mount, (player, tls) = made["initContainers"][1], made["containers"]
    assert {"name": "clouds", "mountPath": "/mnt/clouds", "mountPropagation": "Bidirectional"} in fuse_mount["volumeMounts"]
    assert fuse_mount["securityContext"]["privileged"]
    assert {"name": "clouds", "mountPath": "/mnt/clouds", "mountPropagation": "HostToContainer"} in player["volumeMounts"]
    assert "privileged" not in player["securityContext"]
    assert not any(mount["name"] == "clouds" for mount in tls["volumeMounts"])
    assert {"name": "clouds", "emptyDir": {}} in made["volumes"]


def test_names_of_the_pods_own_apps_are_loopback() -> None:
    assert pod(full_plan("kubernetes"), "gateway")["hostAliases"] == [{"ip": "127.0.0.1", "hostnames": ["gateway", "torrents", "transfer"]}]


def test_nodes_are_preferred_never_required() -> None:
    affinity = pod(full_plan("kubernetes"), "gateway")["affinity"]
    assert affinity == {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 100,
                    "preference": {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node2", "node3"]}]},
                }
            ]
        }
    }


def test_a_pod_has_time_for_its_apps_and_then_for_its_sidecars() -> None:
    assert pod(full_plan("kubernetes"), "gateway")["terminationGracePeriodSeconds"] == 60 + 10
    assert pod(full_plan("kubernetes"), "player")["terminationGracePeriodSeconds"] == 30 + 10 + 10


def test_a_disk_of_its_own_is_given_to_the_group() -> None:
    def made(*, shared: bool) -> p.Plan:
        volume = p.Volume(id="state", holds="state", place=p.Claim(name="state", size=1, shared=shared))
        return plan(app(containers=(container(mounts=(p.Mount(volume="state", path="/config"),)),)), volumes=(volume,))

    assert pod(made(shared=False))["securityContext"]["fsGroup"] == 1000
    assert "fsGroup" not in pod(made(shared=True))["securityContext"]


def test_a_changed_file_recreates_exactly_the_pods_that_use_it() -> None:
    before, made = workloads(full_plan("kubernetes")), full_plan("kubernetes")
    for file, group in (("player-conf", "player"), ("shelf-rclone-conf", "player")):
        files = tuple(msgspec.structs.replace(f, body=(*f.body, "more")) if f.id == file else f for f in made.files)
        after = workloads(msgspec.structs.replace(made, files=files))
        assert [name for name in before if before[name]["spec"]["template"] != after[name]["spec"]["template"]] == [group]


def test_a_changed_seed_recreates_nothing() -> None:
    before, made = workloads(full_plan("kubernetes")), full_plan("kubernetes")
    files = tuple(msgspec.structs.replace(f, body=(*f.body, "more")) if f.id == "torrents-conf" else f for f in made.files)
    after = workloads(msgspec.structs.replace(made, files=files))
    assert [name for name in before if before[name]["spec"] != after[name]["spec"]] == []
    assert before["gateway"]["metadata"] != after["gateway"]["metadata"]


def test_a_device_of_crio_is_an_annotation() -> None:
    made = msgspec.structs.replace(full_plan("kubernetes"), devices=Devices(tun=AnnotatedDevice(path="/dev/net/tun")))
    template = workloads(made)["gateway"]["spec"]["template"]
    assert template["metadata"]["annotations"]["io.kubernetes.cri-o.Devices"] == "/dev/net/tun"


def test_a_low_port_may_be_listened_on() -> None:
    low = (p.Port(name="dns", number=53, protocol="udp"),)
    assert pod(plan(app(ports=low)))["securityContext"]["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    assert "sysctls" not in pod(plan())["securityContext"]


def test_every_container_has_a_name_of_its_own() -> None:
    assert container_of(full_plan("kubernetes"), "player-tls", "player")["image"] == "registry.test/nginx:1.0"


@pytest.mark.parametrize(
    ("volume", "access", "kind"),
    [
        ({"holds": "state"}, "rw", "StatefulSet"),
        ({"holds": "database"}, "rw", "StatefulSet"),
        ({"holds": "state"}, "ro", "Deployment"),
        ({"holds": "library"}, "rw", "Deployment"),
        ({"holds": "cache", "place": p.Ephemeral()}, "rw", "Deployment"),
        ({"holds": "state", "place": p.Ephemeral()}, "rw", "Deployment"),
    ],
)
def test_state_on_a_claim_has_one_writer_and_no_other_pod_is_a_stateful_set(volume: dict[str, Any], access: str, kind: str) -> None:
    made = with_volume(volume.get("place", claim()), access=access, **{key: value for key, value in volume.items() if key != "place"})
    assert {k: list(objects(made, k)) for k in ("StatefulSet", "Deployment") if objects(made, k)} == {kind: ["demo"]}


def test_a_stateful_set_replaces_a_pod_that_never_became_ready() -> None:
    spec = objects(with_volume(claim()), "StatefulSet")["demo"]["spec"]
    assert {key: value for key, value in spec.items() if key not in ("template", "selector")} == {
        "podManagementPolicy": "Parallel",
        "replicas": 1,
        "revisionHistoryLimit": 2,
        "serviceName": "demo",
        "updateStrategy": {"type": "RollingUpdate"},
    }


def test_the_names_of_workloads_leave_room_for_what_controllers_append() -> None:
    name = "x" * 60
    assert all(len(found) <= 52 for found in workloads(plan(app(name))))


def test_two_profiles_of_a_stack_share_a_namespace_without_sharing_an_object() -> None:
    made = full_plan("kubernetes")
    names = []
    for profile in ("first", "second"):
        there = msgspec.structs.replace(made, profile=profile, namespace="home")
        own = {*(a.name for a in made.apps), *(alias for a in made.apps for alias in a.aliases)}
        found = {
            (d.body["kind"], d.body["metadata"]["name"])
            for d in render(there).documents
            if d.body["kind"] in ("ServiceAccount", "ConfigMap") and d.body["metadata"]["name"].removesuffix("-files") not in own
        }
        names.append(found - {("ServiceAccount", group.account) for group in made.groups})
    assert names[0]
    assert not names[0] & names[1]
