"""Every condition of OpenShift's own objects by a minimal plan in which it is the only reason."""

from typing import Any

import pytest

from portable.backends.kubernetes import render as render_kubernetes
from portable.backends.openshift import explain, render
from portable.backends.openshift.route import PROXY_IMAGE
from portable.backends.openshift.scc import admitting
from portable.model import plan as p
from portable.model.codes import Code
from portable.model.exposures import Exposure, Ingress, Lan, LoadBalancer, Reach, Route
from portable.model.plan import Plan
from tests.factories import app, behind, container, one, plan, port
from tests.unit.backends.kubernetes.rendered import objects, pod, workloads
from tests.unit.backends.reasons import Reason, consequences, difference, reason_of, reasons, refused

AT = "exposures.demo:web.how"
TUNNEL = p.Tunnel(gateway="gate", endpoints=(p.Endpoint(cidr="192.0.2.0/24", port=1),))


def routed(how: Reach, *ports: p.Port, name: str = "web") -> Plan:
    exposures = (Exposure(app="demo", port=name, how=how),)
    return one(within={"app": {"ports": ports or (port(),)}, "plan": {"exposures": exposures}})


EDGE, PASSTHROUGH = Route(host="h"), Route(host="h", termination="passthrough")
LOGIN = Route(host="h", auth="oauth-proxy")


@pytest.mark.parametrize(
    ("how", "of_port", "come"),
    [
        (EDGE, {}, set()),
        (EDGE, {"serves": "raw"}, {refused("exposures", AT, "function", "demo", code="exposure.http-only")}),
        (EDGE, {"protocol": "udp"}, {refused("exposures", AT, "function", "demo", code="exposure.http-only")}),
        (EDGE, {"serves": "https"}, {refused("exposures", f"{AT}.termination", "function", "demo", code="openshift.termination")}),
        (PASSTHROUGH, {"serves": "https"}, set()),
        (PASSTHROUGH, {}, {refused("exposures", f"{AT}.termination", "function", "demo", code="openshift.termination")}),
        (LOGIN, {}, {Reason("exposures.auth", f"{AT}.auth", "function", "demo", code="openshift.login-secret")}),
        (
            Route(host="h", termination="passthrough", auth="oauth-proxy"),
            {"serves": "https"},
            {
                Reason("exposures.auth", f"{AT}.auth", "function", "demo", code="openshift.login-secret"),
                refused("exposures.auth", f"{AT}.auth", "function", "demo", code="openshift.login-passthrough"),
            },
        ),
    ],
)
def test_what_a_route_can_not_carry(how: Route, of_port: dict[str, Any], come: set[Reason]) -> None:
    without = one(within={"app": {"ports": (port(**of_port),)}})
    assert difference(render, without, routed(how, port(**of_port)))[0] == come


def test_a_login_behind_a_gateway_is_told_of_too() -> None:
    def made(how: Route) -> Plan:
        plain = behind(TUNNEL)
        return p.Plan(
            **{field: getattr(plain, field) for field in plain.__struct_fields__}
            | {"exposures": (Exposure(app="demo", port="web", how=how),)}
        )

    found = [f for f in render(made(LOGIN)).findings if f.field == "exposures.auth"]
    codes: tuple[Code, ...] = ("openshift.login-secret", "openshift.login-gateway")
    assert [reason_of(f) for f in found] == [Reason("exposures.auth", f"{AT}.auth", "function", "demo", code=code) for code in codes]
    assert "gate" in found[1].text
    assert [f for f in render(made(EDGE)).findings if f.field == "exposures.auth"] == []


def test_a_plan_of_one_app_has_no_other_findings_than_on_any_cluster() -> None:
    assert reasons(render, plan()) == reasons(render_kubernetes, plan())


HEAD = {
    "metadata.namespace": "media",
    "metadata.labels.app.kubernetes.io/name": "demo",
    "metadata.labels.app.kubernetes.io/instance": "media-test",
    "metadata.labels.app.kubernetes.io/part-of": "media",
    "metadata.labels.app.kubernetes.io/managed-by": "portable",
    "metadata.labels.app.kubernetes.io/component": "front",
}
ROUTE = {
    "apiVersion": "route.openshift.io/v1",
    "kind": "Route",
    "metadata.name": "demo-web",
    **HEAD,
    "metadata.annotations.haproxy.router.openshift.io/timeout": "1h",
    "spec.host": "h",
    "spec.port.targetPort": "web",
    "spec.tls.termination": "edge",
    "spec.tls.insecureEdgeTerminationPolicy": "Redirect",
    "spec.to.kind": "Service",
    "spec.to.name": "demo",
    "spec.to.weight": 100,
    "spec.wildcardPolicy": "None",
}
FROM_ROUTER = {
    "from.0.namespaceSelector.matchLabels.policy-group.network.openshift.io/ingress": "",
    "from.0.podSelector": {},
    "ports.0.port": 8000,
    "ports.0.protocol": "TCP",
}


