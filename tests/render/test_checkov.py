"""checkov on the committed renderings for clusters: each of its findings is waived by name with a reason, in one file."""

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.checkov import ROOT, bring

pytestmark = pytest.mark.timeout(1200)
WAIVED = ROOT / "tests" / "prove" / "checkov.toml"
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def checkov() -> Path:
    """The program; `make test` and `make push` brought it."""
    return bring()


def compared(said: dict[str, object], waived: dict[str, set[str]]) -> tuple[list[str], list[str]]:
    """What checkov found and nobody waived, and what is waived and was not found."""
    found: dict[str, set[str]] = {}
    results = said["results"]
    assert isinstance(results, dict)
    for failed in results["failed_checks"]:
        found.setdefault(failed["check_id"], set()).add(failed["resource"])
    new = [f"{check}: {name}" for check, names in found.items() for name in sorted(names - waived.get(check, set()))]
    idle = [f"{check}: {name}" for check, names in waived.items() for name in sorted(names - found.get(check, set()))]
    return new, idle


def waivers() -> dict[str, set[str]]:
    """The objects by check."""
    return {check: set(facts["objects"]) for check, facts in tomllib.loads(WAIVED.read_text(encoding="utf-8")).items()}


def test_every_finding_is_waived_by_name(checkov: Path, record_property: Record) -> None:
    command = [str(checkov), "-d", str(ROOT / "k8s"), "--framework", "kubernetes", "--compact", "--skip-download", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    said = json.loads(done.stdout)
    new, idle = compared(said, waivers())
    assert not new, "found and not waived:\n" + "\n".join(new)
    assert not idle, "waived and not found:\n" + "\n".join(idle)
    summary = said["summary"]
    assert summary["parsing_errors"] == 0
    checks = len({failed["check_id"] for failed in said["results"]["failed_checks"]})
    record_property(
        "checkov", f"{summary['passed']} passed, {summary['failed']} waived under {checks} names, {summary['resource_count']} objects"
    )


def test_a_key_in_the_environment_that_nobody_waived_is_seen() -> None:
    """As Deployment seerr was, until somebody ran the claim again."""
    said: dict[str, object] = {"results": {"failed_checks": [{"check_id": "CKV_K8S_35", "resource": "Deployment.media-stack.seerr"}]}}
    waived = {"CKV_K8S_35": {"Deployment.media-stack.plex"}}
    assert compared(said, waived) == (["CKV_K8S_35: Deployment.media-stack.seerr"], ["CKV_K8S_35: Deployment.media-stack.plex"])


def test_every_waiver_has_a_reason() -> None:
    for check, facts in tomllib.loads(WAIVED.read_text(encoding="utf-8")).items():
        assert len(facts["reason"].split()) > 5, check
