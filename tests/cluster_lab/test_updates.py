"""Updates and rollbacks of an app with a SQLite database, on real nodes that pull from the lab's registry.

The app is a stand-in, and its newer image is the same one with a label. This machine does not reach the lab's registry, so the tests say
what it offers; nodes pull from it.
"""

import io
import json
import tarfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from portable.backends.prepare import prepare
from portable.engines.docker.engine import Engine
from portable.engines.kubernetes.cluster import Cluster as ClusterConnection
from portable.live.image_needs import ImageNeed
from portable.live.kubernetes.driver import KubernetesDriver
from portable.live.kubernetes.stack import KubernetesStack
from portable.live.place import place_of
from portable.model.errors import EngineError
from portable.model.plan import Image, Plan
from portable.model.registry import Offered
from portable.upkeep import rollbacks, updates
from portable.upkeep.image_file import ReopenedStack
from tests.cluster_lab.conftest import BUSYBOX
from tests.cluster_lab.stacks import address_of, source, stack
from tests.driver_contract import TOKEN
from tests.lab import standins
from tests.lab.cluster.cluster import AT, Cluster
from tests.lab.cluster.place import LIBRARY, Place
from tests.lab.local import Local

NAMESPACE = "media-updates"
PROFILE = """\
portable: 1
name: renewed
about: The profile samba with backups, and an app with a disk of its own
extends: samba
apps: [backup, gluetun, jellyfin]
storage:
  apps:
    jellyfin: {config: {claim: {size: 20Gi}}}
waive: null
"""
_SECONDS = 180.0