def at(head: str, leaves: dict[str, Any]) -> dict[str, Any]:
    return {f"{head}{path}": value for path, value in leaves.items()}


def test_a_route_and_who_may_come_by_it() -> None:
    assert consequences(render, one(), routed(EDGE)) == at("Route demo-web: ", ROUTE) | at(
        "NetworkPolicy demo: spec.ingress.1.", FROM_ROUTER
    )


def test_a_route_that_is_passed_through_has_no_timeout_of_the_router() -> None:
    assert consequences(render, routed(EDGE, port(serves="https")), routed(PASSTHROUGH, port(serves="https"))) == at(
        "Route demo-web: ",
        {
            "metadata.annotations.haproxy.router.openshift.io/timeout": None,
            "spec.tls.termination": "passthrough",
            "spec.tls.insecureEdgeTerminationPolicy": "None",
        },
    )


def test_a_private_port_gets_a_service_of_its_own() -> None:
    private = port(private=True)
    change = consequences(render, one(within={"app": {"ports": (private,)}}), routed(EDGE, private))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata.name": "demo-web",
        **HEAD,
        "spec.type": "ClusterIP",
        "spec.selector.portable/group": "demo",
        "spec.ports.web.name": "web",
        "spec.ports.web.port": 8000,
        "spec.ports.web.protocol": "TCP",
        "spec.ports.web.targetPort": "demo-web",
        "spec.ports.web.appProtocol": "http",
    }
    assert change == at("Route demo-web: ", ROUTE | {"spec.to.name": "demo-web"}) | at("Service demo-web: ", service) | at(
        "NetworkPolicy demo: spec.ingress.1.", FROM_ROUTER
    )


