"""The workload of a group: one pod (one network namespace), run by a StatefulSet, a Deployment or a CronJob."""

from portable.backends.common import gateway_of
from portable.backends.kubernetes.container import container
from portable.backends.kubernetes.files import DIGEST, SEEDS, config_digest, seed_digest
from portable.backends.kubernetes.jobs import cron_job, group_schedule
from portable.backends.kubernetes.names import Body, dns_label, meta
from portable.backends.kubernetes.prepare import command, init_attached
from portable.backends.kubernetes.scope import SIDECARS, PodContainer, Scope, is_claim, selector, serves
from portable.backends.kubernetes.volume import attached, device_of
from portable.model.base import Struct
from portable.model.devices import AnnotatedDevice
from portable.model.plan import Claim, Group, Sealed

CRIO_DEVICES = "io.kubernetes.cri-o.Devices"
_DEFAULT_WEIGHT = 100
_HISTORY = 2
_LONGEST_NAME = 52
"""Characters: a StatefulSet and a CronJob append to their name, and the result must be a label."""
_FIRST_FREE_PORT = 1024


class Extras(Struct, frozen=True, kw_only=True):
    """Additions of a platform to a pod."""

    account: str
    containers: tuple[Body, ...] = ()
    volumes: tuple[Body, ...] = ()


def workload(scope: Scope, group: Group, extras: Extras) -> Body:
    """Return the workload that runs the pod of a group."""
    members = scope.members(group)
    labels = scope.labels(group.name, zone=members[0].zone if members else None)
    annotations = {"portable/title": ", ".join(app.title for app in members)}
    if (digest := seed_digest(scope, scope.pods[group.name])) is not None:
        annotations[SEEDS] = digest
    metadata = meta(dns_label(group.name, limit=_LONGEST_NAME), labels, namespace=scope.namespace, annotations=annotations)
    template = _template(scope, group, labels, extras)
    if (schedule := group_schedule(scope, group)) is not None:
        return cron_job(metadata, template, schedule, scope.plan.timezone)
    return _stateful_set(metadata, template, group) if keeps_state(scope, group) else _deployment(metadata, template, group)


def template_of(body: Body) -> Body:
    """Return the pod template of a workload."""
    spec: Body = body["spec"]
    template: Body = spec["jobTemplate"]["spec"]["template"] if body["kind"] == "CronJob" else spec["template"]
    return template


def _deployment(metadata: Body, template: Body, group: Group) -> Body:
    """Return a Deployment with one replica and no rolling update, for a pod without state."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": _HISTORY,
            "selector": {"matchLabels": selector(group)},
            "strategy": {"type": "Recreate"},
            "template": template,
        },
    }


def keeps_state(scope: Scope, group: Group) -> bool:
    """Return whether the group's pod writes state that has one writer: a claim with the state or a database of an app."""
    mounts = [mount for part in scope.pods[group.name] if part.kind != "init" for mount in part.container.mounts]
    written = [scope.volumes[mount.volume] for mount in mounts if mount.access == "rw" and mount.volume in scope.volumes]
    return any(volume.holds in ("state", "database") and is_claim(volume) for volume in written)


