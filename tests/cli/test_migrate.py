"""`portable migrate` as far as it goes without an engine: usage, pairs that are refused, completion."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from portable.cli.completion import complete_source_app
from portable.cli.errors import report
from portable.model.errors import Refused
from portable.model.findings import Finding
from tests.cli import run

BOTH = ("--from", "local", "--to", "zimaboard")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--from", "local"), "usage.option-missing"),
        ((*BOTH, "--resume", "--rollback"), "usage.options-conflict"),
        ((*BOTH, "--resume", "sonarr"), "usage.options-conflict"),
        ((*BOTH, "--confirm", "--waive", "times=old disk"), "usage.options-conflict"),
        ((*BOTH, "--dry-run", "--rollback"), "usage.options-conflict"),
        ((*BOTH, "--remove", "sonarr-config"), "usage.option-missing"),
        ((*BOTH, "--release"), "usage.option-missing"),
        ((*BOTH, "--read-all"), "usage.option-missing"),
        ((*BOTH, "--confirm", "--dry-run", "--read-all"), "usage.option-missing"),
        ((*BOTH, "--waive", "ownership"), "migrate.unknown-waiver"),
        ((*BOTH, "--waive", "everything=yes"), "migrate.unknown-waiver"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_read(words: Sequence[str], code: str, tmp_path: Path) -> None:
    done = run("migrate", *words, "--format", "json", cwd=tmp_path)
    assert done.returncode == 2
    assert json.loads(done.stderr)["code"] == code
    assert json.loads(done.stderr)["remedy"]


@pytest.mark.parametrize(("source", "target"), [("local", "samba"), ("openshift", "local"), ("samba", "openshift")])
@pytest.mark.parametrize("option", ["--dry-run", "--resume", "--rollback", "--confirm"])
def test_clusters_are_refused_with_the_pairs_that_work(source: str, target: str, option: str, tmp_path: Path) -> None:
    done = run("migrate", "--from", source, "--to", target, option, "--format", "json", cwd=tmp_path)
    error = json.loads(done.stderr)
    assert (done.returncode, error["code"]) == (4, "migrate.pair")
    assert "Docker Compose" in error["remedy"]


def test_the_same_place_twice_is_refused(tmp_path: Path) -> None:
    done = run("migrate", "--from", "local", "--to", "local", "--dry-run", "--format", "json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stderr)["code"]) == (4, "migrate.pair")


def test_apps_of_the_source_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    context: Any = SimpleNamespace(params={"source": "local", "apps": ["webdav"]})
    assert complete_source_app(context, "qbit") == ["qbittorrent"]
    assert complete_source_app(context, "webd") == []
    context.params["source"] = "nowhere"
    assert "sonarr" in complete_source_app(context, "son")


@pytest.mark.parametrize(
    ("is_waivable", "app", "words"), [(True, "one", "--waive egress.one=REASON"), (True, None, "--waive egress=REASON"), (False, None, "")]
)
def test_a_finding_of_a_move_says_how_to_accept_it_there(
    is_waivable: bool, app: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = Finding(
        field="migrate.egress", path="egress", class_="security", text="it is open", remedy="close it", app=app, is_waivable=is_waivable
    )

    def refuse() -> None:
        raise Refused("no", code="migrate.egress", findings=(finding,))

    assert report(refuse) == 4
    printed = capsys.readouterr().err
    assert words in printed
    assert ("--waive" in printed) == is_waivable
    assert "in the profile" not in printed
