"""A part of the lab: a container with a fixed address in the closed network, which tells when it is well and keeps its log."""

import contextlib
import ipaddress
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portable.engines.docker.engine import Engine
from portable.live.compose.building import build_recipe
from portable.live.compose.recipes import built_reference, shipped_recipe
from portable.model.progress import Progress, silent
from tests.lab.engine import LABEL, LabError
from tests.lab.own import START

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

NET = f"{START}.0/24"
"""The range of this process's lab."""
DOOR, ROUTER, HOST, PROVIDER, BEACON, REGISTRY, CLOUD, SEEDER, RESOLVER = (f"{START}.{n}" for n in (1, 254, 5, 10, 20, 30, 40, 50, 53))
"""The machine itself, and who is who behind the door."""
NODES = tuple(f"{START}.{n}" for n in (6, 7))
"""The nodes of a cluster, where the lab has one in place of a Docker host."""
PUBLIC = {public: f"{START}.{number}" for number, public in enumerate(("1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4"), 61)}
"""Public resolvers, and who answers for each in the lab: its network carries nothing for addresses that are not its own."""
TRANSLATED = " ".join(f"{public}={own}" for public, own in PUBLIC.items())
"""The same for a script, which has each part translate what is for a public resolver on its way out."""
OWNER = "portable.test.owner"
"""Label of the network of a lab: the process that it belongs to."""
IMAGES = ("lab-host", "lab-internet", "lab-gateway")
"""The recipes of what the lab itself runs."""
_SECONDS = 30
_KEPT = Path(__file__).parents[3] / ".cache" / "lab"
# In the kernel's order, bit 0 first, as far as engine 20.10 knows them.
_CAPABILITIES = """
    chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_broadcast net_admin
    net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time
    sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read
""".split()  # noqa: SIM905 - a list would take forty lines


def docker(*arguments: str, code: int | None = 0, given: str | None = None, seconds: float = 600) -> str:
    """What the machine's engine says; LabError where it does not end with `code`. A signal of the terminal's is for this process alone."""
    done = subprocess.run(
        ["docker", *arguments],
        input=given,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds,
        start_new_session=True,
    )
    if code is not None and done.returncode != code:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise LabError(f"docker {' '.join(arguments)[:300]}: exit {done.returncode}: {said}")
    return done.stdout


def recipes(name: str) -> Path | None:
    """The recipes of the lab, called `lab-<folder>`, lie beside this file and beside the cluster's; those of apps with the catalog."""
    own = (place / name.removeprefix("lab-") for place in (Path(__file__).parent, Path(__file__).parents[1] / "cluster"))
    return next((folder for folder in own if name.startswith("lab-") and folder.is_dir()), None) or shipped_recipe(name)


def bring(engine: Engine, name: str, progress: Progress = silent) -> str:
    """The image of a part, built from Debian's packages where it is not there."""
    reference = built_reference(name, recipes)
    if reference is not None and engine.image_ids([reference]):
        return reference
    return build_recipe(engine, name, recipes=recipes, progress=progress)


@cache
def all_rights() -> dict[str, Any]:
    """All that this machine may: engine 20.10 refuses `privileged` where one capability is missing."""
    bounding = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
    have = [name for bit, name in enumerate(_CAPABILITIES) if int(bounding, 16) >> bit & 1]
    if len(have) == len(_CAPABILITIES):
        return {"privileged": True}
    unconfined = [f"{option}=unconfined" for option in ("seccomp", "apparmor")]  # what hides parts of /proc, the host itself takes away
    return {"security_opt": unconfined, "cap_add": have, "device_cgroup_rules": ["a *:* rwm"]}


