"""Apps behind the VPN share their gateway's network, keep their own names for everybody, and start after its firewall stands."""

from portable.model import plan as p
from portable.model.devices import Devices
from portable.model.rendering import Rendering
from tests.factories import MI, app, container, image
from tests.factories import plan as make_plan
from tests.golden.places import devices_on, pod_containers, pods, reach_on, services, state_on
from tests.kinds import is_host


def plan(back_end: str) -> p.Plan:
    """Gluetun with qbittorrent and prowlarr in its network, sonarr outside."""
    gluetun = app(
        "gluetun",
        zone="vpn",
        ports=(p.Port(name="control", number=8000, serves="http", private=True),),
        containers=(
            container(
                image=image(repository="registry.test/gluetun"),
                env={
                    "VPN_TYPE": "wireguard",
                    "FIREWALL_INPUT_PORTS": "8080,9696",
                    "FIREWALL_OUTBOUND_SUBNETS": "172.20.0.0/16",
                },
                secrets=(p.SecretMount(secret="vpn", keys=("wireguard_private_key",), path="/run/secrets"),),
                identity=p.Identity(how="fixed", uid=0, gid=0),
                needs=p.Needs(root_start=True, net_admin=True, tun=True),
                probes=p.Probes(startup=p.Check(how=p.Exec(command=("/gluetun-entrypoint", "healthcheck")), period=5, failures=60)),
            ),
        ),
    )
    qbittorrent = app(
        "qbittorrent",
        aliases=("torrents",),
        ports=(
            p.Port(name="web", number=8080, serves="http"),
            p.Port(name="peer", number=6881),
            p.Port(name="peer-udp", number=6881, protocol="udp"),
        ),
        containers=(
            container(
                identity=p.Identity(how="puid-pgid"),
                needs=p.Needs(root_start=True),
                mounts=(p.Mount(volume="qbittorrent-config", path="/config"),),
                fetch="curl",
                probes=p.Probes(ready=p.Check(how=p.Http(port="web", path="/", ok=(200, 401, 403)))),
                resources=p.Resources(memory_request=256 * MI, memory_limit=1024 * MI),
            ),
        ),
    )
    prowlarr = app("prowlarr", ports=(p.Port(name="web", number=9696, serves="http"),))
    sonarr = app("sonarr", ports=(p.Port(name="web", number=8989, serves="http"),), after=(p.After(app="qbittorrent", when="ready"),))
    endpoint = p.Endpoint(cidr="198.51.100.7/32", port=51820)
    return make_plan(
        gluetun,
        qbittorrent,
        prowlarr,
        sonarr,
        subnet="172.20.0.0/16" if is_host(back_end) else None,
        devices=Devices(tun=devices_on(back_end).tun),
        groups=(
            p.Group(
                name="gluetun",
                apps=("gluetun", "qbittorrent", "prowlarr"),
                egress=p.Tunnel(gateway="gluetun", networks=("172.20.0.0/16",), endpoints=(endpoint,)),
                address="172.20.0.2" if is_host(back_end) else None,
            ),
            p.Group(name="sonarr", apps=("sonarr",)),
        ),
        volumes=(state_on(back_end, "qbittorrent"),),
        exposures=(reach_on(back_end, "qbittorrent", "web", 8080),),
    )


def check(back_end: str, rendering: Rendering) -> None:
    """Only the gateway may change a network, and nobody behind it starts before it is up."""
    if is_host(back_end):
        for name in ("qbittorrent", "prowlarr"):
            service = services(rendering)[name]
            assert service["network_mode"] == "service:gluetun"
            assert service["depends_on"]["gluetun"] == {"condition": "service_healthy", "restart": True}
            assert "NET_ADMIN" not in service.get("cap_add", ())
        assert [port["target"] for port in services(rendering)["gluetun"]["ports"]] == [8080]
    else:
        first = pods(rendering)["gluetun"]["initContainers"]
        gateway = next(container for container in first if container["name"].startswith("gluetun"))
        assert gateway["restartPolicy"] == "Always"
        assert "startupProbe" in gateway
        for name, container in pod_containers(pods(rendering)["gluetun"]).items():
            added = container["securityContext"].get("capabilities", {}).get("add", ())
            assert ("NET_ADMIN" in added) == (container is gateway), name
