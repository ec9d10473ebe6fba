"""Values of secrets between a source and the cluster."""

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.backends.registry import back_end
from portable.live.kubernetes.desired import SECRET_DIGEST, desired_objects, secret_reference
from portable.live.kubernetes.secret_values import (
    SecretLookup,
    complete_values,
    incomplete_secrets,
    look_up,
    places_of,
    refuse_missing,
    values_of,
)
from portable.live.kubernetes.stack import KubernetesStack, stack_of
from portable.model import plan as p
from portable.model.errors import UsageError
from portable.model.secret_refs import SecretRef
from portable.secrets.sources import ExternalSource, FileSource
from portable.secrets.values import Resolved, Secret
from tests import factories

TOKEN = SecretRef(name="token")


def stack() -> KubernetesStack:
    """A stack with a secret that is a variable and a part of a file."""
    container = factories.container(env={"TOKEN": TOKEN}, files=(p.FileMount(file="conf", path="/etc/app.conf"),))
    file = p.File(id="conf", body=("token = ", TOKEN, "\n"))
    plan = factories.plan(factories.app("one", containers=(container,)), namespace="media", files=(file,))
    return stack_of(plan, back_end("kubernetes").render(plan))


STACK = stack()


def live(**secrets: dict[str, str]) -> dict[Any, Any]:
    """Secrets of somebody else."""
    encoded = {name: {key: base64.b64encode(value.encode()).decode() for key, value in data.items()} for name, data in secrets.items()}
    return {secret_reference(STACK, name): {"metadata": {"name": name}, "data": data} for name, data in encoded.items()}


def found(value: str | None) -> SecretLookup:
    """What the source has."""
    return look_up(STACK, Resolved({("token", "value"): Secret(value)} if value else {}))


def test_a_value_lies_in_its_own_secret_and_in_whole_files() -> None:
    assert set(places_of(STACK)["token", "value"]) == {("token", "value"), ("conf", "app.conf")}
    assert values_of(STACK, found("x")) == {"token": {"value": "x"}, "conf": {"app.conf": "token = x\n"}}


def test_a_secret_without_a_value_is_not_written() -> None:
    assert values_of(STACK, found(None)) == {}


def test_a_value_that_the_cluster_has_is_not_missing() -> None:
    source = Resolved({})
    with pytest.raises(UsageError, match="token"):
        refuse_missing(STACK, found(None), source, {})
    with pytest.raises(UsageError, match="token"):
        refuse_missing(STACK, found(None), source, live(token={"value": "x"}))
    refuse_missing(STACK, found(None), source, live(token={"value": "x"}, conf={"app.conf": "token = x"}))


def test_a_source_says_how_a_value_is_set(tmp_path: Path) -> None:
    source = FileSource(path=str(tmp_path / "absent.yaml"))
    with pytest.raises(UsageError) as refused:
        refuse_missing(STACK, look_up(STACK, source), source, {})
    assert "portable secrets set token" in str(refused.value)


def test_values_of_the_cluster_are_known_and_hidden() -> None:
    known = complete_values(STACK, found(None), live(token={"value": "canary-theirs"}))
    assert known.of("token") == "canary-theirs"
    assert "canary" not in known.hide("it is canary-theirs")
    assert complete_values(STACK, found("ours"), live(token={"value": "theirs"})).of("token") == "ours"


def test_keys_that_a_secret_of_somebody_else_lacks_are_told() -> None:
    assert list(incomplete_secrets(STACK, live(token={"other": "x"}, conf={"app.conf": "y"}))) == [("token", ("value",))]
    assert list(incomplete_secrets(STACK, {})) == []


def test_values_of_an_operator_are_neither_written_nor_needed() -> None:
    looked = look_up(STACK, ExternalSource(store="vault", kind="SecretStore"))
    assert values_of(STACK, looked) == {}
    refuse_missing(STACK, looked, ExternalSource(store="vault", kind="SecretStore"), {})


def test_secrets_of_an_operator_are_not_judged_by_their_keys_and_restart_nothing() -> None:
    fetched = msgspec.structs.replace(STACK, fetched_secrets=frozenset({"token"}))
    there = live(token={"other": "x"})
    assert list(incomplete_secrets(STACK, there)) == [("token", ("value",))]
    assert list(incomplete_secrets(fetched, there)) == []

    def digests(stack: KubernetesStack) -> list[bool]:
        return [SECRET_DIGEST in str(item.body) for item in desired_objects(stack, {}, live(token={"value": "x"})) if item.has_pods]

    assert (digests(STACK), digests(fetched)) == ([True], [False])