@dataclass(kw_only=True)
class Box:
    """A container of the lab."""

    lab: str
    """Name of the lab's network, and label of all that it has."""
    role: str
    image: str
    address: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Named volumes, and where they are mounted."""
    rights: Mapping[str, Any] = field(default_factory=dict)
    """What it may and has beyond a plain container, in the Docker SDK's words: `cap_add`, `devices`, `sysctls`."""
    seconds: float = _SECONDS
    """How long it may take to be well."""

    @property
    def name(self) -> str:
        """Of the container."""
        return f"{self.lab}-{self.role}"

    def start(self) -> None:
        """Start it, and wait until it is well; LabError with its last words where it isn't in time."""
        made = _contained(self)
        try:
            made.start()
        finally:
            made.get_docker_client().client.close()

    def wait(self) -> None:
        """Until it is well."""
        self.until(self.is_well, f"{self.role} is not well")

    def until(self, well: Callable[[], bool], why: str, seconds: float | None = None) -> None:
        """Wait for that, or raise LabError with the last words of the part."""
        end = time.monotonic() + (seconds or self.seconds)
        while not well():
            if time.monotonic() > end:
                raise LabError(f"{why}: {self.log()[-1500:]}")
            time.sleep(0.1)

    def is_well(self) -> bool:
        """Whether it does its work."""
        return self.sh("true", code=None) is not None

    def sh(self, script: str, code: int | None = 0, seconds: float = 120) -> str:
        """What a root shell in it prints."""
        return docker("exec", "-i", self.name, "bash", "-s", given=script, code=code, seconds=seconds)

    def ends_well(self, script: str) -> bool:
        """Whether a script in it ends with 0."""
        done = subprocess.run(["docker", "exec", "-i", self.name, "bash", "-s"], input=script, capture_output=True, text=True, check=False)
        return done.returncode == 0

    def log(self) -> str:
        """What it wrote."""
        done = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, errors="replace", check=False)
        return done.stdout + done.stderr

    def keep_log(self) -> Path:
        """Write its log where a person finds it after a failure."""
        _KEPT.mkdir(parents=True, exist_ok=True)
        path = _KEPT / f"{self.name}.log"
        path.write_text(self.log())
        return path

    def pause(self) -> None:
        """As if its cable were pulled: it answers nobody, and knows nothing of it."""
        docker("pause", self.name)

    def resume(self) -> None:
        """Plug it in again."""
        docker("unpause", self.name)

    def remove(self) -> None:
        """With what it has of its own, before the lab is taken away; nothing happens where it is not there."""
        docker("rm", "-f", "-v", self.name, code=None)


def container(image: str, name: str) -> "DockerContainer":
    """What testcontainers starts; who starts it takes it away, or, of a lab, `leftovers`, by label, however that lab ended."""
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    testcontainers_config.ryuk_disabled = True  # its image can't be had
    return DockerContainer(image).with_name(name)


def _contained(box: Box) -> "DockerContainer":
    """The container of a part of the lab, started when that part is well."""
    from docker import version
    from docker.types import EndpointConfig
    from testcontainers.core.waiting_utils import WaitStrategy, WaitStrategyTarget

    class IsWell(WaitStrategy):
        """Until the part says so itself; LabError with its last words where it doesn't in time."""

        def wait_until_ready(self, _container: WaitStrategyTarget) -> None:
            box.wait()

    made = container(box.image, box.name).with_envs(**box.environment).waiting_for(IsWell())
    for name, path in box.volumes.items():
        made.with_volume_mapping(name, path, "rw")
    if box.command:
        made.with_command(list(box.command))
    return made.with_kwargs(
        labels={LABEL: box.lab},
        hostname=box.role,
        network=box.lab,
        networking_config={box.lab: EndpointConfig(version.__version__, ipv4_address=box.address)},
        **box.rights,
    )


def only_here() -> None:
    """Raise LabError unless the lab's range is free on this machine, and nobody's whom it calls."""
    for line in subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=True).stdout.splitlines():
        if line.startswith(NET.removesuffix("0/24")):
            raise LabError(f"this machine has a way to {NET} already ({line.strip()}): is another lab at work?")
    with contextlib.suppress(OSError):
        mirror = socket.gethostbyname("deb.debian.org")
        if ipaddress.ip_address(mirror) in ipaddress.ip_network(NET):
            raise LabError(f"this machine reaches Debian's mirror at {mirror}, in the lab's own range")
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes loop devices and a network of its own")
