"""The Docker host: Debian with an engine of its own, a BTRFS RAID 1 at /mnt/storage, reached by TCP with TLS and by ssh."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab.home.box import HOST, REGISTRY, RESOLVER, ROUTER, Box, all_rights, docker

URL, SSH = f"tcp://{HOST}:2376", f"ssh://root@{HOST}"


@dataclass(kw_only=True)
class DockerHost(Box):
    """A container that is a machine: switched on and off, its disks outlive it."""

    role: str = "host"
    address: str = HOST
    seconds: float = 90

    def __post_init__(self) -> None:
        told = {"ROUTER": ROUTER, "RESOLVER": RESOLVER, "ADDRESS": HOST, "DISKS": "6G", "INSECURE": f"{REGISTRY}:5000"}
        volumes = ("--volume", f"{self.disks}:/var/lib/lab", "--volume", f"{self.lab}-engine:/var/lib/docker")
        self.options = (*all_rights(), *(f"--env={k}={v}" for k, v in told.items()), *volumes, "--stop-timeout", "60")

    @property
    def disks(self) -> str:
        """The volume with the two disks."""
        return f"{self.lab}-disks"

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

    def restart_engine(self) -> None:
        """As `systemctl restart docker`."""
        self.sh("kill -TERM $(cat /run/docker.pid)")

    def remove(self) -> None:
        """With its disks: the loop devices are let go, which the kernel would keep."""
        docker("stop", "-t", "20", self.name, code=None)
        super().remove()
        where = docker("volume", "inspect", "-f", "{{.Mountpoint}}", self.disks, code=None).strip()
        # A pool is busy for a moment after the last that used it.
        end = time.monotonic() + 10
        while where and (devices := _devices(where)) and time.monotonic() < end:
            for device in devices:
                subprocess.run(["losetup", "-d", device], capture_output=True, check=False)
            time.sleep(0.2)
        docker("volume", "rm", self.disks, f"{self.lab}-engine", code=None)


def _devices(folder: str) -> list[str]:
    """Loop devices of the disks in that folder."""
    found = []
    for disk in ("disk1", "disk2"):
        command = ["losetup", "-n", "-O", "NAME", "-j", f"{folder}/{disk}"]
        found += subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return found
