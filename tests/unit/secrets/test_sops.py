"""The source `sops`, and Secrets that are encrypted for a repository; `sops` and `kubeseal` are stand-ins (stand_ins.py)."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from portable.formats.merge import merged
from portable.model.errors import PortableError, Refused, UsageError
from portable.model.gitops import ArgoCd, Flux, GitOps
from portable.secrets import sops
from portable.secrets.cluster import secret_object
from portable.secrets.lookup import resolve
from portable.secrets.needs import Need
from portable.secrets.repository import Recipients, refuse_encrypted, write_encrypted
from portable.secrets.sops import encrypted_with_sops, read_sops, sealed
from portable.secrets.sources import SopsSource, place_name
from portable.secrets.store import set_secret
from portable.secrets.values import Secret
from tests.unit.secrets.stand_ins import install

KEYS = ("age1first", "age1second")
FLUX = GitOps(path="k8s/home", controller=Flux(), secrets="sops")
ARGO = GitOps(path="k8s/home", controller=ArgoCd(repository="https://g.test/x.git"), secrets="sealed-secrets")


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-ins, first on the PATH."""
    folder = tmp_path / "bin"
    for name in ("sops", "kubeseal"):
        install(folder, name)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "cert.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\n")
    return path


def encrypted(path: Path, **values: Any) -> Path:
    """A file as SOPS writes it."""

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(inner) for key, inner in value.items()}
        return f"ENC[AES256_GCM,data:{value[::-1]},iv:x,tag:y,type:str]" if isinstance(value, str) else value

    path.write_text(yaml.safe_dump({**{name: turned(value) for name, value in values.items()}, "sops": {"version": "3"}}))
    return path


def a_secret(name: str = "login", **data: str) -> dict[str, Any]:
    return secret_object(name, data or {"value": "canary-1"}, namespace="media", labels={"app.kubernetes.io/managed-by": "portable"})


def test_the_values_of_an_encrypted_file(tmp_path: Path) -> None:
    path = encrypted(tmp_path / "s.yaml", token="canary-1", login={"user": "me", "password": "canary-2"})
    assert {key: secret.reveal() for key, secret in read_sops(path).items()} == {
        ("token", "value"): "canary-1",
        ("login", "user"): "me",
        ("login", "password"): "canary-2",
    }


def test_a_source_reads_what_is_needed_and_names_the_rest(tmp_path: Path) -> None:
    source = SopsSource(path=str(encrypted(tmp_path / "s.yaml", token="canary-1")))
    needs = [Need(name=name, key="value", optional=False, apps=("demo",)) for name in ("token", "other")]
    assert resolve(needs[:1], source).of("token") == "canary-1"
    with pytest.raises(UsageError) as caught:
        resolve(needs, source)
    assert (caught.value.code, caught.value.where) == ("secret.missing", source.path)
    assert f"sops edit {source.path}" in (caught.value.remedy or "")
    assert place_name(source) == source.path


def test_portable_does_not_write_the_encrypted_file(tmp_path: Path) -> None:
    path = encrypted(tmp_path / "s.yaml", token="canary-1")
    before = path.read_bytes()
    with pytest.raises(UsageError) as caught:
        set_secret(SopsSource(path=str(path)), "token", "value", Secret("canary-2"))
    assert caught.value.code == "secret.read-only"
    assert path.read_bytes() == before


@pytest.mark.parametrize("value", [123, True, None, 1.5, ["canary-3"], {"key": 7}])
def test_a_value_that_is_not_text_is_refused_without_being_shown(tmp_path: Path, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        read_sops(encrypted(tmp_path / "s.yaml", token=value))
    assert (caught.value.code, caught.value.where) == ("secret.sops-value", str(tmp_path / "s.yaml"))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code"),
    [("a: 1\n", "secret.sops-decrypt"), (None, "secret.sops-absent")],
)
def test_a_file_that_sops_cannot_read(tmp_path: Path, text: str | None, code: str) -> None:
    if text is not None:
        (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(PortableError) as caught:
        read_sops(tmp_path / "s.yaml")
    assert (caught.value.code, caught.value.where) == (code, str(tmp_path / "s.yaml"))


@pytest.mark.parametrize("printed", ["[1]", "canary-9", ""])
def test_what_sops_prints_is_not_trusted(tmp_path: Path, programs: Path, printed: str) -> None:
    install(programs, "sops", f"print({printed!r})")
    with pytest.raises(UsageError) as caught:
        read_sops(encrypted(tmp_path / "s.yaml", token="x"))
    assert (caught.value.code, caught.value.where) == ("secret.sops-value", str(tmp_path / "s.yaml"))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["sops", "kubeseal"])
