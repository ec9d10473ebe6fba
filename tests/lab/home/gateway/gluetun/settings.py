"""What the environment and its secret files say. A name that is not known is ignored, as the real one does."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .log import Failure

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MARK = 51820
_YES, _NO = ("enabled", "yes", "on", "true", "1"), ("disabled", "no", "off", "false", "0")
_WIREGUARD = ("airvpn", "custom", "fastestvpn", "ivpn", "mullvad", "nordvpn", "protonvpn", "surfshark", "windscribe")
_FORWARDING = ("perfect privacy", "private internet access", "privatevpn", "protonvpn")
RESOLVERS = {
    "cloudflare": ("cloudflare-dns.com", ("1.1.1.1", "1.0.0.1")),
    "google": ("dns.google", ("8.8.8.8", "8.8.4.4")),
    "quad9": ("dns.quad9.net", ("9.9.9.9", "149.112.112.112")),
}
"""The name in its certificate and the addresses of each public resolver that the stand-in knows; the real one knows more."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that the stand-in takes."""

    provider: str
    kind: str
    device: str
    private_key: str
    preshared_key: str
    addresses: tuple[str, ...]
    public_key: str
    endpoint_ip: str
    endpoint_port: int
    keepalive: str
    mtu: int
    openvpn_config: str
    firewall: bool
    vpn_input_ports: tuple[int, ...]
    input_ports: tuple[int, ...]
    outbound: tuple[Network, ...]
    dns_server: bool
    dns_type: str
    dns_resolvers: tuple[str, ...]
    dns_keep: bool
    dns_caching: bool
    dns_address: str
    health_address: str
    health_targets: tuple[str, ...]
    health_icmp: tuple[str, ...]
    health_small: str
    health_restart: bool
    forwarding: bool
    forwarding_provider: str
    forwarding_file: str
    forwarding_up: str
    forwarding_down: str
    control_address: str
    control_auth: str
    puid: int
    pgid: int
    minute: float
    """Of the stand-in alone: how many seconds its checks take for a minute; its retries and renewals are quicker in proportion."""


def read(environment: Mapping[str, str]) -> Settings:
    """Raises Failure for what can't be read, before anything of the network is touched."""

    def text(name: str, default: str = "", *, lower: bool = True) -> str:
        path = environment.get(f"{name}_SECRETFILE") or f"/run/secrets/{name.lower()}"
        value = Path(path).read_text().strip() if Path(path).is_file() else environment.get(name, "").strip()
        return (value.lower() if lower else value) or default

    def listed(name: str, default: str = "") -> tuple[str, ...]:
        return tuple(value.strip() for value in text(name, default).split(",") if value.strip())

    def flag(name: str, default: bool) -> bool:
        value = text(name)
        if value and value not in (*_YES, *_NO):
            raise Failure(f"environment variable {name}: boolean value is not valid: {value}")
        return value in _YES if value else default

    def number(name: str, value: str) -> int:
        if not value.isascii() or not value.isdecimal() or int(value) > 65535:
            raise Failure(f'environment variable {name}: strconv.ParseUint: parsing "{value}": invalid syntax')
        return int(value)

    def networks(name: str) -> tuple[Network, ...]:
        try:
            return tuple(ipaddress.ip_network(value, strict=False) for value in listed(name))
        except ValueError as error:
            raise Failure(f"environment variable {name}: {error}") from None

    def address(name: str) -> str:
        try:
            return str(ipaddress.ip_address(value)) if (value := text(name)) else ""
        except ValueError:
            raise Failure(f"VPN settings: environment variable {name}: {value} - note this MUST be an IP address") from None

    return Settings(
        provider=text("VPN_SERVICE_PROVIDER", "private internet access"),
        kind=text("VPN_TYPE", "openvpn"),
        device=text("VPN_INTERFACE", "tun0", lower=False),
        private_key=text("WIREGUARD_PRIVATE_KEY", lower=False),
        preshared_key=text("WIREGUARD_PRESHARED_KEY", lower=False),
        addresses=tuple(a if "/" in a else f"{a}/32" for a in listed("WIREGUARD_ADDRESSES")),
        public_key=text("WIREGUARD_PUBLIC_KEY", lower=False),
        endpoint_ip=address("WIREGUARD_ENDPOINT_IP"),
        endpoint_port=number("WIREGUARD_ENDPOINT_PORT", text("WIREGUARD_ENDPOINT_PORT", "0")),
        keepalive=text("WIREGUARD_PERSISTENT_KEEPALIVE_INTERVAL", "0").removesuffix("s"),
        mtu=number("WIREGUARD_MTU", text("WIREGUARD_MTU", "1320")),
        openvpn_config=text("OPENVPN_CUSTOM_CONFIG", lower=False),
        firewall=flag("FIREWALL_ENABLED_DISABLING_IT_SHOOTS_YOU_IN_YOUR_FOOT", True),
        vpn_input_ports=tuple(number("FIREWALL_VPN_INPUT_PORTS", n) for n in listed("FIREWALL_VPN_INPUT_PORTS")),
        input_ports=tuple(number("FIREWALL_INPUT_PORTS", n) for n in listed("FIREWALL_INPUT_PORTS")),
        outbound=networks("FIREWALL_OUTBOUND_SUBNETS"),
        dns_server=flag("DNS_SERVER", True),
        dns_type=text("DNS_UPSTREAM_RESOLVER_TYPE", "dot"),
        dns_resolvers=listed("DNS_UPSTREAM_RESOLVERS", "cloudflare"),
        dns_keep=flag("DNS_KEEP_NAMESERVER", False),
        dns_caching=flag("DNS_CACHING", True),
        dns_address=address("DNS_ADDRESS") or "127.0.0.1",
        health_address=text("HEALTH_SERVER_ADDRESS", "127.0.0.1:9999"),
        health_targets=listed("HEALTH_TARGET_ADDRESSES", "cloudflare.com:443,github.com:443"),
        health_icmp=listed("HEALTH_ICMP_TARGET_IPS", "1.1.1.1,8.8.8.8"),
        health_small=text("HEALTH_SMALL_CHECK_TYPE", "icmp"),
        health_restart=flag("HEALTH_RESTART_VPN", True),
        forwarding=flag("VPN_PORT_FORWARDING", False),
        forwarding_provider=text("VPN_PORT_FORWARDING_PROVIDER"),
        forwarding_file=text("VPN_PORT_FORWARDING_STATUS_FILE", "/tmp/gluetun/forwarded_port", lower=False),
        forwarding_up=text("VPN_PORT_FORWARDING_UP_COMMAND", lower=False),
        forwarding_down=text("VPN_PORT_FORWARDING_DOWN_COMMAND", lower=False),
        control_address=text("HTTP_CONTROL_SERVER_ADDRESS", ":8000"),
        control_auth=text("HTTP_CONTROL_SERVER_AUTH_CONFIG_FILEPATH", "/gluetun/auth/config.toml", lower=False),
        puid=number("PUID", text("PUID", "1000")),
        pgid=number("PGID", text("PGID", "1000")),
        minute=float(text("STANDIN_CHECK_SECONDS", "60")),
    )


