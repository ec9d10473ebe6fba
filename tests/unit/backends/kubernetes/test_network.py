"""Who finds an app, who reaches it, and where a pod may go."""

import msgspec
import pytest

from portable.model import plan as p
from portable.model.exposures import Exposure, GatewayRoute, Ingress, Lan, LoadBalancer, Loopback, Reach, Route
from tests.factories import app, behind, full_plan, plan
from tests.unit.backends.kubernetes.rendered import found, objects, render
from tests.unit.backends.kubernetes.test_pod import grouped

PORTS = (
    p.Port(name="web", number=8000, serves="http"),
    p.Port(name="peer", number=6881, protocol="udp"),
    p.Port(name="rpc", number=5001, private=True),
)


def exposed(how: Reach, port: str = "web", **changes: object) -> p.Plan:
    return plan(app(ports=PORTS), exposures=(Exposure(app="demo", port=port, how=how),), **changes)


def test_an_app_answers_at_each_of_its_names_on_its_own_ports() -> None:
    services = objects(plan(app(aliases=("other",), ports=PORTS)), "Service")
    assert sorted(services) == ["demo", "other"]
    assert services["demo"]["spec"] == services["other"]["spec"]
    assert services["demo"]["spec"]["ports"] == [
        {"name": "web", "port": 8000, "protocol": "TCP", "targetPort": "demo-web", "appProtocol": "http"},
        {"name": "peer", "port": 6881, "protocol": "UDP", "targetPort": "demo-peer"},
    ]


def test_an_app_behind_a_gateway_is_found_in_its_pod() -> None:
    services = objects(full_plan("kubernetes"), "Service")
    assert services["torrents"]["spec"]["selector"] == {"portable/group": "gateway"}
    assert "gateway" not in services, "its only port is private"


def test_an_ingress_has_tls() -> None:
    how = Ingress(host="demo.example.test", tls_secret="demo-tls", ingress_class="nginx")
    spec = objects(exposed(how), "Ingress")["demo-web"]["spec"]
    assert spec["tls"] == [{"hosts": ["demo.example.test"], "secretName": "demo-tls"}]
    assert spec["rules"][0]["http"]["paths"][0]["backend"] == {"service": {"name": "demo", "port": {"name": "web"}}}
    assert objects(exposed(Ingress(host="demo.example.test")), "Ingress")["demo-web"]["spec"]["tls"] == [{"hosts": ["demo.example.test"]}]


