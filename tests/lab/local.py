"""The `local` profile as a stack of a test's own: real apps, folders and ports that nobody else has, every command recorded."""

import contextlib
import errno
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from portable.backends.prepare import Prepared, prepare
from portable.catalog.shipped import SHIPPED
from portable.engines.docker.engine import Engine
from portable.engines.docker.observed import HELPER, PROJECT
from tests.lab.engine import LABEL, LabError, clean, random_project
from tests.lab.old import Old, age
from tests.lab.own import CLOUDS, SHELF, claim

ROOT = Path(__file__).parents[2]
FILM = b"a film that lay in the library before anything ran\n" * 100
PROFILE = "lab"
APPS = ("gerbera", "qbittorrent", "sabnzbd", "webdav")
CLOUD = SHELF
"""The cloud `shelf` under a name of this run: a cloud is mounted once on a machine, and `make up` has `shelf`."""
UPKEEP = ("backup", "capacity", "old-downloads", "stream-links")
"""Apps that run at times; they come to those of the profile local, so that its tests meet them too."""
SERVICES = tuple(sorted((f"cloud-{CLOUD}", "init", "seal", *APPS, *UPKEEP)))
UNKNOWN: frozenset[tuple[str, str, str]] = frozenset()
"""Contract, subject and text of each result that `verify` may call `unknown` on this stack while it is healthy: none."""
TEXT = """\
portable: 1
name: lab
about: The profile local with apps that run at times, in folders and ports of a test; all is asked more often, so that tests wait less
extends: local
clouds: [{cloud}]
apps: [backup, capacity, gerbera, old-downloads, qbittorrent, sabnzbd, stream-links, webdav]
storage:
  library: {{folder: {folder}/library}}
  state: {{folder: {folder}/config}}
  backups: {{folder: {folder}/backups}}
exposure:
  apps:
    gerbera: {{web: {{loopback: {{number: {gerbera}}}}}}}
    sabnzbd: {{web: {{loopback: {{number: {sabnzbd}}}}}}}
    webdav: {{web: {{loopback: {{number: {webdav}}}}}}}
override:
  gerbera: {{clouds: [{cloud}], containers: {{main: {{probe: {{period: 2s}}}}}}}}
  qbittorrent: &often {{containers: {{main: {{probe: {{period: 2s}}}}}}}}
  sabnzbd: *often
  seal: *often
  webdav: *often
  rclone: *often
  capacity: {{schedule: "* * * * *"}}
  old-downloads: {{schedule: "* * * * *"}}
  stream-links: {{schedule: "* * * * *", clouds: [{cloud}]}}
"""


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    def __str__(self) -> str:
        return f"portable {' '.join(self.arguments)}: exit {self.code} after {self.seconds:.1f} s\n{self.out}\n{self.err}"


