"""What ends a command from outside ends what it started too."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli import environment

SCRIPT = """
import os, signal, sys
import portable.profiles.load as load
def stop(*_, **__):
    try:
        os.kill(os.getpid(), int(sys.argv.pop()))
        signal.pause()
    finally:
        print("put away")
load.load_profile = stop
from portable.cli import main
number = sys.argv[1]
sys.argv[1:] = ['profiles', 'show', 'local']
load.find_stack, find = (lambda *a: (sys.argv.append(number), find(*a))[1]), load.find_stack
main()
"""


def as_from_a_shell() -> None:
    """The suite may run in the background or under nohup, where signals are ignored, and those that it starts inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.SIG_DFL)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_signal_that_ends_a_command_lets_it_put_away_what_it_has(sign: signal.Signals, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(int(sign))],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=as_from_a_shell,
    )
    assert (done.returncode, done.stdout) == (130, "put away\n"), done.stderr
    assert done.stderr.splitlines()[-1] == "portable: interrupted; run the same command again to complete it"
