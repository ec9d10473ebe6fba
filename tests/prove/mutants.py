"""The claims of mutation testing: what the rendering, planning and secrets decide is pinned by a test, condition by condition.

mutmut changes one operator, constant, argument or branch at a time; the tests that reach the changed function must fail. Left out by
rule (left_out.py): mutants of the text of a message, and of branches that the type checker proves unreachable. Each mutant that survives
is in `survivors.toml` with the reason why no test can or should tell it apart; one that is missing there fails the claim, as does an
entry that nothing survives by. A shard mutates whole areas, so that each is set up once.
"""

import difflib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.prove.claim import Claim
from tests.prove.running import ROOT

SURVIVORS = ROOT / "tests" / "prove" / "survivors.toml"
BAR = 95
"""Percent of the mutants that tests must kill; those that are explained count as survivors too."""
JOBS = "PORTABLE_MUTANTS_JOBS"
_KILLED = {1, 3, -24, 24, 36, 152, 255}
"""How mutmut's worker ends where tests fail, or don't end."""


@dataclass(frozen=True, kw_only=True)
class Area:
    """Modules that are mutated together, and the tests that may kill their mutants."""

    modules: tuple[str, ...]
    """Patterns of files below `portable/`."""
    without: tuple[str, ...] = ()
    tests: tuple[str, ...]


_BACK_ENDS = ("tests/unit/backends", "tests/render/test_golden.py")
_PLANNING = ("tests/unit/planning", "tests/unit/profiles")
AREAS: Mapping[str, Area] = {
    "kubernetes-findings": Area(
        modules=("backends/kubernetes/ledger.py", "backends/kubernetes/prerequisites.py", "backends/kubernetes/jobs.py"), tests=_BACK_ENDS
    ),
    "kubernetes-objects": Area(
        modules=("backends/kubernetes/*.py",),
        without=("backends/kubernetes/ledger.py", "backends/kubernetes/prerequisites.py", "backends/kubernetes/jobs.py"),
        tests=_BACK_ENDS,
    ),
    "openshift": Area(modules=("backends/openshift/*.py",), tests=_BACK_ENDS),
    "compose": Area(modules=("backends/compose/*.py",), tests=_BACK_ENDS),
    "all-back-ends": Area(modules=("backends/*.py",), tests=(*_BACK_ENDS, "tests/render/test_templates.py")),
    "selection": Area(
        modules=(
            "model/clear_text.py",
            *(
                f"planning/{name}.py"
                for name in (
                    "__init__",
                    "aliases",
                    "backups",
                    "check",
                    "clear_secrets",
                    "images",
                    "inputs",
                    "memory",
                    "external",
                    "gitops",
                    "metadata",
                    "migrations",
                    "naming",
                    "origins",
                    "schedule",
                    "select",
                    "unused",
                )
            ),
        ),
        tests=_PLANNING,
    ),
    "content": Area(
        modules=tuple(f"planning/{name}.py" for name in ("_template_cache", "_template_limits", "_templates", "content", "meaningless")),
        tests=_PLANNING,
    ),
    "network": Area(
        modules=(
            "planning/network.py",
            "planning/fence.py",
            "planning/hosts.py",
            "planning/host_checks.py",
            "planning/lan.py",
            "planning/logins.py",
            "planning/notify.py",
            "planning/subnets.py",
        ),
        tests=_PLANNING,
    ),
    "tunnel": Area(modules=("planning/tunnel.py",), tests=_PLANNING),
    "storage": Area(
        modules=tuple(f"planning/{name}.py" for name in ("_share_options", "cloud_mounts", "shares", "storage")), tests=_PLANNING
    ),
    "secrets": Area(modules=("secrets/*.py",), tests=("tests/unit/secrets",)),
}

CLAIMS = tuple(
    Claim(
        name=f"mutants of {area}: what no test notices is explained",
        bar=f"at least {BAR} % killed, each survivor explained, no stale explanation",
        tests=(f"tests/prove/test_mutants.py::test_mutants[{area}]",),
        figure="{mutants}",
    )
    for area in AREAS
)


@dataclass(frozen=True, order=True)
class Survivor:
    """A mutant that no test notices: the lines of a function that it changes."""

    function: str
    """`planning.network._addresses`, below `portable`."""
    was: str
    now: str

    def __str__(self) -> str:
        """An entry of `survivors.toml`, to be pasted there; a JSON string is a TOML string too."""
        fields = {"function": self.function, "was": self.was, "now": self.now, "why": ""}
        return "\n".join(["[[survivor]]", *(f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in fields.items())])


