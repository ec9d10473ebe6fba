"""The further files in a gateway's folder: facts about VPN providers, and the effect of each variable of the program."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from portable.catalog.facts import Facts, FileFacts, Name, PortNumber, Variable
from portable.catalog.inside import refuse_outside
from portable.formats.load import read

PROVIDERS, SETTINGS = "providers.yaml", "settings.yaml"
TunnelProtocol = Literal["wireguard", "openvpn"]
EndpointKey = Literal["address", "port", "public-key"]
Ports = tuple[PortNumber, ...] | Literal["any"]


class WireguardFacts(Facts, frozen=True, kw_only=True):
    """A provider's WireGuard, which always uses UDP."""

    port: PortNumber | None = None
    ports: Ports = ()
    """Allowed values of `vpn.endpoint.port`; empty if the gateway accepts none."""
    required: tuple[EndpointKey, ...] = ()
    """Keys of `vpn.endpoint` without which the gateway does not start."""
    secrets: dict[Name, tuple[str, ...]]
    """The required keys, by secret."""


class TransportFacts(Facts, frozen=True, kw_only=True):
    """OpenVPN over TCP or UDP."""

    port: PortNumber | None = None
    ports: Ports = ()


class OpenvpnFacts(Facts, frozen=True, kw_only=True):
    """A provider's OpenVPN, with the transports that it supports."""

    tcp: TransportFacts | None = None
    udp: TransportFacts
    required: tuple[EndpointKey, ...] = ()
    secrets: dict[Name, tuple[str, ...]]
    optional: tuple[Name, ...] = ()
    """Secrets that not every customer has."""


class LentFacts(Facts, frozen=True, kw_only=True):
    """The requirements of a provider's port forwarding through a tunnel that is not its own."""

    servers: tuple[str, ...] = ()
    """Keys of `vpn.servers`, each with one value."""
    secrets: dict[Name, tuple[str, ...]] = {}


class ProviderFacts(Facts, frozen=True, kw_only=True):
    """A VPN provider that this gateway supports."""

    wireguard: WireguardFacts | None = None
    openvpn: OpenvpnFacts | None = None
    servers: tuple[str, ...] = ()
    """The keys of `vpn.servers` that filter its servers."""
    networks: tuple[str, ...] = ()
    """Networks of the tunnel's own addresses, if known."""
    forwards: Literal["itself", "named"] | None = None
    """How it forwards a port: by its own method, or by that of a provider that the profile names."""
    reserves: bool = False
    """Customers reserve ports on the provider's site: the gateway requests none."""
    lent: LentFacts = LentFacts()
    ipv6: bool = False
    """The addresses in its WireGuard files include an IPv6 address."""


class ProviderSecretFacts(Facts, frozen=True, kw_only=True):
    """A secret that the tunnel needs."""

    about: str
    files: Annotated[dict[str, Variable], Meta(min_length=1)]
    """By key: the variable with the path of its file."""
    public: tuple[str, ...] = ()
    optional: bool = False


class ReceiverFacts(Facts, frozen=True, kw_only=True):
    """Additions to the gateway if an app receives the forwarded port."""

    environment: dict[Variable, str]
    files: tuple[FileFacts, ...]


class ProvidersFacts(Facts, frozen=True, kw_only=True):
    """`providers.yaml` of a gateway."""

    portable: Literal[1]
    default: str
    variables: dict[str, Variable]
    """The variable of each key in the profile's section `vpn`."""
    receiver: ReceiverFacts
    secrets: dict[Name, ProviderSecretFacts]
    providers: dict[str, ProviderFacts]

    @property
    def forwarding(self) -> tuple[str, ...]:
        """The providers with a port forwarding method of their own."""
        return tuple(name for name, facts in self.providers.items() if facts.forwards == "itself")


class FenceFacts(Facts, frozen=True, kw_only=True):
    """Variables that define the fence."""

    changes: str
    """Their effect: the text of the finding."""
    names: tuple[Variable, ...]
    harmless: dict[Variable, str] = {}
    """Values that are as strict as the gateway's default."""
    remedies: dict[Variable, str] = {}
    """The setting in the profile to use instead."""


class SettingsFacts(Facts, frozen=True, kw_only=True):
    """`settings.yaml` of a gateway: every variable that its program reads."""

    portable: Literal[1]
    typed: dict[Variable, str] = {}
    """Variables that the profile's section `vpn` sets, each with its key there."""
    plain: dict[Variable, Variable] = {}
    """Variables with a secret in clear text, each with the variable that names a file instead."""
    fence: tuple[FenceFacts, ...] = ()
    suffixes: tuple[str, ...] = ()
    """Suffixes of variables that make the program read the value from a file."""
    targets: tuple[Variable, ...] = ()
    """Allowed variables with addresses; addresses that bypass the tunnel are noted."""
    free: tuple[Variable, ...] = ()

    @property
    def known(self) -> frozenset[str]:
        """Every variable of this file."""
        return frozenset((*self.typed, *self.plain, *(name for group in self.fence for name in group.names), *self.targets, *self.free))


def providers_of(folder: Path) -> ProvidersFacts | None:
    """The providers that a gateway supports; None if its folder has no such file. Raises InputError with every mistake."""
    file = folder / PROVIDERS
    refuse_outside(file, folder.parent)
    return _providers(file) if file.is_file() else None


def settings_of(folder: Path) -> SettingsFacts | None:
    """The effects of a gateway's variables; None if its folder has no such file. Raises InputError with every mistake."""
    file = folder / SETTINGS
    refuse_outside(file, folder.parent)
    return read(file, SettingsFacts)[0] if file.is_file() else None


@functools.lru_cache(8)
def _providers(file: Path) -> ProvidersFacts:
    return read(file, ProvidersFacts)[0]


def typed_names(providers: ProvidersFacts | None, settings: SettingsFacts) -> Mapping[str, str]:
    """Every variable that the section `vpn` sets, with its key there."""
    names = dict(settings.typed)
    for key, variable in (providers.variables if providers else {}).items():
        names[variable] = key.replace(".wireguard", "").replace(".openvpn", "")
    return names


def secret_files(providers: ProvidersFacts | None) -> frozenset[str]:
    """Every variable with the path of a secret's file."""
    return frozenset(variable for secret in (providers.secrets if providers else {}).values() for variable in secret.files.values())
