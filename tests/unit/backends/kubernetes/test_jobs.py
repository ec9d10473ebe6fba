"""Apps that run at times, on a cluster."""

from portable.backends.kubernetes import render
from portable.backends.kubernetes.jobs import group_schedule
from portable.backends.kubernetes.scope import scope_of
from portable.model import plan as p
from tests.factories import app, container
from tests.factories import plan as make_plan
from tests.unit.backends.kubernetes.rendered import objects
from tests.unit.backends.reasons import difference, refused

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
    apart = make_plan(SWEEP, app())
    for apps in (("demo", "sweep"), ("sweep", "demo")):
        both = make_plan(SWEEP, app(), groups=(p.Group(name="both", apps=apps),))
        come, _ = difference(render, apart, both)
        assert come == {refused("schedule", "apps.sweep.schedule", "function", "sweep", code="kubernetes.schedule-pod")}
        assert not objects(both, "CronJob")


def test_a_group_without_an_app_of_the_stack_has_no_schedule() -> None:
    assert group_schedule(scope_of(make_plan()), p.Group(name="empty", apps=("none",))) is None


def test_a_container_that_never_ends_is_refused() -> None:
    both = (*SWEEP.containers, container("helper", role="sidecar"))
    lasting, scheduled = (make_plan(app("sweep", ports=(), schedule=when, containers=both)) for when in (None, p.Schedule()))
    come, _ = difference(render, lasting, scheduled)
    path = "apps.sweep.containers.helper.role"
    assert come == {refused("schedule", path, "function", "sweep", code="kubernetes.schedule-sidecar")}