def test_a_missing_program_is_named(name: str, certificate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(PortableError) as caught:
        encrypted_with_sops(a_secret(), KEYS) if name == "sops" else sealed(a_secret(), certificate)
    assert (caught.value.code, caught.value.where) == ("secret.program", name)
    assert f"install {name}" in (caught.value.remedy or "")


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


SEALED: dict[str, Any] = {
    "kind": "SealedSecret",
    "metadata": {"name": "login", "creationTimestamp": None},
    "spec": {"encryptedData": {"value": "AgB"}, "template": {"metadata": {"name": "login"}}},
}


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "Secret"},
        {"spec": {"encryptedData": {"value": None}}},
        {"spec": {"encryptedData": {"value": "AgB", "more": "AgB"}}},
        {"spec": {"encryptedData": {"value": base64.b64encode(b"canary-1").decode()}}},
        {"spec": {"template": {"data": {"value": "canary"}}}},
        {"spec": {"template": {"metadata": None}}},
    ],
)
def test_what_is_no_sealed_secret_is_refused(programs: Path, certificate: Path, changes: dict[str, Any]) -> None:
    install(programs, "kubeseal", f"import json; print(json.dumps({SEALED!r}))")
    assert sealed(a_secret(), certificate) == {**SEALED, "metadata": {"name": "login"}}, "kubeseal writes null, or no time"
    install(programs, "kubeseal", f"import json; print(json.dumps({merged(SEALED, changes)!r}))")
    with pytest.raises(PortableError) as caught:
        sealed(a_secret(), certificate)
    assert (caught.value.code, caught.value.where) == ("secret.encrypt", "kubeseal")


def test_why_a_program_gave_nothing(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sops, "_SECONDS", 0.5)
    path = encrypted(tmp_path / "s.yaml", token="x")
    for program, code, text in (
        ("import sys; sys.exit('\\n  no key \\nmore')", "secret.sops-decrypt", "sops ended with exit code 1: no key"),
        ("raise SystemExit(2)", "secret.sops-decrypt", "sops ended with exit code 2"),
        ("import sys; sys.stderr.buffer.write(b'\\xff'); sys.exit(3)", "secret.sops-decrypt", "sops ended with exit code 3: \ufffd"),
        ("import time; time.sleep(30)", "secret.sops-decrypt", "sops did not end within 0.5 s"),
        (
            "import os; os.getcwd() == '/' or os._exit(4); print('[]')",
            "secret.sops-value",
            "the encrypted file of secrets is not a map of names",
        ),
        ("import sys; sys.stdout.buffer.write(b'\\xff')", "secret.sops-value", "the encrypted file of secrets is not a map of names"),
        (None, "secret.program", "sops cannot be run: Exec format error"),
    ):
        install(programs, "sops", program)
        if program is None:
            (programs / "sops").write_text("no program\n")
        with pytest.raises(PortableError) as caught:
            read_sops(path)
        assert (caught.value.code, caught.value.where, caught.value.text) == (code, str(path), text)


def test_a_missing_certificate_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        sealed(a_secret(), tmp_path / "none.pem")
    assert (caught.value.code, caught.value.where) == ("secret.certificate", str(tmp_path / "none.pem"))
    assert "kubeseal --fetch-cert" in (caught.value.remedy or "")


def test_a_certificate_that_is_none_is_refused_by_kubeseal(certificate: Path) -> None:
    certificate.write_text("nothing")
    with pytest.raises(PortableError, match="valid RSA") as caught:
        sealed(a_secret(), certificate)
    assert caught.value.code == "secret.encrypt"


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


def test_empty_and_unknown_names_of_an_encrypted_file_are_told(tmp_path: Path) -> None:
    path = encrypted(tmp_path / "s.yaml", empty="", misspeled="canary-1", present="x")
    needs = [Need(name=name, key="value", optional=False, apps=("demo",)) for name in ("empty", "misspelled", "present")]
    with pytest.raises(UsageError) as caught:
        resolve(needs, SopsSource(path=str(path)))
    assert caught.value.code == "secret.missing"
    assert "empty (for demo): its value is empty" in caught.value.text
    assert "misspelled (for demo): no app uses misspeled, which is there" in caught.value.text
    assert (f"`sops edit {path}`" in str(caught.value.remedy), "canary" in str(caught.value)) == (True, False)
