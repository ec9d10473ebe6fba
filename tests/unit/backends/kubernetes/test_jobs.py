"""Apps that run at times, on a cluster."""

from portable.backends.kubernetes import render
from portable.model import plan as p
from tests.factories import app, container
from tests.factories import plan as make_plan
from tests.unit.backends.kubernetes.rendered import found, objects

SWEEP = app("sweep", ports=(), schedule=p.Schedule(minutes=(30,)), containers=(container(command=("sweep",)),))


def test_a_job_has_a_fence_and_an_account_like_every_pod() -> None:
    rendering = render(make_plan(SWEEP, timezone="Europe/Berlin"))
    job = objects(rendering, "CronJob")["sweep"]
    pod = job["spec"]["jobTemplate"]["spec"]["template"]
    assert job["spec"]["timeZone"] == "Europe/Berlin"
    assert job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 6 * 3600
    assert pod["spec"]["serviceAccountName"] in objects(rendering, "ServiceAccount")
    (fence,) = objects(rendering, "NetworkPolicy").values()
    assert fence["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_a_schedule_in_a_pod_that_stays_is_refused() -> None:
    plan = make_plan(SWEEP, app(), groups=(p.Group(name="both", apps=("demo", "sweep")),))
    rendering = render(plan)
    assert found(rendering, "schedule") == ["apps.sweep.schedule"]
    assert not objects(rendering, "CronJob")


def test_a_container_that_never_ends_is_refused() -> None:
    both = (*SWEEP.containers, container("helper", role="sidecar"))
    plan = make_plan(app("sweep", ports=(), schedule=p.Schedule(), containers=both))
    assert found(render(plan), "schedule") == ["apps.sweep.containers.helper.role"]
