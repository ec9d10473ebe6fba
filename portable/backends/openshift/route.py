"""Routes, and the proxy that requires a login before it forwards to an app (https://github.com/openshift/oauth-proxy)."""

import json
from collections.abc import Iterator
from typing import Final, assert_never

from portable.backends.common import note, refuse
from portable.backends.kubernetes.container import LOGS
from portable.backends.kubernetes.names import Body, dns_label, literal, meta, port_name, quantity
from portable.backends.kubernetes.network import (
    OpenPort,
    backend_name,
    exposed,
    exposure_name,
    opened_ports,
    private_service,
    service_target,
)
from portable.backends.kubernetes.scope import Scope
from portable.model.base import Struct
from portable.model.exposures import Exposure, Route
from portable.model.findings import Finding
from portable.model.plan import App, Direct, Group, Port

ROUTERS: Final[tuple[Body, ...]] = (
    {"namespaceSelector": {"matchLabels": {"policy-group.network.openshift.io/ingress": ""}}, "podSelector": {}},
)
"""The router's pods. The empty pod selector also matches routers in the host network, such as on bare metal.

https://docs.redhat.com/en/documentation/openshift_container_platform/4.18/html/network_security/network-policy
"""
PROXY_IMAGE: Final = "quay.io/openshift/origin-oauth-proxy:4.20"
TIMEOUT: Final = "haproxy.router.openshift.io/timeout"
_PATIENCE: Final = "1h"
"""The router drops a connection after 30 s without data, for example of a paused film or a search on all indexers."""
_FIRST_PORT: Final = 8444
_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
_EXTENDED: Final = 3607
_TLS: Final = "/etc/tls/private"
_COOKIE: Final = "/etc/proxy/secrets"
_COOKIE_KEY: Final = "session_secret"
_REDIRECT: Final = "serviceaccounts.openshift.io/oauth-redirectreference."
_SERVING_CERT: Final = "service.beta.openshift.io/serving-cert-secret-name"


class Proxy(Struct, frozen=True, kw_only=True):
    """The login proxy of one Route."""

    name: str
    app: App
    port: Port
    number: int
    """The port of the proxy, which no other container of its pod uses."""


def proxies(scope: Scope, group: Group) -> tuple[Proxy, ...]:
    """Return the login proxies of a group's pod."""
    wanted = [(app, port) for e, app, port in exposed(scope, group) if isinstance(e.how, Route) and e.how.auth is not None]
    used = {port.number for app in scope.members(group) for port in app.ports}
    free = iter(number for number in range(_FIRST_PORT, 65536) if number not in used)
    return tuple(Proxy(name=dns_label(f"{app.name}-{port.name}-login"), app=app, port=port, number=next(free)) for app, port in wanted)


def routes(scope: Scope, group: Group) -> Iterator[Body]:
    """Yield the Routes of a group's apps, and the Services of their proxies."""
    guarded = {(proxy.app.name, proxy.port.name): proxy for proxy in proxies(scope, group)}
    for exposure, app, port in exposed(scope, group):
        if not isinstance(exposure.how, Route):
            continue
        proxy = guarded.get((app.name, port.name))
        if proxy is not None:
            yield _proxy_service(scope, group, proxy)
            yield _route(scope, app, port, exposure.how, service=proxy.name, target=_https(proxy), tls=_guarded_tls(exposure.how))
        else:
            yield from private_service(scope, group, app, port)
            target = dns_label(port.name)
            yield _route(scope, app, port, exposure.how, service=backend_name(app, port), target=target, tls=_tls(exposure.how))


def opened(scope: Scope, group: Group) -> list[OpenPort]:
    """Return the ports that are open to the router, or to others outside the namespace: a proxy's instead of the app's."""
    return opened_ports(scope, group, routers=ROUTERS, before={(p.app.name, p.port.name): p.number for p in proxies(scope, group)})


