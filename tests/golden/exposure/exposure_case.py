"""Ports reached from outside, in every way that the place has; what isn't exposed stays inside."""

from portable.model import plan as p
from portable.model.exposures import Exposure, Ingress, Lan, LoadBalancer, Loopback, Route
from portable.model.rendering import Rendering
from tests.factories import app
from tests.factories import plan as make_plan
from tests.golden.places import services
from tests.kinds import is_host, of_kind

REACH: dict[str, tuple[Exposure, ...]] = {
    "compose": (
        Exposure(app="front", port="web", how=Lan(number=3000)),
        Exposure(app="manager", port="web", how=Loopback(number=18989)),
        Exposure(app="front", port="discovery", how=Lan(number=1900)),
    ),
    "kubernetes": (
        Exposure(app="front", port="web", how=Ingress(host="front.example.test", tls_secret="front-tls", ingress_class="nginx")),
        Exposure(app="manager", port="web", how=LoadBalancer(number=80, address="192.0.2.20")),
    ),
    "openshift": (
        Exposure(app="front", port="web", how=Route(host="front.apps.example.test")),
        Exposure(app="manager", port="web", how=Route(host="manager.apps.example.test", auth="oauth-proxy")),
    ),
}


def plan(back_end: str) -> p.Plan:
    """Two apps that are reached, and one that isn't."""
    front = app("front", ports=(p.Port(name="web", number=3000, serves="http"), p.Port(name="discovery", number=1900, protocol="udp")))
    manager = app("manager", ports=(p.Port(name="web", number=8989, serves="http"), p.Port(name="debug", number=9229, private=True)))
    return make_plan(front, manager, app("inner"), exposures=of_kind(back_end, REACH))


def check(back_end: str, rendering: Rendering) -> None:
    """Nothing but what the plan exposes is published."""
    if is_host(back_end):
        published = {
            name: [(port["target"], port.get("host_ip")) for port in s.get("ports", ())] for name, s in services(rendering).items()
        }
        assert published["front"] == [(1900, None), (3000, None)]
        assert published["manager"] == [(8989, "127.0.0.1")]
        assert published["inner"] == []
    else:
        kinds = {"Ingress", "Route"}
        reached = [document.body["metadata"]["name"] for document in rendering.documents if document.body.get("kind") in kinds]
        assert not any("inner" in name for name in reached)
