"""Docker Compose as a process: its environment, which holds secrets, and its end."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping

from portable.model.variables import Variables

_ENDING_SECONDS = 10
"""How long Compose may take to end when it is asked to."""
_HANDED_ON = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TERM", "TMPDIR"),
        *("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"),
        *("KRB5CCNAME", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    }
)
"""Variables of this process that the docker command gets: to find its programs, to reach a far engine by ssh or TLS, and to speak."""
_FAMILIES = ("LC_", "SSH_")
_FIXED = {
    "COMPOSE_DISABLE_ENV_FILE": "1",
    "COMPOSE_MENU": "false",
    "DOCKER_CLI_HINTS": "false",
}


def compose_environment(secrets: Mapping[str, str], config: str) -> Variables:
    """The environment of the docker command, with that folder as its configuration.

    No other variable of this process is in it: those of Compose and of Docker (such as COMPOSE_COMPATIBILITY or DOCKER_DEFAULT_PLATFORM)
    change what runs, and those of proxies would stand between it and the engine. The engine's address comes on the command line.
    """
    own = {name: value for name, value in os.environ.items() if name in _HANDED_ON or name.startswith(_FAMILIES)}
    return Variables({**own, **_FIXED, "DOCKER_CONFIG": config, **secrets})


class Running:
    """A Compose process at work; its output is kept, and read for what it means only when it fails."""

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        keep_open: tuple[int, ...],
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        """`on_end` is called once it has ended, by itself or here."""
        self._on_end = on_end
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            # The person's working folder has no say: no `.env`, no `compose.override.yaml`.
            cwd="/",
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
            self._on_end()
        return code

    def stop(self) -> None:
        """End it and all that it started: asked first, which lets Compose finish what it has in hand; then hard."""
        try:
            if not self._signalled(signal.SIGTERM, _ENDING_SECONDS):
                self._signalled(signal.SIGKILL, 5)
        except BaseException:
            self._signalled(signal.SIGKILL, 0)
            raise
        finally:
            self._on_end()

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
