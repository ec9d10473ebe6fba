"""An app that runs at times and ends: a CronJob on a cluster, and on an engine a service that waits and calls its command."""

from portable.model import plan as p
from portable.model.rendering import Rendering
from tests.factories import app, container
from tests.factories import plan as make_plan
from tests.golden.places import library_on, pods, services
from tests.kinds import is_host


def plan(back_end: str) -> p.Plan:
    """What sweeps the library on Sundays at half past four."""
    sweep = app(
        "sweep",
        ports=(),
        schedule=p.Schedule(minutes=(30,), hours=(4,), weekdays=(0,)),
        containers=(container(command=("sh", "/sweep.sh"), mounts=(p.Mount(volume="library", path=p.LIBRARY),)),),
    )
    return make_plan(sweep, timezone="Europe/Berlin", volumes=(library_on(back_end),))


def check(back_end: str, rendering: Rendering) -> None:
    """Never two runs at once, and nobody is kept waiting for one."""
    if is_host(back_end):
        sweep = services(rendering)["sweep"]
        assert sweep["entrypoint"] == ["/bin/sh", "/schedule.sh", "30", "04", "*", "*", "0", "sh", "/sweep.sh"]
        assert {"source": "schedule-script", "target": "/schedule.sh"} in sweep["configs"]
        return
    (job,) = [d.body for d in rendering.documents if d.body["kind"] == "CronJob"]
    assert (job["spec"]["schedule"], job["spec"]["timeZone"]) == ("30 4 * * 0", "Europe/Berlin")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert pods(rendering)["sweep"]["restartPolicy"] == "Never"
    assert not [d for d in rendering.documents if d.body["kind"] in ("Deployment", "StatefulSet", "Service")]
