"""A real etcd, API server and controller manager as processes of this machine, ended by their process ids whatever happens.

No kubelet is among them: pods are objects and never run. Their status is written by a stand-in (`kubelet.py`).
"""

import contextlib
import ctypes
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portable.engines.kubernetes.address import ClusterAddress
from portable.engines.kubernetes.cluster import Cluster, ClusterReader
from tests.lab.cluster.programs import bring_programs, build_key, cache_folder
from tests.lab.engine import LabError

TOKENS = {"admin": "admin-token-of-a-test", "owner": "owner-token-of-a-test", "other": "other-token-of-a-test"}
"""Bearer token by user. `admin` may do everything, `owner` what a test allows; `other` is an administrator whose writes are not counted."""
_READY_SECONDS = 240.0
_AUDIT = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, users: [admin, owner], verbs: [create, update, patch, delete, deletecollection]}
  - {level: None}
"""


@dataclass
class Server:
    """The processes, and the way to them."""

    folder: Path
    port: int
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address of the API server."""
        return f"https://127.0.0.1:{self.port}"

    def kubeconfig(self, user: str = "admin") -> Path:
        """A kubeconfig for a user."""
        path = self.folder / f"{user}.kubeconfig"
        if not path.exists():
            cluster = {"server": self.url, "certificate-authority": str(self.folder / "ca.crt")}
            body = {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": cluster}],
                "users": [{"name": user, "user": {"token": TOKENS[user]}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
                "current-context": "test",
            }
            path.touch(0o600)
            path.write_text(json.dumps(body))
        return path

    def address(self, user: str = "admin") -> ClusterAddress:
        """The address as the driver takes it."""
        return ClusterAddress(files=(self.kubeconfig(user),), context="test", server=self.url, user=user)

    def cluster(self, user: str = "admin") -> Cluster:
        """A connection that writes."""
        return Cluster(self.address(user), cache=self.folder / "kinds")

    def reader(self, user: str = "admin") -> ClusterReader:
        """A connection that only looks."""
        return ClusterReader(self.address(user), cache=self.folder / "kinds")

    def writes(self) -> list[dict[str, Any]]:
        """The requests of `admin` and `owner` that changed something, dry runs left out."""
        lines = (self.folder / "audit.log").read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        reviews = ("selfsubjectaccessreviews", "subjectaccessreviews")
        return [
            event
            for event in events
            if "dryRun=All" not in event["requestURI"]
            and (event.get("objectRef") or {}).get("resource") not in reviews
            and (event.get("responseStatus") or {}).get("code", 500) < 400
        ]

    def tries(self) -> int:
        """The number of dry runs of `admin` and `owner`."""
        return sum("dryRun=All" in line for line in (self.folder / "audit.log").read_text().splitlines())

    def start(self, name: str, *command: str | Path, options: Mapping[str, object] = {}, cwd: Path | None = None) -> None:
        """Start a program, with its log in a file."""
        arguments = [*(str(part) for part in command), *(f"--{option}={value}" for option, value in options.items())]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                arguments,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=cwd or self.folder,
                preexec_fn=_end_with_the_parent,  # it makes one system call
            )
        self.running.append(process)

    def stop(self) -> None:
        """End the programs, the last one first."""
        for process in reversed(self.running):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def until_ready(self) -> None:
        """Wait until the API server answers. Raises LabError with the last lines of its log."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        until = time.monotonic() + _READY_SECONDS
        while time.monotonic() < until:
            request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": f"Bearer {TOKENS['other']}"})
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(request, context=context, timeout=5).status == 200:
                    return
            if any(process.poll() is not None for process in self.running):
                break
            time.sleep(0.2)
        logs = {path.name: path.read_text(errors="replace")[-1500:] for path in self.folder.glob("*.log")}
        raise LabError(f"the API server is not ready: {logs}")


@contextlib.contextmanager
def api_server(folder: Path) -> Iterator[Server]:
    """The API server with its store and controllers; ended whatever happens."""
    programs = _programs()
    client, peer, port, manager = _free_ports(4)
    server = Server(folder=folder, port=port)
    _certify(folder)
    (folder / "audit.yaml").write_text(_AUDIT)
    rows = [f'{TOKENS["admin"]},admin,1,"system:masters"', f"{TOKENS['owner']},owner,2", f'{TOKENS["other"]},other,3,"system:masters"']
    (folder / "tokens.csv").touch(0o600)
    (folder / "tokens.csv").write_text("\n".join(rows) + "\n")
    try:
        _start_all(server, programs, etcd=client, peer=peer, manager=manager)
        yield server
    finally:
        server.stop()


def _start_all(server: Server, programs: Path, *, etcd: int, peer: int, manager: int) -> None:
    """Start the programs on these ports, the API server on its own."""
    folder, store = server.folder, f"http://127.0.0.1:{etcd}"
    server.start(
        "etcd",
        programs / "etcd",
        "--unsafe-no-fsync",
        options={
            "data-dir": folder / "etcd",
            "log-level": "warn",
            "listen-client-urls": store,
            "advertise-client-urls": store,
            "listen-peer-urls": f"http://127.0.0.1:{peer}",
        },
    )
    server.start(
        "apiserver",
        programs / "kube-apiserver",
        options={
            "etcd-servers": store,
            "bind-address": "127.0.0.1",
            "secure-port": server.port,
            "advertise-address": "127.0.0.1",
            "endpoint-reconciler-type": "none",
            "service-cluster-ip-range": "10.96.0.0/16",
            "authorization-mode": "RBAC",
            "tls-cert-file": folder / "server.crt",
            "tls-private-key-file": folder / "server.key",
            "client-ca-file": folder / "ca.crt",
            "cert-dir": folder,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": folder / "accounts.key",
            "service-account-signing-key-file": folder / "accounts.key",
            "token-auth-file": folder / "tokens.csv",
            "allow-privileged": "true",
            "profiling": "false",
            "audit-policy-file": folder / "audit.yaml",
            "audit-log-path": folder / "audit.log",
            "audit-log-mode": "blocking",
        },
    )
    server.until_ready()
    server.start(
        "controllers",
        programs / "kube-controller-manager",
        options={
            "kubeconfig": server.kubeconfig("other"),
            "leader-elect": "false",
            "secure-port": manager,
            "bind-address": "127.0.0.1",
            "cert-dir": folder,
            "root-ca-file": folder / "ca.crt",
            "service-account-private-key-file": folder / "accounts.key",
            "kube-api-qps": 200,
            "kube-api-burst": 400,
        },
    )
    module = "tests.api_server.kubelet"
    server.start("kubelet", sys.executable, "-m", module, str(folder), str(server.port), cwd=Path(__file__).parents[2])


def _end_with_the_parent() -> None:
    """Let the kernel end this process when the test run is killed, so that none is left at work."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _programs() -> Path:
    """The folder of the programs; only three of them are needed, so nobody waits for the others."""
    folder = cache_folder() / f"kubernetes-{build_key()}"
    needed = ("etcd", "kube-apiserver", "kube-controller-manager")
    return folder if all((folder / name).exists() for name in needed) else bring_programs()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _certify(folder: Path) -> None:
    """Keys and certificates for the server, by openssl."""

    def run(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    (folder / "server.cnf").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n")
    run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ca.key")
    basic = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    run("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=test", "-days", "2", "-out", "ca.crt", *basic)
    run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "server.key")
    run("req", "-new", "-key", "server.key", "-subj", "/CN=server", "-out", "server.csr")
    signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "server.cnf")
    run("x509", "-req", "-in", "server.csr", *signed, "-out", "server.crt")
    run("genrsa", "-out", "accounts.key", "2048")
