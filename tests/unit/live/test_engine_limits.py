"""What an engine says of itself, as real engines answer, and what a stack cannot have from it."""

from typing import Any

import msgspec
import pytest

from portable.engines.docker.facts import facts_of
from portable.live.engine_limits import EngineNeeds, limits_of
from portable.live.routes import routes_of
from portable.model.engine_facts import EngineFacts, EngineNetwork

FACTS = EngineFacts(version="28.5.2", compose="2.40.3", networks=(EngineNetwork(name="bridge", subnets=("172.17.0.0/16",)),))
NEEDS = EngineNeeds(
    project="media",
    shares_network=True,
    limits_memory=True,
    ports=(53, 8080),
    subnets=("10.77.0.0/24",),
    folders=("/mnt/storage", "/srv/state"),
)

CASES: tuple[tuple[str, str, bool, dict[str, Any], dict[str, Any]], ...] = (
    ("docker/compose#13878", "engine.compose-broken", True, {"compose": "5.2.0"}, {}),
    ("podman-container-tools/podman#8784", "engine.podman", False, {"program": "Podman"}, {}),
    ("moby/moby#20546", "host.user-namespaces", True, {"remaps_users": True}, {}),
    ("moby/moby#17409", "host.user-namespaces", True, {"remaps_users": True}, {"shares_network": False, "is_privileged": True}),
    ("rootless-containers/rootlesskit#192", "host.privileged-port", True, {"is_rootless": True}, {"folders": ()}),
    ("openops-cloud/openops#278", "host.rootless", False, {"is_rootless": True}, {"ports": (8080,)}),
    ("containers/crun#700", "host.limits", False, {"limits_memory": False}, {}),
    ("canonical/docker-snap#189", "host.hidden-folder", True, {"folder": "/var/snap/docker/common/var-lib-docker"}, {}),
    ("plausible/community-edition#273", "host.selinux", False, {"has_selinux": True}, {}),
    (
        "overleaf/toolkit#330",
        "host.selinux",
        True,
        {"has_selinux": True},
        {"labels": {"/srv/state": "unconfined_u:object_r:var_t:s0", "/mnt/storage": "system_u:object_r:container_file_t:s0"}},
    ),
    ("an address of another host", "network.no-address", True, {}, {"missing_addresses": ("192.168.7.2",)}),
    ("maxking/docker-mailman#85", "network.overlap", True, {}, {"subnets": ("172.17.4.0/24",)}),
    ("Websoft9/websoft9#342", "network.overlap", True, {}, {"routes": {"10.77.0.0/16": "eth0"}}),
    ("a bridge of Proxmox", "network.overlap", True, {}, {"routes": {"10.77.0.0/16": "vmbr0"}}),
    ("caprover/caprover#1378", "registry.platform", True, {"architecture": "aarch64"}, {"images": {"x:1": "amd64", "y:1": "arm64"}}),
)


@pytest.mark.parametrize(("source", "code", "stops", "says", "wants"), CASES, ids=[f"{c[1]} {c[0]}" for c in CASES])
def test_a_limit_of_an_engine_is_named(source: str, code: str, stops: bool, says: dict[str, Any], wants: dict[str, Any]) -> None:
    facts, needs = msgspec.structs.replace(FACTS, **says), msgspec.structs.replace(NEEDS, **wants)
    (only,) = limits_of(facts, needs)
    assert (only.code, only.stops) == (code, stops), source
    assert only.why
    assert only.remedy


