"""The Jobs in which the backup program runs for `portable backup` and `portable restore`. Pure.

A Job is made from the CronJob of the app that makes backups. It differs in what it mounts: a command by hand also reaches what the
schedule leaves out, since it knows the node of each app and whether the app is stopped.
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from portable.backends.common import backs_up
from portable.backends.kubernetes.names import dns_label
from portable.backends.registry import back_end
from portable.live.kubernetes.desired import DesiredObject, rendered_items, template_of
from portable.live.kubernetes.stack import KubernetesStack
from portable.model.backups import BACKUP_PROGRAM, BackedUpVolume, is_unlocked_database
from portable.model.base import Struct
from portable.model.plan import STATE, App, Claim, Container, File, Mount, Plan, Volume

JOB_LABEL: Final = "portable/job"
JOB_KIND: Final = "backup"
"""The value of that label: a Job of `portable backup` or `portable restore` that writes."""
_LIST_KIND: Final = "backup-list"
STOPPED_APPS: Final = "portable/stopped-apps"
"""The annotation of a Job that works on the state of stopped apps: their names. They must not start before its pod is gone."""
_CONFIG: Final = "/upkeep/backup.json"
_LONGEST_SECONDS: Final = 24 * 3600
_KEPT_SECONDS: Final = 3600
"""How long a Job stays that nobody waits for any more, because its command was killed."""
_NAME_LENGTH: Final = 40
_STORE_ONLY: Final = frozenset({"list", "check"})
"""Commands of the program that read the store and no app's state."""


class BackupRequest(Struct, frozen=True, kw_only=True):
    """One command of the backup program."""

    runner: str
    """The app that makes backups."""
    verb: str
    apps: tuple[str, ...] = ()
    """Empty for all."""
    options: tuple[str, ...] = ()

    @property
    def needs_state(self) -> bool:
        """Whether it works on the folders of apps, and not only in the store."""
        return self.verb not in _STORE_ONLY

    @property
    def has_stopped_apps(self) -> bool:
        """Whether it works on the state of apps that are stopped."""
        return self.verb == "swap" or "--stopped" in self.options


class BackupLot(Struct, frozen=True, kw_only=True):
    """Apps whose state one pod can mount."""

    apps: tuple[str, ...]
    node: str = ""
    """The node that the pod must run on; empty for any."""
    is_idle: bool = False
    """Whether it is a disk of an app that does not run. If the app started on another node, SQLite's locks would not work between them."""


def lots_of(stack: KubernetesStack, request: BackupRequest, nodes: Mapping[str, str]) -> tuple[BackupLot, ...]:
    """The apps of a command in lots. `nodes` has the node of each app that runs.

    Several nodes mount a shared claim, so those apps are one lot. An app with a disk of its own is a lot by itself, on its node.
    """
    apps = request.apps or covered_apps(stack)
    if not request.needs_state:
        return (BackupLot(apps=apps),)
    alone = [app for app in apps if any(not _place(stack, volume).shared for volume in _volumes(stack, (app,)))]
    together = tuple(app for app in apps if app not in alone)
    return (
        *((BackupLot(apps=together),) if together else ()),
        *(BackupLot(apps=(app,), node=nodes.get(app, ""), is_idle=app not in nodes) for app in alone),
    )


def covered_apps(stack: KubernetesStack) -> tuple[str, ...]:
    """The apps whose state is backed up, sorted."""
    return tuple(sorted({volume.app for volume in stack.backed_up}))


def claims_of(stack: KubernetesStack, apps: Iterable[str]) -> tuple[str, ...]:
    """The names of the claims with the state of these apps, and with the store."""
    places = [_place(stack, volume).name for volume in _volumes(stack, apps)]
    plan = _plan(stack)
    stores = [volume.place.name for volume in plan.volumes if volume.holds == "backups" and isinstance(volume.place, Claim)]
    return tuple(sorted({dns_label(name) for name in (*places, *stores)}))


def cron_job_of(stack: KubernetesStack, runner: str) -> DesiredObject | None:
    """The rendered CronJob of the app that makes backups."""
    return next((item for item in rendered_items(stack) if item.kind == "CronJob" and runner in item.apps), None)


