"""The doctor's checks of an engine."""

from typing import Any

import msgspec

from portable.model.contracts import Diagnosis
from portable.model.engine_facts import EngineFacts, EngineNetwork
from portable.model.exposures import Lan
from portable.verify.engine import examine_engine, missing_addresses
from portable.verify.host import Host, parsed
from tests.factories import full_plan

PLAN = full_plan("compose")
FACTS = EngineFacts(version="28.5.2", compose="2.40.3", runc="1.2.0")


def found(host: Host | None = None, **says: Any) -> list[Diagnosis]:
    facts = msgspec.structs.replace(FACTS, **says)
    return list(examine_engine(PLAN, facts, host or Host(), project="media-full"))


def worst(host: Host | None = None, **says: Any) -> dict[tuple[str, str], str]:
    return {(d.check, d.where): d.verdict for d in found(host, **says) if d.verdict != "holds"}


def test_an_ordinary_engine_has_nothing_to_report() -> None:
    assert worst() == {}
    assert [(d.check, d.where, d.verdict) for d in found()] == [("network", PLAN.subnet, "holds")]


def test_what_the_engine_says_of_itself_is_read() -> None:
    assert worst(compose="5.2.0") == {("engine", "engine.compose-broken"): "broken"}
    assert worst(limits_memory=False) == {("engine", "host.limits"): "note"}
    assert worst(remaps_users=True) == {("engine", "host.user-namespaces"): "broken"}
    assert worst(program="Podman") == {("engine", "engine.podman"): "note"}
    assert worst(folder="/var/snap/docker/x") == {}, "it sees /mnt"
    assert worst(system="Docker Desktop") == {("engine", "the engine"): "broken"}
    assert [d.text for d in found(warnings=("WARNING: No swap limit support",)) if d.verdict == "note"] == [
        "it warns: No swap limit support"
    ]


def test_a_subnet_of_another_network_or_of_the_host_is_broken() -> None:
    assert PLAN.subnet
    other = EngineNetwork(name="other_default", project="other", subnets=(PLAN.subnet,))
    assert worst(networks=(other,)) == {("network", "network.overlap"): "broken"}
    assert worst(Host(routes={PLAN.subnet: "eth0"})) == {("network", "network.overlap"): "broken"}
    assert not [d for d in found(networks=(other,)) if d.check == "network" and d.verdict == "holds"]


def test_ports_at_an_address_that_the_host_does_not_have_are_broken() -> None:
    exposures = tuple(
        msgspec.structs.replace(e, how=msgspec.structs.replace(e.how, address="192.168.7.2")) if isinstance(e.how, Lan) else e
        for e in PLAN.exposures
    )
    plan = msgspec.structs.replace(PLAN, exposures=exposures)
    assert missing_addresses(plan, ("10.0.0.1", "192.168.7.2")) == ()
    assert missing_addresses(plan, ()) == (), "the host's addresses are not known"
    assert missing_addresses(PLAN, ("10.0.0.1",)) == (), "its ports are published at every address"
    limits = {d.where: d.verdict for d in examine_engine(plan, FACTS, Host(addresses=("10.0.0.1",)), project="media-full")}
    assert limits["network.no-address"] == "broken"


def test_selinux_needs_labels_of_the_folders() -> None:
    assert worst(has_selinux=True) == {("engine", "host.selinux"): "note"}
    label = {"/mnt/storage": "system_u:object_r:{}:s0"}
    bare = Host(labels={path: text.format("var_t") for path, text in label.items()})
    assert worst(bare, has_selinux=True) == {("engine", "host.selinux"): "broken"}
    fine = Host(labels={path: text.format("container_file_t") for path, text in label.items()})
    assert worst(fine, has_selinux=True) == {}


def test_an_lxc_that_may_refuse_sysctls_has_a_remedy_until_a_container_runs() -> None:
    inside = Host(contained=True)
    assert worst(inside, runc="1.3.3") == {("engine", "host.sysctl"): "note"}
    (note,) = [d for d in found(inside, runc="1.3.3") if d.where == "host.sysctl"]
    assert "lxc.apparmor.profile" in note.remedy
    assert worst(inside, runc="1.3.3", running=1) == {}
    assert worst(inside, runc="1.3.2") == worst(Host(), runc="1.3.3") == {}


def test_the_script_tells_routes_labels_and_the_first_free_port() -> None:
    host = parsed(
        "route\teth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "label\t/mnt/storage\tsystem_u:object_r:container_file_t:s0\nfirst\t80\n"
    )
    assert host.routes == {"192.168.1.0/24": "eth0"}
    assert host.labels == {"/mnt/storage": "system_u:object_r:container_file_t:s0"}
    assert host.first_port == 80
    assert parsed("first\t\n").first_port == 1024