@pytest.mark.parametrize(
    ("says", "wants"),
    [
        ({}, {}),
        ({"compose": "5.2.0"}, {"shares_network": False}),
        ({"compose": "5.3.0"}, {}),
        ({"remaps_users": True}, {"shares_network": False}),
        ({"is_rootless": True}, {"folders": (), "first_port": 53}),
        ({"limits_memory": False}, {"limits_memory": False}),
        ({"folder": "/var/snap/docker/common/var-lib-docker"}, {"folders": ("/home/me/media", "/mnt/storage")}),
        ({"has_selinux": True}, {"folders": (), "labels": {}}),
        ({"has_selinux": True}, {"labels": {"/srv/state": "system_u:object_r:container_file_t:s0"}}),
        # Its own network, which exists already, the host's route to it, and routes to other networks.
        ({"networks": (EngineNetwork(name="media_default", project="media", subnets=("10.77.0.0/24",)),)}, {}),
        ({}, {"routes": {"10.77.0.0/24": "br-0a470b25babd", "192.168.1.0/24": "eth0"}}),
        ({"networks": (EngineNetwork(name="six", subnets=("fd00::/64", "nonsense")),)}, {}),
        ({"architecture": "aarch64"}, {"images": {"x:1": "amd64", "y:1": "arm64"}, "emulated": ("amd64",)}),
        ({"architecture": "aarch64"}, {"images": {"y:1": "arm64", "z:1": ""}}),
    ],
)
def test_an_engine_that_can_is_not_complained_of(says: dict[str, Any], wants: dict[str, Any]) -> None:
    assert list(limits_of(msgspec.structs.replace(FACTS, **says), msgspec.structs.replace(NEEDS, **wants))) == []


DOCKER = {
    "Architecture": "x86_64",
    "OperatingSystem": "Debian GNU/Linux 13 (trixie)",
    "DockerRootDir": "/var/lib/docker",
    "MemoryLimit": True,
    "CpuCfsQuota": True,
    "ContainersRunning": 3,
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"],
    "Warnings": None,
}
VERSION = {
    "Version": "28.5.2",
    "Components": [
        {"Name": "Engine", "Version": "28.5.2"},
        {"Name": "containerd", "Version": "v1.7.28"},
        {"Name": "runc", "Version": "1.3.3"},
    ],
}
NETWORKS: list[dict[str, Any]] = [
    {"Name": "bridge", "IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]}, "Labels": {}},
    {"Name": "host", "IPAM": {"Config": None}, "Labels": None},
    {"Name": "media_default", "IPAM": {"Config": [{"Subnet": "10.77.0.0/24"}]}, "Labels": {"com.docker.compose.project": "media"}},
]


def test_the_answers_of_docker_are_read() -> None:
    assert facts_of(DOCKER, VERSION, NETWORKS, "2.40.3") == EngineFacts(
        version="28.5.2",
        compose="2.40.3",
        runc="1.3.3",
        system="Debian GNU/Linux 13 (trixie)",
        folder="/var/lib/docker",
        running=3,
        networks=(
            EngineNetwork(name="bridge", subnets=("172.17.0.0/16",)),
            EngineNetwork(name="host"),
            EngineNetwork(name="media_default", project="media", subnets=("10.77.0.0/24",)),
        ),
    )


def test_the_answers_of_a_rootless_podman_and_of_a_raspberry_pi_are_read() -> None:
    podman = {
        "Architecture": "aarch64",
        "MemoryLimit": False,
        "SecurityOptions": ["name=seccomp,profile=default", "name=rootless", "name=selinux", "name=userns"],
        "Warnings": ["WARNING: No memory limit support"],
    }
    facts = facts_of(podman, {"Version": "5.4.2", "Components": [{"Name": "Podman Engine", "Version": "5.4.2"}]}, [], "")
    assert (facts.program, facts.architecture, facts.limits_memory) == ("Podman", "aarch64", False)
    assert (facts.is_rootless, facts.has_selinux, facts.remaps_users) == (True, True, True)
    assert facts.warnings == ("WARNING: No memory limit support",)
    assert facts_of({}, {}, [], "") == EngineFacts()


def test_routes_are_read_without_the_default_one() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\nbroken\n"
    )
    assert routes_of(table) == {"192.168.1.0/24": "eth0", "172.17.0.0/16": "docker0"}
    assert routes_of("") == {}
