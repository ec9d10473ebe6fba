"""A profile of a cluster with its files, a registry, and a cluster in memory that pulls, runs, crashes and backs up as a test says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portable.backends.prepare import prepare
from portable.engines.kubernetes.cluster import Cluster, Reference
from portable.engines.kubernetes.verdict import KubernetesObject
from portable.formats.emit import dump
from portable.live.kubernetes.driver import KubernetesDriver
from portable.live.kubernetes.stack import KubernetesStack
from portable.live.place import place_of
from portable.model.registry import Offered
from portable.profiles.images import Images
from portable.profiles.load import load_images
from portable.secrets.sources import EnvironmentSource
from portable.upkeep import rollbacks, updates
from portable.upkeep.image_file import ReopenedStack, Updated
from tests.unit.live.kubernetes.backing import JobCluster
from tests.unit.live.kubernetes.fake_cluster import MOMENT

V1, V2 = (f"sha256:{digit * 64}" for digit in "12")
NOW = "2026-11-21T03:00:00Z"
PROFILE = """\
portable: 1
name: home
back-end: kubernetes
namespace: {namespace}
apps: [alone, {more}bare]
exposure: {{default: gateway, gateway: {{name: home, namespace: gateway}}, domain: media.test}}
storage:
  library: {{claim: {{name: library, size: 1Ti, shared: true}}}}
  state: {state}
  backups: {{on: library, below: backups}}
"""
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: fake
clusters: [{name: fake, cluster: {server: "https://fake.test"}}]
contexts: [{name: fake, context: {cluster: fake, user: fake}}]
users: [{name: fake, user: {token: fake}}]
"""


def app(name: str, *, state: bool = True, holds: str = "state") -> str:
    """The catalog's file of an app with one container."""
    image = {"repository": f"registry.test/{name}", "tag": "1", "digest": V1}
    main: dict[str, Any] = {"image": image, "identity": "user", "resources": {"memory": {"request": "64Mi", "limit": "128Mi"}}}
    facts: dict[str, Any] = {"portable": 1, "name": name, "title": name, "about": name, "zone": "front"}
    if state:
        facts["volumes"] = {"config": {"holds": holds}}
        main["volumes"] = {"config": "/config"}
    return dump({**facts, "containers": {"main": main}})


def image(name: str, digest: str) -> str:
    """The reference of an app's image."""
    return f"registry.test/{name}:1@{digest}"


class UpdateCluster(JobCluster):
    """Nodes that pull unless the image is in `unpullable`, and run it unless it is in `broken`."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: set[str] = set()
        self.unpullable: dict[str, str] = {}
        """The node's words by image."""
        self.is_full = False
        """Whether no node has room for another pod."""
        self.pulled: list[tuple[str, str]] = []
        """Each image with the groups that ran meanwhile."""

    def create(self, item: KubernetesObject) -> KubernetesObject:
        made = super().create(item)
        if item["kind"] == "Job" and item["metadata"]["labels"].get("portable/job") == "pull":
            self._pull(made)
        if item["kind"] == "Job" and item["metadata"]["labels"].get("portable/job") == "run":
            self.end_run(made)
        return made

    def end_run(self, job: KubernetesObject) -> None:
        """The pod of a Job that is made from a CronJob ends at once."""
        container = job["spec"]["template"]["spec"]["containers"][0]["name"]
        ended = {"terminated": {"exitCode": 0}}
        self._pod_of(job, {"phase": "Succeeded", "containerStatuses": [{"name": container, "state": ended}]})

    def _pull(self, job: KubernetesObject) -> None:
        container = job["spec"]["template"]["spec"]["containers"][0]
        self.pulled.append((container["image"], self.running()))
        if self.is_full:
            conditions = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]
            self._pod_of(job, {"phase": "Pending", "conditions": conditions})
            return
        why = self.unpullable.get(container["image"])
        state = (
            {"waiting": {"reason": "ErrImagePull", "message": why}} if why else {"terminated": {"exitCode": 128, "reason": "StartError"}}
        )
        seen = {"name": container["name"], "image": container["image"], "state": state}
        self._pod_of(job, {"phase": "Pending" if why else "Failed", "containerStatuses": [seen]})

    def _pod_of(self, job: KubernetesObject, status: Mapping[str, Any]) -> None:
        template, name = job["spec"]["template"], f"{job['metadata']['name']}-x"
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": job["metadata"]["name"]}
        metadata = {"name": name, "namespace": job["metadata"]["namespace"], "uid": f"{name}-uid", "labels": labels}
        owner = {"uid": job["metadata"]["uid"]}
        self.objects[Reference("v1", "Pod", job["metadata"]["namespace"], name)] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**metadata, "creationTimestamp": MOMENT, "ownerReferences": [owner]},
            "spec": template["spec"],
            "status": status,
        }

    def running(self) -> str:
        """The groups that have a pod, but for those of Jobs."""
        return " ".join(name for name in super().running().split() if not name.endswith("-x"))

    def _control(self, reference: Reference) -> None:
        super()._control(reference)
        pod = self.objects.get(Reference("v1", "Pod", reference.namespace, f"{reference.name}-pod"))
        images = {container["image"] for container in pod["spec"]["containers"]} if pod is not None else set()
        if pod is None or not images & self.broken:
            return
        for seen in pod["status"]["containerStatuses"]:
            crashed = {"waiting": {"reason": "CrashLoopBackOff"}}
            seen |= {"ready": False, "started": False, "restartCount": 5, "state": crashed}
            seen["lastState"] = {"terminated": {"exitCode": 1, "message": "its last line"}}
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        self.objects[reference]["status"] = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 0, "availableReplicas": 0}


