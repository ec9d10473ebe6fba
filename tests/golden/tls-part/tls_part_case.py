"""An app of two containers in one network: the second ends TLS with a certificate that is a secret, and is what is reached from outside."""

from portable.model import plan as p
from portable.model.exposures import Exposure, Lan, LoadBalancer, Reach, Route
from portable.model.rendering import Rendering
from tests.factories import app, container, image
from tests.factories import plan as make_plan
from tests.golden.places import pod_containers, pods, services
from tests.kinds import is_host, of_kind


def plan(back_end: str) -> p.Plan:
    """Plex and its nginx."""
    plex = app(
        "plex",
        ports=(p.Port(name="web", number=32400, serves="http"), p.Port(name="tls", number=8443, serves="https", container="tls")),
        containers=(
            container(fetch="curl", probes=p.Probes(startup=p.Check(how=p.Http(port="web", path="/identity"), failures=30))),
            container(
                "tls",
                role="sidecar",
                image=image(repository="registry.test/nginx-unprivileged"),
                files=(p.FileMount(file="plex-tls", path="/etc/nginx/conf.d/plex.conf"),),
                secrets=(p.SecretMount(secret="plex-tls", keys=("tls.crt", "tls.key"), path="/etc/tls"),),
                identity=p.Identity(how="user", uid=101, gid=101),
                fetch="curl",
                probes=p.Probes(ready=p.Check(how=p.Http(port="tls", path="/identity"))),
            ),
        ),
    )
    how: dict[str, Reach] = {
        "compose": Lan(number=443),
        "kubernetes": LoadBalancer(number=443),
        "openshift": Route(host="plex.apps.example.test", termination="passthrough"),
    }
    server = "server {\n  listen 8443 ssl;\n  location / { proxy_set_header Host $host; proxy_pass http://127.0.0.1:32400; }\n}\n"
    return make_plan(
        plex, files=(p.File(id="plex-tls", body=(server,)),), exposures=(Exposure(app="plex", port="tls", how=of_kind(back_end, how)),)
    )


def check(back_end: str, rendering: Rendering) -> None:
    """The certificate is in the container that needs it, and in no other."""
    if is_host(back_end):
        assert services(rendering)["plex-tls"]["network_mode"] == "service:plex"
        assert [port["target"] for port in services(rendering)["plex"]["ports"]] == [8443]
        assert [name for name, service in services(rendering).items() if "secrets" in service] == ["plex-tls"]
    else:
        having = [
            name
            for name, container in pod_containers(pods(rendering)["plex"]).items()
            if any(mount["mountPath"].startswith("/etc/tls") for mount in container.get("volumeMounts", ()))
        ]
        assert len(having) == 1
