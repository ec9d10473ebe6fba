"""Docker Compose as a process: its environment, which holds secrets, and how it is ended."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping

from portable.model.variables import Variables

_ENDING_SECONDS = 10
"""Time for Compose to end after SIGTERM."""
_PASSED_ON = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TERM", "TMPDIR"),
        *("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"),
        *("KRB5CCNAME", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    }
)
"""Variables of this process that the docker command gets: for its programs, for ssh and TLS to a remote engine, and for its language."""
_FAMILIES = ("LC_", "SSH_")
_FIXED = {
    "COMPOSE_DISABLE_ENV_FILE": "1",
    "COMPOSE_MENU": "false",
    "DOCKER_CLI_HINTS": "false",
}


def compose_environment(secrets: Mapping[str, str], config: str) -> Variables:
    """The environment of the docker command, with `config` as its configuration folder.

    It has no other variable of this process: those of Compose and Docker (such as COMPOSE_COMPATIBILITY or DOCKER_DEFAULT_PLATFORM) would
    change the containers, and proxies would come between it and the engine. The engine's address is on the command line.
    """
    own = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(_FAMILIES)}
    return Variables({**own, **_FIXED, "DOCKER_CONFIG": config, **secrets})


class Running:
    """A running Compose process. Its output is collected, and interpreted only if it fails."""

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        keep_open: tuple[int, ...],
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        """`on_end` is called when the process has ended."""
        self._on_end = on_end
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            # Not the user's working folder, with its `.env` and `compose.override.yaml`.
            cwd="/",
            pass_fds=keep_open,
            text=True,
            errors="replace",
            # In Docker 20.10 a signal ends `docker`, but not its plug-in. In a process group of their own, both can be ended.
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
        """Its output so far; may contain secrets."""
        return "".join(self._lines)

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        code = self._process.poll()
        if code is not None:
            self._reader.join(timeout=5)
            self._on_end()
        return code

    def stop(self) -> None:
        """End the process and its children: with SIGTERM, so that Compose can finish its current step, then with SIGKILL."""
        try:
            if not self._signalled(signal.SIGTERM, _ENDING_SECONDS):
                self._signalled(signal.SIGKILL, 5)
        except BaseException:
            self._signalled(signal.SIGKILL, 0)
            raise
        finally:
            self._on_end()

    def _signalled(self, sign: signal.Signals, seconds: float) -> bool:
        """Signal the group, and return whether all its processes have ended within `seconds`: they share the output that is read here."""
        if not self._reader.is_alive() and self._process.poll() is not None:
            return True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, sign)
        self._reader.join(seconds)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.1 if self._reader.is_alive() else 1)
        return not self._reader.is_alive() and self._process.poll() is not None
