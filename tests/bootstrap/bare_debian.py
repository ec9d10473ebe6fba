"""A bare Debian in a container that may run an engine of its own, as a fresh machine would; removed with all that is in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker.types import Mount

from tests.lab.engine import LABEL
from tests.lab.home import box

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SUITES = {"12": "bookworm", "13": "trixie"}
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

MACHINE = Path(box.__file__).parent / "host" / "machine.sh"
FIRST_PROCESS = "set -e; . /checkout/machine; touch /run/ready; exec sleep infinity"


def run(*command: str, check: bool = True, stdin: bytes | None = None, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a program of this machine; its output is in the exception when it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=False)
    result = subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(command)[:300]} ended with {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result


@dataclass(frozen=True)
class BareDebian:
    """A running container; `sh` is a root shell in it."""

    name: str
    release: str

    def sh(self, script: str, *, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return run("docker", "exec", "-i", self.name, "bash", "-s", check=check, stdin=script.encode(), timeout=timeout)

    def bootstrap(
        self, arguments: str, *, script: str = "bootstrap.sh", user: int | None = None, environment: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Call a script with its standard input closed, as root or as a user without rights and groups."""
        become = f"setpriv --reuid {user} --regid {user} --clear-groups" if user else ""
        return self.sh(f"cd /; {environment} {become} /checkout/scripts/{script} {arguments} <&-", check=False)

    def packages(self) -> dict[str, str]:
        """Installed packages and their versions."""
        lines = self.sh("dpkg-query -W -f '${db:Status-Abbrev}|${Package}|${Version}\\n'").stdout.splitlines()
        rows = [line.split("|") for line in lines]
        return {name: version for status, name, version in rows if status.startswith("ii")}


def why_not() -> str | None:
    """The reason why these tests can't run on this machine."""
    if os.geteuid() != 0:
        return "making a bare Debian needs root"
    if shutil.which("docker") is None or run("docker", "version", check=False, timeout=60).returncode != 0:
        return "no container engine answers; scripts/bootstrap.sh engine brings one"
    return None


@contextmanager
def bare_debian(release: str, folder: Path) -> Iterator[BareDebian]:
    """Start a bare Debian; an unprivileged user has the id 1000 and no name."""
    image = _image(release, folder)
    settings = folder / "90test"
    settings.write_text(_apt_settings())
    unsafe = folder / "unsafe-io"
    unsafe.write_text("force-unsafe-io\n")  # it is thrown away: dpkg needn't wait for the disk
    name = f"portable-bootstrap-{release}-{uuid.uuid4().hex[:8]}"
    read_only = {
        SCRIPTS: "/checkout/scripts",
        MACHINE: "/checkout/machine",
        settings: "/etc/apt/apt.conf.d/90test",
        unsafe: "/etc/dpkg/dpkg.cfg.d/unsafe-io",
    }
    if _mirror().startswith("https:"):
        read_only[CERTIFICATES] = str(CERTIFICATES)
    bare = box.container(image, name).with_command(["bash", "-c", FIRST_PROCESS])
    bare.with_envs(**{key: value for key, value in os.environ.items() if key.lower() in {"http_proxy", "https_proxy", "no_proxy"}})
    for here, there in read_only.items():
        bare.with_volume_mapping(here, there, "ro")
    bare.with_kwargs(labels={LABEL: "bootstrap"}, mounts=[Mount("/var/lib/docker", None)], **box.all_rights())
    try:
        bare.start()
        host = BareDebian(name, release)
        host.sh("for i in $(seq 100); do [ -e /run/ready ] && exit; sleep 0.1; done; exit 1")
        yield host
    finally:
        bare.get_docker_client().client.close()
        run("docker", "rm", "--force", "--volumes", name, check=False)


def _image(release: str, folder: Path) -> str:
    """Kept from one session to the next: nothing in it is the project's."""
    image = f"lab/bare:{release}"
    if run("docker", "image", "inspect", image, check=False).returncode == 0:
        return image
    if shutil.which("mmdebstrap") is None:
        raise AssertionError("mmdebstrap is missing: scripts/lab.sh brings it")
    archive = folder / "bare.tar"
    run("mmdebstrap", "--variant=minbase", SUITES[release], str(archive), _mirror(), timeout=600)
    run("docker", "import", str(archive), image)
    archive.unlink()
    return image


def _mirror() -> str:
    """The Debian mirror that this machine's own sources name."""
    targets = run("apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages").stdout
    for line in targets.splitlines():
        suite, component, address = line.split(" ", 2)
        if component == "main" and suite in {*SUITES.values(), "stable", "oldstable"}:
            return address
    raise AssertionError("this machine's sources name no Debian mirror")


def _apt_settings() -> str:
    """How this machine reaches its mirror: proxies, and whether it is a frozen one."""
    wanted = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries")
    kept = [line for line in run("apt-config", "dump").stdout.splitlines() if line.startswith(wanted)]
    return "\n".join([*kept, 'Acquire::Languages "none";', ""])
