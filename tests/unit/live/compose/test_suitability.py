"""A project is held against what its engine says of itself, before anything starts."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

import msgspec
import pytest

from portable.backends.compose.services import Service, ServicePort
from portable.engines.docker.address import Address
from portable.engines.docker.containers import seen
from portable.engines.docker.engine import EngineReader
from portable.engines.docker.observed import PROJECT, SERVICE, Observed, ObservedContainer, Versions
from portable.live.compose.desired import ComposeStack, Desired
from portable.live.compose.suitability import check_engine, check_versions, needs_of
from portable.live.last_images import note_images, note_restored
from portable.live.tried import TRIED, ways_back
from portable.live.versions import VersionStep
from portable.model import plan as p
from portable.model.changes import Change
from portable.model.engine_facts import EngineFacts, EngineNetwork
from portable.model.errors import REFUSED, Refused
from portable.model.progress import Event
from portable.model.question import Question
from portable.model.versions import OneWay
from tests.factories import full_plan

PLAN = full_plan("compose")
STEP = VersionStep(app="demo", before="1.0", after="2.0", is_downgrade=False)

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


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


class Talking:
    """An engine that answers with these facts; a far one, so that nothing of this machine counts."""

    def __init__(self, facts: EngineFacts, url: str = "tcp://nas:2376") -> None:
        self._facts, self.address = facts, Address(url=url, named_by="test")

    def check(self) -> Versions:
        return Versions(engine="28.5.2", api="1.51", compose="2.40.3")

    def facts(self, compose: str = "") -> EngineFacts:
        assert compose == "2.40.3"
        return self._facts

    def ask(self, container: str, question: Question, *arguments: str, seconds: float = 20.0) -> tuple[int | None, str]:
        assert (container, question, arguments) == ("keeper", TRIED, ("demo",))
        return 0, self.backups

    backups = ""

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


def record(name: str, image: str, identity: str = "1", state: str = "running") -> ObservedContainer:
    labels = {PROJECT: "media", SERVICE: name, "portable.app": name}
    about = {
        "Id": identity,
        "Name": f"/media-{name}-1",
        "Config": {"Image": image, "Labels": labels},
        "State": {"Status": state, "StartedAt": "2026-11-20T10:00:00Z"},
        "HostConfig": {},
    }
    return seen(about, str)


def observed(image: str) -> Observed:
    return Observed(containers=(record("demo", image),))


def stack_with(*, backs_up: bool = False, accepted: tuple[str, ...] = ()) -> ComposeStack:
    """A stack of an app with state, whose version 2 has no way back; with `backs_up` also the app that makes backups."""
    container = PLAN.apps[0].containers[0]
    demo = msgspec.structs.replace(container, mounts=(p.Mount(volume="demo", path="/config"),))
    keeper = msgspec.structs.replace(container, mounts=(p.Mount(volume=p.BACKUPS, path="/backups"),))
    apps = [p.App(name="demo", title="Demo", zone="front", containers=(demo,))]
    apps += [p.App(name="backup", title="Backup", zone="upkeep", containers=(keeper,))] if backs_up else []
    volume = p.Volume(id="demo", holds="state", place=p.Folder(path="/srv/state"))
    return ComposeStack(
        project="media",
        body={},
        plan=msgspec.structs.replace(PLAN, apps=tuple(apps), volumes=(volume,), library=None),
        one_way={"demo": (OneWay(version="2", source="demo/demo#1"),)},
        accepted_versions=accepted,
    )


def versions_checked(
    stack: ComposeStack, seen_there: Observed, after: str, *, kind: Literal["create", "recreate"] = "recreate", backups: str = ""
) -> list[str]:
    """The notes of the check of versions. Raises Refused."""
    engine, events = Talking(EngineFacts()), list[Event]()
    engine.backups = backups
    wanted = Desired(project="media", body={}, services=(Service(name="demo", app="demo", image=after),))
    change = Change(kind=kind, service="demo", app="demo", cause="its image")
    check_versions(cast(EngineReader, engine), stack, wanted, seen_there, [change], events.append)
    return [event.text for event in events]


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
    stack = stack_with(accepted=accepted)
    if not code:
        assert versions_checked(stack, observed(before), after) == []
        return
    with pytest.raises(Refused, match="demo would go from") as refused:
        versions_checked(stack, observed(before), after)
    assert refused.value.code == code
    assert versions_checked(stack, Observed(), after) == []
    assert versions_checked(msgspec.structs.replace(stack, plan=None), observed(before), after) == []


def backups_of(**changes: object) -> str:
    """A list with one backup, as the program prints it: of today, tried, of version 1.0."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S.000Z")
    row = {"app": "demo", "at": at, "result": "sound", "image": "demo:1.0", "tried": at, "missing": [], "files": 3} | changes
    return '{"pulse": true}\n' + json.dumps(row)


