"""On a cluster, too, nothing starts an older version on newer state, or crosses a version without a way back, unless a person says so."""

from typing import Any

import msgspec
import pytest

from portable.backends.registry import back_end
from portable.live.kubernetes.driver import KubernetesDriver
from portable.live.kubernetes.stack import KubernetesStack, stack_of
from portable.model.errors import Refused
from portable.model.plan import Image
from portable.model.versions import OneWay
from portable.secrets.sources import FileSource
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
