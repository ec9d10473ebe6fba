"""The thin edge to a container engine: `EngineReader` looks, `Engine` also writes. Decides nothing, prints nothing.

State is read with the Docker SDK; Docker Compose is called by the command line that python-on-whales builds. Its own `up()` is not used: it
hands on neither an environment (the secrets) nor a file descriptor (the project's lock), and cannot be stopped.
"""

import contextlib
import json
import logging
import os
import queue
import re
import shutil
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal

from portable.backends.compose.address import Address
from portable.backends.compose.client import PrivateConfig, config_folder, read_config
from portable.backends.compose.process import Running, compose_environment
from portable.backends.compose.rights import image_settings, variables
from portable.backends.compose.seen import (
    DEPENDS,
    FOLDER,
    HASH,
    HELPER,
    ONE_OFF,
    PROJECT,
    REPLACES,
    SERVICE,
    Described,
    Neighbour,
    Observed,
    Offered,
    Seen,
    SeenNetwork,
    Taken,
    Versions,
)
from portable.backends.compose.ssh import CONNECT_SECONDS, SshBridge
from portable.backends.compose.trouble import AGAIN, EngineTrouble, chain_of, one_line, translate
from portable.backends.rights import ImageSettings

if TYPE_CHECKING:
    from docker import APIClient
    from python_on_whales import DockerClient

OLDEST_API = (1, 41)
OLDEST_COMPOSE = (2, 23, 1)
_ANSWER_SECONDS = 60
_FRAME = 8
"""Bytes before each piece of what a command prints; the last four are its length (the engine's API, Attach to a container)."""
_SETTLING_SECONDS = 5
"""How long the engine may take to know what it has ended itself: the exit code of a command, the last container of a network."""
_SILENCE_SECONDS = 60.0
"""How long nothing may come from a command that is attended, before it is asked whether anything still can."""
_HOSTS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a host has programs, whatever the helper's image says of itself."""
_SCRUB_SECONDS = 48 * 3600
"""A disk of 20 TB is read in a day and a half."""
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
log = logging.getLogger("portable.engine")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _moment(text: str | None) -> str:
    """A moment of the engine's clock with nine digits of a second, so that moments compare as texts; empty for never."""
    if not text or text.startswith("0001-"):
        return ""
    if not text.endswith("Z"):  # a check's moments are told in the engine's own zone
        local, ahead, offset = text[:19], text[-6] == "+", text[-5:].split(":")
        shift = timedelta(hours=int(offset[0]), minutes=int(offset[1]))
        utc = datetime.fromisoformat(local) + (-shift if ahead else shift)
        text = f"{utc.isoformat()}{text[19:-6]}Z"
    whole, _, rest = text.removesuffix("Z").partition(".")
    return f"{whole}.{rest:0<9}Z"


def _described(found: Mapping[str, Any]) -> Described:
    config, ports = found["Config"], (found.get("NetworkSettings") or {}).get("Ports") or {}
    published = [
        (bound.get("HostIp", ""), int(bound["HostPort"]), inside.partition("/")[2] or "tcp", int(inside.partition("/")[0]))
        for inside, bindings in ports.items()
        for bound in bindings or []
    ]
    return Described(
        environment=variables(config.get("Env")),
        labels=dict(config.get("Labels") or {}),
        mounts={m["Destination"]: m.get("Source") or m.get("Name") or "" for m in found.get("Mounts") or []},
        published=tuple(sorted(published)),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        whole=found,
    )


def _foreign(labels: Mapping[str, str]) -> bool:
    """Whether neither the labels of a rendered project nor the folder in which portable keeps its document are there."""
    ours = f"/portable/{labels.get(PROJECT, '')}"
    return not any(key.startswith("portable.") for key in labels) and not (labels.get(FOLDER) or "").endswith(ours)


