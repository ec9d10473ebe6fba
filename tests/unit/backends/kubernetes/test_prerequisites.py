"""Every Secret that the rendering refers to and nothing makes is named, with its keys."""

import re
from typing import Any

import msgspec
import pytest
from msgspec import structs

from portable.backends.kubernetes.prerequisites import prerequisites
from portable.backends.registry import back_end
from portable.model import plan as p
from portable.model.exposures import Exposure, Ingress
from portable.model.findings import Finding
from portable.model.secret_refs import SecretRef, Text
from tests.factories import claim, full_plan, one, with_cloud, with_volume
from tests.unit.backends.reasons import Reason, reason_of


def referred(value: Any) -> set[str]:
    """Names of Secrets that documents refer to without `optional`."""
    found: set[str] = set()
    if isinstance(value, dict):
        if "secretKeyRef" in value and not value["secretKeyRef"].get("optional"):
            found.add(value["secretKeyRef"]["name"])
        if "secretName" in value and not value.get("optional"):
            found.add(value["secretName"])
        if "nodeStageSecretRef" in value:
            found.add(value["nodeStageSecretRef"]["name"])
        for inner in value.values():
            found |= referred(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            found |= referred(inner)
    return found


@pytest.mark.parametrize("name", ["kubernetes", "openshift"])
def test_every_secret_that_is_referred_to_is_named(name: str) -> None:
    plan = full_plan(name)
    asked = set().union(*(referred(d.body) for d in back_end(name).render(plan).documents))
    named = {match[1] for f in prerequisites(plan) if (match := re.match(r"Secret (\S+) with keys? `", f.text))}
    assert asked
    # The login before a Route and the serving certificate have findings of their own, or are made by the cluster.
    assert {secret for secret in asked - named if "-login" not in secret} == set()


def test_values_are_told_how_to_come() -> None:
    plan = msgspec.structs.replace(full_plan("kubernetes"), external_secrets=None, gitops=None)
    (finding,) = [f for f in prerequisites(plan) if "torrents-conf" in f.text]
    assert "torrents-login" in finding.text
    write, create = commands(finding)
    assert write == "portable secrets write -p full -o FOLDER"
    assert create == "kubectl apply --server-side --field-manager=portable -f FOLDER/torrents-config.yaml"


def test_encrypted_values_go_into_the_repository() -> None:
    plan = msgspec.structs.replace(full_plan("kubernetes"), external_secrets=None)
    (finding,) = [f for f in prerequisites(plan) if "torrents-conf" in f.text]
    assert commands(finding) == ["portable secrets write -p full -o FOLDER"]
    assert "where FOLDER is clusters/home/media/secrets in the repository" in finding.remedy


def share(login: str | None) -> p.Plan:
    return with_volume(claim(shared=True, share=p.Share(protocol="smb", server="s", export="e", login=login)))


def ingress(secret: str | None) -> p.Plan:
    return one(within={"plan": {"exposures": (Exposure(app="demo", port="web", how=Ingress(host="h", tls_secret=secret)),)}})


def whole_file(*names: str) -> p.Plan:
    body: tuple[Text, ...] = ("a", *(SecretRef(name=name) for name in names))
    return one(files=(p.FileMount(file="conf", path="/etc/x.conf"),), within={"plan": {"files": (p.File(id="conf", body=body),)}})


MAIN = "apps.demo.containers.main"
WRITE = ["portable secrets write -p test -o FOLDER", "kubectl apply --server-side --field-manager=portable -f FOLDER/{0}.yaml"]


def commands(finding: Finding) -> list[str]:
    """What the remedy has to paste."""
    return re.findall(r"`(.*?)`", finding.remedy)


TLS = "exposures.demo:web.how.tls_secret"
SECRETS = {
    "a value": (one(env={"A": "x"}), one(env={"A": SecretRef(name="s", key="k")}), f"{MAIN}.env.A", "demo", "s", "k", False),
    "a value that may be missing": (
        one(),
        one(env={"A": SecretRef(name="s", key="k", optional=True)}),
        f"{MAIN}.env.A",
        "demo",
        "s",
        "k",
        True,
    ),
    "keys": (
        one(),
        one(secrets=(p.SecretMount(secret="s", keys=("a", "b"), path="/x"),)),
        f"{MAIN}.secrets.s",
        "demo",
        "s",
        "a, b",
        False,
    ),
    "keys that may be missing": (
        one(),
        one(secrets=(p.SecretMount(secret="s", keys=("a",), path="/x", optional=True),)),
        f"{MAIN}.secrets.s",
        "demo",
        "s",
        "a",
        True,
    ),
    "a whole file": (whole_file(), whole_file("y", "x"), "files.conf", None, "conf", "x.conf", False),
    "a login": (share(None), share("nas"), "volumes.state.place.share.login", None, "nas", "username, password", False),
    "a certificate": (
        ingress(None),
        ingress("tls"),
        "exposures.demo:web.how.tls_secret",
        "demo",
        "tls",
        "tls.crt, tls.key",
        False,
    ),
}


@pytest.mark.parametrize("name", SECRETS)
def test_one_secret_is_one_prerequisite(name: str) -> None:
    without, having, path, about, secret, keys, is_optional = SECRETS[name]
    assert prerequisites(without) == ()
    (finding,) = prerequisites(having)
    assert reason_of(finding) == Reason("secrets", path, "function", about, code="kubernetes.secret")
    quoted = ", ".join(f"`{key}`" for key in keys.split(", "))
    assert re.match(rf"Secret {re.escape(secret)} with keys? {re.escape(quoted)} ", finding.text)
    assert ("optional" in finding.text) == is_optional
    assert "None" not in finding.text
    if name in ("a login", "a certificate"):
        files = " ".join(f"--from-file={key}=FILE" for key in keys.split(", "))
        generic = f"kubectl create secret generic -n media {secret} {files}"
        assert commands(finding) == [f"kubectl create secret tls -n media {secret} --cert=FILE --key=FILE" if secret == "tls" else generic]
    else:
        assert commands(finding) == [command.format(secret) for command in WRITE]


def test_a_whole_file_names_its_secrets_in_order() -> None:
    (finding,) = prerequisites(whole_file("y", "x", "y"))
    assert "x, y" in finding.text


def test_a_secret_of_another_name_is_made_in_the_plans_namespace() -> None:
    plan = one(env={"A": SecretRef(name="s")}, within={"plan": {"namespace": "other", "secret_names": {"s": "theirs"}}})
    (finding,) = prerequisites(plan)
    assert commands(finding) == [command.format("theirs") for command in WRITE]


def test_a_secret_that_portable_does_not_write_keeps_its_name() -> None:
    for plan in (share("nas"), ingress("nas")):
        (finding,) = prerequisites(structs.replace(plan, secret_names={"nas": "theirs"}))
        assert [name for name in ("nas", "theirs") if name in finding.text] == ["nas"]


@pytest.mark.parametrize(
    ("place", "holds", "told"),
    [
        (claim(), "database", True),
        (claim(), "state", False),
        (claim(storage_class="fast"), "database", False),
        (claim(existing=True), "database", False),
        (claim(share=p.Share(protocol="nfs", server="s", export="/e")), "database", False),
        (p.Ephemeral(), "database", False),
    ],
)
def test_a_database_wants_a_class(place: p.Place, holds: str, told: bool) -> None:
    found = [reason_of(finding) for finding in prerequisites(with_volume(place, holds=holds))]
    assert found == (
        [Reason("storage.class", "volumes.state.place.storage_class", "data", "demo", code="storage.default-class")] if told else []
    )


def test_a_secret_of_a_cloud_is_needed_by_its_mount_container() -> None:
    (finding,) = prerequisites(with_cloud(env={"A": SecretRef(name="s")}))
    assert reason_of(finding) == Reason("secrets", "clouds.shelf.fuse_mount.env.A", "function", code="kubernetes.secret")
    assert "clouds.shelf.fuse_mount" in finding.text
    assert "None" not in finding.text


def test_a_database_that_nobody_mounts_is_about_no_app() -> None:
    plan = one(within={"plan": {"volumes": (p.Volume(id="v", holds="database", place=claim()),)}})
    assert [finding.app for finding in prerequisites(plan)] == [None]
