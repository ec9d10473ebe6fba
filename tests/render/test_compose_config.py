"""What is rendered is accepted by Docker Compose itself, and Compose reads out of it what the plan says."""

import json
import subprocess
from typing import Any

import msgspec
import pytest

from portable.backends.compose import render
from portable.backends.output import COMPOSE_FIRST
from portable.formats.emit import Interpolated, dump
from portable.model.plan import Plan
from tests.factories import full_plan
from tests.render.test_golden import FEATURES, load


def composed(plan: Plan) -> dict[str, Any]:
    """The project as Compose understands it, every secret filled in."""
    body = render(plan).documents[0].body
    variables = {secret["environment"]: "filled" for secret in body.get("secrets", {}).values()}
    for service in body["services"].values():
        for value in service["environment"].values():
            if isinstance(value, Interpolated):
                variables[value.removeprefix("${").split(":")[0]] = "filled"
    done = subprocess.run(
        ["docker", "compose", "-f", "-", "config", "--format", "json"],
        input=dump(body, compose=True, first=COMPOSE_FIRST),
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "Compose has warnings"
    read: dict[str, Any] = json.loads(done.stdout)
    return read


@pytest.mark.parametrize("feature", FEATURES)
def test_compose_accepts_every_feature(feature: str) -> None:
    composed(load(feature).plan("compose"))


def test_compose_reads_the_full_plan() -> None:
    plan = full_plan("compose")
    read = composed(plan)
    assert read["name"] == "media-full"
    player, torrents = read["services"]["player"], read["services"]["torrents"]
    assert int(player["mem_limit"]) == plan.apps[2].containers[0].resources.memory_limit
    assert int(player["shm_size"]) == plan.apps[2].containers[0].resources.shm
    assert player["environment"]["CLAIM"] == "filled"
    assert player["stop_grace_period"] == "30s"
    assert torrents["network_mode"] == "service:gateway"
    assert read["networks"]["default"]["ipam"]["config"] == [
        {"subnet": "172.20.0.0/16", "gateway": "172.20.0.1", "ip_range": "172.20.128.0/17"}
    ]


def test_dollars_reach_the_container() -> None:
    plan = full_plan("compose")
    text = "listen = $PORT ${PORT} $$ '$'\n"
    files = tuple(msgspec.structs.replace(file, body=(text,)) if file.id == "player-conf" else file for file in plan.files)
    read = composed(msgspec.structs.replace(plan, files=files))
    # `config` writes what Compose would read again: every dollar doubled.
    assert read["configs"]["player-conf"]["content"] == text.replace("$", "$$")
