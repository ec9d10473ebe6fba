"""`make bench`: whole commands in turn with `docker compose config` on the same stacks; figures are medians, ratios pair by pair.

Absolute times depend on the machine; the ratios are what documents quote. Exit 1 where a budget of the design is missed by more
than the factor given (default 1).
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUDGETS = {"help": 0.15, "shipped": 0.2, "35 apps": 0.2, "300 apps": 0.6, "1000 apps": 1.5}
"""Seconds on the lab machine (design, Fast)."""

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


def timed(command: list[str], cwd: Path) -> float:
    """Wall seconds of a whole process; raises CalledProcessError where it fails."""
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.perf_counter() - start


def pairs(ours: list[str], theirs: list[str] | None, cwd: Path, runs: int) -> tuple[float, float | None, float | None]:
    """Medians of both and of their ratio, run in turn after one warm-up of each."""
    timed(ours, cwd)
    if theirs:
        timed(theirs, cwd)
    a, b = [], []
    for _ in range(runs):
        a.append(timed(ours, cwd))
        if theirs:
            b.append(timed(theirs, cwd))
    if not theirs:
        return statistics.median(a), None, None
    return statistics.median(a), statistics.median(b), statistics.median(x / y for x, y in zip(a, b, strict=True))


def rows(runs: int) -> list[tuple[str, float, float | None, float | None, float | None]]:
    """(what, our seconds, docker compose's seconds, ratio, budget)."""
    portable = [str(Path(sys.executable).parent / "portable")]
    compose = ["docker", "compose", "-f", "compose.yaml", "config"] if shutil.which("docker") else None
    found: list[tuple[str, float, float | None, float | None, float | None]] = []
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        a, _, _ = pairs([*portable, "--help"], None, base, runs)
        found.append(("help", a, None, None, BUDGETS["help"]))
        for profile in ("local", "zimaboard", "samba", "openshift"):
            a, _, _ = pairs([*portable, "render", "-p", profile, "-o", str(base / profile)], None, base, runs)
            found.append((f"render {profile}", a, None, None, BUDGETS["shipped"]))
        for count in (35, 300, 1000):
            folder = base / str(count)
            folder.mkdir()
            generate(folder, count)
            name = f"{count} apps"
            subprocess.run([*portable, "render", "-p", "compose", "-o", str(folder)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            a, b, ratio = pairs([*portable, "render", "-p", "compose", "-o", str(folder)], compose, folder, runs)
            found.append((f"compose, {name}", a, b, ratio, BUDGETS[name]))
            a, b, ratio = pairs([*portable, "render", "-p", "kubernetes", "-o", str(folder / "k8s")], compose, folder, runs)
            found.append((f"kubernetes, {name}", a, b, ratio, BUDGETS[name]))
    return found


def main() -> int:
    """Print the table; 1 where a budget times the slack is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--slack", type=float, default=1.0, help="factor on the budgets")
    asked = parser.parse_args()
    missed = False
    print(f"{'what':24} {'portable':>9} {'compose config':>15} {'ratio':>6} {'budget':>7}")
    for what, ours, theirs, ratio, budget in rows(asked.runs):
        over = budget is not None and ours > budget * asked.slack
        missed |= over
        right = f"{theirs:14.3f}s {ratio:6.2f}" if theirs is not None else f"{'-':>15} {'-':>6}"
        print(f"{what:24} {ours:8.3f}s {right} {budget:6.2f}s{'  MISSED' if over else ''}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