def redirects(scope: Scope, group: Group) -> dict[str, str]:
    """Return the account's annotations with the Routes to which OpenShift may redirect after the login."""
    room = 63 - len(_REDIRECT.rpartition("/")[2])
    return {
        _REDIRECT + dns_label(proxy.name, limit=room): _reference(exposure_name(proxy.app, proxy.port)) for proxy in proxies(scope, group)
    }


def proxy_container(scope: Scope, proxy: Proxy) -> Body:
    """Return the proxy's container. Only it has the account's token, which authenticates it to OpenShift."""
    identity = scope.plan.tools.identity
    # Admit only people who may read the app's Service in this namespace, not everyone with an account of the cluster.
    review = {"namespace": scope.namespace, "resource": "services", "name": proxy.app.name, "verb": "get"}
    check = {"httpGet": {"path": "/oauth/healthz", "port": _https(proxy), "scheme": "HTTPS"}, "failureThreshold": 3}
    return {
        "name": proxy.name,
        "image": PROXY_IMAGE,
        "args": [
            "--provider=openshift",
            "--openshift-service-account=$(SERVICE_ACCOUNT)",
            f"--openshift-sar={literal(json.dumps(review, sort_keys=True))}",
            "--http-address=",
            f"--https-address=:{proxy.number}",
            f"--upstream=http://127.0.0.1:{proxy.port.number}",
            f"--tls-cert={_TLS}/tls.crt",
            f"--tls-key={_TLS}/tls.key",
            f"--cookie-secret-file={_COOKIE}/{_COOKIE_KEY}",
        ],
        "env": [{"name": "SERVICE_ACCOUNT", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}}],
        "ports": [{"name": _https(proxy), "containerPort": proxy.number, "protocol": "TCP"}],
        "readinessProbe": {**check, "periodSeconds": 10, "timeoutSeconds": 5},
        "livenessProbe": {**check, "periodSeconds": 30, "timeoutSeconds": 10},
        "resources": {"requests": {"cpu": "10m", "ephemeral-storage": quantity(LOGS), "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": identity.uid or 1000,
            "runAsGroup": identity.gid or 1000,
        },
        "volumeMounts": [
            {"name": f"{_volume(proxy)}-tls", "mountPath": _TLS, "readOnly": True},
            {"name": f"{_volume(proxy)}-cookie", "mountPath": _COOKIE, "readOnly": True},
            {"name": "account-token", "mountPath": _TOKEN, "readOnly": True},
        ],
    }