class UpdateWorld:
    """The files of a profile in a folder, and the cluster."""

    def __init__(self, folder: Path, cluster: Cluster | None = None, namespace: str = "media") -> None:
        """Without `cluster`, one in memory."""
        self.folder, self.cluster, self.namespace = folder, UpdateCluster(), namespace
        self.connection: Cluster = cluster or self.cluster
        self.registry: dict[str, str] = {}
        (folder / "profiles").mkdir()
        (folder / "portable.yaml").write_text("portable: 1\n")
        (folder / "kubeconfig").write_text(KUBECONFIG)
        self.profile("backup, ")
        for name, has_state in (("alone", True), ("bare", False)):
            (folder / "catalog" / name).mkdir(parents=True)
            (folder / "catalog" / name / "app.yaml").write_text(app(name, state=has_state))

    def profile(self, more: str, state: str = "{claim: {size: 1Gi}}") -> None:
        """Write the profile, with more apps, and the place of all state."""
        (self.folder / "profiles" / "home.yaml").write_text(PROFILE.format(more=more, namespace=self.namespace, state=state))

    def opened(self) -> ReopenedStack:
        """The place as its files describe it now."""
        prepared = prepare("home", folder=self.folder)
        environment = {"HOME": str(self.folder), "KUBECONFIG": str(self.folder / "kubeconfig")}
        return ReopenedStack(stack=place_of(prepared, environment).stack, source=EnvironmentSource(), planned=prepared.planned)

    def driver(self) -> KubernetesDriver:
        """A driver of the place as its files describe it now, which asks this registry."""
        here = self.opened()
        assert isinstance(here.stack, KubernetesStack)
        made = AskingDriver(self.connection, here.stack, here.source)
        made.registry = self.registry
        return made

    @property
    def file(self) -> Path:
        """The file of images."""
        return self.folder / "profiles" / "home.images.yaml"

    @property
    def taken(self) -> Images:
        """What it says."""
        return load_images(self.file)[0]

    def runs(self, name: str) -> str:
        """The image in the pod of an app; empty without one."""
        pods = self.connection.list("v1", "Pod", namespace=self.namespace, labels=f"portable/group={name}")
        images = [str(pod["spec"]["containers"][0]["image"]) for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        return images[0] if images else ""

    def newer(self, *names: str) -> None:
        """Let the registry have a newer image of these apps."""
        self.registry |= {f"registry.test/{name}:1": V2 for name in names}

    def apply(self, *names: str, **options: Any) -> list[Updated]:
        """`portable update`."""
        return list(updates.apply(self.driver(), self.opened, names, now=lambda: NOW, **options))

    def back(self, *names: str, **options: Any) -> list[Updated]:
        """`portable rollback`."""
        return list(rollbacks.back(self.driver(), self.opened, names, **options))


class AskingDriver(KubernetesDriver):
    """A driver with a registry of the test's own."""

    registry: Mapping[str, str] = {}

    def offered(self, reference: str) -> Offered:
        """The digest that the test set, else the first one."""
        if not reference.startswith("registry.test/"):
            return Offered(why="unknown")
        return Offered(digest=self.registry.get(reference, V1))
