"""`make bench-live`: whole commands on a running place, in turn with `docker compose` on the same file and the same engine.

The place is the lab's Docker host with the complete profile zimaboard, its images there: upstream apps are stand-ins, so that what is timed
is the tools' own work and the waiting for health, not the start of foreign programs. Medians over the runs, ratios run by run.
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from portable.backends.prepare import prepare
from portable.secrets.environment import environment
from portable.secrets.lookup import resolve
from portable.secrets.needs import needs_of
from portable.secrets.sources import FileSource
from tests.lab.engine import bring_engine
from tests.lab.home.home import Home, home_up

OURS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("up, from nothing", ("up",)),
    ("up, nothing to do", ("up",)),
    ("status", ("status",)),
    ("diff", ("diff",)),
    ("verify", ("verify",)),
    ("doctor", ("doctor",)),
    ("down", ("down",)),
)
"""What is timed, in this order: each finds what the one before left."""
THEIRS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("up, from nothing", ("up", "--detach", "--wait")),
    ("up, nothing to do", ("up", "--detach", "--wait")),
    ("status", ("ps", "--all")),
    ("down", ("down",)),
)
"""The same by Compose's own client."""
FINDINGS = 3
"""The exit code of a doctor that has something to say: the lab's host has two small disks and no healer."""


class Compose:
    """Docker Compose on the file that `portable render` writes, as a person without portable would run it."""

    def __init__(self, home: Home) -> None:
        folder = home.stack.folder / "rendered"
        home.stack.portable("render", "--output", str(folder))
        plan = prepare("lab", folder=home.stack.folder).planned.plan
        values = resolve(needs_of(plan), FileSource(path=str(home.stack.secrets_file)))
        self._environment = {**home.stack.environment(), **environment(plan, values)}
        self._command = ["docker", "compose", "--project-name", home.stack.project, "--file", str(folder / "compose.yaml")]

    def run(self, arguments: tuple[str, ...]) -> float:
        """Wall seconds; raises CalledProcessError where it fails."""
        start = time.perf_counter()
        subprocess.run([*self._command, *arguments], env=self._environment, check=True, capture_output=True)
        return time.perf_counter() - start


def measure(home: Home, runs: int) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, str]]:
    """Seconds by command, of ours and of theirs; of theirs that fail, why."""
    ours: dict[str, list[float]] = defaultdict(list)
    theirs: dict[str, list[float]] = defaultdict(list)
    failed: dict[str, str] = {}
    compose = Compose(home)
    for _ in range(runs):
        for what, command in OURS:
            ran = home.stack.portable(*command, code=None)
            if ran.code not in (0, FINDINGS if what == "doctor" else 0):
                raise SystemExit(str(ran))
            ours[what].append(ran.seconds)
        for what, command in THEIRS:
            try:
                theirs[what].append(compose.run(command))
            except subprocess.CalledProcessError as error:
                failed[what] = f"exit {error.returncode}: {error.stderr.decode().strip().splitlines()[-1]}"
    return ours, theirs, failed


@contextlib.contextmanager
def place() -> Iterator[Home]:
    """The home, after its stack was up once: every image is on its host."""
    with contextlib.ExitStack() as held:
        engine = held.enter_context(bring_engine())
        folder = held.enter_context(tempfile.TemporaryDirectory(prefix="portable-bench-"))
        home = held.enter_context(home_up(engine, Path(folder), lambda: 0))
        home.stack.portable("up")
        home.stack.portable("down")
        yield home


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="make bench-live", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    with place() as home:
        ours, theirs, failed = measure(home, runs)
    print(f"{'command':24} {'seconds':>8} {'docker compose':>15} {'ratio':>6}")
    for what, seconds in ours.items():
        right = failed.get(what, "")
        if what in theirs and not right:
            ratio = statistics.median(a / b for a, b in zip(seconds, theirs[what], strict=True))
            right = f"{statistics.median(theirs[what]):14.2f}s {ratio:6.2f}"
        print(f"{what:24} {statistics.median(seconds):7.2f}s {right}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
