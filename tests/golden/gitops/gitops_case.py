"""A rendering for a GitOps controller: a folder for each app, and a component for what is shared. Flux on Kubernetes, else Argo CD."""

from portable.model import plan as p
from portable.model.gitops import ArgoCd, Flux, GitOps
from portable.model.rendering import Rendering
from tests.factories import app, container
from tests.factories import plan as make_plan

NOT_FOR = ("compose",)


def plan(back_end: str) -> p.Plan:
    """An app with a claim, and one that starts after it."""
    config = p.Volume(id="config", holds="database", place=p.Claim(name="config", size=2**30))
    mounted = container(mounts=(p.Mount(volume="config", path="/config"),))
    flux = GitOps(path="k8s/home", controller=Flux(), secrets="sops")
    argo = ArgoCd(repository="https://git.example.test/home.git")
    return make_plan(
        app("demo", containers=(mounted,)),
        app("front", after=(p.After(app="demo"),)),
        volumes=(config,),
        gitops=flux if back_end == "kubernetes" else GitOps(path="k8s/home", controller=argo, administrator=False),
    )


def check(back_end: str, rendering: Rendering) -> None:
    """The second app comes after the first one, and the claim is never deleted."""
    own = {d.body["metadata"]["name"]: d.body for d in rendering.documents if d.file.startswith("gitops/") and "spec" in d.body}
    claim = next(d.body for d in rendering.documents if d.body["kind"] == "PersistentVolumeClaim")
    annotations = claim["metadata"]["annotations"]
    if back_end == "kubernetes":
        assert {"name": "media-test-demo"} in own["media-test-front"]["spec"]["dependsOn"]
        assert annotations == {"kustomize.toolkit.fluxcd.io/prune": "disabled"}
    else:
        assert own["media-test-front"]["metadata"]["annotations"] == {"argocd.argoproj.io/sync-wave": "3"}
        assert annotations["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
