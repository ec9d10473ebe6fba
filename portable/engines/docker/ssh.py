"""A connection to an engine by ssh."""

import contextlib
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

from portable.engines.docker.errors import one_line

CONNECT_SECONDS = 15
"""Timeout of a connection to an engine's host."""


class SshBridge:
    """A private socket. Every connection to it starts `ssh HOST docker system dial-stdio`, like the docker command itself.

    The SDK's own ssh transport needs paramiko, which does not read the user's ssh configuration and agent in the way of ssh.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._command = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}"]
        if parts.username:
            self._command += ["-l", parts.username]
        if parts.port:
            self._command += ["-p", str(parts.port)]
        # The path names another socket of that host. The remote shell parses the arguments after the host.
        socket_option = [f"--host={shlex.quote(f'unix://{parts.path}')}"] if parts.path.strip("/") else []
        self._command += ["--", parts.hostname or "", "docker", *socket_option, "system", "dial-stdio"]
        self._folder = tempfile.mkdtemp(prefix="portable-ssh-")
        self._log = Path(self._folder) / "log"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(f"{self._folder}/engine.sock")
        self._listener.listen(16)
        self.url = f"unix://{self._folder}/engine.sock"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, self._log.open("ab") as log:
                try:
                    self._processes.append(
                        subprocess.Popen(
                            self._command, stdin=connection.fileno(), stdout=connection.fileno(), stderr=log, start_new_session=True
                        )
                    )
                except OSError as error:
                    log.write(f"{error}\n".encode())

    def complaint(self) -> str:
        """The last error of ssh."""
        try:
            return one_line(self._log.read_text(errors="replace"))
        except OSError:
            return ""

    def close(self) -> None:
        """End all ssh processes of this bridge."""
        with contextlib.suppress(OSError):  # macOS: not connected
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake a thread in accept()
        self._listener.close()
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)
        shutil.rmtree(self._folder, ignore_errors=True)