def _stateful_set(metadata: Body, template: Body, group: Group) -> Body:
    """Return a StatefulSet with one pod: its next pod starts only when the last one is gone, also after a deletion, a drain or an eviction.

    A Deployment, even with `Recreate`, starts the next pod while the last one still ends, and two pods write one database
    (docs/facts/applying.md#one-writer). `Parallel` replaces a pod that never became ready; with the default, a StatefulSet would wait for
    it for ever.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "podManagementPolicy": "Parallel",
            "replicas": 1,
            "revisionHistoryLimit": _HISTORY,
            "selector": {"matchLabels": selector(group)},
            "serviceName": metadata["name"],
            "template": template,
            "updateStrategy": {"type": "RollingUpdate"},
        },
    }


def grace(parts: tuple[PodContainer, ...]) -> int:
    """Return the grace period of a pod in seconds: its apps end together, then its sidecars one after the other."""
    apps = [part.container.stop_grace for part in parts if part.kind == "app"]
    return max(apps, default=0) + sum(part.container.stop_grace for part in parts if part.kind in SIDECARS) or 30


def pod_groups(scope: Scope, parts: tuple[PodContainer, ...]) -> list[int]:
    """Return the supplemental groups, which apply to the whole pod."""
    groups = {group for part in parts for group in part.container.identity.groups}
    for part in parts:
        for _, device in device_of(scope.plan.devices, part.container.needs):
            if device is not None and device.group is not None:
                groups.add(device.group)
    return sorted(groups)


def has_own_disk(scope: Scope, parts: tuple[PodContainer, ...]) -> bool:
    """Return whether the pod mounts an unshared claim. A new disk belongs to root until the kubelet sets its group."""
    names = {mount.volume for part in parts for mount in part.container.mounts}
    volumes = [scope.volumes[name] for name in names if name in scope.volumes]
    return any(isinstance(v.place, Claim) and is_claim(v) and not v.place.shared for v in volumes)


def _template(scope: Scope, group: Group, labels: dict[str, str], extras: Extras) -> Body:
    parts = scope.pods[group.name]
    annotations: dict[str, str] = {}
    if (digest := config_digest(scope, parts)) is not None:
        annotations[DIGEST] = digest
    if devices := _annotated_devices(scope, parts):
        annotations[CRIO_DEVICES] = ",".join(devices)
    metadata: Body = {"labels": labels | selector(group)}
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": _pod(scope, group, parts, extras)}


def _pod(scope: Scope, group: Group, parts: tuple[PodContainer, ...], extras: Extras) -> Body:
    volumes: dict[str, Body] = {}
    bodies: list[tuple[PodContainer, Body]] = []
    for part in parts:
        pairs = list(init_attached(scope, part, parts) if part.kind == "init" else attached(scope, part))
        for volume, _ in pairs:
            volumes.setdefault(volume["name"], volume)
        mounts = list({mount["mountPath"]: mount for _, mount in pairs}.values())
        own = command(scope, parts) if part.kind == "init" else None
        bodies.append((part, container(scope, part, mounts, command=own)))
    for volume in extras.volumes:
        volumes.setdefault(volume["name"], volume)
    before = [body for part, body in bodies if part.kind != "app"]
    pod: Body = {
        "automountServiceAccountToken": False,
        "containers": [*(body for part, body in bodies if part.kind == "app"), *extras.containers],
        "enableServiceLinks": False,
        "hostAliases": [{"ip": "127.0.0.1", "hostnames": _own_names(scope, group)}],
        **({"initContainers": before} if before else {}),
        "securityContext": _pod_security(scope, parts),
        "serviceAccountName": extras.account,
        "terminationGracePeriodSeconds": grace(parts),
        **({"volumes": [volumes[name] for name in sorted(volumes)]} if volumes else {}),
    }
    if group.prefer_nodes:
        pod["affinity"] = {"nodeAffinity": _soft_affinity(group, scope.plan.node_weight or _DEFAULT_WEIGHT)}
    if isinstance(group.egress, Sealed):
        # Cluster DNS forwards foreign names to the outside; in a sealed namespace nothing answers, as on Compose.
        pod |= {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["127.0.0.1"]}}
    else:
        # Names with a dot are asked for as they are, before any search domain: one with a wildcard would answer for all of them.
        pod["dnsConfig"] = {"options": [{"name": "ndots", "value": "1"}]}  # docs/facts/applying.md#name-resolution
    if not pod["containers"]:  # a gateway without apps is the main container
        gateway = next((body for part, body in bodies if part.app is not None and part.app.name == gateway_of(group)), None)
        if gateway is not None:
            gateway.pop("restartPolicy")
            pod["initContainers"].remove(gateway)
            pod["containers"] = [gateway]
            if not pod["initContainers"]:
                pod.pop("initContainers")
    return pod


def _own_names(scope: Scope, group: Group) -> list[str]:
    """Return the names of the group's own apps, which the pod resolves to the loopback address."""
    return [name for app in scope.members(group) for name in (app.name, *app.aliases)]


def _pod_security(scope: Scope, parts: tuple[PodContainer, ...]) -> Body:
    security: Body = {"seccompProfile": {"type": "RuntimeDefault"}}
    if groups := pod_groups(scope, parts):
        security["supplementalGroups"] = groups
    if any(port.number < _FIRST_FREE_PORT for part in parts if part.app for port in serves(part.app, part.container)):
        # Some runtimes require a capability to listen on these ports. This sysctl applies to the pod only, and is a safe one.
        security["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    if has_own_disk(scope, parts):
        # OnRootMismatch: the kubelet skips a volume whose root already belongs to the group.
        security |= {"fsGroup": scope.plan.tools.identity.gid, "fsGroupChangePolicy": "OnRootMismatch"}
    return security


def _soft_affinity(group: Group, weight: int) -> Body:
    nodes = {"key": "kubernetes.io/hostname", "operator": "In", "values": list(group.prefer_nodes)}
    return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": weight, "preference": {"matchExpressions": [nodes]}}]}


def _annotated_devices(scope: Scope, parts: tuple[PodContainer, ...]) -> list[str]:
    # A container that mounts FUSE is privileged and has every device; the annotation would only add it to the pod's other containers.
    devices = [device for part in parts for need, device in device_of(scope.plan.devices, part.container.needs) if need != "fuse"]
    return list(dict.fromkeys(device.path for device in devices if isinstance(device, AnnotatedDevice)))
