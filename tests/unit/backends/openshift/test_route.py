"""Routes, and the login before an app."""

import json
from typing import Any

import msgspec
import pytest

from portable.backends.openshift import render
from portable.model import plan as p
from portable.model.exposures import Exposure, Ingress, LoadBalancer, Route
from tests.factories import app, full_plan, plan
from tests.unit.backends.kubernetes.rendered import container_of, found, objects, pod

WEB = (p.Port(name="web", number=8000, serves="http"),)
TLS = (p.Port(name="web", number=8443, serves="https"),)


def routed(how: Route, ports: tuple[p.Port, ...] = WEB) -> p.Plan:
    return plan(app(ports=ports), exposures=(Exposure(app="demo", port="web", how=how),))


def test_edge_redirects_and_is_patient() -> None:
    route = objects(render(routed(Route(host="demo.apps.test"))), "Route")["demo-web"]
    assert route["spec"] == {
        "host": "demo.apps.test",
        "port": {"targetPort": "web"},
        "tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"},
        "to": {"kind": "Service", "name": "demo", "weight": 100},
        "wildcardPolicy": "None",
    }
    assert route["metadata"]["annotations"] == {"haproxy.router.openshift.io/timeout": "1h"}


def test_passthrough_leaves_tls_to_the_app() -> None:
    route = objects(render(routed(Route(host="demo.apps.test", termination="passthrough"), TLS)), "Route")["demo-web"]
    assert route["spec"]["tls"] == {"termination": "passthrough", "insecureEdgeTerminationPolicy": "None"}


def test_a_port_behind_another_kind_of_exposure_does_not_end_the_routes() -> None:
    ports = (p.Port(name="api", number=7000, serves="http"), *WEB)
    reach = (Exposure(app="demo", port="api", how=LoadBalancer(number=7000)), Exposure(app="demo", port="web", how=Route(host="h")))
    made = plan(app(ports=ports), exposures=reach)
    assert list(objects(render(made), "Route")) == ["demo-web"]


def test_a_route_that_passes_tls_through_does_so_before_a_login_too() -> None:
    """It is refused, and a profile may accept that."""
    route = objects(render(routed(Route(host="h", termination="passthrough", auth="oauth-proxy"), TLS)), "Route")["demo-web"]
    assert route["spec"]["tls"] == {"termination": "passthrough", "insecureEdgeTerminationPolicy": "None"}


def test_the_volumes_of_a_login_have_names_that_a_cluster_takes() -> None:
    name = "a" * 50
    made = plan(app(name, ports=WEB), exposures=(Exposure(app=name, port="web", how=Route(host="h", auth="oauth-proxy")),))
    assert [len(volume["name"]) for volume in pod(render(made), name)["volumes"] if volume["name"].endswith("-cookie")] == [63]


@pytest.mark.parametrize(
    ("how", "ports", "code"),
    [
        (Route(host="h", termination="passthrough"), WEB, "openshift.termination"),
        (Route(host="h"), TLS, "openshift.termination"),
        (Route(host="h"), (p.Port(name="web", number=8000),), "exposure.http-only"),
        (Route(host="h"), (p.Port(name="web", number=8000, protocol="udp", serves="http"),), "exposure.http-only"),
        (Route(host="h", termination="passthrough", auth="oauth-proxy"), TLS, "openshift.login-passthrough"),
    ],
)
def test_what_a_route_cannot_carry_is_refused(how: Route, ports: tuple[p.Port, ...], code: str) -> None:
    assert [f.code for f in render(routed(how, ports)).findings if f.verdict == "refused"] == [code]


GUARDED = Route(host="demo.apps.test", auth="oauth-proxy")


def test_a_login_stands_before_the_app() -> None:
    rendering = render(routed(GUARDED))
    route = objects(rendering, "Route")["demo-web"]["spec"]
    assert route["tls"] == {"termination": "reencrypt", "insecureEdgeTerminationPolicy": "Redirect"}
    assert route["to"]["name"] == "demo-web-login"
    service = objects(rendering, "Service")["demo-web-login"]
    assert service["metadata"]["annotations"] == {"service.beta.openshift.io/serving-cert-secret-name": "demo-web-login-tls"}
    assert service["spec"]["ports"][0]["name"] == route["port"]["targetPort"]
    (account,) = objects(rendering, "ServiceAccount").values()
    reference = json.loads(account["metadata"]["annotations"]["serviceaccounts.openshift.io/oauth-redirectreference.demo-web-login"])
    assert reference == {"apiVersion": "v1", "kind": "OAuthRedirectReference", "reference": {"kind": "Route", "name": "demo-web"}}


ROUTER = {"namespaceSelector": {"matchLabels": {"policy-group.network.openshift.io/ingress": ""}}, "podSelector": {}}


def test_nobody_reaches_the_app_past_its_login() -> None:
    policy = objects(render(routed(GUARDED)), "NetworkPolicy")["demo"]["spec"]
    assert policy["ingress"] == [{"from": [{"podSelector": {}}]}, {"from": [ROUTER], "ports": [{"port": 8444, "protocol": "TCP"}]}]


def test_the_login_asks_who_may_see_the_app() -> None:
    proxy = container_of(render(routed(GUARDED)), "demo-web-login")
    review = next(arg for arg in proxy["args"] if arg.startswith("--openshift-sar="))
    assert json.loads(review.partition("=")[2]) == {"namespace": "media", "resource": "services", "name": "demo", "verb": "get"}
    assert "--upstream=http://127.0.0.1:8000" in proxy["args"]
    assert proxy["securityContext"]["runAsNonRoot"]


def test_only_the_login_has_the_accounts_token() -> None:
    made: dict[str, Any] = pod(render(routed(GUARDED)))
    assert made["automountServiceAccountToken"] is False
    assert [c["name"] for c in made["containers"] if any(m["name"] == "account-token" for m in c.get("volumeMounts", ()))] == [
        "demo-web-login"
    ]
    token = next(v for v in made["volumes"] if v["name"] == "account-token")["projected"]["sources"][0]["serviceAccountToken"]
    assert token == {"path": "token", "expirationSeconds": 3607}, "the proxy reads it once: it has to hold for longer than an hour"


def test_its_port_is_free_in_the_pod() -> None:
    ports = (*WEB, p.Port(name="a", number=8444), p.Port(name="b", number=8445))
    proxy = container_of(render(routed(GUARDED, ports)), "demo-web-login")
    assert proxy["ports"][0]["containerPort"] == 8446


def test_the_key_of_its_cookies_is_asked_for() -> None:
    assert found(render(routed(GUARDED)), "exposures.auth") == ["exposures.demo:web.how.auth"]


def test_a_login_behind_a_gateway_says_what_it_needs() -> None:
    assert found(render(full_plan("openshift")), "exposures.auth") == ["exposures.torrents:web.how.auth"] * 2


def test_ingress_and_load_balancer_are_kubernetes_own() -> None:
    made = msgspec.structs.replace(routed(GUARDED), exposures=(Exposure(app="demo", port="web", how=Ingress(host="h")),))
    assert sorted(objects(render(made), "Ingress")) == ["demo-web"]