def validate(settings: Settings, ipv6: bool) -> None:
    """Raises Failure for what can't work. The real one looks at it when its firewall stands."""

    def one_of(what: str, value: str, choices: tuple[str, ...]) -> None:
        if value not in choices:
            raise Failure(f"{what}: value is not one of the possible choices: {value} must be one of {', '.join(choices)}")

    one_of("health settings: small check type is not valid", settings.health_small, ("icmp", "dns"))
    one_of("dns settings: DNS upstream type is not valid", settings.dns_type, ("dot", "plain"))
    for name in settings.dns_resolvers:
        one_of("dns settings: DNS provider name is not valid", name, tuple(RESOLVERS))
    if 0 in (*settings.vpn_input_ports, *settings.input_ports):
        raise Failure("firewall settings: input ports: cannot have a zero port")
    for network in settings.outbound:
        if int(network.network_address) == 0:
            raise Failure(f"firewall settings: outbound subnet has an unspecified address: {network}")
    one_of("VPN settings: VPN type is not valid", settings.kind, ("openvpn", "wireguard"))
    if settings.kind == "wireguard":
        one_of("VPN settings: provider settings: VPN provider name is not valid for Wireguard", settings.provider, _WIREGUARD)
    if settings.forwarding:
        chosen = settings.forwarding_provider or settings.provider
        one_of("VPN settings: provider settings: port forwarding: port forwarding cannot be enabled", chosen, _FORWARDING)
    if settings.kind == "wireguard":
        _validate_wireguard(settings, ipv6)
    elif not settings.openvpn_config:
        raise Failure("VPN settings: openvpn settings: custom configuration file path is not set")


def _validate_wireguard(settings: Settings, ipv6: bool) -> None:
    where = "VPN settings: Wireguard settings"
    if not settings.private_key:
        raise Failure(f"{where}: private key is not set")
    for what, key in (
        ("private key", settings.private_key),
        ("pre-shared key", settings.preshared_key),
        ("public key", settings.public_key),
    ):
        if key and not _is_key(key):
            raise Failure(f"{where}: {what} is not valid")
    if settings.provider == "airvpn" and not settings.preshared_key:
        raise Failure(f"{where}: pre-shared key is not set")
    if not settings.addresses:
        raise Failure(f"{where}: interface address is not set")
    for address in settings.addresses:
        if ipaddress.ip_interface(address).version == 6 and not ipv6:
            raise Failure(f"{where}: interface address is IPv6 but IPv6 is not supported: address {address}")
    if not re.fullmatch(r"[a-zA-Z0-9_]+", settings.device):
        raise Failure(f"{where}: interface name is not valid: '{settings.device}' does not match regex '^[a-zA-Z0-9_]+$'")
    selection = "VPN settings: provider settings: server selection: Wireguard server selection settings"
    if settings.provider == "custom":
        if not settings.endpoint_ip:
            raise Failure(f"{selection}: endpoint IP is not set")
        if not settings.endpoint_port:
            raise Failure(f"{selection}: endpoint port is not set")
        if not settings.public_key:
            raise Failure(f"{selection}: public key is not set")


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except binascii.Error:
        return False
