"""How people reach a port of an app: one record for each kind of exposure."""

from typing import Literal

from portable.model.base import Struct


class Loopback(Struct, tag="loopback", frozen=True, kw_only=True):
    """Reachable only from the host itself."""

    number: int


class Lan(Struct, tag="lan", frozen=True, kw_only=True):
    """Reachable at the host's addresses."""

    number: int
    address: str | None = None
    """The one address of the host at which it is published; None: all."""


class Ingress(Struct, tag="ingress", frozen=True, kw_only=True):
    """Reachable by host name through the cluster's Ingress controller, with TLS."""

    host: str
    tls_secret: str | None = None
    ingress_class: str | None = None
    namespace: str | None = None
    """Namespace of the controller's pods, if only they may reach the port."""


class GatewayRoute(Struct, tag="gateway", frozen=True, kw_only=True):
    """Reachable by host name through a Gateway of the Gateway API, which has the certificate."""

    host: str
    gateway: str
    """Name of the Gateway, which exists already."""
    gateway_namespace: str | None = None
    """Its namespace; None: that of the plan."""
    section: str | None = None
    """The listener of the Gateway; None: all whose host names match."""
    namespace: str | None = None
    """Namespace of the Gateway's pods, if only they may reach the port."""


class Route(Struct, tag="route", frozen=True, kw_only=True):
    """Reachable by host name through OpenShift's router."""

    host: str
    termination: Literal["edge", "passthrough"] = "edge"
    auth: Literal["oauth-proxy"] | None = None


class LoadBalancer(Struct, tag="load-balancer", frozen=True, kw_only=True):
    """Reachable at an address of its own."""

    number: int
    address: str | None = None


Reach = Loopback | Lan | Ingress | GatewayRoute | Route | LoadBalancer


class Exposure(Struct, frozen=True, kw_only=True):
    """How a port of an app is reachable from outside the place's own network."""

    app: str
    port: str
    how: Reach


def in_url(host: str) -> str:
    """Return a host as it stands in a URL: an address of IPv6 in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]" if ":" in host else host
