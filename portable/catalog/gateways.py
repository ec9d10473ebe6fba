"""What a gateway's folder says beside its `app.yaml`: facts of VPN providers, and what each variable of the program decides."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from portable.catalog.facts import Facts, FileFacts, Name, PortNumber, Variable
from portable.formats.load import read

PROVIDERS, SETTINGS = "providers.yaml", "settings.yaml"
TunnelProtocol = Literal["wireguard", "openvpn"]
EndpointKey = Literal["address", "port", "public-key"]
Ports = tuple[PortNumber, ...] | Literal["any"]


class WireguardFacts(Facts, frozen=True, kw_only=True):
    """A provider's WireGuard: it always uses UDP."""

    port: PortNumber | None = None
    ports: Ports = ()
    """What `vpn.endpoint.port` may be; empty where the gateway accepts none."""
    required: tuple[EndpointKey, ...] = ()
    """Keys of `vpn.endpoint` without which the gateway does not start."""
    secrets: dict[Name, tuple[str, ...]]
    """Which keys of which secrets it needs."""


class TransportFacts(Facts, frozen=True, kw_only=True):
    """OpenVPN through TCP, or UDP."""

    port: PortNumber | None = None
    ports: Ports = ()


class OpenvpnFacts(Facts, frozen=True, kw_only=True):
    """A provider's OpenVPN, with the transports that it has."""

    tcp: TransportFacts | None = None
    udp: TransportFacts
    required: tuple[EndpointKey, ...] = ()
    secrets: dict[Name, tuple[str, ...]]
    optional: tuple[Name, ...] = ()
    """Of the secrets: those that not everybody has."""


class LentFacts(Facts, frozen=True, kw_only=True):
    """What a provider's way of forwarding a port takes where the tunnel is not its own."""

    servers: tuple[str, ...] = ()
    """Keys of `vpn.servers`, each with one value."""
    secrets: dict[Name, tuple[str, ...]] = {}


class ProviderFacts(Facts, frozen=True, kw_only=True):
    """A VPN provider, as this gateway knows it."""

    wireguard: WireguardFacts | None = None
    openvpn: OpenvpnFacts | None = None
    servers: tuple[str, ...] = ()
    """The keys of `vpn.servers` that choose among its servers."""
    networks: tuple[str, ...] = ()
    """Where the tunnel's own addresses lie, where that is known."""
    forwards: Literal["itself", "named"] | None = None
    """Whether it forwards a port: by its own way, or by that of a provider that the profile names."""
    reserves: bool = False
    """A customer reserves ports on its site: nothing is asked for by the gateway."""
    lent: LentFacts = LentFacts()
    ipv6: bool = False
    """The addresses in its WireGuard files include one of IPv6."""


class ProviderSecretFacts(Facts, frozen=True, kw_only=True):
    """A secret that opens a tunnel."""

    about: str
    files: Annotated[dict[str, Variable], Meta(min_length=1)]
    """By key: the variable that holds the path of its file."""
    public: tuple[str, ...] = ()
    optional: bool = False


class ReceiverFacts(Facts, frozen=True, kw_only=True):
    """What the gateway is completed with where a forwarded port has a receiver."""

    environment: dict[Variable, str]
    files: tuple[FileFacts, ...]


class ProvidersFacts(Facts, frozen=True, kw_only=True):
    """`providers.yaml` of a gateway."""

    portable: Literal[1]
    default: str
    variables: dict[str, Variable]
    """By key of the profile's section `vpn`."""
    receiver: ReceiverFacts
    secrets: dict[Name, ProviderSecretFacts]
    providers: dict[str, ProviderFacts]

    @property
    def forwarding(self) -> tuple[str, ...]:
        """The providers that forward a port by a way of their own."""
        return tuple(name for name, facts in self.providers.items() if facts.forwards == "itself")


class FenceFacts(Facts, frozen=True, kw_only=True):
    """Variables that make the fence."""

    changes: str
    """What they decide: the words of the finding."""
    names: tuple[Variable, ...]
    harmless: dict[Variable, str] = {}
    """Values that are as strict as what the gateway does without them."""
    remedies: dict[Variable, str] = {}
    """Where the file of a place says it instead."""


class SettingsFacts(Facts, frozen=True, kw_only=True):
    """`settings.yaml` of a gateway: every variable that its program reads."""

    portable: Literal[1]
    typed: dict[Variable, str] = {}
    """Names for what the profile's section `vpn` says, by the key there."""
    plain: dict[Variable, Variable] = {}
    """Variables that hold a secret in clear text, with the one that names its file."""
    fence: tuple[FenceFacts, ...] = ()
    suffixes: tuple[str, ...] = ()
    """Endings by which the program reads a value from a file instead."""
    targets: tuple[Variable, ...] = ()
    """Free, but that addresses which are reached past the tunnel are noted."""
    free: tuple[Variable, ...] = ()

    @property
    def known(self) -> frozenset[str]:
        """Every name here."""
        return frozenset((*self.typed, *self.plain, *(name for group in self.fence for name in group.names), *self.targets, *self.free))


def providers_of(folder: Path) -> ProvidersFacts | None:
    """The providers that a gateway knows; None where its folder has no such file. Raises InputError with every mistake."""
    file = folder / PROVIDERS
    return _providers(file) if file.is_file() else None


def settings_of(folder: Path) -> SettingsFacts | None:
    """What a gateway's variables decide; None where its folder has no such file. Raises InputError with every mistake."""
    file = folder / SETTINGS
    return read(file, SettingsFacts)[0] if file.is_file() else None


@functools.lru_cache(8)
def _providers(file: Path) -> ProvidersFacts:
    return read(file, ProvidersFacts)[0]


def typed_names(providers: ProvidersFacts | None, settings: SettingsFacts) -> Mapping[str, str]:
    """Every variable that the section `vpn` sets, with the key there."""
    found = dict(settings.typed)
    for key, variable in (providers.variables if providers else {}).items():
        found[variable] = key.replace(".wireguard", "").replace(".openvpn", "")
    return found


def secret_files(providers: ProvidersFacts | None) -> frozenset[str]:
    """Every variable that names the file of a secret."""
    return frozenset(variable for secret in (providers.secrets if providers else {}).values() for variable in secret.files.values())
