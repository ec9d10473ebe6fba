"""`up` is killed with SIGKILL at seeded moments; the same command, run again, ends in the same healthy state.

PORTABLE_KILLS says how often (5 by default, 20 in the full form), PORTABLE_SEED where the moments come from.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portable.engines.docker.engine import Engine
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import Observed
from portable.live.compose import verbs as compose
from portable.live.compose.desired import current
from portable.local.lock import locked
from tests.compose_lab.stacks import SOURCE, body, changed, service, set_secrets, stack

pytestmark = pytest.mark.compose_lab
KILLS = int(os.environ.get("PORTABLE_KILLS", "5"))
SEED = int(os.environ.get("PORTABLE_SEED", "20261120"))
_ROOT = Path(__file__).parents[2]


def start(project: str, version: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.compose_lab.upper", project, version],
        cwd=_ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(project: str, version: str) -> str:
    process = start(project, version)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    return output


def assert_well(engine: Engine, project: str, version: str) -> None:
    document = changed(body(project), "configs", "gateway-ready", "content", to=f"{version}\n")
    document = changed(document, "configs", "lone-conf", "content", to=f"{version}\n")
    set_secrets()
    assert compose.diff(engine, stack(document), SOURCE) == ()
    observed = engine.observe(project)
    names = sorted(c.name for c in observed.containers)
    assert names == sorted(f"{project}-{s}-1" for s in ("init", "gateway", "one", "two", "lone")), names
    assert len(observed.networks) == 1
    seen = current(observed)
    assert {r.service: r.reason for r in compose.status(engine, stack(document)) if r.reason} == {}
    for name, file in (("gateway", "/etc/ready"), ("lone", "/etc/lone")):
        content = subprocess.run(["docker", "exec", seen[name].id, "cat", file], capture_output=True, text=True, check=True).stdout
        assert content == f"{version}\n"
    assert seen["one"].joins == seen["two"].joins == seen["gateway"].id
    assert (
        subprocess.run(["docker", "exec", seen["one"].id, "ip", "link", "show", "eth0"], capture_output=True, check=False).returncode == 0
    )


def moments() -> list[tuple[int, str, float]]:
    """Half of the kills hit a first `up`, half one that recreates; the moments are spread over what an `up` takes."""
    chance = random.Random(SEED)
    return [(i, ("first", "change")[i % 2], round(chance.uniform(0.3, 5.5), 2)) for i in range(KILLS)]


@pytest.mark.parametrize(("number", "phase", "moment"), moments())
def test_killed_up_is_completed_by_the_same_command(engine: Engine, project: str, number: int, phase: str, moment: float) -> None:
    version = "1"
    if phase == "change":
        finish(project, "1")
        version = "2"
    process = start(project, version)
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.wait()
    output = finish(project, version)
    assert_well(engine, project, version)
    assert "0 changes" in finish(project, version), output


def test_compose_left_behind_by_a_killed_up_keeps_the_lock(engine: Engine, project: str) -> None:
    """The second `up` waits for the Compose of the first: two at a time would make things twice."""
    process = start(project, "1")
    assert process.stdout is not None
    for line in process.stdout:
        if "starting" in line or "not finished yet" in line or "to be healthy" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    output = finish(project, "1")
    assert_well(engine, project, "1")
    assert output


def test_interrupted_up_says_130_and_is_completed(engine: Engine, project: str) -> None:
    process = start(project, "1")
    assert process.stdout is not None
    for line in process.stdout:
        if "to be healthy" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    finish(project, "1")
    assert_well(engine, project, "1")


@pytest.mark.parametrize("ended_by", ["a crash", "Ctrl-C"])
def test_nothing_is_at_work_after_an_up_that_failed_or_was_interrupted(engine: Engine, project: str, ended_by: str) -> None:
    """The next command must not wait for a Compose that nobody needs."""
    if ended_by == "a crash":
        set_secrets()
        document = changed(body(project), "services", "one", "command", to=["sh", "-c", "exit 3"])
        document = changed(document, "services", "lone", "depends_on", to={"gateway": {"condition": "service_healthy"}})
        document = changed(document, "services", "gateway", "healthcheck", "test", to=["CMD", "false"])
        document = changed(document, "services", "gateway", "healthcheck", "retries", to=1000)
        document = changed(document, "services", "two", to={**service(command=["sh", "-c", "exit 3"]), "labels": {"portable.app": "two"}})
        with pytest.raises(DockerError, match="two: restarting"):
            compose.up(engine, stack(document), SOURCE, deadline=90)
    else:
        process = start(project, "1")
        assert process.stdout is not None
        for line in process.stdout:
            if "to be healthy" in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    with locked(project, "down", wait=0):
        pass


def test_network_that_was_made_twice_is_mended(engine: Engine, project: str) -> None:
    """Engines allow two networks of one name; Compose then refuses to choose."""
    labels = ["--label", f"com.docker.compose.project={project}", "--label", "com.docker.compose.network=default"]
    for _ in range(2):
        subprocess.run(["docker", "network", "create", *labels, f"{project}_default"], capture_output=True, check=False)
    finish(project, "1")
    assert_well(engine, project, "1")
    assert engine.observe(project) != Observed()