def test_a_private_port_that_is_exposed_stays_private_to_other_apps() -> None:
    private = (p.Port(name="rpc", number=5001, serves="http", private=True),)
    how = Ingress(host="demo.example.test")
    made = plan(app(ports=private), exposures=(Exposure(app="demo", port="rpc", how=how),))
    assert sorted(objects(made, "Service")) == ["demo-rpc"]
    backend = objects(made, "Ingress")["demo-rpc"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    assert backend["service"]["name"] == "demo-rpc"


def test_an_ingress_takes_large_requests() -> None:
    """Both controllers named nginx refuse torrents, books and backups above 1 MB otherwise."""
    annotations = objects(exposed(Ingress(host="demo.example.test")), "Ingress")["demo-web"]["metadata"]["annotations"]
    assert annotations == {"nginx.ingress.kubernetes.io/proxy-body-size": "0", "nginx.org/client-max-body-size": "0"}


def test_what_an_ingress_cannot_carry_is_refused() -> None:
    rendering = render(exposed(Ingress(host="demo.example.test"), port="peer"))
    assert [f.path for f in rendering.findings if f.verdict == "refused"] == ["exposures.demo:peer.how"]


def test_a_load_balancer_has_the_field_alone() -> None:
    service = objects(exposed(LoadBalancer(number=80, address="192.0.2.9")), "Service")["demo-web-lb"]
    assert service["spec"]["loadBalancerIP"] == "192.0.2.9"
    assert service["spec"]["ports"][0]["port"] == 80
    assert "annotations" not in service["metadata"]


def test_one_address_for_two_services_is_said() -> None:
    how = LoadBalancer(number=80, address="192.0.2.9")
    made = msgspec.structs.replace(
        exposed(how), exposures=(Exposure(app="demo", port="web", how=how), Exposure(app="demo", port="peer", how=how))
    )
    annotations = [s["metadata"].get("annotations", {}) for name, s in objects(made, "Service").items() if name.endswith("-lb")]
    assert annotations == [{"metallb.io/allow-shared-ip": "192.0.2.9"}] * 2


@pytest.mark.parametrize("how", [Loopback(number=80), Lan(number=80)])
def test_what_only_a_host_has_is_noted(how: Reach) -> None:
    assert found(render(exposed(how)), "exposures") == ["exposures.demo:web.how"]


def test_a_route_is_refused() -> None:
    rendering = render(exposed(Route(host="demo.example.test")))
    assert [f.path for f in rendering.findings if f.verdict == "refused"] == ["exposures.demo:web.how"]


def test_a_pod_is_open_to_its_namespace_and_where_it_is_exposed() -> None:
    policy = objects(exposed(LoadBalancer(number=80)), "NetworkPolicy")["demo"]["spec"]
    assert policy["ingress"] == [{"from": [{"podSelector": {}}]}, {"ports": [{"port": 8000, "protocol": "TCP"}]}]
    assert policy["policyTypes"] == ["Ingress"]


def test_who_stands_behind_an_ingress_is_reached_by_its_controller_alone() -> None:
    named = Ingress(host="demo.example.test", namespace="ingress-nginx")
    controller = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}
    (_, rule) = objects(exposed(named), "NetworkPolicy")["demo"]["spec"]["ingress"]
    assert rule == {"from": [controller], "ports": [{"port": 8000, "protocol": "TCP"}]}
    assert found(render(exposed(named)), "exposures.from") == []


def test_a_controller_in_no_known_namespace_leaves_the_port_open_and_is_told() -> None:
    anywhere = exposed(Ingress(host="demo.example.test"))
    (_, rule) = objects(anywhere, "NetworkPolicy")["demo"]["spec"]["ingress"]
    assert rule == {"ports": [{"port": 8000, "protocol": "TCP"}]}
    (finding,) = [f for f in render(anywhere).findings if f.field == "exposures.from"]
    assert (finding.path, finding.class_) == ("exposures.demo:web.how.namespace", "security")


def test_ports_that_are_reached_in_other_ways_have_rules_of_their_own() -> None:
    ways: dict[str, Reach] = {"web": Ingress(host="demo.example.test", namespace="ingress-nginx"), "peer": LoadBalancer(number=6881)}
    made = plan(app(ports=PORTS), exposures=tuple(Exposure(app="demo", port=port, how=how) for port, how in ways.items()))
    rules = objects(made, "NetworkPolicy")["demo"]["spec"]["ingress"][1:]
    assert sorted((rule["ports"][0]["port"], "from" in rule) for rule in rules) == [(6881, False), (8000, True)]


def test_a_tunnel_only_reaches_its_ends_cluster_dns_and_the_places_own_networks() -> None:
    egress = objects(full_plan("kubernetes"), "NetworkPolicy")["gateway"]["spec"]["egress"]
    assert [rule["to"] for rule in egress] == [
        [{"ipBlock": {"cidr": "198.51.100.0/24"}}],
        [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            },
            {"ipBlock": {"cidr": "169.254.20.10/32"}},
        ],
        [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    ]
    assert egress[0]["ports"] == [{"port": 51820, "protocol": "UDP"}]
    assert {port["port"] for port in egress[1]["ports"]} == {53}, "nothing but names of the address of NodeLocal DNSCache"


def test_a_sealed_pod_reaches_the_places_own_networks_only() -> None:
    policy = objects(grouped(p.Sealed(gateway="gateway", networks=("10.0.0.0/8",))), "NetworkPolicy")["gateway"]["spec"]
    assert policy["egress"] == [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]
    nowhere = objects(grouped(p.Sealed(gateway="gateway")), "NetworkPolicy")["gateway"]["spec"]
    assert (nowhere["policyTypes"], nowhere["egress"]) == (["Ingress", "Egress"], [])