def test_a_tried_backup_is_a_way_back() -> None:
    there = Observed(containers=(record("demo", "demo:1.0"), record("backup", "python:3", "keeper")))
    (note,) = versions_checked(stack_with(backs_up=True), there, "demo:2.0", backups=backups_of())
    assert "demo would go from 1.0 to 2.0" in note
    assert "`portable restore demo --at " in note


@pytest.mark.parametrize(
    ("backups", "why"),
    [
        ("", "it has no backup"),
        (backups_of(missing="database"), "it has no backup"),
        (backups_of(tried=""), "was not tried"),
        (backups_of(result="unsound"), "is unsound"),
        (backups_of(missing=["database"]), "lacks database"),
        (backups_of(at="2026-01-01T000000.000Z"), "is older than 7 days"),
        (backups_of(at="2026-01-01T000000.000Z", image="demo:0.9"), "may be of another version than 1.0"),
    ],
)
def test_another_backup_is_no_way_back(backups: str, why: str) -> None:
    there = Observed(containers=(record("demo", "demo:1.0"), record("backup", "python:3", "keeper")))
    with pytest.raises(Refused, match=why):
        versions_checked(stack_with(backs_up=True), there, "demo:2.0", backups=backups)


def test_a_backup_of_the_running_app_counts_whatever_image_it_notes() -> None:
    """The container that makes backups may be newer than the app, and then notes the image that the files name."""
    there = Observed(containers=(record("demo", "demo:1.0"), record("backup", "python:3", "keeper")))
    assert versions_checked(stack_with(backs_up=True), there, "demo:2.0", backups=backups_of(image="demo:2.0"))


@pytest.mark.parametrize(
    ("images", "why"),
    [
        ({"demo": "demo:1.0"}, ""),
        ({"demo": "demo:7", "demo-database": "demo:1.0"}, ""),
        ({"demo": "demo:2.0"}, "may be of another version than 1.0"),
        ({}, ""),
    ],
)
def test_the_images_that_the_engine_ran_count_before_files_and_time(images: dict[str, str], why: str) -> None:
    there = Observed(containers=(record("demo", "demo:1.0@sha256:ab"), record("backup", "python:3", "keeper")))

    def checked() -> list[str]:
        return versions_checked(stack_with(backs_up=True), there, "demo:2.0", backups=backups_of(images=images))

    if not why:
        assert checked()
        return
    with pytest.raises(Refused, match=why) as refused:
        checked()
    assert "portable up backup" not in str(refused.value.remedy)


def test_an_older_program_is_renewed_first() -> None:
    """It notes neither tries nor images, so the remedy alone would lead here again."""
    there = Observed(containers=(record("demo", "demo:1.0"), record("backup", "python:3", "keeper")))
    with pytest.raises(Refused, match="the container of backup runs an older program") as refused:
        versions_checked(stack_with(backs_up=True), there, "demo:2.0", backups=backups_of(tried=""))
    assert "`portable up backup`; then make and try a backup" in str(refused.value.remedy)
    with pytest.raises(Refused) as refused:
        versions_checked(stack_with(backs_up=True), there, "demo:2.0", backups=backups_of(tried="", images={}))
    assert "portable up backup" not in str(refused.value.remedy)


def test_backups_that_cannot_be_listed_are_no_way_back() -> None:
    there = Observed(containers=(record("demo", "demo:1.0"), record("backup", "python:3", "keeper", state="exited")))
    with pytest.raises(Refused, match="no app that makes backups runs here"):
        versions_checked(stack_with(backs_up=True), there, "demo:2.0", backups=backups_of())
    assert [way.why for way in ways_back([STEP], lambda _question, _apps: (127, "sh: python3: not found"), 0.0)] == [
        "the app that makes backups cannot list them: sh: python3: not found"
    ]


def test_the_version_before_down_is_remembered() -> None:
    """After `portable down` there is no container to compare with."""
    note_images("media", {"demo": ("demo", "demo:2.0")})
    with pytest.raises(Refused, match=r"demo would go from 2\.0 to 1\.0"):
        versions_checked(stack_with(), Observed(), "demo:1.0", kind="create")
    assert versions_checked(stack_with(), Observed(), "demo:2.0", kind="create") == []
    note_restored("media", "demo", {"demo": "demo:1.0"})
    assert versions_checked(stack_with(), Observed(), "demo:1.0", kind="create") == [], "a restore brought the state of 1.0 back"
