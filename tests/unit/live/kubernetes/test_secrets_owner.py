"""A second user's file of secrets on a cluster: equal values are accepted, other ones are refused before anything is written."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from portable.backends.registry import back_end
from portable.cli import secrets, up
from portable.cli.up import _rehearsal
from portable.engines.kubernetes.cluster import Reference
from portable.live.kubernetes.driver import KubernetesDriver, KubernetesReader, opened
from portable.live.kubernetes.secrets_owner import record_reference
from portable.live.kubernetes.stack import KubernetesStack, stack_of
from portable.live.place import Place
from portable.model import plan as p
from portable.model.errors import PortableError, Refused, UsageError
from portable.model.secret_refs import SecretRef
from portable.secrets.generate import known_values
from portable.secrets.owner import owner_of
from portable.secrets.sources import EnvironmentSource, FileSource
from tests import factories
from tests.unit.live.kubernetes.conftest import TOKEN, made, secrets_file
from tests.unit.live.kubernetes.fake_cluster import ADDRESS, FakeCluster


@pytest.fixture
def second(tmp_path: Path) -> FileSource:
    """The file of a second user, with another value."""
    (tmp_path / "second").mkdir()
    return secrets_file(tmp_path / "second", "mine-1234567890")


def stack() -> KubernetesStack:
    return made()


def started(source: FileSource) -> FakeCluster:
    """A cluster on which the first user ran `up`."""
    cluster = FakeCluster()
    driver = KubernetesDriver(cluster, stack(), source)
    driver.up(deadline=5)
    driver.record_secrets_owner(owner_of(source))
    cluster.writes.clear()
    return cluster


def value_of(cluster: FakeCluster) -> str:
    return base64.b64decode(cluster.objects[Reference("v1", "Secret", "media", "token")]["data"]["value"]).decode()


def test_other_values_than_the_secrets_have_are_refused_and_never_shown(source: FileSource, second: FileSource) -> None:
    cluster = started(source)
    driver = KubernetesDriver(cluster, stack(), second)
    with pytest.raises(Refused) as caught:
        driver.up(deadline=5)
    error = caught.value
    assert (error.code, error.where) == ("secret.other-owner", second.path)
    assert source.path in error.text
    assert f"kubectl delete configmap -n media {record_reference(stack()).name}" in str(error.remedy)
    assert TOKEN not in str(error)
    assert "mine-1234567890" not in str(error)
    assert (cluster.writes, value_of(cluster)) == ([], TOKEN)


@pytest.mark.parametrize("has_file", [True, False])
def test_the_rehearsal_refuses_other_and_missing_values(source: FileSource, second: FileSource, has_file: bool) -> None:
    """Without a file of its own, a second user would generate values over those of the cluster."""
    cluster = started(source)
    if not has_file:
        Path(second.path).unlink()
    place = Place(source=second, opened=opened(stack(), second, ADDRESS, Path("/nowhere")))
    _, problems = _rehearsal(place, KubernetesReader(cluster, stack(), second), {"token": "hex"}, ())
    assert [problem.code for problem in problems] == ["secret.other-owner"]
    assert cluster.writes == []


def test_a_copied_file_is_accepted_and_then_the_recorded_one(source: FileSource, second: FileSource) -> None:
    cluster = started(source)
    secrets_file(Path(second.path).parent, TOKEN)
    driver = KubernetesDriver(cluster, stack(), second)
    assert driver.up(deadline=5).changes == ()
    assert cluster.writes == [], "the record is no part of the stack's objects"
    driver.record_secrets_owner(owner_of(second))
    assert driver.secrets_owner() == owner_of(second)
    cluster.writes.clear()
    driver.record_secrets_owner(owner_of(second))
    assert cluster.writes == []


def test_the_recorded_owner_may_change_a_value_and_so_may_anybody_without_a_record(source: FileSource, second: FileSource) -> None:
    cluster = started(source)
    secrets_file(Path(source.path).parent, "changed-1234567890")
    KubernetesDriver(cluster, stack(), source).up(deadline=5)
    assert value_of(cluster) == "changed-1234567890"
    del cluster.objects[record_reference(stack())]
    KubernetesDriver(cluster, stack(), second).up(deadline=5)
    assert value_of(cluster) == "mine-1234567890"


def test_the_record_outlives_down_and_the_next_up(source: FileSource) -> None:
    cluster = started(source)
    driver = KubernetesDriver(cluster, stack(), source)
    driver.down()
    assert driver.secrets_owner() == owner_of(source)
    driver.up(deadline=5)
    assert driver.secrets_owner() == owner_of(source)


def test_where_nothing_can_be_recorded_or_read_nothing_is_refused(source: FileSource, second: FileSource) -> None:
    cluster = FakeCluster()
    KubernetesDriver(cluster, stack(), source).record_secrets_owner(owner_of(source))
    assert cluster.writes == [], "the namespace does not exist yet"
    cluster = started(source)
    cluster.forbidden = lambda verb, reference: verb == "get" and reference == record_reference(stack())
    reader = KubernetesReader(cluster, stack(), second)
    reader.refuse_other_values(known_values(stack().secrets, second))
    assert reader.secrets_owner() == ""
    cluster.forbidden = lambda _verb, _reference: False
    KubernetesReader(cluster, stack(), EnvironmentSource()).refuse_other_values(known_values(stack().secrets, second))


def test_the_record_needs_no_right_to_read_the_namespace(source: FileSource) -> None:
    cluster = started(source)
    del cluster.objects[record_reference(stack())]
    cluster.forbidden = lambda _verb, reference: reference.kind == "Namespace"
    driver = KubernetesDriver(cluster, stack(), source)
    driver.up(deadline=5)
    driver.record_secrets_owner(owner_of(source))
    assert driver.secrets_owner() == owner_of(source)


def adopt(monkeypatch: pytest.MonkeyPatch, cluster: FakeCluster, where: FileSource) -> None:
    """Run `portable secrets adopt` on a stack in that cluster."""

    @contextmanager
    def driver_of(_place: object) -> Iterator[KubernetesDriver]:
        yield KubernetesDriver(cluster, stack(), where)

    place, planned = SimpleNamespace(source=where, stack=stack()), SimpleNamespace(generated={"token": "hex"})
    monkeypatch.setattr(up, "open_place", lambda *_args, **_more: (place, planned))
    monkeypatch.setattr(up, "driver_of", driver_of)
    secrets.adopt("home")


@pytest.mark.parametrize(("text", "mode"), [("other: value\n", 0o600), (f"token: {TOKEN}\n", 0o644), (None, 0)])
def test_a_file_that_lacks_what_the_cluster_has_is_not_adopted(
    monkeypatch: pytest.MonkeyPatch, source: FileSource, second: FileSource, text: str | None, mode: int
) -> None:
    """The next `up` of that user would generate a value over the one of the cluster."""
    cluster = started(source)
    if text is None:
        Path(second.path).unlink()
    else:
        Path(second.path).write_text(text)
        Path(second.path).chmod(mode)
    with pytest.raises(PortableError):
        adopt(monkeypatch, cluster, second)
    assert (cluster.writes, value_of(cluster)) == ([], TOKEN)


def test_a_copied_file_is_adopted_and_a_stack_that_does_not_exist_is_not(
    monkeypatch: pytest.MonkeyPatch, source: FileSource, second: FileSource
) -> None:
    cluster = started(source)
    secrets_file(Path(second.path).parent, TOKEN)
    adopt(monkeypatch, cluster, second)
    assert KubernetesReader(cluster, stack(), second).secrets_owner() == owner_of(second)
    with pytest.raises(UsageError, match="does not exist there yet"):
        adopt(monkeypatch, FakeCluster(), second)


def test_secrets_that_somebody_else_made_are_nobody_s_business(source: FileSource, second: FileSource) -> None:
    cluster = started(source)
    del cluster.objects[Reference("v1", "Secret", "media", "token")]["metadata"]["labels"]
    KubernetesReader(cluster, stack(), second).refuse_other_values(known_values(stack().secrets, second))


@pytest.mark.parametrize("form", ["plain", "qbittorrent"])
def test_a_value_in_a_whole_file_is_compared_in_its_form_and_the_rest_of_the_file_is_not(
    source: FileSource, second: FileSource, form: str
) -> None:
    def with_file(text: str) -> KubernetesStack:
        container = factories.container(files=(p.FileMount(file="conf", path="/etc/app.conf"),))
        body = (text, SecretRef(name="token", form=form), "\n")  # type: ignore[arg-type]
        plan = factories.plan(factories.app("one", containers=(container,)), namespace="media", files=(p.File(id="conf", body=body),))
        return stack_of(plan, back_end("kubernetes").render(plan))

    cluster = FakeCluster()
    driver = KubernetesDriver(cluster, with_file("token = "), source)
    driver.up(deadline=5)
    driver.record_secrets_owner(owner_of(source))
    with pytest.raises(Refused, match="has other values"):
        KubernetesDriver(cluster, with_file("token = "), second).up(deadline=5)
    secrets_file(Path(second.path).parent, TOKEN)
    changed = KubernetesReader(cluster, with_file("changed = "), second)
    changed.refuse_other_values(known_values(changed.stack.secrets, second))