@dataclass
class Local:
    """One stack: its folder, its ports, and what was run."""

    folder: Path
    stack: str = field(default_factory=random_project)
    ports: dict[str, int] = field(default_factory=dict)
    ran: list[Ran] = field(default_factory=list)
    text: str = TEXT
    """The profile; `{folder}`, `{cloud}`, and the port of each app that is published, by its name, stand in it."""
    published: tuple[str, ...] = APPS
    old: Old = field(default_factory=dict)
    """What lay in the library before."""
    catalog: Path | None = None
    """A folder of own apps, once a test has made one."""
    engine: dict[str, str] = field(default_factory=dict)
    """What names another engine than this machine's, as variables of the docker command."""

    def __post_init__(self) -> None:
        self.ports = dict(zip(self.published, free_ports(len(self.published)), strict=True))
        (self.folder / "profiles").mkdir(parents=True)
        # qBittorrent compares the port in an address with its own, hence the same number inside.
        inside = f"ports: {{qbittorrent: {{web: {self.ports['qbittorrent']}}}}}" if "qbittorrent" in self.ports else ""
        (self.folder / "portable.yaml").write_text(f"portable: 1\nname: {self.stack}\n{inside}\n")
        (self.folder / "profiles" / f"{PROFILE}.yaml").write_text(self.text.format(folder=self.folder, cloud=CLOUD, **self.ports))
        copy_cloud(self.folder / "catalog")

    @property
    def project(self) -> str:
        """The Compose project."""
        return f"{self.stack}-{PROFILE}"

    @property
    def library(self) -> Path:
        """/mnt/media of every app."""
        return self.folder / "library"

    @property
    def secrets_file(self) -> Path:
        """Where secrets were stored."""
        return self.folder / "xdg-config" / "portable" / self.stack / "secrets.yaml"

    @property
    def state(self) -> Path:
        """The private folder of the project."""
        return self.folder / "xdg-state"

    def secret(self, name: str) -> str:
        """The value that is stored."""
        return str(yaml.load(self.secrets_file.read_text(), yaml.BaseLoader)[name])

    def environment(self, **more: str) -> dict[str, str]:
        """What commands are started with: nothing of this person's own stacks and settings."""
        own = {k: v for k, v in os.environ.items() if not k.startswith(("PORTABLE_", "XDG_", "COMPOSE_"))}
        paths = {"XDG_CONFIG_HOME": self.folder / "xdg-config", "XDG_STATE_HOME": self.state, "PYTHONPATH": ROOT}
        return {**own, **{k: str(v) for k, v in paths.items()}, **self.engine, **more}

    def command(self, *arguments: str) -> list[str]:
        """The whole command line."""
        catalog = ["--catalog", str(self.catalog)] if self.catalog else []
        return [sys.executable, "-m", "portable", *arguments, "--profile", PROFILE, *catalog]

    def portable(self, *arguments: str, code: int | None = 0, given: str | None = None, **environment: str) -> Ran:
        """Run a command; fails where it does not end with `code`."""
        start = time.monotonic()
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**environment),
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
        ran = Ran(arguments, done.returncode, done.stdout, done.stderr, time.monotonic() - start)
        self.ran.append(ran)
        assert code is None or ran.code == code, str(ran)
        return ran

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a command in a process group of its own, its output in a file."""
        with (self.folder / "started.log").open("a") as log:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def docker(self, *arguments: str, code: int | None = 0) -> str:
        """What the client of the stack's engine prints."""
        return docker(*arguments, code=code, environment=self.environment())

    def inspected(self) -> dict[str, dict[str, Any]]:
        """What the engine says about each service's container; two of one service are a failure."""
        ids = self.docker("ps", "-aq", "--no-trunc", "--filter", f"label={PROJECT}={self.project}").split()
        found = json.loads(self.docker("inspect", *ids)) if ids else []
        services = {c["Config"]["Labels"]["com.docker.compose.service"]: c for c in found}
        assert len(services) == len(found), f"more than one container of a service: {sorted(c['Name'] for c in found)}"
        return services

    def identity(self) -> dict[str, tuple[str, str]]:
        """Id and time of start of each container."""
        return {name: (c["Id"], c["State"]["StartedAt"]) for name, c in self.inspected().items()}

    def container(self, service: str) -> str:
        """The id of a service's container."""
        return str(self.inspected()[service]["Id"])

    def inside(self, service: str, *command: str, user: str | None = None, code: int | None = 0) -> str:
        """What a command prints inside a service's container."""
        who = ["--user", user] if user else []
        return self.docker("exec", *who, self.container(service), *command, code=code)

    def networks(self) -> list[str]:
        """Ids of the project's networks."""
        return self.docker("network", "ls", "-q", "--filter", f"label={PROJECT}={self.project}").split()

    def helpers(self) -> list[str]:
        """Ids of this stack's helper containers: they name its network or its folder. Those of other stacks are none of its business."""
        ids = docker("ps", "-aq", "--no-trunc", "--filter", f"label={HELPER}").split()
        said = {one: docker("inspect", one, code=None) for one in ids}
        own = (f"{self.project}_", str(self.folder), *self.networks())
        return [one for one, text in said.items() if any(word in text for word in own)]

    def volumes(self) -> list[str]:
        """Names of the project's volumes."""
        return sorted(self.docker("volume", "ls", "-q", "--filter", f"label={PROJECT}={self.project}").split())

    def assert_well(self) -> None:
        """Everything runs once, nothing differs, nothing is left over."""
        assert self.portable("diff", code=None).code == 0, str(self.ran[-1])
        assert self.portable("status", code=None).code == 0, str(self.ran[-1])
        assert tuple(sorted(self.inspected())) == SERVICES
        assert len(self.networks()) == 1

    def logs_of(self, *services: str) -> str:
        """What these containers wrote, or all."""
        parts = []
        for name, seen in self.inspected().items():
            if services and name not in services:
                continue
            done = subprocess.run(
                ["docker", "logs", seen["Id"]], env=self.environment(), capture_output=True, text=True, errors="replace", check=False
            )
            parts.append(f"--- {name} ({seen['State']['Status']})\n{done.stdout}{done.stderr}")
        return "\n".join(parts)

    def save_logs(self) -> Path:
        """Write down what a person needs to understand a failure; returns where."""
        path = ROOT / ".cache" / "lab" / f"{self.project}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*map(str, self.ran), self.logs_of()]))
        return path