@pytest.fixture
def driver(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[KubernetesDriver]:
    """The stack of the contract, up."""
    connection = ClusterConnection(address_of(cluster), cache=tmp_path / "kinds")
    with KubernetesDriver(connection, stack(namespace), source(tmp_path, {"token": TOKEN})) as made:
        made.up(deadline=120)
        yield made


def test_a_node_pulls_an_image_and_runs_nothing_of_it(cluster: Cluster, namespace: str, driver: KubernetesDriver) -> None:
    before = {pod["metadata"]["uid"] for pod in cluster.objects("pods", "-n", namespace)}
    driver.bring([ImageNeed(reference=BUSYBOX, recipe=None, apps=("lone",))])
    absent = ImageNeed(reference=f"{AT}/absent:1", recipe=None, apps=("lone",))
    with pytest.raises(EngineError, match="a node cannot pull") as failed:
        driver.bring([absent])
    assert failed.value.code == "cluster.pull"
    until = time.monotonic() + 60
    while cluster.objects("jobs", "-n", namespace, "-l", "portable/job"):
        assert time.monotonic() < until, "a Job was left"
        time.sleep(1)
    assert before <= {pod["metadata"]["uid"] for pod in cluster.objects("pods", "-n", namespace)}, "no pod of an app was touched"


class AskingDriver(KubernetesDriver):
    """A driver without a way to the registry."""

    newest: Mapping[str, str] = {}

    def offered(self, reference: str) -> Offered:
        """What the test says."""
        digest = self.newest.get(reference, "")
        return Offered(digest=digest, why="" if digest else "unknown")


class Renewed:
    """The place, driven in this process."""

    def __init__(self, place: Place, cluster: Cluster, folder: Path) -> None:
        self.place, self.cluster, self.folder = place, cluster, folder
        self.newest: dict[str, str] = {}

    def opened(self) -> ReopenedStack:
        """The place as its files describe it now."""
        prepared = prepare("lab", folder=self.place.stack.folder)
        opened = place_of(prepared, self.place.stack.environment())
        return ReopenedStack(stack=opened.stack, source=opened.source, planned=prepared.planned)

    def driver(self) -> KubernetesDriver:
        """A driver that the test tells what registries offer."""
        here = self.opened()
        assert isinstance(here.stack, KubernetesStack)
        made = AskingDriver(ClusterConnection(address_of(self.cluster), cache=self.folder / "kinds"), here.stack, here.source)
        made.newest = self.newest
        return made

    def image_id(self) -> str:
        """What Jellyfin's container runs."""
        pods = self.cluster.objects("pods", "-n", NAMESPACE, "-l", "portable/group=jellyfin")
        (pod,) = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        return next(str(one["imageID"]) for one in pod["status"]["containerStatuses"] if one["name"] == "jellyfin")


@pytest.fixture
def renewed(cluster: Cluster, here: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Renewed]:
    """The profile, up, with Jellyfin pinned by digest, and a newer image under its tag."""
    local = Local(tmp_path / "stack", stack="media", text="", published=())
    local.engine["KUBECONFIG"] = str(cluster.kubeconfig)
    monkeypatch.setenv("XDG_STATE_HOME", str(local.state))  # one state of this machine, in this process and in commands
    (local.folder / "profiles" / "renewed.yaml").write_text(PROFILE)
    place = Place(cluster, local, NAMESPACE)
    try:
        place.take(here, "renewed", library=LIBRARY)
        place.volume("jellyfin-config", "20Gi")
        made = Renewed(place, cluster, tmp_path)
        tagged = jellyfin(made.opened().planned.plan).tagged
        pin(local.folder / "profiles" / "lab.yaml", digest_of(cluster, tagged))
        local.portable("up", "--timeout", "300")
        push_newer(cluster, here, local.folder, tagged)
        made.newest[tagged] = digest_of(cluster, tagged)
        yield made
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
        for volume in cluster.objects("pv"):
            if (volume["spec"].get("claimRef") or {}).get("namespace") == NAMESPACE:
                cluster.kubectl("delete", "pv", volume["metadata"]["name"], "--wait=false")


def jellyfin(plan: Plan) -> Image:
    """The image of Jellyfin."""
    return next(app.containers[0].image for app in plan.apps if app.name == "jellyfin")


def digest_of(cluster: Cluster, tagged: str) -> str:
    """The digest under a tag, as a node finds it: this machine does not reach the registry."""
    name = f"probe-{time.monotonic_ns()}"
    container: dict[str, Any] = {"name": "main", "image": tagged, "imagePullPolicy": "Always", "command": ["/none"]}
    spec = {"containers": [container], "restartPolicy": "Never"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    cluster.kubectl("apply", "-n", "default", "-f", "-", given=json.dumps(pod))
    until = time.monotonic() + _SECONDS
    try:
        while True:
            (found,) = cluster.objects("pods", "-n", "default", "--field-selector", f"metadata.name={name}")
            seen = (found["status"].get("containerStatuses") or [{}])[0]
            if "@sha256:" in str(seen.get("imageID")):
                return str(seen["imageID"]).rpartition("@")[2]
            assert time.monotonic() < until, found["status"]
            time.sleep(0.5)
    finally:
        cluster.kubectl("delete", "pod", "-n", "default", name, "--wait=false")


def pin(profile: Path, digest: str) -> None:
    """Let the profile name Jellyfin's image by its digest."""
    read = yaml.safe_load(profile.read_text())
    (container,) = read["override"]["jellyfin"]["containers"].values()
    container["image"]["digest"] = digest
    profile.write_text(yaml.safe_dump(read))


def push_newer(cluster: Cluster, here: Engine, folder: Path, tagged: str) -> None:
    """Give the registry the same stand-in with a label, under the same tag."""
    planned = prepare("renewed", folder=folder).planned
    local = standins.local_images(planned)[jellyfin(planned.plan).reference]
    text = f"FROM {local}\nLABEL newer=yes\n".encode()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        about = tarfile.TarInfo("Dockerfile")
        about.size = len(text)
        archive.addfile(about, io.BytesIO(text))
    context.seek(0)
    newer = f"{standins.REPOSITORY}/jellyfin-newer:1"
    here.build(context, newer, {}, {}, lambda _: None)
    cluster.push({newer: tagged.removeprefix(f"{AT}/")})


def test_an_update_and_its_rollback_with_the_state(renewed: Renewed) -> None:
    portable = renewed.place.stack.portable
    inside = ("exec", "jellyfin", "--profile", "lab", "--", "sh", "-c")
    portable(*inside, "echo one > /config/marker")
    before = renewed.image_id()
    rows = list(updates.apply(renewed.driver(), renewed.opened, ("jellyfin",), deadline=_SECONDS))
    assert [(row.app, row.result, bool(row.backup)) for row in rows] == [("jellyfin", "taken", True)], rows
    assert renewed.image_id() != before
    assert portable("diff", code=None).code == 0
    portable(*inside, "echo two > /config/marker")
    rows = list(rollbacks.back(renewed.driver(), renewed.opened, ("jellyfin",), with_state=True, deadline=_SECONDS))
    assert [(row.app, row.result) for row in rows] == [("jellyfin", "back")], rows
    assert renewed.image_id() == before
    assert portable(*inside, "cat /config/marker").out.strip() == "one"
    assert renewed.cluster.objects("jobs", "-n", NAMESPACE, "-l", "portable/job") == []
    assert portable("diff", code=None).code == 0
