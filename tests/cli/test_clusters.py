"""The command line over a profile of a cluster, where no cluster is: what is not supported is refused before anything is looked for."""

import re
from pathlib import Path

import pytest

from portable.cli.app import COMMANDS
from portable.live.drivers import DRIVERS, unsupported_on
from tests.cli import ROOT, run

REFUSED = (
    ("heal", "--watch"),
    ("heal", "--install"),
    ("doctor", "--fix"),
    ("images", "build"),
)


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_a_command_that_clusters_lack_is_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*words, "-p", "openshift", cwd=tmp_path, env={"KUBECONFIG": str(tmp_path / "absent")})
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    assert "[cluster.unsupported]" in done.stderr
    assert list(tmp_path.rglob("*.yaml")) == []


@pytest.mark.parametrize(
    "words",
    [
        ("up",),
        ("diff",),
        ("down",),
        ("status",),
        ("exec", "sonarr", "true"),
        ("heal",),
        ("doctor",),
        ("verify",),
        ("wire",),
        ("backup", "--list"),
        ("restore", "sonarr"),
        ("update",),
        ("update", "--dry-run"),
        ("rollback",),
        ("upkeep",),
        ("upkeep", "--install"),
    ],
)
def test_a_command_that_clusters_have_asks_for_a_kubeconfig(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*words, "-p", "samba", cwd=tmp_path, env={"KUBECONFIG": str(tmp_path / "absent")})
    assert done.returncode == 2, done.stderr
    assert "[cluster.kubeconfig-absent]" in done.stderr
    assert list(tmp_path.rglob("*.yaml")) == []


def test_every_command_that_clusters_lack_is_tried_here() -> None:
    tried = {" ".join(words) for words in REFUSED} | {words[0] for words in REFUSED}
    assert {verb for back_end in DRIVERS for verb in unsupported_on(back_end)} <= tried


def test_the_page_of_commands_has_each_one_and_says_what_clusters_lack() -> None:
    text = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    answers = {name: row[2].partition(":")[0].partition(";")[0] for row in rows for name in re.findall(r"`([^`]*)`", row[0])}
    assert {name.partition(" ")[0] for name in answers} == {*COMMANDS}
    lacking = {verb for back_end in DRIVERS for verb in unsupported_on(back_end)}
    assert {name for name, answer in answers.items() if answer == "no"} == lacking | {"migrate"}
