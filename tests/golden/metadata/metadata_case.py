"""Labels and annotations of the profile on each kind of object: for all apps, for one app, and for the pod that two apps share."""

from portable.model import plan as p
from portable.model.metadata import ObjectMetadata
from portable.model.rendering import Rendering
from tests.factories import app, container
from tests.factories import plan as make_plan
from tests.golden.places import reach_on, state_on

NOT_FOR = ("compose",)


def plan(back_end: str) -> p.Plan:
    """Two apps in one pod, one of them with state and a way in."""
    mounts = (p.Mount(volume="demo-config", path="/config"),)
    apps = (app("demo", containers=(container(mounts=mounts),)), app("side", ports=()))
    routed = ObjectMetadata(
        kind="route" if back_end == "openshift" else "ingress",
        app="demo",
        annotations={"cert-manager.io/cluster-issuer": "home", "nginx.ingress.kubernetes.io/proxy-body-size": "1g"},
    )
    return make_plan(
        *apps,
        groups=(p.Group(name="demo", apps=("demo", "side")),),
        volumes=(state_on(back_end, "demo"),),
        exposures=(reach_on(back_end, "demo", "web", 8000),),
        metadata=(
            ObjectMetadata(kind="workload", annotations={"reloader.stakater.com/auto": "true"}),
            ObjectMetadata(kind="pod", annotations={"prometheus.io/scrape": "false"}),
            routed,
            ObjectMetadata(kind="pod", app="demo", annotations={"prometheus.io/scrape": "true"}),
            ObjectMetadata(kind="pod", app="side", labels={"watched": "yes"}),
            ObjectMetadata(kind="service", app="demo", annotations={"gethomepage.dev/enabled": "true"}, labels={"monitored": "yes"}),
            ObjectMetadata(kind="claim", app="demo", labels={"recurring-job.longhorn.io/source": "enabled"}),
        ),
    )


def check(back_end: str, rendering: Rendering) -> None:
    """An app's own value wins over that of all apps, and over a default of `portable`; no selector has a label of the profile."""
    bodies = {d.body["kind"]: d.body for d in rendering.documents if "kind" in d.body}
    template = bodies["StatefulSet"]["spec"]["template"]
    assert template["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    assert template["metadata"]["labels"]["watched"] == "yes"
    assert bodies["StatefulSet"]["spec"]["selector"]["matchLabels"] == {"portable/group": "demo"}
    routed = bodies["Route" if back_end == "openshift" else "Ingress"]["metadata"]["annotations"]
    assert routed["nginx.ingress.kubernetes.io/proxy-body-size"] == "1g"
    assert not [finding for finding in rendering.findings if finding.field == "metadata.unused"]
