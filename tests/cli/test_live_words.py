"""What commands on an engine say, with an engine that stands in."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from portable.cli.down import summary
from portable.model.changes import Change
from tests.cli import environment, run

OPENING = "portable: stack media (no portable.yaml here), profile local (shipped)\n"
SCRIPT = """
import os, signal, sys
from portable.live.compose import verbs as compose
from portable.live.results import LogLine
def logs(*_, **__):
    yield LogLine(service="demo", text="hello")
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
compose.logs = logs
compose.has_logs = lambda *_: True
if sys.argv[1] == "none":
    compose.has_logs, compose.logs = (lambda *_: False), (lambda *_, **__: iter(()))
sys.argv[1:] = sys.argv[2:]
from portable.cli import main
main()
"""


def logs(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_ctrl_c_is_how_following_ends(tmp_path: Path) -> None:
    done = logs(tmp_path, "some", "logs", "-f")
    assert (done.returncode, done.stdout, done.stderr) == (130, "demo | hello\n", OPENING)
    done = logs(tmp_path, "some", "logs")
    assert done.returncode == 130
    assert "interrupted" in done.stderr


def test_logs_of_nothing_are_said_to_be_none(tmp_path: Path) -> None:
    done = logs(tmp_path, "none", "logs")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{OPENING}portable: no logs: no app was started (run `portable up`)\n"
    assert "no logs: gerbera was not started" in logs(tmp_path, "none", "logs", "gerbera").stderr


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
@pytest.mark.parametrize("verb", ["up", "restart"])
def test_a_timeout_is_more_than_nothing(verb: str, seconds: str, tmp_path: Path) -> None:
    done = run(verb, f"--timeout={seconds}", cwd=tmp_path)
    assert done.returncode == 2
    assert "--timeout" in done.stderr
    assert "must be greater than 0" in done.stderr


def test_the_summary_of_down() -> None:
    removed = [Change(kind="remove", service=name, cause="asked for") for name in ("a", "b", "network default", "ConfigMap shared")]
    assert summary(removed[:3]) == "removed 2 containers and 1 network; all data is kept"
    assert summary(removed) == "removed 2 containers and 1 network and 1 object; all data is kept"
    assert summary(removed[:1]) == "removed 1 container; all data is kept"
    assert summary([]) == "nothing to remove"
