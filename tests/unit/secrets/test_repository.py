"""Secrets that are encrypted for a repository: written once, and again where a value, a key or a controller changed."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from portable.model.errors import PortableError, Refused
from portable.model.gitops import ArgoCd, Flux, GitOps
from portable.secrets.repository import Recipients, refuse_encrypted, write_encrypted
from tests.unit.secrets.stand_ins import KEYS, a_secret, install

pytestmark = pytest.mark.usefixtures("programs")
FLUX = GitOps(path="k8s/home", controller=Flux(), secrets="sops")
ARGO = GitOps(path="k8s/home", controller=ArgoCd(repository="https://g.test/x.git"), secrets="sealed-secrets")


@pytest.mark.parametrize("name", ["sops", "kubeseal"])
@pytest.mark.parametrize(
    "text", ["import sys; print(sys.stdin.read())", "print('{}')", "print('[]')", "print()", "print('ENC[')", "raise SystemExit('no')"]
)
def test_a_program_that_does_not_encrypt_writes_nothing(tmp_path: Path, programs: Path, certificate: Path, name: str, text: str) -> None:
    install(programs, name, text)
    recipients: Recipients = KEYS if name == "sops" else certificate
    with pytest.raises(PortableError) as caught:
        write_encrypted({"login": a_secret()}, recipients, tmp_path / "out", gitops=None, record=tmp_path / "record")
    assert (caught.value.code, caught.value.where) == ("secret.encrypt", name)
    assert "canary" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def written(folder: Path) -> dict[str, Any]:
    """The documents by file."""
    return {path.name: yaml.safe_load(path.read_text()) for path in sorted(folder.iterdir())}


def test_sops_hides_the_values_and_leaves_the_rest(tmp_path: Path) -> None:
    secrets = {"login": a_secret(), "token": a_secret("token", value="canary-2", other="canary-3")}
    changed, obsolete = write_encrypted(secrets, KEYS, tmp_path / "out", gitops=FLUX, record=tmp_path / "record")
    assert ([path.name for path in changed], obsolete) == (["login.yaml", "token.yaml", "kustomization.yaml"], [])
    found = written(tmp_path / "out")
    assert found["kustomization.yaml"]["resources"] == ["login.yaml", "token.yaml"]
    assert [entry["recipient"] for entry in found["login.yaml"]["sops"]["age"]] == [*KEYS]
    assert found["login.yaml"]["metadata"] == {
        "name": "login",
        "namespace": "media",
        "labels": {"app.kubernetes.io/managed-by": "sops"},
        "annotations": {"kustomize.toolkit.fluxcd.io/prune": "disabled"},
    }
    assert set(found["token.yaml"]["data"]) == {"value", "other"}
    text = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    for value in ("canary-1", "canary-2", "canary-3"):
        assert value not in text
        assert base64.b64encode(value.encode()).decode() not in text


def test_a_sealed_secret_belongs_to_one_name_and_namespace(tmp_path: Path, certificate: Path) -> None:
    write_encrypted({"login": a_secret()}, certificate, tmp_path / "out", gitops=ARGO, record=tmp_path / "record")
    found = written(tmp_path / "out")["login.yaml"]
    assert (found["apiVersion"], found["kind"]) == ("bitnami.com/v1alpha1", "SealedSecret")
    assert set(found["metadata"]) == {"name", "namespace", "labels", "annotations"}
    assert found["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    template = found["spec"]["template"]
    assert template["type"] == "Opaque"
    assert template["metadata"] == {"name": "login", "namespace": "media", "labels": {"app.kubernetes.io/managed-by": "sealed-secrets"}}
    assert set(found["spec"]["encryptedData"]) == {"value"}


@pytest.mark.parametrize("kind", ["sops", "kubeseal"])
def test_only_what_changed_is_written_again(tmp_path: Path, certificate: Path, kind: str) -> None:
    recipients: Recipients = KEYS if kind == "sops" else certificate
    secrets = {"login": a_secret(), "token": a_secret("token")}

    def again(**changes: Any) -> list[str]:
        arguments = {
            "secrets": secrets,
            "recipients": recipients,
            "folder": tmp_path / "out",
            "gitops": None,
            "record": tmp_path / "record",
        }
        return [path.name for path in write_encrypted(**{**arguments, **changes})[0]]

    assert len(again()) == 3
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert again() == []
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    secrets["token"] = a_secret("token", value="canary-2")
    assert again() == ["token.yaml"]
    (tmp_path / "out" / "login.yaml").write_text("changed by hand\n")
    assert again() == ["login.yaml"]
    if kind == "sops":
        assert again(recipients=KEYS[:1]) == ["login.yaml", "token.yaml"]
    else:
        certificate.write_text("-----BEGIN CERTIFICATE-----\nanother\n")
        assert again() == ["login.yaml", "token.yaml"]
    (tmp_path / "record").write_text("damaged")
    assert again() == ["login.yaml", "token.yaml"]
    assert "canary" not in (tmp_path / "record").read_text()
    assert (tmp_path / "record").stat().st_mode & 0o777 == 0o600


def test_a_secret_that_is_no_longer_needed_is_named_and_stays(tmp_path: Path) -> None:
    for secrets in ({"login": a_secret(), "token": a_secret("token")}, {"login": a_secret()}):
        _, obsolete = write_encrypted(secrets, KEYS, tmp_path / "out", gitops=None, record=tmp_path / "record")
    (tmp_path / "out" / "own.yaml").write_text("mine: true\n")
    assert [path.name for path in obsolete] == ["token.yaml"]
    assert (tmp_path / "out" / "token.yaml").exists()
    assert written(tmp_path / "out")["kustomization.yaml"]["resources"] == ["login.yaml"]


def test_a_secret_in_clear_text_in_the_folder_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """An earlier `secrets write` without encryption left it, and the next commit would publish it."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "sonarr.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: sonarr}\ndata: {value: Y2FuYXJ5}\n")
    with pytest.raises(Refused, match=r"sonarr\.yaml is a Secret in clear text") as caught:
        write_encrypted({"login": a_secret()}, KEYS, out, gitops=None, record=tmp_path / "record")
    assert (caught.value.code, caught.value.where) == ("secret.plain-file", str(out))
    assert [path.name for path in out.iterdir()] == ["sonarr.yaml"]
    (out / "sonarr.yaml").rename(out / "login.yaml")  # the same file, which is about to be replaced
    write_encrypted({"login": a_secret()}, KEYS, out, gitops=None, record=tmp_path / "record")
    (out / "sealed.yaml").write_text("kind: SealedSecret\n")
    (out / "binary.yaml").write_bytes(b"\xff\xfe\n")
    write_encrypted({"login": a_secret()}, KEYS, out, gitops=None, record=tmp_path / "record")


