"""A whole home, up: its host, what lies before the door, and a stack of its owner's on the host, driven from this machine."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portable.backends.prepare import prepare
from portable.engines.docker.engine import Engine
from portable.formats.merge import merged
from portable.model.progress import Event, Progress, silent
from portable.planning import Planned
from tests.lab import standins
from tests.lab.engine import random_project
from tests.lab.home.box import BEACON, DOOR, HOST, IMAGES, NET, PROVIDER, REGISTRY, Box, bring, docker, only_here
from tests.lab.home.capture import Capture
from tests.lab.home.host import URL, DockerHost
from tests.lab.home.internet import NAME, Cloud, Internet, Provider, Registry
from tests.lab.home.leftovers import clean, marks, take_away
from tests.lab.local import Local

AT = f"{REGISTRY}:5000"
OUTSIDE = (f"tcp://{BEACON}:80", f"udp://{BEACON}:80", f"dns://{NAME}")
"""What the stand-ins behind the gateway call all the time."""
GATEWAY = "gluetun:stand-in"
_GATEWAY_RECIPE = """\
FROM {base}
COPY authority.pem /etc/ssl/lab.pem
# Both for the program and for what it starts. In the lab a minute of its checks is shorter, so that tests wait less.
ENV SSL_CERT_FILE=/etc/ssl/lab.pem STANDIN_CHECK_SECONDS={minute}
"""
MINUTE = 6
"""Seconds that the lab's gateway takes for a minute of its health checks."""
OPENVPN = "openvpn-file"
"""The secret of a gateway by OpenVPN."""


@dataclass
class Home:
    """The parts, and the stack that runs on the host."""

    internet: Internet
    provider: Provider
    registry: Registry
    cloud: Cloud
    host: DockerHost
    stack: Local

    @property
    def parts(self) -> tuple[Box, ...]:
        """All of them, in the order in which they start."""
        return (self.internet, self.provider, self.registry, self.cloud, self.host)

    @property
    def behind(self) -> tuple[str, ...]:
        """The services that are behind the gateway."""
        return ("autobrr", "prowlarr", "qbittorrent")

    def capture(self, expected: str = "") -> Capture:
        """Watch what leaves the host; `expected` is what is no leak beside the tunnel."""
        return Capture(self.host, expected=expected)

    def arrivals(self) -> Capture:
        """Watch what of the host reaches the internet, also while the host is off and on: all but what goes to other parts of the lab."""
        return Capture(self.internet, which=f"src host {HOST} and not arp", way="in")

    def address_of(self, service: str) -> str:
        """The address that the beacon sees when that app calls; empty where it gets no answer."""
        ask = f"exec 3<>/dev/tcp/{BEACON}/80 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && tail -n 1 <&3"
        return self.stack.inside(service, "timeout", "5", "bash", "-c", ask, code=None).strip()

    def take(
        self, engine: Engine, profile: str, more: Mapping[str, Any] | None = None, progress: Progress = silent, *, tunnel: str = "wireguard"
    ) -> None:
        """Let the stack be one of the owner's profiles: its images are brought to the registry, and the profile `lab` is written.

        The tunnel is by `wireguard` or `openvpn`.
        """
        planned = prepare(profile, folder=self.stack.folder).planned
        images = standins.bring(engine, planned, outside=dict.fromkeys(self.behind, OUTSIDE), progress=progress)
        self.registry.push({local: standins.at_registry(local, "")[1:] for local in images.values()})
        self._write(planned, images, more or {}, tunnel)

    def _write(self, planned: Planned, images: Mapping[str, str], more: Mapping[str, Any], tunnel: str) -> None:
        """The owner's profile, with the images of the lab and its provider in place of what can't be had here."""
        taken = {reference: standins.at_registry(local, AT) for reference, local in images.items()}
        taken |= {c.image.reference: f"{AT}/{GATEWAY}" for app in planned.plan.apps if app.name == "gluetun" for c in app.containers}
        own = {
            "vpn": BY_OPENVPN if tunnel == "openvpn" else by_wireguard(self.provider.public_key),
            "exposure": {"address": self.host.address},
        }
        text = standins.profile(planned, taken, "lab", merged(own, more, changes=("override",)))
        (self.stack.folder / "profiles" / "lab.yaml").write_text(text)


def by_wireguard(public_key: str) -> dict[str, Any]:
    """The section `vpn` of a profile for the lab's provider: the key and the addresses are the secret that the catalog knows."""
    end = {"address": PROVIDER, "port": 51820, "public-key": public_key}
    return {"provider": "custom", "protocol": "wireguard", "endpoint": end, "config": None}


BY_OPENVPN: dict[str, Any] = {
    "provider": "custom",
    "protocol": "openvpn",
    "endpoint": {"address": PROVIDER, "port": 1194},
    "config": OPENVPN,
}
"""The same by OpenVPN, as a person writes it (docs/how-to/set-up-the-vpn.md): one file, which is a secret."""


def gateway_image(engine: Engine, base: str, authority: str) -> str:
    """The gateway's image for this lab: it trusts the authority of the lab's internet, as others trust the real ones."""
    files = {"Dockerfile": _GATEWAY_RECIPE.format(base=base, minute=MINUTE).encode(), "authority.pem": authority.encode()}
    tag = f"{standins.REPOSITORY}/gateway:{hashlib.sha256(b''.join(files.values())).hexdigest()[:12]}"
    if not engine.image_ids([tag]):
        standins.build(engine, tag, files, "gluetun")
    return tag


@contextlib.contextmanager
def home_up(
    engine: Engine, folder: Path, failed: Callable[[], int], progress: Progress = silent, *, profile: str = "zimaboard"
) -> Iterator[Home]:
    """A home with its parts up and that profile written; all of it is taken away whatever happens, logs kept where a test failed.

    So is what earlier runs left that were killed.
    """
    for left in clean():
        progress(Event(what="note", subject=left, text="was left by a run that was killed, and is taken away"))
    only_here()
    lab = random_project()
    host, internet, gateway = (bring(engine, name, progress) for name in IMAGES)
    stack = Local(folder, stack=lab, text="", published=())
    home = Home(
        internet=Internet(lab=lab, image=internet),
        provider=Provider(lab=lab, image=internet),
        registry=Registry(lab=lab, image=internet),
        cloud=Cloud(lab=lab, image=internet),
        host=DockerHost(lab=lab, image=host),
        stack=stack,
    )
    before = failed()
    with contextlib.ExitStack() as closing:
        closing.callback(take_away, lab)
        closing.callback(take_away, lab)  # twice: a signal that comes while all is taken away ends one of them
        closing.callback(lambda: keep_logs(home) if failed() > before else None)
        docker("network", "create", "--internal", "--subnet", NET, "--gateway", DOOR, *marks(lab, folder), lab)
        for part in home.parts:
            part.start()
        home.registry.push({gateway_image(engine, gateway, home.internet.authority): GATEWAY})
        home.take(engine, profile, progress=progress)
        keys = home.host.keys(folder / "keys")
        stack.engine |= {"DOCKER_HOST": URL, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(keys)}
        for key, value in home.provider.wireguard().items():
            stack.portable("secrets", "set", f"wireguard-key.{key}", given=f"{value}\n")
        yield home


def keep_logs(home: Home) -> None:
    """What each part wrote, for a person who looks for the cause."""
    for part in home.parts:
        print(f"log of {part.role}: {part.keep_log()}")
