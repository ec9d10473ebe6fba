"""A media server with the GPU's render node, opened by its numeric group, and nothing more."""

from portable.model import plan as p
from portable.model.devices import Devices
from portable.model.rendering import Rendering
from tests.factories import GI, MI, app, container
from tests.factories import plan as make_plan
from tests.golden.places import devices_on, pods, services
from tests.kinds import is_host


def plan(back_end: str) -> p.Plan:
    """Jellyfin with Quick Sync, and its transcodes in memory."""
    jellyfin = app(
        "jellyfin",
        ports=(p.Port(name="web", number=8096, serves="http"),),
        containers=(
            container(
                needs=p.Needs(gpu=True),
                mounts=(p.Mount(volume="jellyfin-transcode", path="/transcode"),),
                fetch="curl",
                probes=p.Probes(ready=p.Check(how=p.Http(port="web", path="/health"))),
                resources=p.Resources(memory_request=512 * MI, memory_limit=4 * GI, cpu_request=1000, shm=256 * MI),
            ),
        ),
    )
    return make_plan(
        jellyfin,
        app("homepage"),
        devices=Devices(gpu=devices_on(back_end).gpu),
        volumes=(p.Volume(id="jellyfin-transcode", holds="cache", place=p.Ephemeral(size=2 * GI, in_memory=True)),),
    )


def check(back_end: str, rendering: Rendering) -> None:
    """Who didn't ask for the GPU doesn't have it."""
    if is_host(back_end):
        assert services(rendering)["jellyfin"]["devices"] == ["/dev/dri/renderD128:/dev/dri/renderD128"]
        assert services(rendering)["jellyfin"]["group_add"] == ["105"]
        assert "devices" not in services(rendering)["homepage"]
        assert "cap_add" not in services(rendering)["jellyfin"]
    else:
        limits = {name: pod["containers"][0]["resources"]["limits"] for name, pod in pods(rendering).items()}
        assert str(limits["jellyfin"]["gpu.intel.com/i915"]) == "1"
        assert "gpu.intel.com/i915" not in limits["homepage"]
