"""`portable secrets` where an operator of the cluster fetches the values: each command says where they come from, or refuses."""

import json
from pathlib import Path

import pytest

from tests.cli import run, write

PROFILE = """\
portable: 1
name: mine
extends: samba
secrets:
  source: external-secrets
  external: {store: onepassword, kind: ClusterSecretStore, remote: {sonarr-api-key: {key: arr, property: sonarr}}}
notify: {url: {secret: notify-url}}
"""
FILES: dict[str, str | bytes] = {"portable.yaml": "portable: 1\n", "profiles/mine.yaml": PROFILE}


def test_the_list_shows_each_place(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    done = run("secrets", "list", "-p", "mine", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0
    rows = {(row["secret"], row["key"]): row for row in json.loads(done.stdout)["secrets"]}
    assert {row["present"] for row in rows.values()} == {None}
    assert rows["sonarr-api-key", "value"]["reason"] == "in ClusterSecretStore onepassword: arr, property sonarr"
    assert "property value-qbittorrent" in rows["qbittorrent-password", "value"]["reason"]
    assert "where `portable` runs" in rows["notify-url", "value"]["reason"]


@pytest.mark.parametrize(
    "words",
    [
        ("set", "sonarr-api-key"),
        ("set", "sonarr-api-key", "--generate"),
        ("check",),
        ("show", "sonarr-api-key", "--reveal"),
        ("write", "-o", "out"),
    ],
)
def test_what_needs_a_value_is_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    write(tmp_path, FILES)
    done = run("secrets", words[0], *words[1:], "-p", "mine", cwd=tmp_path)
    assert done.returncode == 4
    assert "[secret.external]" in done.stderr
    assert not (tmp_path / "out").exists()


def test_rendering_has_references_only(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert run("render", "-p", "mine", "-o", "out", cwd=tmp_path).returncode == 0
    text = (tmp_path / "out" / "secrets.yaml").read_text()
    assert text.count("kind: ExternalSecret\n") == text.count("kind: ClusterSecretStore\n")
    assert "secrets.yaml" in (tmp_path / "out" / "kustomization.yaml").read_text()


def test_a_value_is_converted_to_the_form_of_a_program(tmp_path: Path) -> None:
    done = run("secrets", "convert", "qbittorrent", cwd=tmp_path, before=("sh", "-c", 'echo canary-1 | exec "$@"', "sh"))
    assert done.returncode == 0
    assert done.stdout.startswith("@ByteArray(")
    assert "canary" not in done.stdout + done.stderr
