"""`make bench`: whole commands in turn with `docker compose config` on the same stacks; figures are medians, ratios pair by pair.

Ratios are what documents quote. A machine's speed drifts, so budgets, which are seconds of the lab machine, are held against the floor
that was measured there, taken in turn with each command (ADR 8). The program has its bytecode, as an installed one does, also
where the surroundings forbid it to a checkout. Exit 1 where a budget is missed by more
than the factor given (default 1).
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.shipped import PROFILES

ROOT = Path(__file__).parent.parent
BUDGETS = {"help": 0.15, "shipped": 0.2, "35 apps": 0.2, "300 apps": 0.6, "1000 apps": 1.5}
"""Seconds on the lab machine (docs/explanation/architecture.md#speed)."""
FLOOR = 0.07
"""Seconds that FLOOR_APP took on the lab machine (docs/explanation/architecture.md#speed; typer with `rich_markup_mode=None`)."""
FLOOR_APP = '''\
import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def hello(name: str) -> None:
    """Say hello."""


app()
'''
"""The least that a program of this kind does."""

APP = """\
portable: 1
name: {name}
title: {name}
about: A generated app
zone: front
after: [{after}]
containers:
  main:
    image: {{repository: registry.test/{name}, tag: "1.0"}}
    identity: puid-pgid
    needs: {{root-start: true}}
    environment: {{WEB_PORT: "{{{{ ports.web }}}}", GREETING: "hello from {name}", MODE: production}}
    files: [{{template: app.conf.j2, path: /etc/{name}.conf}}]
    volumes: {{config: /config}}
    library: rw
    probe: {{http: {{port: web, path: /}}}}
    fetch: curl
    resources: {{memory: {{request: 64Mi, limit: 256Mi}}}}
ports:
  web: {{number: {port}, serves: http}}
volumes:
  config: {{holds: state}}
library: {{folders: [media/{name}]}}
"""
CONF = "listen = {{ ports.web }}\nroot = {{ library }}\nuser = {{ uid }}:{{ gid }}\n"
PROFILE = """\
portable: 1
name: bench
back-end: {back_end}
{namespace}apps: [{apps}]
storage:
  library: {library}
  state: {{on: library, below: config}}
exposure: {exposure}
"""


class Row(NamedTuple):
    """What one command took."""

    what: str
    seconds: float
    on_lab: float
    """Seconds at the speed at which the floor takes FLOOR."""
    budget: float
    theirs: float | None
    """Seconds of `docker compose config` on the same stack."""
    ratio: float | None


def generate(folder: Path, count: int) -> None:
    """A stack of that many apps, each waiting for the one before its block of ten, for Compose and Kubernetes."""
    names = [f"app-{i:04d}" for i in range(count)]
    for index, name in enumerate(names):
        home = folder / "catalog" / "apps" / name
        home.mkdir(parents=True)
        after = f"{{app: {names[index - 1]}}}" if index % 10 else ""
        (home / "app.yaml").write_text(APP.format(name=name, port=20000 + index, after=after))
        (home / "app.conf.j2").write_text(CONF)
    (folder / "profiles").mkdir()
    (folder / "portable.yaml").write_text("portable: 1\nname: bench\n")
    claim = "{claim: {name: library, size: 1Ti, shared: true}}"
    for back_end, library, exposure, namespace in (
        ("compose", "{folder: /srv/bench}", "{default: loopback}", ""),
        ("kubernetes", claim, "{default: ingress, domain: example.test}", "namespace: bench\n"),
    ):
        text = PROFILE.format(back_end=back_end, apps=", ".join(names), library=library, exposure=exposure, namespace=namespace)
        (folder / "profiles" / f"{back_end}.yaml").write_text(text.replace("name: bench\n", f"name: {back_end}\n", 1))


def timed(command: list[str], cwd: Path, compiled: Path) -> float:
    """Wall seconds of a whole process whose bytecode lies in `compiled`; raises CalledProcessError where it fails."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(compiled)
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.perf_counter() - start


class Bench:
    """Times commands in turn with the floor, in one folder with bytecode of its own."""

    def __init__(self, base: Path, runs: int) -> None:
        self.base, self.runs, self.compiled = base, runs, base / "compiled"
        floor = base / "floor.py"
        floor.write_text(FLOOR_APP)
        self.floor = [sys.executable, str(floor), "--help"]

    def row(self, what: str, ours: list[str], budget: float, *, cwd: Path | None = None, theirs: list[str] | None = None) -> Row:
        """Medians over the runs, after one warm-up of each; ratios are medians of the runs' own ratios."""
        commands = {"ours": ours, "floor": self.floor, **({"theirs": theirs} if theirs else {})}
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(self.runs + 1):
            for name, command in commands.items():
                taken[name].append(timed(command, cwd or self.base, self.compiled))
        ours_, floor, theirs_ = (taken.get(name, [])[1:] for name in ("ours", "floor", "theirs"))
        return Row(
            what=what,
            seconds=statistics.median(ours_),
            on_lab=statistics.median(a / b for a, b in zip(ours_, floor, strict=True)) * FLOOR,
            budget=budget,
            theirs=statistics.median(theirs_) if theirs_ else None,
            ratio=statistics.median(a / b for a, b in zip(ours_, theirs_, strict=True)) if theirs_ else None,
        )


def rows(runs: int) -> list[Row]:
    """Help, the shipped profiles, and generated stacks of 35, 300 and 1,000 apps."""
    portable = [str(Path(sys.executable).parent / "portable")]
    compose = ["docker", "compose", "-f", "compose.yaml", "config"] if shutil.which("docker") else None
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        bench = Bench(base, runs)
        found = [bench.row("help", [*portable, "--help"], BUDGETS["help"])]
        for profile in PROFILES:
            command = [*portable, "render", "-p", profile, "-o", str(base / profile)]
            found.append(bench.row(f"render {profile}", command, BUDGETS["shipped"]))
        for count in (35, 300, 1000):
            folder = base / str(count)
            folder.mkdir()
            generate(folder, count)
            name = f"{count} apps"
            subprocess.run([*portable, "render", "-p", "compose", "-o", str(folder)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            for back_end, output in (("compose", folder), ("kubernetes", folder / "k8s")):
                command = [*portable, "render", "-p", back_end, "-o", str(output)]
                found.append(bench.row(f"{back_end}, {name}", command, BUDGETS[name], cwd=folder, theirs=compose))
    return found


def main() -> int:
    """Print the table; 1 where a budget times the slack is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--slack", type=float, default=1.0, help="factor on the budgets")
    asked = parser.parse_args()
    print(f"{'what':24} {'seconds':>8} {'on the lab':>11} {'budget':>7} {'compose config':>15} {'ratio':>6}")
    missed = False
    for row in rows(asked.runs):
        over = row.on_lab > row.budget * asked.slack
        missed |= over
        right = f"{row.theirs:14.3f}s {row.ratio:6.2f}" if row.theirs is not None else f"{'-':>15} {'-':>6}"
        print(f"{row.what:24} {row.seconds:7.3f}s {row.on_lab:10.3f}s {row.budget:6.2f}s {right}{'  MISSED' if over else ''}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
