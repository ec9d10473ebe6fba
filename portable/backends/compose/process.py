"""Docker Compose as a process: its environment, which holds secrets, and its end."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping

_ENDING_SECONDS = 10
"""How long Compose may take to end when it is asked to."""
# What a person's environment could change about Compose behind the plan's back.
_NEUTRAL = {
    "COMPOSE_FILE": "",
    "COMPOSE_PROFILES": "",
    "COMPOSE_ENV_FILES": "",
    "COMPOSE_IGNORE_ORPHANS": "false",
    "COMPOSE_REMOVE_ORPHANS": "false",
    "COMPOSE_DISABLE_ENV_FILE": "1",
    "COMPOSE_CONVERT_WINDOWS_PATHS": "",
    "DOCKER_CLI_HINTS": "false",
    "COMPOSE_MENU": "false",
}


class Variables(dict[str, str]):
    """An environment with secrets in it, which a traceback that shows variables does not show."""

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"


def compose_environment(secrets: Mapping[str, str]) -> Variables:
    """The environment of the Compose process: this one's, what is neutral, and the secrets."""
    return Variables({**os.environ, **_NEUTRAL, **secrets})


class Running:
    """A Compose process at work; its output is kept, and read for what it means only when it fails."""

    def __init__(self, command: list[str], environment: Mapping[str, str], keep_open: tuple[int, ...]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=keep_open,
            text=True,
            errors="replace",
            # The `docker` of engine 20.10 dies of a signal that its plug-in does not get: both are ended, as one group of their own.
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None  # asked for above
        with self._process.stdout as output:
            self._lines.extend(output)

    @property
    def output(self) -> str:
        """All that it said; may hold secrets."""
        return "".join(self._lines)

    def poll(self) -> int | None:
        """Its exit code, None while it works."""
        code = self._process.poll()
        if code is not None:
            self._reader.join(timeout=5)
        return code

    def stop(self) -> None:
        """End it and all that it started: asked first, which lets Compose finish what it has in hand; then hard."""
        try:
            if self._signalled(signal.SIGTERM, _ENDING_SECONDS):
                return
        except BaseException:
            self._signalled(signal.SIGKILL, 0)
            raise
        self._signalled(signal.SIGKILL, 5)

    def _signalled(self, sign: signal.Signals, seconds: float) -> bool:
        """Whether nothing of the group is left that long after the signal: all of it writes to the one output that is read here."""
        if not self._reader.is_alive() and self._process.poll() is not None:
            return True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, sign)
        self._reader.join(seconds)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.1 if self._reader.is_alive() else 1)
        return not self._reader.is_alive() and self._process.poll() is not None
