"""A canary secret is looked for everywhere while and after `up`; it may be in the container that uses it, and nowhere else."""

import json
import os
import subprocess
import traceback
from pathlib import Path
from typing import Any

import pytest

from portable.engines.docker.engine import Engine
from portable.engines.docker.errors import DockerError
from portable.live.compose import verbs as compose
from portable.live.compose.desired import current
from tests.compose_lab.stacks import SOURCE, body, changed, set_secrets, stack
from tests.compose_lab.test_live_kill import start

pytestmark = pytest.mark.compose_lab
CANARIES = ("canary-token-7f3a", "canary-whole-9c1e")


def found_in(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text]


def test_canary_is_in_no_argument_list_log_label_file_or_debug_output(engine: Engine, project: str, tmp_path: Path) -> None:
    debug = tmp_path / "debug.log"
    process = start(project, "1", DEBUG_LOG=str(debug), PORTABLE_SECRET_TOKEN=CANARIES[0], PORTABLE_SECRET_WHOLE=CANARIES[1])
    lines = set()
    while process.poll() is None:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    lines.add((entry / "cmdline").read_bytes().decode(errors="replace"))
                except OSError:
                    continue
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert any("compose" in line and "up" in line for line in lines), "Compose was never seen at work: this test looked at nothing"
    assert not found_in("\n".join(lines))
    assert not found_in(output)
    assert not found_in(debug.read_text())
    assert debug.stat().st_size > 0
    state = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert any(path.name == "compose.yaml" for path in state)
    for path in state:
        assert not found_in(path.read_text()), path
        assert path.stat().st_mode & 0o077 == 0, path
    for seen in engine.containers(project):
        inspected: dict[str, Any] = json.loads(
            subprocess.run(["docker", "inspect", seen.id], capture_output=True, text=True, check=True).stdout
        )[0]
        allowed = inspected["Config"].pop("Env")
        assert not found_in(json.dumps(inspected)), seen.service
        assert bool(found_in(json.dumps(allowed))) == (seen.service == "two")
        diff = subprocess.run(["docker", "logs", seen.id], capture_output=True, text=True, check=True)
        assert not found_in(diff.stdout + diff.stderr)


def test_canary_is_in_no_error_even_with_its_locals(engine: Engine, project: str) -> None:
    set_secrets()
    document = changed(body(project), "services", "two", "command", to=["sh", "-c", "echo $TOKEN >&2; exit 1"])
    with pytest.raises(DockerError) as caught:
        compose.up(engine, stack(document), SOURCE, deadline=60)
    assert "<secret>" in str(caught.value)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert not found_in("".join(shown.format()))


def test_what_a_container_gets_is_what_the_source_holds(engine: Engine, project: str) -> None:
    odd = "a $x ${Y:-z} 'q' \"d\" \\n # ü %s\nsecond line\n"
    os.environ["PORTABLE_SECRET_TOKEN"] = odd.strip("\n").replace("\n", " ")
    os.environ["PORTABLE_SECRET_WHOLE"] = odd
    compose.up(engine, stack(body(project)), SOURCE, deadline=60)
    seen = current(engine.observe(project))
    whole = subprocess.run(["docker", "exec", seen["lone"].id, "cat", "/etc/whole"], capture_output=True, text=True, check=True).stdout
    token = subprocess.run(
        ["docker", "exec", seen["two"].id, "sh", "-c", 'printf %s "$TOKEN"'], capture_output=True, text=True, check=True
    ).stdout
    assert whole == odd.removesuffix("\n")  # a source's one line end is not part of the secret
    assert token == odd.strip("\n").replace("\n", " ")
    assert compose.up(engine, stack(body(project)), SOURCE, deadline=60).changes == ()
