"""OpenSMTPD of Debian on a port of the loopback device, with a spool and sockets of its own. Every mail lies in a maildir."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

_CONFIG = """\
listen on 127.0.0.1 port {port} hostname mail.example.test
action "keep" maildir "{mail}" virtual {{ "@" = nobody }}
match from any for any action "keep"
"""
_START = """\
mount -t tmpfs tmpfs /var/spool
mkdir -m 711 /var/spool/smtpd
mount -t tmpfs tmpfs /run
exec smtpd -d -f "$1"
"""
_SECONDS = 60.0


class MailServer:
    """A running mail server."""

    def __init__(self, port: int, mail: Path) -> None:
        self.port, self.mail = port, mail

    @property
    def url(self) -> str:
        """The channel in the form of Apprise."""
        return f"mailto://127.0.0.1:{self.port}?from=portable@example.test&to=person@example.test&smtp=127.0.0.1&cto=120&rto=120"

    def received(self, expected: int) -> list[EmailMessage]:
        """The mails, in order of their Date; waits until there are as many as expected, then for one more that must not come."""
        until = time.monotonic() + _SECONDS
        while len(files := list((self.mail / "new").glob("*"))) < expected and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(1.0)
        files = list((self.mail / "new").glob("*"))
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Run the server until the block ends. Raises AssertionError if it does not start; needs root."""
    with tempfile.TemporaryDirectory(prefix="portable-mail-") as folder:  # pytest's own folders are closed to the user nobody
        yield from _served(Path(folder))


def _served(folder: Path) -> Iterator[MailServer]:
    program = shutil.which("smtpd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
    assert program, "smtpd is missing: scripts/lab.sh brings it"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    folder.chmod(0o711)
    mail = folder / "mail"
    mail.mkdir()
    mail.chmod(0o777)  # it delivers as the user nobody
    config = folder / "smtpd.conf"
    config.write_text(_CONFIG.format(port=port, mail=mail))
    log = folder / "smtpd.log"
    with log.open("wb") as output:
        command = ["unshare", "--mount", "sh", "-ec", _START, "sh", str(config)]
        environment = {"PATH": "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/bin"}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
    try:
        _wait_for(port, process, log)
        yield MailServer(port, mail)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                if connection.recv(64).startswith(b"220"):
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"smtpd does not answer: {log.read_text(errors='replace')}")