@dataclass(frozen=True)
class Measured:
    """What became of the mutants of an area."""

    killed: Mapping[str, int]
    """By module."""
    total: Mapping[str, int]
    survivors: tuple[Survivor, ...]

    def figure(self) -> str:
        """One line."""
        killed, total = sum(self.killed.values()), sum(self.total.values())
        return f"{killed} of {total} killed ({100 * killed / max(1, total):.1f} %), {total - killed} survive"


def files_of(area: Area, root: Path = ROOT) -> tuple[str, ...]:
    """The files that an area mutates, by their path in the checkout."""
    found = {str(file.relative_to(root)) for pattern in area.modules for file in (root / "portable").glob(pattern)}
    return tuple(sorted(found - {f"portable/{name}" for name in area.without}))


def measure(area: Area, folder: Path) -> Measured:
    """Mutate a copy of the checkout in that folder and run its tests."""
    files = files_of(area)
    _copy(folder, files, area.tests)
    program = str(ROOT / "tests" / "prove" / "mutating.py")
    jobs = os.environ.get(JOBS) or str(os.cpu_count() or 1)
    with (folder / "mutmut.log").open("w") as log:
        done = subprocess.run([sys.executable, program, jobs], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
    assert done.returncode == 0, (folder / "mutmut.log").read_text(errors="replace")[-4000:]
    return read(folder / "mutants", files)


def _copy(folder: Path, files: Iterable[str], tests: Iterable[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    tops = set()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            tops.add(name.split("/")[0])
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    settings = {
        "source_paths": ["portable"],
        "only_mutate": list(files),
        "pytest_add_cli_args_test_selection": [test for test in tests if (ROOT / test).exists()],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-p", "tests.rings"],
        "also_copy": sorted(tops - {"portable"}),
    }
    # A JSON list of strings is a TOML list too.
    section = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    with (folder / "pyproject.toml").open("a") as project:
        project.write(f"\n[tool.mutmut]\n{section}use_git_change_detection = false\n")


def read(mutants: Path, files: Iterable[str]) -> Measured:
    """What mutmut left beside each mutated file."""
    killed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    survivors: list[Survivor] = []
    for file in files:
        kept = Path(f"{mutants / file}.meta")
        if not kept.is_file():
            continue
        ended: dict[str, int | None] = json.loads(kept.read_text())["exit_code_by_key"]
        total[file] = len(ended)
        killed[file] = sum(code in _KILLED for code in ended.values())
        lines = (mutants / file).read_text().splitlines()
        spans = json.loads(Path(f"{mutants / file}.spans").read_text())["spans"] if ended else {}
        survivors += [_survivor(file, key.rpartition(".")[2], lines, spans) for key, code in ended.items() if code not in _KILLED]
    return Measured(killed, total, tuple(sorted(set(survivors))))


def _survivor(file: str, name: str, lines: list[str], spans: Mapping[str, list[int]]) -> Survivor:
    mangled = name.rpartition("__mutmut_")[0]
    was, now = (lines[first:last] for first, last in (spans[f"{mangled}__mutmut_orig"], spans[name]))
    function = mangled.removeprefix("x_") if mangled.startswith("x_") else mangled.removeprefix("xǁ").replace("ǁ", ".")
    module = file.removeprefix("portable/").removesuffix(".py").replace("/", ".")
    changed = list(difflib.unified_diff(was, now, lineterm="", n=0))
    gone, come = (
        "\n".join(line[1:].strip() for line in changed if line.startswith(sign) and "__mutmut_" not in line and line[:3] != sign * 3)
        for sign in "-+"
    )
    return Survivor(f"{module}.{function}", gone, come)


def explained(path: Path = SURVIVORS) -> dict[Survivor, str]:
    """The survivors with the reason why nobody minds."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", [])
    return {Survivor(entry["function"], entry["was"].strip(), entry["now"].strip()): entry["why"].strip() for entry in entries}


def shortcomings(measured: Measured, known: Mapping[Survivor, str], files: Iterable[str], *, all_drawn: bool = True) -> Iterator[str]:
    """What keeps the claim from holding. Of a part that was drawn by chance, nobody can say which explanation is stale."""
    killed, total = sum(measured.killed.values()), sum(measured.total.values())
    if not total:
        yield "no mutants"
    elif 100 * killed < BAR * total:
        yield f"{measured.figure()}: fewer than {BAR} %"
    for survivor in measured.survivors:
        if not known.get(survivor):
            yield f"unexplained:\n{survivor}"
    modules = {file.removeprefix("portable/").removesuffix(".py").replace("/", ".") for file in files}
    for survivor in known if all_drawn else ():
        of = next((m for m in modules if survivor.function.startswith(f"{m}.") and survivor.function.count(".") - m.count(".") <= 2), None)
        if of and survivor not in measured.survivors:
            yield f"stale explanation:\n{survivor}"
