"""checkov on the committed renderings for clusters: each of its findings is waived by name with a reason, in one file."""

import hashlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.prove.running import ROOT

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1200)]
HERE = Path(__file__).parent
LOCK = HERE / "requirements-checkov.lock"
WAIVED = HERE / "checkov.toml"
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def checkov() -> Path:
    """The program, in an environment of its own: its two hundred packages are nobody else's business."""
    home = ROOT / ".cache" / "checkov" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    program = home / "bin" / "checkov"
    if not (home / "whole").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, capture_output=True)
        install = [str(home / "bin" / "pip"), "install", "-q", "--require-hashes", "-r", str(LOCK)]
        subprocess.run(install, check=True, capture_output=True, timeout=900)
        (home / "whole").touch()
    return program


def test_every_finding_is_waived_by_name(checkov: Path, record_property: Record) -> None:
    command = [str(checkov), "-d", str(ROOT / "k8s"), "--framework", "kubernetes", "--compact", "--skip-download", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    said = json.loads(done.stdout)
    found: dict[str, set[str]] = {}
    for failed in said["results"]["failed_checks"]:
        found.setdefault(failed["check_id"], set()).add(failed["resource"])
    waived = {check: set(facts["objects"]) for check, facts in tomllib.loads(WAIVED.read_text(encoding="utf-8")).items()}
    new = [f"{check}: {name}" for check, names in found.items() for name in sorted(names - waived.get(check, set()))]
    idle = [f"{check}: {name}" for check, names in waived.items() for name in sorted(names - found.get(check, set()))]
    assert not new, "found and not waived:\n" + "\n".join(new)
    assert not idle, "waived and not found:\n" + "\n".join(idle)
    summary = said["summary"]
    assert summary["parsing_errors"] == 0
    record_property(
        "checkov", f"{summary['passed']} passed, {summary['failed']} waived under {len(found)} names, {summary['resource_count']} objects"
    )


def test_every_waiver_has_a_reason() -> None:
    for check, facts in tomllib.loads(WAIVED.read_text(encoding="utf-8")).items():
        assert len(facts["reason"].split()) > 5, check
