"""The source `sops`, and what the programs of SOPS and Sealed Secrets are told and tell; stand-ins take their place (stand_ins.py)."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from portable.formats.merge import merged
from portable.model.errors import PortableError, UsageError
from portable.secrets import sops
from portable.secrets.lookup import resolve
from portable.secrets.needs import Need
from portable.secrets.sops import encrypted_with_sops, read_sops, sealed
from portable.secrets.sources import SopsSource, place_name
from portable.secrets.store import set_secret
from portable.secrets.values import Secret
from tests.unit.secrets.stand_ins import KEYS, a_secret, install

pytestmark = pytest.mark.usefixtures("programs")


def encrypted(path: Path, **values: Any) -> Path:
    """A file as SOPS writes it."""

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(inner) for key, inner in value.items()}
        return f"ENC[AES256_GCM,data:{value[::-1]},iv:x,tag:y,type:str]" if isinstance(value, str) else value

    path.write_text(yaml.safe_dump({**{name: turned(value) for name, value in values.items()}, "sops": {"version": "3"}}))
    return path


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


def test_empty_and_unknown_names_of_an_encrypted_file_are_told(tmp_path: Path) -> None:
    path = encrypted(tmp_path / "s.yaml", empty="", misspeled="canary-1", present="x")
    needs = [Need(name=name, key="value", optional=False, apps=("demo",)) for name in ("empty", "misspelled", "present")]
    with pytest.raises(UsageError) as caught:
        resolve(needs, SopsSource(path=str(path)))
    assert caught.value.code == "secret.missing"
    assert "empty (for demo): its value is empty" in caught.value.text
    assert "misspelled (for demo): no app uses misspeled, which is there" in caught.value.text
    assert (f"`sops edit {path}`" in str(caught.value.remedy), "canary" in str(caught.value)) == (True, False)


def test_a_secret_is_encrypted_for_each_recipient() -> None:
    found = yaml.safe_load(encrypted_with_sops(a_secret(), KEYS))
    assert [entry["recipient"] for entry in found["sops"]["age"]] == [*KEYS]
