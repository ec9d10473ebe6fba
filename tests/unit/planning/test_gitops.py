"""The sections `gitops` and `secrets.encrypted` of a profile."""

from typing import Any

import pytest

from portable.model.errors import InputError
from portable.model.gitops import ArgoCd, Flux, GitOps
from tests.unit.planning import CLUSTER, COMPOSE, Place, app

KEY = "age1k00le8pyvye3xjgz0cvvq4g2nwa0hx5jtdv9lpvr08jchcpffesq33gr93"
SOPS = {"encrypted": {"sops": {"age": [KEY]}}}
SEALED = {"encrypted": {"sealed-secrets": {"certificate": "~/cert.pem"}}}


def planned(place: Place, base: dict[str, Any] = CLUSTER, **profile: Any) -> GitOps | None:
    place.write(app("one"))
    return place.plan("one", base=base, **profile).plan.gitops


def mistakes(place: Place, base: dict[str, Any] = CLUSTER, **profile: Any) -> set[tuple[str, str]]:
    with pytest.raises(InputError) as caught:
        planned(place, base, **profile)
    return {(mistake.path, mistake.code) for mistake in caught.value.mistakes}


def test_a_profile_without_it_has_no_controller(place: Place) -> None:
    assert planned(place) is None


def test_flux_has_its_usual_names(place: Place) -> None:
    assert planned(place, gitops={"path": "k8s/home", "flux": {}}) == GitOps(path="k8s/home", controller=Flux())


def test_argo_cd_needs_only_its_repository(place: Place) -> None:
    found = planned(place, gitops={"path": "k8s/home", "argo-cd": {"repository": "https://g.test/x.git"}, "administrator": False})
    assert found == GitOps(path="k8s/home", controller=ArgoCd(repository="https://g.test/x.git"), administrator=False)


@pytest.mark.parametrize(("secrets", "form"), [(SOPS, "sops"), (SEALED, "sealed-secrets"), ({}, None)])
def test_the_form_of_the_secrets_is_that_of_the_profile(place: Place, secrets: dict[str, Any], form: str | None) -> None:
    found = planned(place, gitops={"path": "x", "flux": {}}, secrets=secrets)
    assert found is not None
    assert found.secrets == form


@pytest.mark.parametrize("controllers", [{}, {"flux": {}, "argo-cd": {"repository": "https://g.test/x.git"}}])
def test_exactly_one_controller(place: Place, controllers: dict[str, Any]) -> None:
    assert mistakes(place, gitops={"path": "x", **controllers}) == {("gitops", "plan.gitops-controller")}


@pytest.mark.parametrize(
    ("url", "is_refused"),
    [
        ("https://user:token@g.test/x.git", True),
        ("https://token@g.test/x.git", True),
        ("http://u:@g.test/x.git", True),
        ("ssh://git:secret@g.test/x.git", True),
        ("ssh://git@g.test/x.git", False),
        ("git@g.test:me/x.git", False),
        ("https://g.test/me@home/x.git", False),
    ],
)
def test_a_login_in_the_url_is_refused(place: Place, url: str, *, is_refused: bool) -> None:
    gitops = {"path": "x", "argo-cd": {"repository": url}}
    if is_refused:
        assert mistakes(place, gitops=gitops) == {("gitops.argo-cd.repository", "plan.gitops-login")}
    else:
        assert planned(place, gitops=gitops) is not None


@pytest.mark.parametrize("path", ["/abs", "../up", "a/../b", "", "./x"])
def test_a_path_lies_in_the_repository(place: Place, path: str) -> None:
    with pytest.raises(InputError):
        planned(place, gitops={"path": path, "flux": {}})


@pytest.mark.parametrize(
    ("secrets", "found"),
    [
        ({"encrypted": {}}, ("secrets.encrypted", "plan.secret-encrypted")),
        ({"encrypted": {**SOPS["encrypted"], **SEALED["encrypted"]}}, ("secrets.encrypted", "plan.secret-encrypted")),
        ({"source": "sops"}, ("secrets.file", "plan.secret-sops")),
        ({"source": "external-secrets", "external": {"store": "v"}, **SOPS}, ("secrets.encrypted", "plan.no-effect")),
    ],
)
def test_what_is_wrong_with_encrypted_secrets(place: Place, secrets: dict[str, Any], found: tuple[str, str]) -> None:
    assert mistakes(place, secrets=secrets) == {found}


@pytest.mark.parametrize("key", ["age1", "AGE-SECRET-KEY-1QQQQQQQQQQQQ", "ssh-ed25519 AAAA", "age1QQQQQQQQQQQQ"])
def test_only_public_keys_of_age(place: Place, key: str) -> None:
    with pytest.raises(InputError):
        planned(place, secrets={"encrypted": {"sops": {"age": [key]}}})


def test_a_compose_place_has_no_encrypted_secrets(place: Place) -> None:
    assert mistakes(place, COMPOSE, secrets=SOPS) == {("secrets.encrypted", "plan.no-effect")}


def test_a_compose_place_keeps_it_for_a_finding(place: Place) -> None:
    """`compose.gitops` says that nothing applies the files by itself."""
    assert planned(place, COMPOSE, gitops={"path": "x", "flux": {}}) == GitOps(path="x", controller=Flux())
