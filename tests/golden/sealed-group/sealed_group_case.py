"""A place without VPN: the app shares the network of a gateway that lets out nothing but to the place's own networks, names included."""

from portable.model import plan as p
from portable.model.rendering import Rendering
from tests.factories import app, container, image
from tests.factories import plan as make_plan
from tests.golden.places import pod_containers, pods, reach_on, services
from tests.kinds import is_host

NETWORKS = ("172.16.0.0/12", "10.0.0.0/8")


def plan(back_end: str) -> p.Plan:
    """Qbittorrent behind the seal."""
    seal = app(
        "seal",
        zone="vpn",
        ports=(),
        containers=(
            container(
                image=image(repository="registry.test/seal", recipe="seal"),
                env={"LOCAL_NETWORKS": ",".join(NETWORKS)},
                identity=p.Identity(how="fixed", uid=0, gid=0),
                needs=p.Needs(net_admin=True),
                probes=p.Probes(ready=p.Check(how=p.Exec(command=("/usr/local/bin/seal", "health")), period=2)),
            ),
        ),
    )
    qbittorrent = app("qbittorrent", ports=(p.Port(name="web", number=8080, serves="http"),))
    return make_plan(
        seal,
        qbittorrent,
        groups=(p.Group(name="seal", apps=("seal", "qbittorrent"), egress=p.Sealed(gateway="seal", networks=NETWORKS)),),
        exposures=(reach_on(back_end, "qbittorrent", "web", 8080),),
    )


def check(back_end: str, rendering: Rendering) -> None:
    """The app is in the seal's network; on an engine no name leaves it either."""
    if is_host(back_end):
        assert services(rendering)["qbittorrent"]["network_mode"] == "service:seal"
        assert services(rendering)["seal"]["dns"] == ["127.0.0.1"]
        assert services(rendering)["seal"]["cap_add"] == ["NET_ADMIN"]
    else:
        assert len(pod_containers(pods(rendering)["seal"])) >= 2