def test_a_tunnel_without_known_ends_has_no_second_fence_and_says_so() -> None:
    made = grouped(p.Tunnel(gateway="gateway"))
    assert "egress" not in objects(made, "NetworkPolicy")["gateway"]["spec"]
    finding = next(f for f in render(made).findings if f.field == "egress.fence")
    assert (finding.class_, finding.path) == ("security", "groups.gateway.egress.endpoints")


def test_a_gateway_of_another_group_is_refused() -> None:
    made = grouped(p.Tunnel(gateway="elsewhere"))
    refused = [f for f in render(made).findings if f.verdict == "refused"]
    assert [(f.class_, f.code, "'elsewhere'" in f.text) for f in refused] == [("security", "network.gateway-outside", True)]


def test_web_pages_behind_a_gateway_stay_reachable_while_it_is_not_ready() -> None:
    ways = (LoadBalancer(number=80), Ingress(host="demo.test"))
    ports = (p.Port(name="web", number=8000, serves="http", private=True), p.Port(name="api", number=8001))
    for egress, stays in ((p.Direct(), False), (p.Tunnel(gateway="gate"), True), (p.Sealed(gateway="gate"), True)):
        for how in ways:
            made = behind(egress)
            apps = tuple(msgspec.structs.replace(a, ports=ports) if a.name == "demo" else a for a in made.apps)
            exposures = (Exposure(app="demo", port="web", how=how),)
            services = objects(msgspec.structs.replace(made, apps=apps, exposures=exposures), "Service")
            own = {name: body["spec"].get("publishNotReadyAddresses", False) for name, body in services.items() if name.startswith("demo")}
            assert len(own) == 2
            assert set(own.values()) == {stays}


def test_a_namespace_that_the_profile_names_reaches_the_public_ports_and_no_private_one() -> None:
    made = plan(app(ports=PORTS))
    rules = [
        objects(msgspec.structs.replace(made, callers=callers), "NetworkPolicy")["demo"]["spec"]["ingress"]
        for callers in ((), ("monitoring", "home"))
    ]
    assert rules[1][:1] == rules[0]
    assert rules[1][1:] == [
        {
            "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in ("monitoring", "home")],
            "ports": [{"port": 6881, "protocol": "UDP"}, {"port": 8000, "protocol": "TCP"}],
        }
    ]


def test_an_http_route_leads_from_its_gateway_to_the_service() -> None:
    how = GatewayRoute(host="demo.test", gateway="home", gateway_namespace="edge", section="https")
    made = exposed(how)
    route = objects(made, "HTTPRoute")["demo-web"]
    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert route["metadata"] == {
        "name": "demo-web",
        "namespace": "media",
        "labels": {
            "app.kubernetes.io/name": "demo",
            "app.kubernetes.io/instance": "media-test",
            "app.kubernetes.io/part-of": "media",
            "app.kubernetes.io/managed-by": "portable",
            "app.kubernetes.io/component": "front",
        },
    }
    assert route["spec"] == {
        "parentRefs": [
            {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "home", "namespace": "edge", "sectionName": "https"}
        ],
        "hostnames": ["demo.test"],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{"group": "", "kind": "Service", "name": "demo", "port": 8000, "weight": 1}],
            }
        ],
    }
    plain = objects(exposed(GatewayRoute(host="demo.test", gateway="home")), "HTTPRoute")["demo-web"]["spec"]["parentRefs"]
    assert plain == [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "home"}]
    private = exposed(GatewayRoute(host="demo.test", gateway="home"), "rpc")
    assert objects(private, "HTTPRoute")["demo-rpc"]["spec"]["rules"][0]["backendRefs"][0]["name"] == "demo-rpc"
    assert "demo-rpc" in objects(private, "Service")


def test_only_the_pods_of_a_known_gateway_reach_a_port() -> None:
    for namespace, peers in ((None, None), ("edge", [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}}])):
        made = exposed(GatewayRoute(host="demo.test", gateway="home", namespace=namespace))
        rule = objects(made, "NetworkPolicy")["demo"]["spec"]["ingress"][1]
        assert (rule.get("from"), rule["ports"]) == (peers, [{"port": 8000, "protocol": "TCP"}])