def test_plain_secrets_do_not_replace_encrypted_ones(tmp_path: Path) -> None:
    out = tmp_path / "out"
    refuse_encrypted(out)
    (out / "folder.yaml").mkdir(parents=True)
    (out / "other.yaml").write_text("a: b\n")
    (out / "binary.yaml").write_bytes(b"\xff\xfe\n")
    refuse_encrypted(out)
    write_encrypted({"login": a_secret()}, KEYS, out, gitops=None, record=tmp_path / "record")
    with pytest.raises(Refused) as caught:
        refuse_encrypted(out)
    assert (caught.value.code, caught.value.where) == ("secret.encrypted-folder", str(out))


@pytest.mark.parametrize("kind", ["sops", "kubeseal"])
def test_another_controller_has_the_files_written_again(tmp_path: Path, certificate: Path, kind: str) -> None:
    """Its annotations keep it from deleting a Secret."""
    recipients: Recipients = KEYS if kind == "sops" else certificate
    found = []
    for gitops in (None, FLUX, ARGO):
        write_encrypted({"login": a_secret()}, recipients, tmp_path / "out", gitops=gitops, record=tmp_path / "record")
        found.append((tmp_path / "out" / "login.yaml").read_text())
    assert ["prune: disabled" in text for text in found] == [False, True, False]


KUSTOMIZATION = """\
# Encrypted by `portable secrets write`: change the value at its source, not this file.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - login.yaml
"""


def test_folders_on_the_way_are_made_and_the_record_is_private(tmp_path: Path) -> None:
    out, record = tmp_path / "repository" / "k8s" / "out", tmp_path / "state" / "home" / "record"
    umask = os.umask(0o022)
    try:
        write_encrypted({"login": a_secret()}, KEYS, out, gitops=None, record=record)
    finally:
        os.umask(umask)
    assert (out / "kustomization.yaml").read_text() == KUSTOMIZATION
    assert record.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_is_no_text_is_written_again(tmp_path: Path) -> None:
    for again in range(2):
        changed, _ = write_encrypted({"login": a_secret()}, KEYS, tmp_path / "out", gitops=None, record=tmp_path / "record")
        assert [path.name for path in changed] == ["login.yaml", "kustomization.yaml"], again
        for path in changed:
            path.write_bytes(b"\xff\xfe\n")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PortableError) as caught:
        write_encrypted({"login": a_secret()}, KEYS, tmp_path / "file" / "out", gitops=None, record=tmp_path / "record")
    assert caught.value.where == str(tmp_path / "file" / "out")
