"""The variables by which Compose gets secrets, and which secrets a plan needs, each by the one thing that asks for it."""

import pytest

from portable.model import plan as p
from portable.model.errors import PortableError
from portable.model.secret_refs import SecretRef
from portable.secrets.environment import environment
from portable.secrets.needs import Need, needs_of
from portable.secrets.values import Resolved, Secret
from tests.factories import app, container, one, plan, with_cloud

LONGEST = 128 * 1024
NAME = "PORTABLE_SECRET_S_VALUE"
ASKS = one(env={"A": SecretRef(name="s")})


def filled(value: str, made: p.Plan = ASKS) -> dict[str, str]:
    return environment(made, Resolved({("s", "value"): Secret(value)}))


@pytest.mark.parametrize("letter", ["x", "ü"])
def test_a_value_may_be_as_long_as_an_environment_carries(letter: str) -> None:
    room = LONGEST - len(NAME) - 2  # `=` and the final zero
    count, rest = divmod(room, len(letter.encode()))
    assert filled(letter * count + "x" * rest)[NAME].startswith(letter)
    with pytest.raises(PortableError) as caught:
        filled(letter * count + "x" * (rest + 1))
    assert (caught.value.code, caught.value.where) == ("secret.too-long", "secrets")
    assert "128 KiB" in caught.value.text


def test_a_zero_byte_is_refused() -> None:
    with pytest.raises(PortableError) as caught:
        filled("a\0b")
    assert (caught.value.code, caught.value.where) == ("secret.zero-byte", "secrets")
    assert "the secret s " in caught.value.text


def test_two_secrets_of_one_variable_are_refused_unless_they_are_equal() -> None:
    made = one(env={"A": SecretRef(name="s-1"), "B": SecretRef(name="s.1")})

    def values(second: str) -> Resolved:
        return Resolved({("s-1", "value"): Secret("x"), ("s.1", "value"): Secret(second)})

    assert environment(made, values("x")) == {"PORTABLE_SECRET_S_1_VALUE": "x"}
    with pytest.raises(PortableError) as caught:
        environment(made, values("y"))
    assert (caught.value.code, caught.value.where) == ("secret.variable-clash", "secrets")
    assert all(name in caught.value.text for name in ("s-1", "s.1", "PORTABLE_SECRET_S_1_VALUE"))


def test_a_file_with_a_secret_in_it_is_a_variable_of_its_own_and_any_other_is_not() -> None:
    files = (p.File(id="conf", body=("a=", SecretRef(name="s"))), p.File(id="plain", body=("b",)))
    mounts = tuple(p.FileMount(file=file.id, path=f"/{file.id}") for file in files)
    assert filled("v", one(files=mounts, within={"plan": {"files": files}})) == {NAME: "v", "PORTABLE_SECRET_CONF": "a=v"}


def test_a_file_with_secrets_that_is_too_long_is_named() -> None:
    files = (p.File(id="conf", body=(SecretRef(name="s"),) * 2),)
    with pytest.raises(PortableError, match="the file conf is longer") as caught:
        filled("x" * 70_000, one(files=(p.FileMount(file="conf", path="/conf"),), within={"plan": {"files": files}}))
    assert caught.value.code == "secret.too-long"


REF = SecretRef(name="s", key="k")
OPTIONAL = SecretRef(name="s", key="k", optional=True)


def in_file(ref: SecretRef) -> p.Plan:
    return one(files=(p.FileMount(file="conf", path="/x"),), within={"plan": {"files": (p.File(id="conf", body=("a", ref)),)}})


@pytest.mark.parametrize(
    ("made", "needs"),
    [
        (one(env={"A": "plain"}), []),
        (one(env={"A": REF}), [("k", False, ("demo",))]),
        (one(env={"A": OPTIONAL}), [("k", True, ("demo",))]),
        (one(env={"A": OPTIONAL, "B": REF}), [("k", False, ("demo",))]),
        (one(env={"A": REF, "B": OPTIONAL}), [("k", False, ("demo",))]),
        (one(secrets=(p.SecretMount(secret="s", keys=("a", "b"), path="/x"),)), [("a", False, ("demo",)), ("b", False, ("demo",))]),
        (one(secrets=(p.SecretMount(secret="s", keys=("a",), path="/x", optional=True),)), [("a", True, ("demo",))]),
        (in_file(REF), [("k", False, ("demo",))]),
        (one(files=(p.FileMount(file="none", path="/x"),)), []),
        (one(within={"plan": {"files": (p.File(id="conf", body=(REF,)),)}}), []),
        (with_cloud(env={"A": REF}), [("k", False, ("shelf",))]),
        (plan(tools=container("tools", env={"A": REF})), [("k", False, ("init",))]),
        (
            plan(app("two", containers=(container(env={"A": REF}),)), app("one", containers=(container(env={"A": REF}),))),
            [("k", False, ("one", "two"))],
        ),
    ],
)
def test_what_a_plan_needs(made: p.Plan, needs: list[tuple[str, bool, tuple[str, ...]]]) -> None:
    assert needs_of(made) == tuple(Need(name="s", key=key, optional=optional, apps=apps) for key, optional, apps in needs)