def proxy_volumes(proxy: Proxy) -> list[Body]:
    """Return the proxy's volumes: its certificate, made by OpenShift; the key for its cookies; the account's token."""
    sources = [
        # The proxy reads the token once, to authenticate to OpenShift. For this lifetime, which is the default of pods, the API server
        # issues a token that is valid for a year (`--service-account-extend-token-expiration`); for any other, it expires in an hour.
        {"serviceAccountToken": {"path": "token", "expirationSeconds": _EXTENDED}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    return [
        {"name": f"{_volume(proxy)}-tls", "secret": {"secretName": f"{proxy.name}-tls"}},
        {"name": f"{_volume(proxy)}-cookie", "secret": {"secretName": proxy.name}},
        {"name": "account-token", "projected": {"sources": sources}},
    ]


def route_findings(scope: Scope) -> Iterator[Finding]:
    """Yield findings on ports that a Route cannot carry, and on the requirements of logins."""
    for group in scope.plan.groups:
        for exposure, app, port in exposed(scope, group):
            if isinstance(exposure.how, Route):
                yield from _findings(scope, group, exposure, exposure.how, app, port)


def _findings(scope: Scope, group: Group, exposure: Exposure, how: Route, app: App, port: Port) -> Iterator[Finding]:
    path = f"exposures.{exposure.app}:{exposure.port}.how"
    if port.protocol != "tcp" or port.serves == "raw":
        text = f"A Route carries HTTP and TLS only; port {port.name} of {app.name} uses another protocol."
        yield refuse("exposures", path, "function", text, "use `load-balancer`", code="exposure.http-only", app=app.name)
    ends_itself = port.serves == "https"
    if ends_itself != (how.termination == "passthrough"):
        text = f"Port {port.name} of {app.name} {'terminates TLS itself' if ends_itself else 'does not use TLS'}, "
        text += f"so a Route with {how.termination} termination cannot reach it."
        remedy = f"set `termination: {'passthrough' if ends_itself else 'edge'}`"
        yield refuse("exposures", f"{path}.termination", "function", text, remedy, code="openshift.termination", app=app.name)
    if how.auth is None:
        return
    if how.termination == "passthrough":
        text = f"The login proxy of {app.name} has a cluster certificate, which browsers do not trust, so passthrough cannot work."
        remedy = "set `termination: edge`"
        yield refuse("exposures.auth", f"{path}.auth", "function", text, remedy, code="openshift.login-passthrough", app=app.name)
    name = dns_label(f"{app.name}-{port.name}-login")
    text = f"The login proxy of {app.name} needs a cookie key, which the plan does not contain: Secret {name}, key {_COOKIE_KEY}."
    command = f"oc create secret generic -n {scope.namespace} {name} --from-literal={_COOKIE_KEY}=$(openssl rand -hex 16)"
    yield note("exposures.auth", f"{path}.auth", "function", text, f"run once: `{command}`", code="openshift.login-secret", app=app.name)
    if not isinstance(group.egress, Direct):
        gateway = group.egress.gateway
        text = f"The login proxy of {app.name} runs behind {gateway}, which must allow its port in, and its calls to the API server out."
        remedy = (
            f"open the proxy's port in the firewall of {gateway}, and add the cluster's service network to `networks: {{local: [...]}}`"
        )
        yield note("exposures.auth", f"{path}.auth", "function", text, remedy, code="openshift.login-gateway", app=app.name)


def _route(scope: Scope, app: App, port: Port, how: Route, *, service: str, target: str, tls: Body) -> Body:
    annotations = {} if tls["termination"] == "passthrough" else {TIMEOUT: _PATIENCE}
    return {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": meta(
            exposure_name(app, port), scope.labels(app.name, zone=app.zone), namespace=scope.namespace, annotations=annotations or None
        ),
        "spec": {
            "host": how.host,
            "port": {"targetPort": target},
            "tls": tls,
            "to": {"kind": "Service", "name": service, "weight": 100},
            "wildcardPolicy": "None",
        },
    }


def _tls(how: Route) -> Body:
    match how.termination:
        case "edge":
            return {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
        case "passthrough":
            return {"termination": "passthrough", "insecureEdgeTerminationPolicy": "None"}
        case _:
            assert_never(how.termination)


def _guarded_tls(how: Route) -> Body:
    """Return the TLS settings before a proxy. It serves TLS with a cluster certificate that the router trusts: edge becomes reencrypt."""
    return _tls(how) if how.termination == "passthrough" else {"termination": "reencrypt", "insecureEdgeTerminationPolicy": "Redirect"}


def _proxy_service(scope: Scope, group: Group, proxy: Proxy) -> Body:
    annotations = {_SERVING_CERT: f"{proxy.name}-tls"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(proxy.name, scope.labels(proxy.app.name, zone=proxy.app.zone), namespace=scope.namespace, annotations=annotations),
        "spec": {
            "type": "ClusterIP",
            **service_target(group),
            "ports": [{"name": _https(proxy), "port": 443, "protocol": "TCP", "appProtocol": "https", "targetPort": _https(proxy)}],
        },
    }


def _https(proxy: Proxy) -> str:
    return port_name(proxy.name, "https")


def _volume(proxy: Proxy) -> str:
    return dns_label(proxy.name, limit=63 - len("-cookie"))


def _reference(route: str) -> str:
    reference = {"kind": "OAuthRedirectReference", "apiVersion": "v1", "reference": {"kind": "Route", "name": route}}
    return json.dumps(reference, sort_keys=True)
