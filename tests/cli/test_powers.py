"""`portable catalog check --strict`: what the files of somebody else's may do, before they are used."""

import json
from pathlib import Path

from tests.cli import run, write

APP = """\
portable: 1
name: notes
title: Notes
about: keeps notes
zone: front
containers:
  main:
    image: {repository: registry.test/notes, tag: "1"}
    identity: user
    resources: {memory: {request: 16Mi, limit: 32Mi}}
"""
PROFILE = "portable: 1\nname: theirs\nextends: local\nsecrets: {source: command, command: [pass, show, '{name}']}\n"


def test_what_others_files_may_do_is_listed_before_they_are_used(tmp_path: Path) -> None:
    folder = tmp_path / "catalog" / "apps" / "notes"
    folder.mkdir(parents=True)
    (folder / "app.yaml").write_text(APP)
    usual = run("catalog", "check", "catalog", "--strict", "--format", "json", cwd=tmp_path)
    assert usual.returncode == 0, usual.stderr
    assert {(row["weight"], row["of"]) for row in json.loads(usual.stdout)["powers"]} == {("usual", "notes")}
    (folder / "app.yaml").write_text(APP + "    needs: {root-start: true}\n")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "theirs.yaml").write_text(PROFILE)
    grave = run("catalog", "check", "catalog", "--strict", cwd=tmp_path)
    assert grave.returncode == 4, grave.stderr
    assert "pass show {name}" in grave.stdout
    assert "starts as root" in grave.stdout
    assert "gluetun" not in grave.stdout, "the shipped catalog is no one else's"
    assert run("catalog", "check", "catalog", cwd=tmp_path).returncode == 0


def test_without_folders_the_own_catalog_is_meant(tmp_path: Path) -> None:
    folder = tmp_path / "catalog" / "apps" / "notes"
    folder.mkdir(parents=True)
    (folder / "app.yaml").write_text(APP)
    (tmp_path / "portable.yaml").write_text("portable: 1\nname: mine\n")
    told = run("catalog", "check", "--strict", cwd=tmp_path)
    assert (told.returncode, "notes" in told.stdout) == (0, True), told.stderr


def test_a_check_in_json_is_one_document_with_its_mistakes(tmp_path: Path) -> None:
    valid = run("catalog", "check", "--format", "json", cwd=tmp_path)
    document = json.loads(valid.stdout)
    assert (valid.returncode, document["schema"], document["mistakes"]) == (0, "portable/catalog-check/1", [])
    assert document["apps"] > 30
    assert document["clouds"] == 3
    for text in ("portable: 1\nname: demo\nnonsense: 1\n", "a: : b\n"):
        write(tmp_path, {"catalog/apps/demo/app.yaml": text})
        for words in ((), ("--strict",)):
            wrong = run("catalog", "check", "catalog", *words, "--format", "json", cwd=tmp_path)
            document = json.loads(wrong.stdout)
            assert (wrong.returncode, document["schema"]) == (2, "portable/catalog-check/1")
            assert document["mistakes"][0]["file"].endswith("catalog/apps/demo/app.yaml")
            assert {"line", "column", "path", "text", "remedy", "code"} < set(document["mistakes"][0])
            errors = json.loads(wrong.stderr.splitlines()[-1])["errors"]
            assert len(errors) == len(document["mistakes"])
