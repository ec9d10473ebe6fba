"""An app of three containers in one network: database and cache are ready before the main one, which calls them on loopback."""

from portable.model import plan as p
from portable.model.rendering import Rendering
from tests.factories import app, container, image
from tests.factories import plan as make_plan
from tests.golden.places import pods, services
from tests.kinds import is_host


def plan(back_end: str) -> p.Plan:
    """Riven's shape: a database server with a disk of its own, which is nobody else's."""

    def ready(*command: str) -> p.Probes:
        return p.Probes(startup=p.Check(how=p.Exec(command=command), period=3, failures=20), ready=p.Check(how=p.Exec(command=command)))

    riven = app(
        "riven",
        ports=(p.Port(name="web", number=8080, serves="http"), p.Port(name="db", number=5432, container="db", private=True)),
        containers=(
            container(probes=p.Probes(startup=p.Check(how=p.Http(port="web", path="/"), failures=30)), fetch="curl"),
            container("cache", role="init", image=image(repository="registry.test/redis"), probes=ready("redis-cli", "ping")),
            container(
                "db",
                role="init",
                image=image(repository="registry.test/postgres"),
                mounts=(p.Mount(volume="riven-db", path="/var/lib/postgresql/data"),),
                identity=p.Identity(how="user"),
                probes=ready("pg_isready"),
            ),
        ),
    )
    place: p.Place = p.Folder(path="/srv/state") if is_host(back_end) else p.Claim(name="riven-db", size=2**33)
    folder = "riven" if is_host(back_end) else p.NO_FOLDER
    return make_plan(riven, volumes=(p.Volume(id="riven-db", holds="database", place=place, folder=folder),))


def check(back_end: str, rendering: Rendering) -> None:
    """Main waits for both; who joins a namespace starts after its owner, so the first to start owns it."""
    if is_host(back_end):
        made = services(rendering)
        assert {name for name, service in made.items() if service.get("network_mode") == "service:riven-cache"} == {"riven", "riven-db"}
        waits = made["riven"]["depends_on"]
        assert {name: waits[name]["condition"] for name in ("riven-cache", "riven-db")} == dict.fromkeys(
            ("riven-cache", "riven-db"), "service_healthy"
        )
        assert "riven" in made["riven-cache"]["networks"]["default"]["aliases"]
    else:
        pod = pods(rendering)["riven"]
        assert [c["name"] for c in pod["initContainers"]] == ["init-dirs", "riven-cache", "riven-db"]
        assert all(c["restartPolicy"] == "Always" and "startupProbe" in c for c in pod["initContainers"][1:])
        assert [c["name"] for c in pod["containers"]] == ["riven"]