def docker(*arguments: str, code: int | None = 0, given: str | None = None, environment: Mapping[str, str] | None = None) -> str:
    """What the engine's own client prints; fails where it does not end with `code`."""
    done = subprocess.run(
        ["docker", *arguments], input=given, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    assert code is None or done.returncode == code, (
        f"docker {' '.join(arguments)}: exit {done.returncode}: {done.stderr[-2000:]}{done.stdout[-500:]}"
    )
    return done.stdout


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on, below those that the kernel gives to who calls: they are free a minute later too.

    No other run takes them as long as this process is there.
    """
    held: list[socket.socket] = []
    refused: list[socket.socket] = []
    while len(held) < count:
        try:
            listener = socket.create_server(("127.0.0.1", random.randrange(20_000, 32_000)))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            (held if claim(f"port-{listener.getsockname()[1]}") else refused).append(listener)
    ports = [listener.getsockname()[1] for listener in held]
    for listener in (*held, *refused):
        listener.close()
    return ports


def needed() -> Prepared:
    """The stack as it would be rendered anywhere, for what it needs."""
    with tempfile.TemporaryDirectory() as nowhere:
        stack = Local(Path(nowhere) / "local")
        return prepare(PROFILE, folder=stack.folder)


def copy_cloud(catalog: Path) -> None:
    """Write the lab's own cloud to a catalog."""
    own = catalog / "clouds" / CLOUD
    own.mkdir(parents=True)
    for file in (SHIPPED / "clouds" / "shelf").iterdir():
        text = file.read_text()
        for old, new in (("name: shelf", f"name: {CLOUD}"), ('"shelf:"', f'"{CLOUD}:"'), ("[shelf]", f"[{CLOUD}]")):
            text = text.replace(old, new)
        (own / file.name).write_text(text)


def forget_cloud(cloud: str) -> None:
    """Remove the folder where a cloud was mounted; nothing happens where something is in it or mounted there."""
    with contextlib.suppress(OSError):
        Path(CLOUDS, cloud).rmdir()


def refuse_second_lab() -> None:
    """Raise LabError where another lab has the cloud, for example one whose processes cannot be seen from here."""
    lines = docker(
        "ps", "--filter", f"label=com.docker.compose.service=cloud-{CLOUD}", "--format", f'{{{{.Label "{PROJECT}"}}}}'
    ).splitlines()
    if lines:
        raise LabError(f"{CLOUDS}/{CLOUD} is in use by {', '.join(sorted(set(lines)))}: wait for those tests, or take it down")


@contextlib.contextmanager
def stack_up(engine: Engine, folder: Path, failed: Callable[[], int]) -> Iterator[Local]:
    """A stack, up, with a film and old things in its library; taken down whatever happens, its logs kept where a test failed meanwhile."""
    refuse_second_lab()
    stack = Local(folder)
    films = stack.library / "media" / "movies"
    films.mkdir(parents=True)
    (films / "before.mkv").write_bytes(FILM)
    stack.old = age(stack.library)
    for path in (stack.library, *stack.library.rglob("*")):
        os.chown(path, 1000, 1000, follow_symlinks=False)
    before = failed()
    try:
        stack.portable("up")
        yield stack
    except BaseException:
        print(f"logs: {stack.save_logs()}")
        raise
    finally:
        if failed() > before:
            print(f"logs: {stack.save_logs()}")
        sweep(stack.stack)
        stack.portable("down", code=None)
        clean(engine, stack.project)
        forget_cloud(CLOUD)


def end_group(process: "subprocess.Popen[str]") -> None:
    """SIGKILL to a command and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def sweep(stack: str) -> None:
    """Remove helper containers of a test's stack."""
    ids = docker("ps", "-aq", "--filter", f"label={LABEL}={stack}", code=None).split()
    if ids:
        docker("rm", "-f", *ids, code=None)
