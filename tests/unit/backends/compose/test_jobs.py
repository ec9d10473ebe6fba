"""Apps that run at times, on an engine: the loop that calls them, run by this machine's shell with a clock of the test."""

import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from portable.backends.compose import render
from portable.model import plan as p
from tests.factories import app, container
from tests.factories import plan as make_plan

# The minute goes on with every sleep; after the last one, the loop is ended as an engine ends it.
CLOCK = """\
#!/bin/sh
case "$1" in
+%s) echo 30 ;;
*) sed -n "$(cat now)p" times ;;
esac
"""
SLEEP = """\
#!/bin/sh
echo "slept $1" >>log
echo $(($(cat now) + 1)) >now
[ "$(cat now)" -le "$(wc -l <times)" ] || { kill -TERM "$PPID"; exec /bin/sleep 10; }
"""


def ran(folder: Path, times: list[str], *words: str) -> list[str]:
    """What a command with those times prints while the clock shows each line: minute hour day month weekday time."""
    tools = folder / "tools"
    tools.mkdir()
    for name, text in (("date", CLOCK), ("sleep", SLEEP)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (folder / "times").write_text("".join(f"{time}\n" for time in times))
    (folder / "now").write_text("0")
    script = str(files("portable.backends.compose").joinpath("schedule.sh"))
    environment = {"PATH": f"{tools}:/usr/bin:/bin"}
    command = ["sh", script, *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    assert set((folder / "log").read_text().split("\n")) == {"slept 30", ""}
    return [*done.stdout.splitlines(), *done.stderr.splitlines()]


@pytest.mark.parametrize(
    ("lists", "shown"),
    [
        (("*", "*", "*", "*", "*"), ["one", "two", "three"]),
        (("30", "04", "*", "*", "*"), ["one", "three"]),
        (("29,30", "04,16", "*", "*", "0"), ["one"]),
        (("*", "16", "01", "06", "*"), ["two"]),
        (("00", "*", "*", "*", "*"), []),
    ],
)
def test_it_runs_when_the_clock_shows_a_time(lists: tuple[str, ...], shown: list[str], tmp_path: Path) -> None:
    clock = ["30 04 02 08 0 one", "29 16 01 06 5 two", "30 04 10 12 1 three"]
    assert [line.split(" ")[1].rstrip(":") for line in ran(tmp_path, clock, *lists, "true") if line.endswith("starts")] == shown


def test_what_fails_is_told_and_runs_again(tmp_path: Path) -> None:
    command = ("sh", "-c", 'echo "$0 $1"; exit 3', "a  b", "$c")
    lines = ran(tmp_path, ["00 00 01 01 0 one", "01 00 01 01 0 two"], *"*****", *command)
    assert lines[:6] == ["schedule: one: starts", "a  b $c", "schedule: two: starts", "a  b $c", *["schedule: failed with 3"] * 2]


def test_an_app_without_a_command_is_refused() -> None:
    rendering = render(make_plan(app(ports=(), schedule=p.Schedule())))
    (found,) = [f for f in rendering.findings if f.field == "schedule"]
    assert (found.verdict, found.path) == ("refused", "apps.demo.schedule")


def test_only_the_container_that_the_schedule_starts_waits() -> None:
    both = (container(command=("sweep",), args=("--all",)), container("helper", role="sidecar"))
    project = render(make_plan(app(ports=(), schedule=p.Schedule(minutes=(5,)), containers=both))).documents[0].body
    assert project["services"]["demo"]["entrypoint"] == ["/bin/sh", "/schedule.sh", "05", "*", "*", "*", "*", "sweep"]
    assert project["services"]["demo"]["command"] == ["--all"]
    assert "entrypoint" not in project["services"]["demo-helper"]
    assert "portable.digest" in project["services"]["demo"]["labels"]
    assert "portable.digest" not in project["services"]["demo-helper"]["labels"]


def test_no_app_no_script() -> None:
    assert "schedule-script" not in render(make_plan()).documents[0].body["configs"]