def bodies_of(stack: KubernetesStack, request: BackupRequest, lot: BackupLot, suffix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The Job that runs a command for a lot, and its ConfigMap with the program and what the program is told.

    What a profile patches in the CronJob stays, but for volumes and init containers: these follow the claims. The pod's groups stay, too: a
    `fsGroup` for a disk would let the kubelet change the group of every file on a share that is mounted beside it, and root needs none.
    """
    item = cron_job_of(stack, request.runner)
    assert item is not None, "the caller looks first"
    name = f"{item.reference.name[:_NAME_LENGTH].rstrip('-')}-{request.verb}-{suffix}"
    documents = back_end(stack.back_end).render(_session_plan(stack, request, lot)).documents
    rendered = next(document.body for document in documents if _is_cron_job(document.body, item))
    files = _own_files(documents, rendered, name)
    template = copy.deepcopy(dict(template_of(item.body)))
    fresh = copy.deepcopy(dict(template_of(rendered)["spec"]))
    pod = {**template["spec"], "restartPolicy": "Never"}
    for key in ("volumes", "initContainers"):
        pod.pop(key, None)
        if key in fresh:
            pod[key] = fresh[key]
    for volume in pod.get("volumes") or ():
        if (volume.get("configMap") or {}).get("name") == files["replaces"]:
            volume["configMap"]["name"] = name
    mounts = {container["name"]: container.get("volumeMounts") for container in fresh["containers"]}
    pod["containers"] = [
        {**container, "command": _command(request, lot), "volumeMounts": mounts[container["name"]]}
        if container["name"] in mounts
        else container
        for container in pod["containers"]
    ]
    if lot.node:
        pin(pod, lot.node)
    mark = {JOB_LABEL: _LIST_KIND if request.verb == "list" else JOB_KIND}
    labels = {**(item.body["metadata"].get("labels") or {}), **mark}
    metadata: dict[str, Any] = {"name": name, "namespace": stack.namespace, "labels": labels}
    if request.has_stopped_apps or lot.is_idle:
        metadata["annotations"] = {STOPPED_APPS: ",".join(lot.apps)}
    template["metadata"] = {**template["metadata"], "labels": {**template["metadata"]["labels"], **mark}}
    spec = {
        "activeDeadlineSeconds": _LONGEST_SECONDS,
        "backoffLimit": 0,
        "template": {**template, "spec": pod},
        "ttlSecondsAfterFinished": _KEPT_SECONDS,
    }
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
    return job, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": dict(metadata), "data": files["data"]}


def unmountable(stack: KubernetesStack, apps: Sequence[str]) -> tuple[str, ...]:
    """The apps of these that have no volume in a claim."""
    return tuple(app for app in apps if not any(_volumes(stack, (app,))))


def _command(request: BackupRequest, lot: BackupLot) -> list[str]:
    """The program's own command. Without names it takes every app that it is told of: those of the lot."""
    return [*BACKUP_PROGRAM, request.verb, *(lot.apps if request.apps else ()), *request.options, "--json"]


def _session_plan(stack: KubernetesStack, request: BackupRequest, lot: BackupLot) -> Plan:
    """The plan in which the app that makes backups mounts the volumes of a lot, so that its pod is rendered like every other one."""
    plan = _plan(stack)
    runner = next(app for app in plan.apps if app.name == request.runner)
    container = next(container for container in runner.containers if backs_up(container))
    config = next(mount.file for mount in container.files if mount.path == _CONFIG)
    kept = tuple(mount for mount in container.mounts if not mount.path.startswith(f"{STATE}/"))
    seen = tuple(Mount(volume=volume.id, path=volume.path) for volume in _volumes(stack, lot.apps)) if request.needs_state else ()
    changed = msgspec.structs.replace(container, mounts=(*kept, *seen))
    return msgspec.structs.replace(
        plan,
        apps=tuple(_with_container(app, changed) if app.name == runner.name else app for app in plan.apps),
        files=tuple(_told(stack, lot, file) if file.id == config else file for file in plan.files),
    )


def _with_container(app: App, changed: Container) -> App:
    containers = tuple(changed if container.name == changed.name else container for container in app.containers)
    return msgspec.structs.replace(app, containers=containers)


def _told(stack: KubernetesStack, lot: BackupLot, file: File) -> File:
    """What the program is told: the store and the number of backups as on its schedule, and the volumes of the lot.

    The databases of a share are copied only while their app is stopped: what another pod locks is unknown to the file server, or to us.
    """
    read = json.loads("".join(str(part) for part in file.body))
    images = {app.name: next(c.image for c in app.containers if c.role == "main") for app in _plan(stack).apps}
    apps: dict[str, dict[str, Any]] = {}
    for volume in _volumes(stack, lot.apps):
        image = images[volume.app]
        copied = "stopped" if is_unlocked_database(_volume(stack, volume)) else volume.copied
        app = apps.setdefault(volume.app, {"image": f"{image.repository}:{image.tag}", "volumes": {}})
        app["volumes"][volume.name] = {"at": volume.path, "copied": copied}
    text = json.dumps({**read, "apps": apps}, indent=1, sort_keys=True)
    return msgspec.structs.replace(file, body=(text,))


def _volumes(stack: KubernetesStack, apps: Iterable[str]) -> Iterator[BackedUpVolume]:
    """The volumes of apps that lie in claims."""
    chosen = set(apps)
    yield from (v for v in stack.backed_up if v.app in chosen and isinstance(_volume(stack, v).place, Claim))


def _volume(stack: KubernetesStack, backed_up: BackedUpVolume) -> Volume:
    return next(volume for volume in _plan(stack).volumes if volume.id == backed_up.id)


def _place(stack: KubernetesStack, backed_up: BackedUpVolume) -> Claim:
    place = _volume(stack, backed_up).place
    assert isinstance(place, Claim)
    return place


def _plan(stack: KubernetesStack) -> Plan:
    assert stack.plan is not None, "a stack that backs up is made from a plan"
    return stack.plan


def _is_cron_job(body: Mapping[str, Any], item: DesiredObject) -> bool:
    return bool(body.get("kind") == "CronJob" and body["metadata"]["name"] == item.reference.name)


def _own_files(documents: Iterable[Any], rendered: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The data of the ConfigMap with the program, and the name that it has in the rendering."""
    used = {(volume.get("configMap") or {}).get("name") for volume in template_of(rendered)["spec"].get("volumes") or ()}
    mine = [
        document.body
        for document in documents
        if document.body.get("kind") == "ConfigMap" and document.body["metadata"]["name"] in used and _has_program(document.body)
    ]
    assert len(mine) == 1, f"one ConfigMap has the program of {name}"
    return {"replaces": mine[0]["metadata"]["name"], "data": dict(mine[0]["data"])}


def _has_program(body: Mapping[str, Any]) -> bool:
    return any("portable/programs/backup/" in str(text)[:200] for text in (body.get("data") or {}).values())


def pin(pod: dict[str, Any], node: str) -> None:
    """Let a pod run on this node only: a disk that a pod uses can be mounted there a second time, and nowhere else."""
    affinity = pod.setdefault("affinity", {})
    wanted = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    chosen = {**(affinity.get("nodeAffinity") or {}), "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [wanted]}}
    affinity["nodeAffinity"] = chosen
