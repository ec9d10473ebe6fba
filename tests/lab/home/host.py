"""The Docker host: Debian with an engine of its own, a BTRFS RAID 1 at /mnt/storage, reached by TCP with TLS and by ssh."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.engine import LABEL
from tests.lab.home.box import HOST, REGISTRY, RESOLVER, ROUTER, TRANSLATED, Box, all_rights, docker

URL, SSH = f"tcp://{HOST}:2376", f"ssh://root@{HOST}"


@dataclass(kw_only=True)
class DockerHost(Box):
    """A container that is a machine: switched on and off, its disks outlive it."""

    role: str = "host"
    address: str = HOST
    seconds: float = 90

    def __post_init__(self) -> None:
        told = {
            "ROUTER": ROUTER,
            "RESOLVER": RESOLVER,
            "PUBLIC": TRANSLATED,
            "ADDRESS": HOST,
            "DISKS": "6G",
            "INSECURE": f"{REGISTRY}:5000",
        }
        self.environment, self.rights = told, all_rights()
        # The two disks, and what the engine has.
        self.volumes = {f"{self.lab}-disks": "/var/lib/lab", f"{self.lab}-engine": "/var/lib/docker"}

    def start(self) -> None:
        """With its volumes, which outlive it."""
        for name in self.volumes:
            docker("volume", "create", "--label", f"{LABEL}={self.lab}", name)
        super().start()

    def is_well(self) -> bool:
        """Whether its engine answers."""
        return self.ends_well("docker version")

    def keys(self, folder: Path) -> Path:
        """Put what a client needs there: certificates for TLS as the docker command expects them, and the key for ssh."""
        folder.mkdir(parents=True, exist_ok=True)
        files = {"tls/ca.pem": "ca.pem", "tls/client.pem": "cert.pem", "tls/client-key.pem": "key.pem", "ssh/client": "id"}
        for theirs, ours in files.items():
            path = folder / ours
            path.touch(0o600)
            path.write_text(self.sh(f"cat /var/lib/lab/{theirs}"))
        (folder / "known_hosts").write_text(f"{HOST} {self.sh('cat /var/lib/lab/ssh/host.pub')}")
        return folder

    def engine(self, *arguments: str, code: int | None = 0) -> str:
        """What the host's own docker client says."""
        return docker("exec", self.name, "docker", *arguments, code=code)

    def power_cut(self) -> None:
        """Off at once, and on again."""
        docker("kill", self.name)
        docker("start", self.name)

    @contextlib.contextmanager
    def resolver_on_loopback(self) -> Iterator[None]:
        """Let the host's resolver be one of its own, as Pi-hole or dnsmasq is: the engine then asks it on behalf of containers.

        A container hears of it when it is started.
        """
        self.sh(
            f"dnsmasq --no-hosts --no-resolv --server {RESOLVER} --listen-address 127.0.0.1 --bind-interfaces --pid-file=/run/resolver.pid"
        )
        self.sh("echo nameserver 127.0.0.1 >/etc/resolv.conf")
        try:
            yield
        finally:
            self.sh(f"echo nameserver {RESOLVER} >/etc/resolv.conf; kill $(cat /run/resolver.pid)")

    def restart_engine(self) -> None:
        """As `systemctl restart docker`."""
        self.sh("kill -TERM $(cat /run/docker.pid)")
