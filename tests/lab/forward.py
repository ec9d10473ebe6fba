"""Ways to an engine for tests: a TCP forwarder and an ssh server on the loopback, and engines that are not as they should be."""

import contextlib
import http.server
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_FORWARDER = """
import socket, ssl, sys, threading
target, listener = sys.argv[1], socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
context = None
if len(sys.argv) > 2:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=sys.argv[2] + "/ca.pem")
    context.load_cert_chain(sys.argv[2] + "/server.pem", sys.argv[2] + "/server-key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def serve(client):
    try:
        if context: client = context.wrap_socket(client, server_side=True)
    except OSError:
        return
    server = socket.socket(socket.AF_UNIX)
    server.connect(target)
    if context: # a TLS socket is not for two threads at a time: one loop with both
        import select
        ends = {client: server, server: client}
        while server in ends:
            ready = [client] if client in ends and client.pending() else select.select(list(ends), [], [])[0]
            for one in ready:
                try:
                    data = one.recv(65536)
                    if data:
                        ends[one].sendall(data)
                        continue
                except OSError:
                    data = b""
                if one is client: # it has said all; the engine may still answer
                    try:
                        server.shutdown(socket.SHUT_WR)
                    except OSError:
                        pass
                del ends[one]
        try: # told to the end, and heard to the end: what is closed with something unread is reset, and takes the answer along
            client.settimeout(5)
            client = client.unwrap()
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except OSError:
            pass
        client.close(); server.close()
        return
    threading.Thread(target=pump, args=(client, server), daemon=True).start()
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@contextlib.contextmanager
def tcp_engine(path: str = "/var/run/docker.sock", *, certificates: Path | None = None) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """An address of the engine by TCP, and the forwarder's process: ended, the engine has gone away."""
    process = subprocess.Popen(
        [sys.executable, "-c", _FORWARDER, path, *([str(certificates)] if certificates else [])], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield f"tcp://127.0.0.1:{int(process.stdout.readline())}", process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def forwarded(host: str, port: int) -> Iterator[int]:
    """A port of the loopback behind which that one answers."""

    class Both(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((host, port)) as far:
                back = threading.Thread(target=_pumped, args=(far, self.request), daemon=True)
                back.start()
                _pumped(self.request, far)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Both) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def _pumped(a: socket.socket, b: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)


def make_certificates(folder: Path) -> None:
    """ca.pem, and cert.pem and key.pem for a client as the docker command looks for them; server.pem for 127.0.0.1."""

    def openssl(*command: str) -> None:
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=lab", "-days", "2")
    for name, key, more in (("server", "server-key", "subjectAltName=IP:127.0.0.1"), ("cert", "key", "extendedKeyUsage=clientAuth")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{key}.pem", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "more").write_text(more)
        signing = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "more"]
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)


@contextlib.contextmanager
def ssh_engine(folder: Path) -> Iterator[tuple[str, Path]]:
    """`ssh://` to this machine: an sshd of our own on a high port, with keys of our own.

    Yields the address and a folder to put first in PATH: its `ssh` knows the keys, as a person's configuration would.
    """
    folder.chmod(0o700)
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    path = os.environ["PATH"]
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nPidFile none\n"
        f"StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f'PermitRootLogin yes\nMaxSessions 50\nMaxStartups 100\nSetEnv "PATH={path}"\n'
    )
    (folder / "config").write_text(
        f"Host *\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known\n  StrictHostKeyChecking yes\n"
    )
    programs = folder / "programs"
    programs.mkdir()
    (programs / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    (programs / "ssh").chmod(0o755)
    sshd = shutil.which("sshd", path=f"{path}:/usr/local/sbin:/usr/sbin")
    if sshd is None:
        raise RuntimeError("there is no sshd here: scripts/lab.sh installs it")
    with contextlib.suppress(PermissionError):
        Path("/run/sshd").mkdir(exist_ok=True)
    log = (folder / "sshd.log").open("w")
    process = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log, stdout=log)
    try:
        for _ in range(50):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"sshd did not come up: {(folder / 'sshd.log').read_text()}")
        yield f"ssh://{me}@127.0.0.1:{port}", programs
    finally:
        process.terminate()
        process.wait()
        log.close()


@contextlib.contextmanager
def old_engine(api: str) -> Iterator[str]:
    """Something that answers `/version` as an engine of that API does, and nothing else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # its base names it so
            body = f'{{"Version": "17.03", "ApiVersion": "{api}", "MinAPIVersion": "1.12"}}'.encode()
            self.send_response(200 if self.path.endswith("/version") else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its base names it so
            return

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
