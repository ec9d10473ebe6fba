"""On a cluster, too, nothing starts an older version on newer state, or crosses a version without a way back, unless a person says so."""

import datetime
import json
from typing import Any

import msgspec
import pytest

from portable.backends.registry import back_end
from portable.live.kubernetes import versions
from portable.live.kubernetes.driver import KubernetesDriver
from portable.live.kubernetes.stack import KubernetesStack, stack_of
from portable.model import plan as p
from portable.model.errors import Refused
from portable.model.plan import Image
from portable.model.progress import Event, silent
from portable.model.versions import OneWay
from portable.secrets.sources import FileSource
from portable.upkeep.backup_record import record_backups
from tests import factories
from tests.unit.live.kubernetes.conftest import made
from tests.unit.live.kubernetes.fake_cluster import FakeCluster


def version(tag: str, **changes: Any) -> KubernetesStack:
    """The stack of one app with state, at a version; version 2 has no way back."""
    plan = made("one").plan
    assert plan is not None
    image = Image(repository="registry.test/one", tag=tag)
    apps = tuple(
        msgspec.structs.replace(app, containers=tuple(msgspec.structs.replace(one, image=image) for one in app.containers))
        for app in plan.apps
    )
    plan = msgspec.structs.replace(plan, apps=apps)
    stack = stack_of(plan, back_end("kubernetes").render(plan))
    return msgspec.structs.replace(stack, one_way={"one": (OneWay(version="2", source="one/one#1", is_slow=True),)}, **changes)


def ran(source: FileSource, tag: str) -> FakeCluster:
    cluster = FakeCluster()
    KubernetesDriver(cluster, version(tag), source).up(deadline=5)
    return cluster


@pytest.mark.parametrize(
    ("before", "after", "code", "text"),
    [
        ("2.0", "1.0", "up.downgrade", r"one would go from 2\.0 to 1\.0"),
        ("1.0", "2.0", "up.one-way", r"one/one#1\); its migration may take hours"),
    ],
)
def test_a_step_is_refused_before_anything_is_written(source: FileSource, before: str, after: str, code: str, text: str) -> None:
    cluster = ran(source, before)
    count = len(cluster.writes)
    with pytest.raises(Refused, match=text) as refused:
        KubernetesDriver(cluster, version(after), source).up(deadline=5)
    assert refused.value.code == code
    assert "`portable up --accept-version one`" in str(refused.value.remedy)
    with pytest.raises(Refused, match=text):
        KubernetesDriver(cluster, version(after), source).diff()
    assert len(cluster.writes) == count
    assert KubernetesDriver(cluster, version(after, accepted_versions=("one",)), source).up(deadline=5).changes
    assert KubernetesDriver(cluster, version(after), source).up(deadline=5).changes == ()


def test_another_step_goes_on(source: FileSource) -> None:
    cluster = ran(source, "2.0")
    assert KubernetesDriver(cluster, version("2.1"), source).up(deadline=5).changes
    assert KubernetesDriver(cluster, version("edge"), source).up(deadline=5).changes


def test_the_version_before_down_is_remembered(source: FileSource) -> None:
    cluster = ran(source, "2.0")
    KubernetesDriver(cluster, version("2.0"), source).down()
    with pytest.raises(Refused, match="one would go from"):
        KubernetesDriver(cluster, version("1.0"), source).up(deadline=5)
    assert KubernetesDriver(cluster, version("2.0"), source).up(deadline=5).changes


SAVED = {"app": "one", "result": "sound", "image": "registry.test/one:1.0", "images": {"one/main": "registry.test/one:1.0"}}


def stored(stack: KubernetesStack) -> KubernetesStack:
    """The stack with an app that makes backups."""
    assert stack.plan is not None
    runner = factories.app(
        "backup",
        containers=(factories.container(mounts=(p.Mount(volume=p.BACKUPS, path=f"/{p.BACKUPS}"),), command=("true",)),),
        schedule=p.Schedule(minutes=(15,), hours=(3,)),
        ports=(),
    )
    store = p.Volume(id=p.BACKUPS, holds="backups", place=factories.claim(name="store", shared=True))
    plan = msgspec.structs.replace(
        stack.plan,
        apps=(*stack.plan.apps, runner),
        groups=(*stack.plan.groups, p.Group(name="backup", apps=("backup",))),
        volumes=(*stack.plan.volumes, store),
    )
    made = stack_of(plan, back_end("kubernetes").render(plan))
    return msgspec.structs.replace(made, one_way=stack.one_way)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"tried": ""}, "was not tried"),
        ({"result": "unsound"}, "is unsound"),
        ({"images": {"one/main": "registry.test/one:0.9"}}, "may be of another version than 1.0"),
    ],
)
def test_a_tried_backup_is_a_way_back(source: FileSource, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], why: str) -> None:
    """`up` asks the store in a Job, once there is such a step; `diff` starts no pod, and knows what commands here last saw."""
    asked: list[str] = []
    now = datetime.datetime.now(datetime.UTC)
    row = {**SAVED, "at": now.strftime("%Y-%m-%dT%H%M%S.000Z"), "tried": now.strftime("%Y-%m-%dT%H:%M:%SZ"), **changes}

    def run_backup(_: Any, __: Any, request: Any, on_line: Any, ___: Any) -> int:
        asked.append(" ".join((request.runner, request.verb, *request.apps)))
        on_line(json.dumps(row))
        return 0

    monkeypatch.setattr(versions, "run_backup", run_backup)
    cluster = FakeCluster()
    KubernetesDriver(cluster, stored(version("1.0")), source).up(deadline=5)
    assert asked == []
    driver = KubernetesDriver(cluster, stored(version("2.0")), source)
    with pytest.raises(Refused, match="this machine never listed them"):
        driver.diff()
    record_backups(driver.stack.project, "list", ("one",), [row], progress=silent)
    events: list[Event] = []
    if why:
        with pytest.raises(Refused, match=why):
            driver.diff()
        with pytest.raises(Refused, match=f"no tried backup leads back: the backup of .* {why}") as refused:
            driver.up(deadline=5)
        assert refused.value.code == "up.one-way"
        assert "`portable backup --check one`" in str(refused.value.remedy)
        assert "`portable up --accept-version one`" in str(refused.value.remedy)
    else:
        assert driver.diff()
        assert asked == [], "a look starts no pod"
        assert driver.up(deadline=5, progress=events.append).changes
        assert any(f"`portable restore one --at {row['at']}`" in event.text for event in events if event.what == "note")
    assert asked[:1] == ["backup list one"]


def test_without_an_app_that_makes_backups_the_remedy_names_the_setting_of_a_cluster(source: FileSource) -> None:
    cluster = ran(source, "1.0")
    with pytest.raises(Refused) as refused:
        KubernetesDriver(cluster, version("2.0"), source).up(deadline=5)
    assert "`storage: {backups: {on: library, below: backups}}`" in str(refused.value.remedy)
