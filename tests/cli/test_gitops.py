"""A profile that Flux applies, with Secrets encrypted by SOPS; `sops` and `kubeseal` are stand-ins (tests/unit/secrets/stand_ins.py)."""

import os
from pathlib import Path

import pytest
import yaml

from tests.cli import run, write
from tests.unit.secrets.stand_ins import install

KEY = "age1k00le8pyvye3xjgz0cvvq4g2nwa0hx5jtdv9lpvr08jchcpffesq33gr93"
PROFILE = f"""\
portable: 1
name: mine
extends: samba
gitops: {{path: k8s/mine, flux: {{}}}}
secrets: {{encrypted: {{sops: {{age: [{KEY}]}}}}}}
vpn: null
"""
FILES: dict[str, str | bytes] = {"portable.yaml": "portable: 1\napps: [sonarr]\n", "profiles/mine.yaml": PROFILE, "cert.pem": "CERTIFICATE"}


@pytest.fixture
def path(tmp_path: Path) -> dict[str, str]:
    """An environment in which the stand-ins are the programs."""
    for name in ("sops", "kubeseal"):
        install(tmp_path / "bin", name)
    write(tmp_path, FILES)
    return {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


def test_a_repository_gets_everything_but_the_values(path: dict[str, str], tmp_path: Path) -> None:
    assert run("secrets", "set", "sonarr-api-key", "--generate", "-p", "mine", cwd=tmp_path).returncode == 0
    done = run("render", "-p", "mine", "-o", "repo/k8s/mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run("secrets", "write", "-p", "mine", "-o", "repo/k8s/mine/secrets", cwd=tmp_path, env=path)
    assert done.returncode == 0, done.stderr
    assert "it is k8s/mine/secrets in the repository" in done.stdout
    stored = yaml.safe_load((tmp_path / ".config/portable/media/secrets.yaml").read_text())
    texts = {file: file.read_text() for file in (tmp_path / "repo").rglob("*") if file.is_file()}
    assert not [file for file, text in texts.items() if stored["sonarr-api-key"] in text]
    applied = [*yaml.safe_load_all((tmp_path / "repo/k8s/mine/gitops/flux.yaml").read_text())]
    folders = [tmp_path / "repo" / body["spec"]["path"].removeprefix("./") for body in applied]
    assert all((folder / "kustomization.yaml").is_file() for folder in folders)
    again = run("secrets", "write", "-p", "mine", "-o", "repo/k8s/mine/secrets", cwd=tmp_path, env=path)
    assert "is up to date" in again.stdout
    done = run("render", "-p", "mine", "-o", "repo/k8s/mine", "--check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert {file: file.read_text() for file in (tmp_path / "repo").rglob("*") if file.is_file()} == texts


@pytest.mark.parametrize(
    "words", [("up",), ("up", "--dry-run"), ("down",), ("update",), ("update", "sonarr", "--dry-run"), ("rollback", "sonarr")]
)
def test_the_controller_applies_not_portable(words: tuple[str, ...], path: dict[str, str], tmp_path: Path) -> None:
    done = run(*words, "-p", "mine", cwd=tmp_path, env=path)
    assert done.returncode == 4
    assert "Flux applies the objects of profile mine" in done.stderr
    assert "[cluster.gitops]" in done.stderr
    assert "`portable render -p mine -o FOLDER`" in done.stderr
    assert ("write" in done.stderr and "under `override`" in done.stderr) is (words[0] in ("update", "rollback"))


def test_values_come_from_an_encrypted_file(path: dict[str, str], tmp_path: Path) -> None:
    hidden = "ENC[AES256_GCM,data:1-yranac,iv:x,tag:y,type:str]"
    write(tmp_path, {"s.sops.yaml": f'sonarr-api-key: "{hidden}"\nsops: {{version: "3"}}\n'})
    settings = ("--set", "secrets.source=sops", "--set", f"secrets.file={tmp_path / 's.sops.yaml'}")
    done = run("secrets", "show", "sonarr-api-key", "--reveal", "-p", "mine", *settings, cwd=tmp_path, env=path)
    assert (done.returncode, done.stdout) == (0, "canary-1\n"), done.stderr
    done = run("secrets", "check", "-p", "mine", *settings, cwd=tmp_path, env=path)
    assert "canary" not in done.stdout + done.stderr
    done = run("secrets", "set", "sonarr-api-key", "--generate", "-p", "mine", *settings, cwd=tmp_path, env=path)
    assert (done.returncode, "[secret.read-only]" in done.stderr) == (2, True)
    assert f"`sops edit {tmp_path / 's.sops.yaml'}`" in done.stderr


def test_an_invalid_value_of_an_encrypted_file_has_a_remedy_that_works(path: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "s.sops.yaml"
    key = "{private-key: short, addresses: 10.64.0.2/32}"
    hidden = "ENC[AES256_GCM,data:trohs,iv:x,tag:y,type:str]"
    values = f"wireguard-key: {key.replace('short', repr(hidden))}\nsonar-api-key: x\n"
    write(tmp_path, {"s.sops.yaml": f"{values}sops: {{version: '3'}}\n"})
    write(tmp_path, {"profiles/home.yaml": f"portable: 1\nname: home\nextends: zimaboard\nsecrets: {{source: sops, file: {file}}}\n"})
    write(tmp_path, {"portable.yaml": "portable: 1\napps: [qbittorrent, sonarr]\n"})
    done = run("secrets", "check", "-p", "home", cwd=tmp_path, env=path)
    assert (done.returncode, "[secret.wireguard-key]" in done.stderr) == (1, True), done.stderr
    assert f"`sops edit {file}`" in done.stderr
    assert "`portable secrets set" not in done.stderr
    assert f"{file} has secrets that no app of profile home uses: sonar-api-key" in done.stderr


def test_argo_cd_gets_no_files_that_it_cannot_decrypt(path: dict[str, str], tmp_path: Path) -> None:
    argo = PROFILE.replace("flux: {}", "argo-cd: {repository: 'https://g.test/x.git'}")
    write(tmp_path, {"profiles/mine.yaml": argo})
    done = run("secrets", "write", "-p", "mine", "-o", "out", cwd=tmp_path, env=path)
    assert (done.returncode, "[kubernetes.gitops-sops]" in done.stderr, (tmp_path / "out").exists()) == (4, True, False), done.stderr
    assert not (tmp_path / ".config").exists(), "no secret is stored for a command that is refused"


def test_files_for_a_plug_in_of_argo_cd_are_written_where_the_profile_accepts_it(path: dict[str, str], tmp_path: Path) -> None:
    argo = PROFILE.replace("flux: {}", "argo-cd: {repository: 'https://g.test/x.git'}")
    own = "waive: [{field: gitops.secrets, class: function, code: kubernetes.gitops-sops, reason: KSOPS decrypts them}]\n"
    write(tmp_path, {"profiles/mine.yaml": argo + own})
    assert run("secrets", "set", "sonarr-api-key", "--generate", "-p", "mine", cwd=tmp_path).returncode == 0
    done = run("secrets", "write", "-p", "mine", "-o", "out", cwd=tmp_path, env=path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out").glob("*.yaml")) != []


def test_sealed_secrets_are_written_with_the_certificate(path: dict[str, str], tmp_path: Path) -> None:
    sealed = PROFILE.replace(f"sops: {{age: [{KEY}]}}", f"sealed-secrets: {{certificate: {tmp_path / 'cert.pem'}}}")
    write(tmp_path, {"profiles/mine.yaml": sealed})
    done = run("secrets", "write", "-p", "mine", "-o", "out", cwd=tmp_path, env=path)
    assert done.returncode == 0, done.stderr
    kinds = {yaml.safe_load(file.read_text())["kind"] for file in (tmp_path / "out").iterdir()}
    assert kinds == {"Kustomization", "SealedSecret"}
    (tmp_path / "cert.pem").unlink()
    done = run("secrets", "write", "-p", "mine", "-o", "other", cwd=tmp_path, env=path)
    assert (done.returncode, "[secret.certificate]" in done.stderr) == (2, True)
    assert not (tmp_path / "other").exists()
