"""What lies before the door: the router, with a beacon and a name server; the VPN provider; a registry; a cloud of films; a seeder."""

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portable.model.shell import filled, script
from tests.lab.forward import forwarded
from tests.lab.home.box import BEACON, CLOUD, PROVIDER, PUBLIC, REGISTRY, RESOLVER, ROUTER, SEEDER, TRANSLATED, Box, docker

NAME = "beacon.example.com"
"""A public name: what has no public suffix is asked past the tunnel (docs/facts/gluetun.md#names-inside-the-tunnel)."""
SITES = ("cloudflare.com", "github.com")
"""What Gluetun's checks call, at the beacon's address."""


@dataclass(kw_only=True)
class Internet(Box):
    """Router, name servers and beacon. What is sent further than here goes nowhere."""

    role: str = "internet"
    address: str = ROUTER
    rights: Mapping[str, Any] = field(default_factory=lambda: {"cap_add": ["NET_ADMIN"]})

    def __post_init__(self) -> None:
        text = filled(
            script(__name__, "internet_router.sh"),
            beacon=BEACON,
            resolver=RESOLVER,
            public=" ".join(PUBLIC.values()),
            listening=" ".join(f"--listen-address {address}" for address in PUBLIC.values()),
            name=NAME,
            sites=" ".join(f"--address=/{site}/{BEACON}" for site in SITES),
        )
        self.command = ("bash", "-c", text)

    def is_well(self) -> bool:
        """Whether the beacon and the name server answer."""
        return self.ends_well(
            f"for at in {BEACON}/80 {RESOLVER}/53 {PUBLIC['1.1.1.1']}/853 {BEACON}/443; do exec 3<>/dev/tcp/$at || exit 1; done"
        )

    def asked(self) -> list[str]:
        """Who asked a name server for what, plain or by TLS, as `name from address`."""
        words = [line.split() for line in self.log().splitlines() if " from " in line and "query[" in line]
        found = [f"{line[line.index('from') - 1]} from {line[line.index('from') + 1]}" for line in words]
        return [line for line in found if not line.endswith(" from 127.0.0.1")]  # what was asked by TLS is asked again inside

    @property
    def authority(self) -> str:
        """The certificate of the authority that certified the sites and resolvers."""
        return self.sh("cat /etc/lab/ca.pem")


@dataclass(kw_only=True)
class Provider(Box):
    """The VPN provider: WireGuard in user space and OpenVPN."""

    role: str = "provider"
    address: str = PROVIDER
    command: tuple[str, ...] = ("vpn",)
    environment: Mapping[str, str] = field(default_factory=lambda: {"RESOLVER": RESOLVER, "PUBLIC": TRANSLATED, "ADDRESS": PROVIDER})
    rights: Mapping[str, Any] = field(
        default_factory=lambda: {
            "cap_add": ["NET_ADMIN", "MKNOD"],
            "devices": ["/dev/net/tun"],
            "sysctls": {"net.ipv4.ip_forward": "1"},
        }
    )

    def is_well(self) -> bool:
        """Whether both kinds of tunnel and the name server are there."""
        return self.ends_well("ip link show tun1 && ip link show wg0 && exec 3<>/dev/tcp/10.64.0.1/53")

    def customer(self, name: str, number: int) -> str:
        """The private key of another customer, whose address is 10.64.0.`number`."""
        return self.sh(f"vpn customer {name} {number}").strip()

    def forward(self, port: int) -> None:
        """Forward another port from now on: who has one gets it when they ask again."""
        self.sh(f"echo {port} >/run/forwarded-port")

    @property
    def public_key(self) -> str:
        """Of its WireGuard."""
        return self.sh("cat /var/lib/vpn/server.pub").strip()

    def wireguard(self) -> dict[str, str]:
        """What a customer gets: the secret `wireguard-key`."""
        return {"private-key": self.sh("cat /var/lib/vpn/client.key").strip(), "addresses": "10.64.0.2/32"}

    def openvpn(self) -> str:
        """What a customer gets: a configuration with the keys in it."""
        inside = "\n".join(
            f"<{tag}>\n{self.sh(f'cat /var/lib/vpn/{file}').strip()}\n</{tag}>"
            for tag, file in (("ca", "ca.pem"), ("cert", "client.pem"), ("key", "client-key.pem"))
        )
        return f"client\nproto udp\nremote {PROVIDER} 1194\nnobind\nremote-cert-tls server\nverb 1\n{inside}\n"


@dataclass(kw_only=True)
class Registry(Box):
    """Debian's docker-registry."""

    role: str = "registry"
    address: str = REGISTRY

    def __post_init__(self) -> None:
        self.command = ("bash", "-c", filled(script(__name__, "internet_registry.sh"), address=REGISTRY))

    def is_well(self) -> bool:
        """Whether it answers."""
        return self.ends_well(f"exec 3<>/dev/tcp/{REGISTRY}/5000")

    def push(self, images: Mapping[str, str]) -> None:
        """Give it these images of the machine's engine, each under the name and tag that it has here."""
        # An engine asks a registry of its own loopback without TLS, and needs no setting for it.
        with forwarded(REGISTRY, 5000) as port:
            for local, name in images.items():
                near = f"127.0.0.1:{port}/{name}"
                docker("tag", local, near)
                try:
                    docker("push", "-q", near)
                finally:
                    docker("rmi", near)


@dataclass(kw_only=True)
class Cloud(Box):
    """A WebDAV server with some thousand films, in folders as TorBox has them, for who has the password."""

    role: str = "cloud"
    address: str = CLOUD
    entries: int = 3000
    user: str = "somebody"
    password: str = "their password's word"
    seconds: float = 120

    def __post_init__(self) -> None:
        login = {"user": shlex.quote(self.user), "password": shlex.quote(self.password)}
        self.command = ("bash", "-c", filled(script(__name__, "internet_cloud.sh"), entries=self.entries, address=CLOUD, **login))

    def is_well(self) -> bool:
        """Whether it answers."""
        return self.ends_well(f"exec 3<>/dev/tcp/{CLOUD}/80")

    def login(self) -> dict[str, str]:
        """What a customer gives rclone: the secret `torbox-login`."""
        return {"username": self.user, "password": self.sh(f"rclone obscure {shlex.quote(self.password)}").strip()}


@dataclass(kw_only=True)
class Seeder(Box):
    """Transmission, which has one film of random bytes whole, and the tracker of its private torrent."""

    role: str = "seeder"
    address: str = SEEDER
    film: str = "A.Film.2020.1080p.mkv"
    size: int = 24_000_000
    """Bytes of the film."""

    def __post_init__(self) -> None:
        text = filled(script(__name__, "internet_seeder.sh"), size=self.size, name=self.film, address=SEEDER, port=51413)
        self.command = ("bash", "-c", text)

    def is_well(self) -> bool:
        """Whether the seeder told the tracker that it has the film."""
        return any(line.startswith("announce ") for line in self.log().splitlines())

    def torrent(self) -> bytes:
        """The file that a person downloads from somewhere."""
        return base64.b64decode(self.sh("base64 -w 0 /tmp/made.torrent"))

    def digest(self) -> str:
        """SHA-256 of the film."""
        return self.sh(f"sha256sum '/srv/seed/{self.film}'").split()[0]

    def announced(self) -> set[str]:
        """Addresses from which somebody else asked the tracker for peers."""
        told = (line.split() for line in self.log().splitlines() if line.startswith("announce "))
        return {words[2] for words in told} - {self.address}
