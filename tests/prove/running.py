"""Runs a selection of tests in a process of its own, and reads what they measured from pytest's report."""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What became of a selection. A test that failed in its teardown counts once, as failed."""

    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    """What tests recorded by `record_property`; of several with one name the last."""
    trouble: str = ""
    """Why there is no report; empty where there is one."""

    @property
    def total(self) -> int:
        """How many tests ran, or should have."""
        return len(self.passed) + len(self.failed) + len(self.skipped)


def run(selection: Sequence[str], environment: Mapping[str, str], log: Path) -> Outcome:
    """Run pytest on the selection, the full forms included; all that it prints goes to `log`."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-m",
            "prove or not prove",
            f"--junit-xml={report}",
            *selection,
        ]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as output:
            done = subprocess.run(
                command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
            )
        if not report.is_file():
            return Outcome(trouble=f"pytest ended with {done.returncode} and no report, see {log}")
        return read(report.read_bytes())


def read(report: bytes) -> Outcome:
    """The outcome that a JUnit report tells."""
    how: dict[str, str] = {}
    properties: dict[str, str] = {}
    for case in ET.fromstring(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        tags = {child.tag for child in case}
        now = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        how[name] = "failed" if "failed" in (now, how.get(name)) else now
        for entry in case.iter("property"):
            properties[entry.get("name", "")] = entry.get("value", "")
    of = {kind: tuple(name for name, was in how.items() if was == kind) for kind in ("passed", "failed", "skipped")}
    return Outcome(passed=of["passed"], failed=of["failed"], skipped=of["skipped"], properties=properties)