def test_an_ingress_that_names_no_namespace_is_for_the_router() -> None:
    made = objects(render(routed(Ingress(host="h"))), "NetworkPolicy")["demo"]
    assert made["spec"]["ingress"][1]["from"][0]["podSelector"] == {}
    named = objects(render(routed(Ingress(host="h", namespace="n"))), "NetworkPolicy")["demo"]
    assert named["spec"]["ingress"][1]["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "n"}}}]


def test_the_policies_of_an_exposure_without_a_route() -> None:
    assert "Route" not in {d.body["kind"] for d in render(routed(LoadBalancer(number=80))).documents}
    assert len(objects(render(routed(Lan(number=80))), "NetworkPolicy")["demo"]["spec"]["ingress"]) == 1


@pytest.mark.parametrize(("taken", "number"), [((), 8444), ((8444,), 8445), ((8445,), 8444), ((8444, 8445), 8446)])
def test_the_login_listens_on_a_port_that_is_free_in_its_pod(taken: tuple[int, ...], number: int) -> None:
    others = (port(name=f"p{other}", number=other) for other in taken)
    rendering = render(routed(LOGIN, port(), *others))
    proxy = next(c for c in pod(rendering)["containers"] if c["name"] == "demo-web-login")
    assert proxy["ports"] == [{"name": proxy["ports"][0]["name"], "containerPort": number, "protocol": "TCP"}]
    assert f"--https-address=:{number}" in proxy["args"]
    opened = objects(rendering, "NetworkPolicy")["demo"]["spec"]["ingress"][1]["ports"]
    assert opened == [{"port": number, "protocol": "TCP"}]


def test_two_logins_of_a_pod_have_a_port_each() -> None:
    ports = (port(), port(name="other", number=9000))
    exposures = tuple(Exposure(app="demo", port=name, how=LOGIN) for name in ("web", "other"))
    made = pod(render(one(within={"app": {"ports": ports}, "plan": {"exposures": exposures}})))
    assert {c["name"]: c["ports"][0]["containerPort"] for c in made["containers"] if c["name"] != "demo"} == {
        "demo-web-login": 8444,
        "demo-other-login": 8445,
    }


def test_the_login_as_a_whole() -> None:
    rendering = render(routed(LOGIN))
    proxy = next(c for c in pod(rendering)["containers"] if c["name"] == "demo-web-login")
    https = proxy["ports"][0]["name"]
    asked = {"httpGet": {"path": "/oauth/healthz", "port": https, "scheme": "HTTPS"}, "failureThreshold": 3}
    assert proxy == {
        "name": "demo-web-login",
        "image": PROXY_IMAGE,
        "args": [
            "--provider=openshift",
            "--openshift-service-account=$(SERVICE_ACCOUNT)",
            '--openshift-sar={"name": "demo", "namespace": "media", "resource": "services", "verb": "get"}',
            "--http-address=",
            "--https-address=:8444",
            "--upstream=http://127.0.0.1:8000",
            "--tls-cert=/etc/tls/private/tls.crt",
            "--tls-key=/etc/tls/private/tls.key",
            "--cookie-secret-file=/etc/proxy/secrets/session_secret",
        ],
        "env": [{"name": "SERVICE_ACCOUNT", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}}],
        "ports": [{"name": https, "containerPort": 8444, "protocol": "TCP"}],
        "readinessProbe": {**asked, "periodSeconds": 10, "timeoutSeconds": 5},
        "livenessProbe": {**asked, "periodSeconds": 30, "timeoutSeconds": 10},
        "resources": {"requests": {"cpu": "10m", "ephemeral-storage": "64Mi", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
        },
        "volumeMounts": [
            {"name": "demo-web-login-tls", "mountPath": "/etc/tls/private", "readOnly": True},
            {"name": "demo-web-login-cookie", "mountPath": "/etc/proxy/secrets", "readOnly": True},
            {"name": "account-token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
        ],
    }
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    assert pod(rendering)["volumes"] == [
        {"name": "account-token", "projected": {"sources": sources}},
        {"name": "demo-web-login-cookie", "secret": {"secretName": "demo-web-login"}},
        {"name": "demo-web-login-tls", "secret": {"secretName": "demo-web-login-tls"}},
    ]
    service = objects(rendering, "Service")["demo-web-login"]
    assert service["metadata"]["annotations"] == {"service.beta.openshift.io/serving-cert-secret-name": "demo-web-login-tls"}
    assert service["spec"] == {
        "type": "ClusterIP",
        "selector": {"portable/group": "demo"},
        "ports": [{"name": https, "port": 443, "protocol": "TCP", "appProtocol": "https", "targetPort": https}],
    }
    route = objects(rendering, "Route")["demo-web"]["spec"]
    assert route["tls"] == {"termination": "reencrypt", "insecureEdgeTerminationPolicy": "Redirect"}
    assert (route["to"]["name"], route["port"]) == ("demo-web-login", {"targetPort": https})
    (account,) = objects(rendering, "ServiceAccount").values()
    assert account["metadata"]["annotations"] == {
        "serviceaccounts.openshift.io/oauth-redirectreference.demo-web-login": (
            '{"apiVersion": "v1", "kind": "OAuthRedirectReference", "reference": {"kind": "Route", "name": "demo-web"}}'
        )
    }


@pytest.mark.parametrize(("uid", "user"), [(0, 1000), (5, 5)])
def test_the_login_runs_as_the_tools_user_and_never_as_root(uid: int, user: int) -> None:
    tools = container("tools", identity=p.Identity(how="user", uid=uid, gid=uid))
    given = routed(LOGIN)
    made = p.Plan(**{field: getattr(given, field) for field in given.__struct_fields__} | {"tools": tools})
    proxy = next(c for c in pod(render(made))["containers"] if c["name"] == "demo-web-login")
    assert (proxy["securityContext"]["runAsUser"], proxy["securityContext"]["runAsGroup"]) == (user, user)


def caps(*names: str) -> dict[str, Any]:
    return {"capabilities": {"add": list(names)}}


@pytest.mark.parametrize("where", ["containers", "initContainers"])
@pytest.mark.parametrize(
    ("context", "volumes", "scc", "word"),
    [
        ({}, [], "restricted-v2", ""),
        ({"runAsUser": 5}, [], "nonroot-v2", "uid 5"),
        ({"runAsUser": 0}, [], "portable-root", "needy"),
        (caps("CHOWN"), [], "portable-root", "needy"),
        (caps("NET_ADMIN"), [], "portable-vpn", "needy"),
        (caps("NET_ADMIN", "CHOWN"), [], "portable-vpn", "needy"),
        (caps("SYS_ADMIN"), [], "privileged", "needy"),
        (caps("NET_ADMIN", "SYS_ADMIN"), [], "privileged", "needy"),
        ({"privileged": True}, [], "privileged", "needy"),
        ({"privileged": False}, [], "restricted-v2", ""),
        ({}, [{"name": "x", "emptyDir": {}}], "restricted-v2", ""),
        ({}, [{"name": "x", "emptyDir": {}}, {"name": "d", "hostPath": {"path": "/dev/dri"}}], "privileged", "/dev/dri"),
    ],
)
def test_one_reason_gives_the_scc(where: str, context: dict[str, Any], volumes: list[dict[str, Any]], scc: str, word: str) -> None:
    made: dict[str, Any] = {"containers": [{"name": "main"}], "volumes": volumes}
    made[where] = [*made.get(where, []), {"name": "needy", "securityContext": context}]
    found, reason = admitting(made)
    assert found == scc
    assert word in reason
    assert ("needy" in reason) == (word == "needy")
    assert "main" not in reason


def test_every_container_that_needs_too_much_is_named() -> None:
    asks = {"x": caps("SYS_TIME", "SYS_ADMIN"), "y": caps("CHOWN"), "z": caps("SYS_PTRACE")}
    made = {"containers": [{"name": name, "securityContext": context} for name, context in asks.items()]}
    assert admitting(made) == ("privileged", "x needs SYS_ADMIN, SYS_TIME; z needs SYS_PTRACE")


GROUPS = (p.Group(name="demo", apps=("demo",), account="apps"), p.Group(name="other", apps=("other",), account="apps"))
NEEDS: dict[str, dict[str, Any]] = {
    "nonroot-v2": {},
    "portable-root": {"identity": p.Identity(how="puid-pgid"), "needs": p.Needs(root_start=True)},
    "portable-vpn": {"identity": p.Identity(how="fixed", uid=0, gid=0), "needs": p.Needs(net_admin=True)},
    "privileged": {"identity": p.Identity(how="fixed", uid=0, gid=0), "needs": p.Needs(fuse=True)},
}


@pytest.mark.parametrize(
    ("first", "second", "accounts"),
    [
        ("nonroot-v2", "nonroot-v2", {"apps": "nonroot-v2"}),
        ("nonroot-v2", "portable-root", {"apps": "nonroot-v2", "apps-root": "portable-root"}),
        ("portable-vpn", "portable-root", {"apps": "portable-root", "apps-vpn": "portable-vpn"}),
        ("privileged", "nonroot-v2", {"apps": "nonroot-v2", "apps-fuse": "privileged"}),
        ("portable-root", "portable-root", {"apps": "portable-root"}),
    ],
)
def test_an_account_may_use_one_scc(first: str, second: str, accounts: dict[str, str]) -> None:
    apps = (app("demo", containers=(container(**NEEDS[first]),)), app("other", containers=(container(**NEEDS[second]),)))
    made = plan(*apps, groups=GROUPS)
    rendering = render(made)
    assert [explain(made)[name][0] for name in ("demo", "other")] == [first, second]
    used = {
        b["spec"]["template"]["spec"]["serviceAccountName"]: b["spec"]["template"]["metadata"]["annotations"]["openshift.io/required-scc"]
        for b in workloads(rendering).values()
    }
    assert used == accounts
    assert sorted(objects(rendering, "ServiceAccount")) == sorted(accounts)
    own = {scc for scc in accounts.values() if scc.startswith("portable-")}
    assert set(objects(rendering, "SecurityContextConstraints")) == own
    assert {name: body["rules"] for name, body in objects(rendering, "ClusterRole").items()} == {
        f"portable:scc:{scc}": [
            {
                "apiGroups": ["security.openshift.io"],
                "resourceNames": [scc],
                "resources": ["securitycontextconstraints"],
                "verbs": ["use"],
            }
        ]
        for scc in own
    }
    bound = {
        name: (body["roleRef"], body["subjects"], body["metadata"]["namespace"]) for name, body in objects(rendering, "RoleBinding").items()
    }
    assert bound == {
        f"{account}-{scc}": (
            {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": f"portable:scc:{scc}" if scc in own else f"system:openshift:scc:{scc}",
            },
            [{"kind": "ServiceAccount", "name": account, "namespace": "media"}],
            "media",
        )
        for account, scc in accounts.items()
    }


def test_cluster_dns_is_asked_at_the_port_behind_its_service() -> None:
    assert objects(render(behind(TUNNEL)), "NetworkPolicy")["gate"]["spec"]["egress"][1] == {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}},
                "podSelector": {"matchLabels": {"dns.operator.openshift.io/daemonset-dns": "default"}},
            }
        ],
        "ports": [{"port": 5353, "protocol": "UDP"}, {"port": 5353, "protocol": "TCP"}],
    }