class EngineReader:
    """An engine that can only be looked at: this class has no method that writes. What `--dry-run`, `diff` and `status` get."""

    def __init__(self, address: Address, *, hide: Callable[[str], str] = lambda text: text) -> None:
        """Connects to nothing yet. `hide` takes secrets out of every foreign text; set it as soon as secrets are known."""
        self.address = address
        self.hide = hide
        self._answered = False
        self._bridge: SshBridge | None = None

    def __enter__(self) -> "EngineReader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give back connections; the engine stays as it is."""
        if "_api" in self.__dict__:
            with contextlib.suppress(Exception):
                self._api.close()
        if self._bridge is not None:
            self._bridge.close()

    # --- connecting and translating ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        """Every foreign error leaves here as an EngineTrouble."""
        try:
            yield
        except EngineTrouble:
            raise
        except Exception as error:
            foreign = type(error).__module__.split(".")[0] in ("docker", "requests", "urllib3", "python_on_whales", "http")
            if not foreign and not isinstance(error, OSError | subprocess.TimeoutExpired):
                raise
            explanation = str(getattr(error, "explanation", "") or "")
            raise self.trouble(explanation or chain_of(error), what, responded=bool(explanation)) from None

    def trouble(self, text: str, doing: str, *, responded: bool = False) -> EngineTrouble:
        """The error for a foreign text; the whole of it goes to the debug log only, and nowhere with a secret in it.

        With `responded` the engine itself said it, so it can neither be absent nor gone.
        """
        hidden, ssh = self.hide(text), self.hide(self._bridge.complaint()) if self._bridge is not None else ""
        log.debug("%s: %s", doing, f"{ssh}\n{hidden}" if ssh else hidden)
        # Compose hands on what the engine answered, in which a registry or an app may be what cannot be reached.
        responded = responded or text.rstrip().rpartition("\n")[2].lstrip().startswith("Error response from daemon: ")
        return translate(
            hidden,
            where=self.address.url,
            doing=doing,
            answered=self._answered,
            responded=responded,
            named_by=self.address.named_by,
            ssh=ssh,
        )

    def _docker(self, command: Sequence[str], secrets: Mapping[str, str], **more: Any) -> "subprocess.CompletedProcess[str]":
        """Run the docker command to its end, with nothing of the person's configuration, environment and folder that changes what runs."""
        with self._config() as config:
            environment = compose_environment(secrets, config.path)
            return subprocess.run(command, env=environment, cwd="/", check=False, text=True, **more)

    def _config(self) -> PrivateConfig:
        return PrivateConfig(os.environ, Path.home())

    @cached_property
    def _api(self) -> "APIClient":
        from docker import APIClient
        from docker.constants import DEFAULT_DOCKER_API_VERSION
        from docker.tls import TLSConfig
        from docker.utils.proxy import ProxyConfig

        read_config(config_folder(os.environ, Path.home()))  # the SDK takes one that it cannot read for none, logins and all
        url = self.address.url
        tls: Any = False
        if url.startswith("ssh://"):
            self._bridge = SshBridge(url)
            url = self._bridge.url
        elif self.address.certificates:
            folder = Path(self.address.certificates)
            tls = TLSConfig(
                client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")) if (folder / "cert.pem").exists() else None,
                ca_cert=str(folder / "ca.pem") if (folder / "ca.pem").exists() else None,
                verify=self.address.verify,
            )
        with self._doing("connecting"):
            client = APIClient(base_url=url, version=".".join(map(str, OLDEST_API)), timeout=CONNECT_SECONDS, tls=tls)
            client._proxy_configs = ProxyConfig()  # type: ignore[attr-defined]  # else the person's go into every helper and every build
            client.trust_env = False  # REQUESTS_CA_BUNDLE would replace the engine's own authority (measured)
            spoken = str(client.version(api_version=False).get("ApiVersion") or "0")
        client.timeout = _ANSWER_SECONDS
        if _numbers(spoken) < OLDEST_API:
            raise EngineTrouble(
                "old",
                f"the engine is too old: it speaks API {spoken}, and 1.41 (Docker 20.10) is the oldest that will do",
                where=self.address.url,
                remedy="update the engine",
            )
        client._version = min(spoken, DEFAULT_DOCKER_API_VERSION, key=_numbers)  # type: ignore[attr-defined]  # its way to be told later
        self._answered = True
        return client

    def check(self) -> Versions:
        """Raise EngineTrouble unless the engine answers and both it and Compose are new enough."""
        with self._doing("asking for its version"):
            versions = self._api.version(api_version=False)
        compose = self._compose_version()
        if not compose:
            raise EngineTrouble(
                "old",
                "the command `docker compose` is missing on this machine",
                where="docker compose",
                remedy="install the Compose plug-in (`scripts/bootstrap.sh engine` does on Debian)",
            )
        if _numbers(compose) < OLDEST_COMPOSE:
            raise EngineTrouble(
                "old",
                f"Docker Compose {compose} is too old: 2.23.1 is the first that brings config files to a remote engine",
                where="docker compose",
                remedy="update the plug-in (`scripts/bootstrap.sh engine` does on Debian)",
            )
        return Versions(engine=str(versions.get("Version", "")), api=str(versions.get("ApiVersion", "")), compose=compose)

    def _compose_version(self) -> str:
        if shutil.which("docker") is None:
            raise EngineTrouble(
                "old",
                "there is no `docker` command on this machine",
                where="docker",
                remedy="install it (`scripts/bootstrap.sh engine` does on Debian)",
            )
        with self._doing("asking Docker Compose for its version"):
            command = ["docker", "compose", "version", "--short"]
            asked = self._docker(command, {}, capture_output=True, timeout=_ANSWER_SECONDS, stdin=subprocess.DEVNULL)
        log.debug("docker compose version: %s %s", asked.stdout.strip(), asked.stderr.strip())
        return asked.stdout.strip().lstrip("v") if asked.returncode == 0 else ""

    def _client(self, **compose: Any) -> "DockerClient":
        """The docker command as it reaches this engine."""
        from python_on_whales import DockerClient

        if not self.address.certificates:
            return DockerClient(host=self.address.url, **compose)
        folder = Path(self.address.certificates).absolute()
        files = {flag: folder / name for flag, name in (("tlscacert", "ca.pem"), ("tlscert", "cert.pem"), ("tlskey", "key.pem"))}
        there: dict[str, Any] = {flag: path for flag, path in files.items() if path.exists()}
        return DockerClient(host=self.address.url, tls=True, tlsverify=self.address.verify or None, **there, **compose)

    def _compose(self, project: str, *files: str) -> list[str]:
        """The command line up to the verb; no secret is ever in it."""
        # Compose reads an `.env` beside the document: for one from standard input that must not be where anybody can put it.
        paths = [file if file == "-" else str(Path(file).absolute()) for file in files]
        folder = str(Path(paths[0]).parent) if paths and paths[0] != "-" else "/"
        client = self._client(compose_project_name=project, compose_files=paths, compose_project_directory=folder)
        return [str(part) for part in client.compose.docker_compose_cmd]

    # --- looking -----------------------------------------------------------------------------------------------------

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        """What is there of that project; containers that vanish meanwhile are left out."""
        return Observed(containers=self.containers(project), networks=self.networks(project), images=self.image_ids(images))

    def containers(self, project: str) -> tuple[Seen, ...]:
        """All containers of the project but those of `compose run`, by name."""
        return tuple(seen for seen, _ in self.described(project))

    def described(self, project: str) -> tuple[tuple[Seen, Described], ...]:
        """The same containers, each with what it was given, of one moment."""
        with self._doing("listing containers"):
            listed = self._api.containers(all=True, filters={"label": f"{PROJECT}={project}"})
            mine = [entry for entry in listed if (entry.get("Labels") or {}).get(ONE_OFF, "False").lower() != "true"]
            if len(mine) > 8:
                self._api.adapters  # noqa: B018  # the pool of connections is shared by the threads
                with ThreadPoolExecutor(4) as pool:
                    inspected = list(pool.map(self._inspect, (entry["Id"] for entry in mine)))
            else:
                inspected = [self._inspect(entry["Id"]) for entry in mine]
        return tuple(
            sorted(((self._seen(found), _described(found)) for found in inspected if found), key=lambda both: (both[0].name, both[0].id))
        )

    def _inspect(self, container: str) -> dict[str, Any] | None:
        from docker.errors import NotFound

        try:
            found: dict[str, Any] = self._api.inspect_container(container)
        except NotFound:
            return None
        return found

    def _seen(self, found: dict[str, Any]) -> Seen:
        state, config, host = found["State"], found["Config"], found["HostConfig"]
        labels = config.get("Labels") or {}
        health = state.get("Health") or {}
        logged = health.get("Log") or []
        mode = host.get("NetworkMode") or ""
        depends = [part.split(":")[0] for part in (labels.get(DEPENDS) or "").split(",")]
        return Seen(
            id=found["Id"],
            name=found["Name"].lstrip("/"),
            service=labels.get(SERVICE, ""),
            state=state.get("Status", ""),
            health=health.get("Status") if health.get("Status") not in (None, "", "none") else None,
            health_output=self.hide(str(logged[-1].get("Output", "")).strip()) if logged else "",
            unwell_at=_moment(logged[-1].get("Start")) if logged and health.get("Status") == "unhealthy" else "",
            exit_code=int(state.get("ExitCode") or 0),
            out_of_memory=bool(state.get("OOMKilled")),
            restarts=int(found.get("RestartCount") or 0),
            started_at=_moment(state.get("StartedAt")),
            finished_at=_moment(state.get("FinishedAt")),
            image=config.get("Image") or "",
            image_id=found.get("Image") or "",
            config_hash=labels.get(HASH, ""),
            labels={key: value for key, value in labels.items() if key.startswith("portable.")},
            replaces=labels.get(REPLACES),
            depends_on=tuple(name for name in depends if name),
            joins=mode.removeprefix("container:") if mode.startswith("container:") else None,
            networks=tuple(sorted((found.get("NetworkSettings") or {}).get("Networks") or {})),
            anonymous_volumes=any(
                m.get("Type") == "volume" and _ANONYMOUS.fullmatch(m.get("Name") or "") for m in found.get("Mounts") or []
            ),
            error=self.hide(state.get("Error") or ""),
            foreign=_foreign(labels),
        )

    def networks(self, project: str) -> tuple[SeenNetwork, ...]:
        """The project's networks, by name and id."""
        with self._doing("listing networks"):
            listed = self._api.networks(filters={"label": f"{PROJECT}={project}"})
            seen = []
            names = [entry["Name"] for entry in listed]
            for entry in listed:  # who uses a network shows only in its own record; it matters where two have one name
                used = names.count(entry["Name"]) > 1 and bool(self._api.inspect_network(entry["Id"]).get("Containers"))
                seen.append(
                    SeenNetwork(
                        id=entry["Id"],
                        name=entry["Name"],
                        key=(entry.get("Labels") or {}).get("com.docker.compose.network", ""),
                        subnets=tuple(c["Subnet"] for c in (entry.get("IPAM") or {}).get("Config") or [] if c.get("Subnet")),
                        in_use=used,
                    )
                )
        return tuple(sorted(seen, key=lambda n: (n.name, n.id)))

    def image_ids(self, references: Iterable[str]) -> dict[str, str]:
        """The ids of those images that are there."""
        from docker.errors import NotFound

        ids: dict[str, str] = {}
        with self._doing("looking for images"):
            for reference in sorted(set(references)):
                try:
                    ids[reference] = self._api.inspect_image(reference)["Id"]  # type: ignore[no-untyped-call]
                except NotFound:
                    continue
        return ids

    def image_settings(self, image: str) -> ImageSettings | None:
        """The settings that an image gives its containers; None where it was removed."""
        from docker.errors import NotFound

        with self._doing("looking at an image"):
            try:
                return image_settings(self._api.inspect_image(image))  # type: ignore[no-untyped-call]
            except NotFound:
                return None

    def guests(self, container: str) -> tuple[tuple[str, str], ...]:
        """The containers that run in a container's network namespace, by id and name, without helpers of portable."""
        with self._doing("listing containers"):
            listed = self._api.containers()
        return tuple(
            (str(entry["Id"]), (entry.get("Names") or ["?"])[0].lstrip("/"))
            for entry in listed
            if (entry.get("HostConfig") or {}).get("NetworkMode") == f"container:{container}" and HELPER not in (entry.get("Labels") or {})
        )

    def ports(self) -> tuple[Taken, ...]:
        """Ports of the engine's host that running containers publish."""
        with self._doing("listing containers"):
            listed = self._api.containers()
        return tuple(
            Taken(
                number=port["PublicPort"],
                protocol=port.get("Type", "tcp"),
                address=port.get("IP", ""),
                container=(entry.get("Names") or ["?"])[0].lstrip("/"),
                project=(entry.get("Labels") or {}).get(PROJECT, ""),
            )
            for entry in listed
            for port in entry.get("Ports") or []
            if port.get("PublicPort")
        )

    def neighbours(self) -> tuple[Neighbour, ...]:
        """Every container that runs."""
        with self._doing("listing containers"):
            listed = self._api.containers()
        return tuple(
            Neighbour(
                container=(entry.get("Names") or ["?"])[0].lstrip("/"),
                project=(entry.get("Labels") or {}).get(PROJECT, ""),
                app=(entry.get("Labels") or {}).get("portable.app", ""),
                folders={
                    m["Source"]: m.get("Destination", "") for m in entry.get("Mounts") or [] if m.get("Type") == "bind" and m.get("RW")
                },
            )
            for entry in listed
        )

    def data_root(self) -> str:
        """The engine's own folder on its host, where images and containers lie."""
        with self._doing("asking for its folder"):
            return str(self._api.info().get("DockerRootDir") or "")

    def logs(self, container: str, *, tail: int | None = None, timestamps: bool = False, hidden: bool = True) -> Iterator[str]:
        """Lines that a container wrote, oldest first, without secrets; those too where secrets in them are what is looked for."""
        with self._doing("reading logs"):
            raw = self._api.logs(container, stdout=True, stderr=True, tail="all" if tail is None else tail, timestamps=timestamps)
        yield from (self.hide(line) if hidden else line for line in raw.decode(errors="replace").splitlines())

    def follow(self, container: str, *, tail: int | None = None, timestamps: bool = False) -> Iterator[str]:
        """Lines as the container writes them, until it stops."""
        with self._doing("following logs"):
            stream = self._api.logs(container, stream=True, follow=True, tail="all" if tail is None else tail, timestamps=timestamps)
            rest = b""
            for chunk in stream:
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (self.hide(line.decode(errors="replace").rstrip("\r")) for line in lines)
            if rest:
                yield self.hide(rest.decode(errors="replace"))

    def offered(self, reference: str) -> Offered:
        """The digest that a registry has under a name and tag now, or why it gave none. Raises EngineTrouble where the engine is gone."""
        from docker.errors import APIError

        try:
            with self._doing("asking a registry"):
                try:
                    found = self._api.inspect_distribution(reference)  # type: ignore[no-untyped-call]
                except APIError as error:
                    text = self.hide(str(error.explanation or error))
                    return Offered(why=no_offer(int(error.status_code or 0), text), said=one_line(text))
                return Offered(digest=str(found["Descriptor"]["digest"]))
        except EngineTrouble as trouble:
            if trouble.kind in ("absent", "gone"):
                raise
            return Offered(why="unknown", said=trouble.text)

    def config_hashes(self, project: str, document: str, environment: Mapping[str, str]) -> dict[str, str]:
        """Compose's own hash of every service of the document: what it compares to decide what to recreate."""
        command = [*self._compose(project, "-"), "config", "--hash", "*"]
        log.debug("running %s", command)
        with self._doing("reading the project"):
            done = self._docker(command, environment, input=document, capture_output=True, timeout=_ANSWER_SECONDS)
        if done.returncode != 0:
            raise self.trouble(done.stderr, "reading the project with Docker Compose")
        return {name: digest for name, _, digest in (line.partition(" ") for line in done.stdout.splitlines()) if digest}


