"""A project is held against what its engine says of itself, before anything starts."""

from collections.abc import Iterable
from typing import cast

import msgspec
import pytest

from portable.backends.compose.services import Service, ServicePort
from portable.engines.docker.address import Address
from portable.engines.docker.containers import seen
from portable.engines.docker.engine import EngineReader
from portable.engines.docker.observed import PROJECT, SERVICE, Observed, Versions
from portable.live.compose.desired import ComposeStack, Desired
from portable.live.compose.suitability import check_engine, check_versions, needs_of
from portable.model import plan as p
from portable.model.changes import Change
from portable.model.engine_facts import EngineFacts, EngineNetwork
from portable.model.errors import REFUSED, Refused
from portable.model.progress import Event
from portable.model.versions import OneWay
from tests.factories import full_plan

PLAN = full_plan("compose")

BODY = {
    "services": {
        "gateway": {"mem_limit": "256m", "volumes": [{"type": "volume", "source": "x"}]},
        "demo": {"privileged": True, "volumes": [{"type": "bind", "source": "/srv/state"}, {"type": "tmpfs"}]},
    }
}
DESIRED = Desired(
    project="media",
    body=BODY,
    services=(
        Service(name="gateway", app="gateway", image="g:1", ports=(ServicePort(number=8080, protocol="tcp", address=""),)),
        Service(name="demo", app="demo", image="d:1", owner="gateway"),
    ),
    subnets={"default": ("10.77.0.0/24",)},
)


class Talking:
    """An engine that answers with these facts; a far one, so that nothing of this machine counts."""

    def __init__(self, facts: EngineFacts, url: str = "tcp://nas:2376") -> None:
        self._facts, self.address = facts, Address(url=url, named_by="test")

    def check(self) -> Versions:
        return Versions(engine="28.5.2", api="1.51", compose="2.40.3")

    def facts(self, compose: str = "") -> EngineFacts:
        assert compose == "2.40.3"
        return self._facts

    def image_architectures(self, references: Iterable[str]) -> dict[str, str]:
        return dict.fromkeys(references, "amd64")


def checked(facts: EngineFacts) -> list[str]:
    """The notes of the check. Raises Refused."""
    events: list[Event] = []
    check_engine(cast(EngineReader, Talking(facts)), DESIRED, events.append)
    return [event.text for event in events]


def test_needs_are_read_from_the_project() -> None:
    needs = needs_of(DESIRED, local=False)
    assert (needs.shares_network, needs.is_privileged, needs.limits_memory) == (True, True, True)
    assert (needs.ports, needs.subnets, needs.folders) == ((8080,), ("10.77.0.0/24",), ("/srv/state",))
    assert (needs.labels, needs.routes) == ({}, {})
    bare = needs_of(Desired(project="media", body={"services": {}}, services=()), local=True)
    assert (bare.shares_network, bare.is_privileged, bare.limits_memory, bare.folders) == (False, False, False, ())


def test_addresses_that_this_machine_does_not_have_are_missing() -> None:
    ports = [
        ServicePort(number=80 + at, protocol="tcp", address=address) for at, address in enumerate(("", "::", "127.0.0.1", "192.0.2.9"))
    ]
    desired = Desired(project="media", body={"services": {}}, services=(Service(name="a", app="a", image="a:1", ports=tuple(ports)),))
    assert needs_of(desired, local=True).missing_addresses == ("192.0.2.9",)
    assert needs_of(desired, local=False).missing_addresses == (), "that of another machine is not known"
    own = (ServicePort(number=80, protocol="tcp", address="127.0.0.2"),)
    here = Desired(project="media", body={"services": {}}, services=(Service(name="a", app="a", image="a:1", ports=own),))
    assert needs_of(here, local=True).missing_addresses == ()


def test_an_engine_without_limits_says_nothing() -> None:
    assert checked(EngineFacts()) == []


def test_all_obstacles_are_named_at_once() -> None:
    facts = EngineFacts(remaps_users=True, networks=(EngineNetwork(name="other", subnets=("10.77.0.0/16",)),))
    with pytest.raises(Refused, match=r"remaps users.*overlaps with the engine's network other") as refused:
        checked(facts)
    assert (refused.value.exit_code, refused.value.code) == (REFUSED, "host.user-namespaces")


def test_images_for_another_processor_are_refused_before_they_start() -> None:
    with pytest.raises(Refused, match=r"d:1 \(amd64\), g:1 \(amd64\)") as refused:
        checked(EngineFacts(architecture="aarch64"))
    assert refused.value.code == "registry.platform"


def test_what_the_engine_only_lacks_is_a_note() -> None:
    (note,) = checked(EngineFacts(limits_memory=False))
    assert note.endswith("[host.limits]")


def observed(image: str) -> Observed:
    record = {
        "Id": "1",
        "Name": "/media-demo-1",
        "Config": {"Image": image, "Labels": {PROJECT: "media", SERVICE: "demo", "portable.app": "demo"}},
        "State": {"Status": "running"},
        "HostConfig": {},
    }
    return Observed(containers=(seen(record, str),))


@pytest.mark.parametrize(
    ("before", "after", "accepted", "code"),
    [
        ("demo:2.0", "demo:1.0", (), "up.downgrade"),
        ("demo:1.0", "demo:2.0", (), "up.one-way"),
        ("demo:2.0", "demo:1.0", ("demo",), ""),
        ("demo:1.0", "demo:1.1", (), ""),
    ],
)
def test_a_change_without_a_way_back_is_refused(before: str, after: str, accepted: tuple[str, ...], code: str) -> None:
    app = p.App(
        name="demo",
        title="Demo",
        zone="front",
        containers=(msgspec.structs.replace(PLAN.apps[0].containers[0], mounts=(p.Mount(volume="demo", path="/config"),)),),
    )
    volume = p.Volume(id="demo", holds="state", place=p.Folder(path="/srv/state"))
    stack = ComposeStack(
        project="media",
        body={},
        plan=msgspec.structs.replace(PLAN, apps=(app,), volumes=(volume,), library=None),
        one_way={"demo": (OneWay(version="2", source="demo/demo#1"),)},
        accepted_versions=accepted,
    )
    wanted = Desired(project="media", body={}, services=(Service(name="demo", app="demo", image=after),))
    change = Change(kind="recreate", service="demo", app="demo", cause="its image")
    if not code:
        check_versions(stack, wanted, observed(before), [change])
        return
    with pytest.raises(Refused, match="demo would go from") as refused:
        check_versions(stack, wanted, observed(before), [change])
    assert refused.value.code == code
    check_versions(stack, wanted, Observed(), [change])
    check_versions(msgspec.structs.replace(stack, plan=None), wanted, observed(before), [change])
