"""A stack with an app that makes backups, and a cluster in memory that runs its Jobs at once, with the answers of the test."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from portable.backends.registry import back_end
from portable.engines.kubernetes.cluster import Reference, reference_of
from portable.engines.kubernetes.verdict import KubernetesObject
from portable.live.kubernetes.stack import KubernetesStack, stack_of
from portable.model import plan as p
from portable.model.backups import BackedUpVolume
from tests import factories
from tests.unit.live.kubernetes.fake_cluster import MOMENT, FakeCluster

AT = "2026-11-21T030000.000Z"
PROGRAM = "# Made from the modules in portable/programs/backup/ by a test.\n"
TOLD = {"store": "/backups", "keep": {"last": 3}, "apps": {}}


def claim(name: str, *, shared: bool) -> p.Claim:
    return factories.claim(name=name, shared=shared)


def backing(
    volumes: Mapping[str, p.Volume] | None = None,
    copied: Mapping[str, str] | None = None,
    scheduled: Sequence[str] = (),
    namespace: str = "media",
) -> KubernetesStack:
    """`one` has a disk of its own, `two` state and a database on the share, where the store is, too; `pair` shares the pod of `two`."""
    share = claim("share", shared=True)
    own = volumes or {
        "one": p.Volume(id="one-config", holds="database", place=claim("one", shared=False)),
        "two": p.Volume(id="two-db", holds="database", place=share, folder="config/two"),
        "pair": p.Volume(id="pair-config", holds="state", place=share, folder="config/pair"),
    }
    schedule = p.Schedule(minutes=(15,), hours=(3,))
    apps = [
        factories.app(
            name,
            containers=(factories.container(mounts=(p.Mount(volume=volume.id, path="/config"),)),),
            **({"schedule": schedule, "ports": ()} if name in scheduled else {"ports": ()}),
        )
        for name, volume in own.items()
    ]
    files = (p.FileMount(file="backup-py", path="/upkeep/backup.py"), p.FileMount(file="backup-json", path="/upkeep/backup.json"))
    seen = (p.Mount(volume="pair-config", path="/state/pair-config"),) if "pair" in own else ()
    mounts = (*seen, p.Mount(volume=p.BACKUPS, path=f"/{p.BACKUPS}"))
    command = ("python3", "/upkeep/backup.py", "backup")
    keeper = factories.app(
        "backup", containers=(factories.container(files=files, mounts=mounts, command=command),), schedule=schedule, ports=()
    )
    groups = [p.Group(name=name, apps=(name,)) for name in own if name != "pair"]
    if "pair" in own:
        groups[1] = p.Group(name="two", apps=("two", "pair"))
    plan = factories.plan(
        *apps,
        keeper,
        groups=(*groups, p.Group(name="backup", apps=("backup",))),
        namespace=namespace,
        files=(p.File(id="backup-py", body=(PROGRAM,)), p.File(id="backup-json", body=(json.dumps(TOLD),))),
        volumes=(*own.values(), p.Volume(id=p.BACKUPS, holds="backups", place=share, folder="backups")),
    )
    backed_up = tuple(
        BackedUpVolume(app=app, name=volume.id.partition("-")[2], id=volume.id, copied=(copied or {}).get(app, "running"))
        for app, volume in own.items()
    )
    return msgspec.structs.replace(stack_of(plan, back_end("kubernetes").render(plan)), backed_up=backed_up)


def row(app: str, result: str, **more: Any) -> dict[str, Any]:
    return {"app": app, "at": AT, "result": result, **more}


def answers(command: Sequence[str], told: Mapping[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    """What the program says by default: all goes well."""
    verb, names = command[2], [word for word in command[3:] if not word.startswith(("--", "{")) and word != AT]
    result = {"stage": "staged", "list": "sound", "abort": "given up"}.get(verb, "done")
    return 0, [{"pulse": True}, *(row(name, result) for name in names or sorted(told["apps"]))]


def _shown(command: Sequence[str]) -> str:
    """The program's words, without the images of the containers and the form of the answer."""
    words = list(command[2:])
    if "--images" in words:
        del words[words.index("--images") : words.index("--images") + 2]
    return " ".join(word for word in words if word != "--json")


class JobCluster(FakeCluster):
    """It runs each Job as soon as its ConfigMap exists. `ran` has each command with the apps that run at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.answer: Callable[[Sequence[str], Mapping[str, Any]], tuple[int, list[dict[str, Any]]]] = answers
        self.lines: dict[str, list[str]] = {}
        self.job_pod_status: dict[str, Any] | None = None
        """The status of the pods of Jobs; None for one that has ended with the program's exit code."""

    def _control(self, reference: Reference) -> None:
        super()._control(reference)
        pod = self.objects.get(Reference("v1", "Pod", reference.namespace, f"{reference.name}-pod"))
        if pod is not None:
            pod["spec"] = {**pod["spec"], "nodeName": "node1"}

    def create(self, item: KubernetesObject) -> KubernetesObject:
        made = super().create(item)
        if item["kind"] == "ConfigMap":
            self._run(reference_of(item))
        return made

    def delete(self, reference: Reference, uid: str, *, propagation: str = "Foreground") -> bool:
        done = super().delete(reference, uid, propagation=propagation)
        if done and reference.kind == "Job":
            pod = Reference("v1", "Pod", reference.namespace, f"{reference.name}-x")
            self.objects.pop(pod, None)
        return done

    def running(self) -> str:
        """The groups that have a pod, but for those of Jobs."""
        pods = [reference.name.removesuffix("-pod") for reference in self.objects if reference.kind == "Pod"]
        return " ".join(sorted(name for name in pods if not name.startswith("backup-")))

    def jobs(self) -> list[str]:
        return [reference.name for reference in self.objects if reference.kind == "Job"]

    def _run(self, files: Reference) -> None:
        job = self.objects[Reference("batch/v1", "Job", files.namespace, files.name)]
        template = job["spec"]["template"]
        container = template["spec"]["containers"][0]
        data = self.objects[files]["data"]
        told = next(text for key, text in sorted(data.items()) if key.endswith("json"))
        self.bodies.append({"job": job, "told": json.loads(told)})
        self.ran.append((_shown(container["command"]), self.running()))
        code, rows = self.answer(container["command"], self.bodies[-1]["told"])
        name = f"{files.name}-x"
        self.lines[name] = [f"{MOMENT} {json.dumps(line)}" for line in rows]
        ended = {"terminated": {"exitCode": code}}
        status = self.job_pod_status or {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [{"name": container["name"], "state": ended}],
        }
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": files.name}
        metadata = {"name": name, "namespace": files.namespace, "uid": f"{name}-uid", "labels": labels, "creationTimestamp": MOMENT}
        self.objects[Reference("v1", "Pod", files.namespace, name)] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**metadata, "ownerReferences": [{"uid": job["metadata"]["uid"]}]},
            "spec": template["spec"],
            "status": status,
        }

    def log(self, _: Any, __: str, pod: str, ___: str, **____: Any) -> Iterator[str]:
        """Stands in for `follow_log`."""
        yield from self.lines[pod]