class Engine(EngineReader):
    """An engine with the methods that write."""

    def __enter__(self) -> "Engine":
        return self

    # --- projects ----------------------------------------------------------------------------------------------------

    def compose_up(
        self,
        project: str,
        file: Path,
        services: Sequence[str],
        environment: Mapping[str, str],
        *,
        force: bool = False,
        keep_open: tuple[int, ...] = (),
    ) -> "Running":
        """Create, recreate or start these services, after what they depend on; runs in the background.

        Not with `--no-deps`: that takes `depends_on` out of the hash of Compose 2.26, so that the next run would see a change (measured).
        `keep_open` are file descriptors that the process inherits: the project's lock stays held as long as anything works on it.
        """
        command = [*self._compose(project, str(file)), "up", "--detach", "--no-build", "--pull", "never"]
        if force:
            command.append("--force-recreate")
        log.debug("running %s", [*command, *services])
        with self._doing("starting Docker Compose"):
            return self._running([*command, *services], environment, keep_open)

    def compose_recreate(
        self, project: str, file: Path, services: Sequence[str], environment: Mapping[str, str], *, keep_open: tuple[int, ...] = ()
    ) -> "Running":
        """Make the containers of these services anew without starting them, keeping their anonymous volumes."""
        command = [*self._compose(project, str(file)), "up", "--no-start", "--no-build", "--pull", "never", "--force-recreate"]
        log.debug("running %s", [*command, *services])
        with self._doing("starting Docker Compose"):
            return self._running([*command, *services], environment, keep_open)

    def _running(self, command: list[str], secrets: Mapping[str, str], keep_open: tuple[int, ...]) -> "Running":
        config = self._config()
        try:
            return Running(command, compose_environment(secrets, config.path), keep_open, config.close)
        except BaseException:
            config.close()
            raise

    def stop(self, container: str) -> None:
        """Stop it within its own grace, however long that is; nothing happens when it is gone or stopped."""
        with self._doing("stopping a container"):
            grace = ((self._inspect(container) or {}).get("Config") or {}).get("StopTimeout")
        # The SDK waits for an answer as long as it was told that stopping may take, by default 10 s, and a minute more.
        self._lenient("stopping a container", lambda: self._api.stop(container, timeout=10 if grace is None else grace))

    def start(self, container: str) -> None:
        """Start it."""
        with self._doing("starting a container"):
            self._api.start(container)

    def unpause(self, container: str) -> str:
        """Let it go on; the moment, by the engine's clock."""
        self._lenient("unpausing a container", lambda: self._api.unpause(container))
        with self._doing("asking for its clock"):
            return _moment(str(self._api.info().get("SystemTime") or ""))

    def remove(self, container: str) -> None:
        """Remove a container, never a volume of it."""
        self._lenient("removing a container", lambda: self._api.remove_container(container, v=False, force=True))

    def remove_network(self, network: str) -> None:
        """Remove a network that nothing uses any more.

        An engine may still count a container that was removed a moment ago (moby issues 19261 and 29631), and is asked again for seconds.
        """
        end = time.monotonic() + _SETTLING_SECONDS
        while True:
            try:
                return self._lenient("removing a network", lambda: self._api.remove_network(network))
            except EngineTrouble as trouble:
                if "has active endpoints" not in str(trouble) or time.monotonic() > end:
                    raise
            time.sleep(0.2)

    def _lenient(self, what: str, call: Callable[[], object]) -> None:
        from docker.errors import APIError, NotFound

        with self._doing(what):
            try:
                call()
            except NotFound:
                return
            except APIError as error:
                if error.status_code == 409 and "already in progress" in str(error):
                    return
                raise

    def execute(
        self, container: str, command: Sequence[str], *, interactive: bool = False, terminal: bool = False, user: str | None = None
    ) -> int:
        """Run a command in a container with this process's own input and output; its exit code."""
        base = [str(part) for part in self._client().client_config.docker_cmd]
        flags = [*(["--interactive"] if interactive else []), *(["--tty"] if terminal else []), *(["--user", user] if user else [])]
        return self._docker([*base, "exec", *flags, container, *command], {}).returncode

    def inside(self, container: str, command: Sequence[str], *, user: str | None = None, seconds: float = 20.0) -> tuple[int | None, str]:
        """Run a command in a container: its exit code and all that it printed, as it is.

        None for one that did not end in time: it may hang on a mount, so it is left to itself, and nothing here hangs with it. Raises
        EngineTrouble where its answer was cut short on the way.
        """
        from docker.errors import APIError

        ended: list[tuple[int | None, str]] = []
        failed: list[Exception] = []

        def run() -> None:
            try:
                made = self._api.exec_create(container, list(command), user=user or "")
                text = b"".join(self._heard(made["Id"])).decode(errors="replace")
                ended.append((self._exit_code(made["Id"]), text))
            except APIError as error:
                ended.append((126, str(error.explanation or error)))
            except Exception as error:  # noqa: BLE001  # told to who waits
                failed.append(error)

        with self._doing("running a command inside"):
            self._api.adapters  # noqa: B018  # connected before the thread needs it
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            thread.join(seconds)
            if failed:
                raise failed[0]
        return ended[0] if ended else (None, f"it did not end within {seconds:.0f} s")

    def attend(self, container: str, command: Sequence[str], on_line: Callable[[str], None], *, beats: str = "") -> int:
        """Run a command in a container to its end, each line that it prints to `on_line`; its exit code.

        Raises EngineTrouble where its answer was cut short on the way, or the connection is dead, which nothing else would tell: after a
        minute of silence of what gives signs of life (`beats` tells a person how to end it then), of any other once the engine says that
        it ended. It then goes on by itself.
        """
        said: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
        with self._doing("running a command inside"):
            made = self._api.exec_create(container, list(command))["Id"]
            threading.Thread(target=_read_out, args=(self._heard(made, seconds=None), said), daemon=True).start()
            rest = b""
            while (chunk := self._next(made, said, beats)) is not None:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    on_line(line.decode(errors="replace"))
            if rest:
                on_line(rest.decode(errors="replace"))
            return self._exit_code(made)

    def _next(self, made: str, said: "queue.SimpleQueue[bytes | Exception | None]", beats: str) -> bytes | None:
        """What comes next of a command that is read elsewhere; None at its end."""
        while True:
            try:
                found = said.get(timeout=_SILENCE_SECONDS)
            except queue.Empty:
                works = self._api.exec_inspect(made)["Running"]  # raises where the engine is gone
                if works and not beats:
                    continue
                try:
                    found = said.get(timeout=1)  # what came while it was asked
                except queue.Empty:
                    text = f"it gave no sign of life for {_SILENCE_SECONDS:.0f} s" if works else "it ended, and its last words were lost"
                    how = f"see whether the engine answers (`docker version`), and what lies between; {f'{beats}; ' if works else ''}"
                    raise EngineTrouble("gone", text, where=self.address.url, remedy=f"{how}then run the same command again") from None
            if isinstance(found, Exception):
                raise found
            return found

    def _heard(self, made: str, *, seconds: float | None = _ANSWER_SECONDS) -> Iterator[bytes]:
        """What a command prints, piece by piece, once it is started here. Raises EngineTrouble where that ends within a piece.

        Not by the SDK's own `exec_start`: it reads on at the socket, past what came in one piece with the head of the answer, as it does by
        TLS on a busy machine, and takes what breaks off for a whole answer (docker 7.2.0, measured).
        """
        api: Any = self._api  # its types know nothing of the calls that its own methods are made of
        answer = api._post_json(api._url("/exec/{0}/start", made), data={"Detach": False, "Tty": False}, stream=True, timeout=seconds)
        try:
            api._raise_for_status(answer)
            while head := answer.raw.read(_FRAME):
                length = int.from_bytes(head[4:], "big")
                piece = answer.raw.read(length) if length else b""
                if len(head) < _FRAME or len(piece) < length:
                    raise self._cut()
                yield piece
        finally:
            answer.close()

    def _exit_code(self, made: str) -> int:
        """Of a command whose output has ended. Raises EngineTrouble where the command itself has not: then its answer was cut short."""
        end = time.monotonic() + _SETTLING_SECONDS
        while (found := self._api.exec_inspect(made)).get("Running") or found.get("ExitCode") is None:
            if time.monotonic() > end:
                raise self._cut()
            time.sleep(0.02)
        return int(found["ExitCode"])

    def _cut(self) -> EngineTrouble:
        text = "what a command inside printed was cut short on its way from the engine"
        return EngineTrouble("gone", text, where=self.address.url, remedy=f"see whether it runs (`docker version`), {AGAIN}")

    def on_host(self, image: str, script: str, arguments: Sequence[str]) -> str:
        """What a shell script prints in a helper that sees the host's whole tree at /host, read-only, and its network; removed afterwards.

        It can read and nothing else: no capability but the one to read what is not everybody's.
        """
        try:
            return self._on_host(image, script, arguments, "ro,rslave")
        except EngineTrouble:  # a host whose root is no shared mount; what is mounted there now is seen all the same
            return self._on_host(image, script, arguments, "ro")

    def _on_host(self, image: str, script: str, arguments: Sequence[str], mode: str) -> str:
        with self._doing("looking at the host"):
            made = self._api.create_container(
                image,
                command=["sh", "-c", script, "sh", *arguments],
                user="0",
                labels={HELPER: "doctor"},
                host_config=self._api.create_host_config(
                    binds=[f"/:/host:{mode}"],
                    network_mode="host",
                    cap_drop=["ALL"],
                    cap_add=["DAC_READ_SEARCH"],
                    read_only=True,
                    security_opt=["no-new-privileges"],
                ),
            )
            try:
                self._api.start(made["Id"])
                self._api.wait(made["Id"], timeout=_ANSWER_SECONDS)
                return self._api.logs(made["Id"], stdout=True, stderr=False).decode(errors="replace")
            finally:
                self._api.remove_container(made["Id"], force=True)

    @contextlib.contextmanager
    def visitor(self, image: str, network: str, *, seconds: int = 900) -> Iterator[str]:
        """The id of a container on that network which does nothing and may nothing, for `piped`; removed afterwards.

        Where that can't be done, as after a kill, it ends and is removed by itself after so many seconds.
        """
        with self._doing("starting a helper"):
            made = self._api.create_container(
                image,
                command=["sleep", str(seconds)],
                user="65534:65534",
                labels={HELPER: "wire"},
                host_config=self._api.create_host_config(
                    network_mode=network, cap_drop=["ALL"], read_only=True, security_opt=["no-new-privileges"], auto_remove=True
                ),
            )
        try:
            with self._doing("starting a helper"):
                self._api.start(made["Id"])
            yield made["Id"]
        finally:
            self._lenient("removing a helper", lambda: self._api.remove_container(made["Id"], force=True))

    def piped(self, container: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        """A command at work in a container, its input and output as pipes: what is written to it is seen in no listing."""
        base = [str(part) for part in self._client().client_config.docker_cmd]
        config = self._config()
        try:
            process = subprocess.Popen(
                [*base, "exec", "--interactive", container, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=compose_environment({}, config.path),
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            config.close()
            raise
        weakref.finalize(process, config.close)  # whoever asked for it ends it
        return process

    def as_host(self, image: str, script: str, arguments: Sequence[str]) -> str:
        """What a shell script prints that runs in the host's own tree, with its programs, as root who may manage file systems.

        For what only the host's kernel can do. It may take hours; the helper is removed afterwards. Raises EngineTrouble where it does not
        end well.
        """
        with self._doing("working on the host"):
            made = self._api.create_container(
                image,
                # By its path: by its name alone BusyBox would run the shell, and the programs, that it is itself.
                command=["chroot", "/host", "/bin/sh", "-c", script, "sh", *arguments],
                environment={"PATH": _HOSTS_PATH},
                user="0",
                labels={HELPER: "upkeep"},
                host_config=self._api.create_host_config(
                    binds=["/:/host"],
                    network_mode="none",
                    cap_drop=["ALL"],
                    cap_add=["SYS_ADMIN", "SYS_CHROOT"],
                    security_opt=["no-new-privileges"],
                ),
            )
            try:
                self._api.start(made["Id"])
                code = self._api.wait(made["Id"], timeout=_SCRUB_SECONDS)["StatusCode"]
                said = self._api.logs(made["Id"], stdout=True, stderr=True).decode(errors="replace")
                if code != 0:
                    raise self.trouble(said or f"it ended with {code}", "working on the host", responded=True)
                return said
            finally:
                self._api.remove_container(made["Id"], force=True)

    # --- images ------------------------------------------------------------------------------------------------------

    def pull(self, repository: str, tag: str, on_line: Callable[[str], None]) -> None:
        """Pull an image; each line of progress goes to `on_line`. Raises RuntimeError with the registry's words."""
        from docker.errors import APIError

        with self._doing("pulling an image"):
            try:
                self._stream(self._api.pull(repository, tag=tag, stream=True, decode=True), on_line)
            except APIError as error:
                raise RuntimeError(self.hide(str(error.explanation or error))) from None

    def build(
        self,
        context: IO[bytes],
        tag: str,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
        on_line: Callable[[str], None],
        *,
        fresh: bool = False,
    ) -> None:
        """Build an image from a tar with a Dockerfile, by the engine's classic builder, which is on every engine, near or far."""
        with self._doing("building an image"):
            stream = self._api.build(
                fileobj=context,
                custom_context=True,
                tag=tag,
                labels=dict(labels),
                buildargs=dict(arguments),
                rm=True,
                forcerm=True,
                decode=True,
                nocache=fresh,
                timeout=3600,
            )
            self._stream(stream, on_line)

    def import_image(self, archive: IO[bytes], repository: str, tag: str, changes: Sequence[str]) -> None:
        """Make an image of a root file system in a tar."""
        with self._doing("importing an image"):
            answer = self._api.import_image_from_data(archive, repository=repository, tag=tag, changes=list(changes))
        for line in str(answer).splitlines():
            with contextlib.suppress(ValueError):
                if isinstance(said := json.loads(line), dict) and (error := said.get("error")):
                    raise self.trouble(str(error), "importing an image")

    def _stream(self, events: Iterable[Mapping[str, Any]], on_line: Callable[[str], None]) -> None:
        for event in events:
            if error := event.get("error"):
                raise RuntimeError(self.hide(str(error)))
            text = str(event.get("stream") or event.get("status") or "").strip()
            if text:
                on_line(self.hide(text))


def no_offer(status: int, text: str) -> Literal["absent", "refused", "unknown"]:
    """What an engine's answer means that asked a registry in vain: by its status, or where that is 500 by the registry's own words."""
    if status in (401, 403, 429) or re.search(r"(?i)unauthorized|denied|authentication required|forbidden|too ?many ?requests", text):
        return "refused"
    return "absent" if status == 404 or re.search(r"(?i)manifest unknown|name unknown|: not found", text) else "unknown"


def _read_out(stream: Iterable[bytes], said: "queue.SimpleQueue[bytes | Exception | None]") -> None:
    """Read a stream to its end for who waits with patience, which its own reading has without limit."""
    try:
        for chunk in stream:
            said.put(chunk)
        said.put(None)
    except Exception as error:  # noqa: BLE001  # raised where it is waited for
        said.put(error)
