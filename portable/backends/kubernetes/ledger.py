"""Findings: every field of a plan that Kubernetes does not fully translate, with the consequence and the remedy."""

from collections.abc import Iterator
from typing import assert_never

from portable.backends.common import containers, note, port_of, refuse, told_by_settings
from portable.backends.kubernetes.jobs import job_findings
from portable.backends.kubernetes.pod import grace, has_own_disk
from portable.backends.kubernetes.prepare import seeds
from portable.backends.kubernetes.probe import gate, is_http
from portable.backends.kubernetes.scope import INIT, SIDECARS, PodContainer, Scope, starts_as_root
from portable.backends.kubernetes.volume import device_of
from portable.model.devices import AnnotatedDevice, HostDevice
from portable.model.exposures import Exposure, GatewayRoute, Ingress, Lan, LoadBalancer, Loopback, Route
from portable.model.findings import Class, Finding
from portable.model.plan import (
    Claim,
    Container,
    Direct,
    Ephemeral,
    Folder,
    Group,
    Http,
    Port,
    Sealed,
    Tcp,
    Tunnel,
    Volume,
)


def shared_findings(scope: Scope) -> Iterator[Finding]:
    """Yield the findings that apply to every kind of cluster."""
    yield from _everywhere(scope)
    yield from _tools(scope)
    for name, parts in scope.pods.items():
        yield from _pod(scope, name, parts)
    for group in scope.plan.groups:
        yield from _group(group)
    yield from _apps(scope)
    yield from job_findings(scope)
    yield from _references(scope)
    for volume in scope.plan.volumes:
        yield from _volume(scope, volume)
    yield from _claims(scope)
    yield from _files(scope)
    for exposure in scope.plan.exposures:
        yield from _exposure(scope, exposure)


def unguarded(scope: Scope) -> Iterator[Finding]:
    """Yield a finding for each gateway: outside OpenShift, the network plug-in may not enforce NetworkPolicies."""
    for group in scope.plan.groups:
        if not isinstance(group.egress, Direct):
            gateway = group.egress.gateway
            text = f"The second fence around {gateway} is a NetworkPolicy, which only some network plug-ins enforce; Flannel does not."
            remedy = "use one that does, such as Calico or Cilium, or waive this: the gateway's firewall is then the only fence"
            path = f"groups.{group.name}.egress.gateway"
            yield note("egress.policy", path, "security", text, remedy, code="kubernetes.network-policy", app=gateway)


def open_to_all(scope: Scope) -> Iterator[Finding]:
    """Yield a finding for each Ingress whose controller could be any pod. On OpenShift, the router is known."""
    for exposure in scope.plan.exposures:
        if isinstance(exposure.how, Ingress | GatewayRoute) and exposure.how.namespace is None:
            which = "Ingress controller" if isinstance(exposure.how, Ingress) else "Gateway's pods"
            text = (
                f"Every pod of the cluster can reach port {exposure.port} of {exposure.app} directly: "
                f"the namespace of the {which} is not configured."
            )
            remedy = "set `exposure: {ingress-namespace: ...}`; waive this if the controller uses the host network"
            path = f"{_at(exposure)}.how.namespace"
            yield note("exposures.from", path, "security", text, remedy, code="kubernetes.ingress-namespace", app=exposure.app)


def refused_routes(scope: Scope) -> Iterator[Finding]:
    """Yield a refusal for each Route: only OpenShift has them."""
    for exposure in scope.plan.exposures:
        if isinstance(exposure.how, Route):
            text = f"Kubernetes has no Routes: nobody outside the cluster could reach port {exposure.port} of {exposure.app}."
            remedy, path = "use `ingress` or `load-balancer`", f"{_at(exposure)}.how"
            yield refuse("exposures", path, "function", text, remedy, code="exposure.unsupported", app=exposure.app)


def _everywhere(scope: Scope) -> Iterator[Finding]:
    plan = scope.plan
    if plan.subnet is not None:
        text = "The subnet has no effect: pods get addresses from the cluster's own range."
        yield note("subnet", "subnet", "cosmetic", text, code="kubernetes.address")
    if plan.notify is not None:
        text = "Nothing in the cluster sends messages: a CronJob runs without `portable`, so a failed job is not reported."
        remedy = "look at them with `kubectl get jobs`, or let a monitoring system of the cluster watch them"
        yield note("notify", "notify", "function", text, remedy, code="kubernetes.notify")
    if plan.node_weight is None and any(group.prefer_nodes for group in plan.groups):
        text = "Kubernetes needs a weight for node preferences: without `nodes: {weight: ...}` it is 100, the highest."
        yield note("node_weight", "node_weight", "cosmetic", text, code="kubernetes.node-weight")
    if plan.volumes:
        text = "Kubernetes mounts all volumes alike; what they hold only decides whether a StatefulSet runs the pod."
        yield note("volumes.holds", "volumes.*.holds", "cosmetic", text, code="storage.purpose")
        text = "A pod names its volumes after their claims: two volumes of one claim become one volume of the pod."
        yield note("volumes.id", "volumes.*.id", "cosmetic", text, code="kubernetes.volume-name")
    if any(app.after for app in plan.apps):
        text = "Kubernetes does not order pods: an app that starts first retries until the other one answers."
        yield note("after", "apps.*.after", "cosmetic", text, code="kubernetes.start-order")
    if any(cloud.after for cloud in plan.clouds):
        text = (
            "Kubernetes does not order pods: the mount container retries until the cloud is available. The apps of its pod start then, "
            "or without it after a minute."
        )
        yield note("after", "clouds.*.after", "cosmetic", text, code="kubernetes.start-order")
    placed = list(containers(plan))
    yield from _alike("apps.*.containers.*", [p.container for p in placed if p.app])
    yield from _alike("clouds.*.fuse_mount", [p.container for p in placed if p.cloud])
    yield from _alike("tools", [plan.tools])


def _alike(path: str, alike: list[Container]) -> Iterator[Finding]:
    """Yield the findings that are reported once for all containers of a kind."""
    if not alike:
        return
    text = "`fetch` has no effect: the kubelet sends HTTP probes itself, without the image's HTTP client."
    yield note("containers.fetch", f"{path}.fetch", "cosmetic", text, code="health.client-unused")
    text = "A configurable user and one fixed by the image both become `runAsUser`."
    yield note("containers.identity.how", f"{path}.identity.how", "cosmetic", text, code="kubernetes.run-as-user")
    if any(container.image.recipe for container in alike):
        text = "Cluster nodes only pull images: those built from a recipe must be in a registry that the nodes can reach."
        remedy = "run `portable images build`, then push each image under its name in the catalog"
        yield note("images.recipe", f"{path}.image.recipe", "function", text, remedy, code="kubernetes.recipe")
    probes = [container.probes for container in alike if path != "tools"]
    checks = [check for probe in probes for check in (probe.startup, probe.ready, probe.live) if check is not None]
    if any(isinstance(check.how, Http) and is_http(check.how) for check in checks):
        text = "The kubelet accepts every HTTP status from 200 to 399 as healthy."
        yield note("probes.ok", f"{path}.probes.*.how.ok", "cosmetic", text, code="kubernetes.probe-status")


def _tools(scope: Scope) -> Iterator[Finding]:
    tools = scope.plan.tools
    if scope.plan.clouds:
        text = "The role has no effect: a cloud's mount container runs in each pod that reads the cloud."
        yield note("containers.role", "clouds.*.fuse_mount.role", "cosmetic", text, code="config.role-ignored")
    text = f"{INIT} ignores `needs`: it owns the folders that it creates, so it needs no rights."
    yield note("tools.needs", "tools.needs", "cosmetic", text, code="config.tools-ignored")
    if tools.identity.uid == 0:
        text = f"{INIT} runs as root: a share with root squash denies it, and other users cannot write to folders of root."
        remedy = "run the tools as the user of the apps: set `uid` and `gid` in portable.yaml"
        yield note("tools.identity", "tools.identity.uid", "function", text, remedy, code="storage.root-squash")
    text = f"{INIT} ignores `stop_grace`: it ends by itself."
    yield note("tools.stop_grace", "tools.stop_grace", "cosmetic", text, code="config.tools-ignored")
    text = f"The role has no effect: {INIT} is an init container of each pod that has something to prepare."
    yield note("containers.role", "tools.role", "cosmetic", text, code="config.role-ignored")
    for name in ("startup", "ready", "live"):
        if getattr(tools.probes, name) is not None:
            text = f"{INIT} ignores probes: it ends by itself."
            yield note("tools.probes", f"tools.probes.{name}", "cosmetic", text, code="config.tools-ignored")


def _pod(scope: Scope, group: str, parts: tuple[PodContainer, ...]) -> Iterator[Finding]:
    longest = grace(parts)
    groups = {part.container.identity.groups for part in parts if part.kind != "init"}
    for part in parts:
        source, app, path = part.container, part.app_name, part.path
        if part.kind != "init" and source.stop_grace < longest:
            text = (
                f"A pod has one `terminationGracePeriodSeconds` for all its containers: pod {group} uses the longest, {longest} s; "
                f"{part.name} asks for {source.stop_grace} s."
            )
            yield note("containers.stop_grace", f"{path}.stop_grace", "cosmetic", text, code="kubernetes.grace-period", app=app)
        if source.init:
            text = (
                f"{part.name} runs without an init process: nothing forwards signals or reaps orphans, "
                "so it may end only when its grace period is over."
            )
            remedy = "use an image with its own init process, if this matters"
            yield note("containers.init", f"{path}.init", "function", text, remedy, code="kubernetes.init-process", app=app)
        if source.identity.groups and len(groups) > 1:
            text = f"Supplemental groups apply to a whole pod: all containers of {group} get them."
            yield note("containers.identity.groups", f"{path}.identity.groups", "cosmetic", text, code="kubernetes.groups", app=app)
        yield from _identity(part)
        yield from _squashed(scope, part)
        yield from _probes(part)
        yield from _privileges(scope, part)
        yield from _environment(part)
    for seed in seeds(scope, parts):
        if seed.target is None:
            at, file = seed.part.path, seed.mount
            text = f"{file.path} is not on a volume of its container, so the seed file has nowhere to go."
            path, remedy = f"{at}.files.{file.file}@{file.path}", "mount a volume there, or remove `seed` from the file"
            yield refuse("files.seed", path, "function", text, remedy, code="storage.seed", app=seed.part.app_name)
    if has_own_disk(scope, parts):
        names = {mount.volume for part in parts for mount in part.container.mounts}
        shared = [v for v in scope.plan.volumes if v.id in names and isinstance(v.place, Claim) and v.place.shared]
        for volume in shared:
            text = (
                f"Pod {group} needs `fsGroup` for its own disk; it applies to every volume of the pod, so the kubelet may change "
                f"the group of the files in {volume.id} too."
            )
            remedy = f"run `chgrp {scope.plan.tools.identity.gid}` on the top folder of the share; the kubelet then leaves its files alone"
            yield note("volumes.group", f"volumes.{volume.id}.place.shared", "function", text, remedy, code="kubernetes.fs-group")


def _identity(part: PodContainer) -> Iterator[Finding]:
    identity, path = part.container.identity, part.path
    if identity.how != "puid-pgid" and part.kind != "init":
        text = "Kubernetes cannot set the umask: the container keeps the umask of its image."
        remedy = "set the umask in the container's `command`, if it matters"
        yield note(
            "containers.identity.umask", f"{path}.identity.umask", "cosmetic", text, remedy, code="security.umask", app=part.app_name
        )
    if identity.how != "puid-pgid" and starts_as_root(identity, part.container.needs):
        for field in ("uid", "gid") if identity.how == "user" else ("uid",):
            text = f"The container starts as root; its image chooses the {field} that it drops to."
            at = f"{path}.identity.{field}"
            yield note("containers.identity.uid", at, "cosmetic", text, code="security.image-user", app=part.app_name)
    derived = {"TZ": "timezone"}
    if identity.how == "puid-pgid":
        derived |= {"PUID": f"{path}.identity.uid", "PGID": f"{path}.identity.gid", "UMASK": f"{path}.identity.umask"}
    for variable in sorted(derived.keys() & part.container.env.keys()):
        text = f"The environment of {path} sets {variable}, which overrides the plan's value."
        remedy = f"remove {variable} from the environment"
        yield note("containers.env", derived[variable], "function", text, remedy, code="config.variable-override", app=part.app_name)


def _squashed(scope: Scope, part: PodContainer) -> Iterator[Finding]:
    """Yield findings on root processes that write to a share: other users own its folders, and root squash denies root."""
    if part.kind in ("init", "cloud") or part.container.identity.how != "fixed" or part.container.identity.uid != 0:
        return
    for mount in part.container.mounts:
        volume = scope.volumes.get(mount.volume)
        if mount.access == "ro" or volume is None or not isinstance(volume.place, Claim) or not volume.place.shared:
            continue
        if volume.place.share is None or volume.place.share.protocol == "nfs":
            text = f"{part.name} writes to {volume.id} as root: an NFS export with root squash maps root to nobody and denies it."
            remedy = "map root on the export (TrueNAS: maproot), or give the volume a claim of its own"
            path = f"{part.path}.identity.uid"
            yield note("containers.identity.root", path, "function", text, remedy, code="storage.root-squash", app=part.app_name)


def _probes(part: PodContainer) -> Iterator[Finding]:
    probes = part.container.probes
    if part.kind == "cloud" and probes.ready is not None:
        text = "The readiness probe of a cloud's mount container becomes its startup probe: not ready, it would cut off the whole pod."
        yield note("probes.ready", f"{part.path}.probes.ready", "cosmetic", text, code="kubernetes.cloud-readiness")
    if part.kind in SIDECARS and gate(part) is None:
        text = f"{part.name} has no probe, so containers that depend on it may start too early."
        field: tuple[str, Class] = ("egress.gateway", "security") if part.kind == "gateway" else ("probes", "function")
        path, remedy = f"{part.path}.probes", f"add a probe to {part.name}"
        yield refuse(field[0], path, field[1], text, remedy, code="health.probe-missing", app=part.app_name)
    for name, check in (("startup", probes.startup), ("ready", probes.ready), ("live", probes.live)):
        path = f"{part.path}.probes.{name}"
        if check is None or part.kind == "init":
            continue
        if isinstance(check.how, Http) and not is_http(check.how):
            answers = ", ".join(str(status) for status in check.how.ok)
            text = f"The kubelet cannot accept the HTTP status {answers} as healthy: the probe only opens a TCP connection."
            remedy = "use a path that responds with a status from 200 to 399"
            yield note("probes.ok", f"{path}.how", "function", text, remedy, code="kubernetes.probe-tcp", app=part.app_name)
        if isinstance(check.how, Http | Tcp) and port_of(part.app, check.how.port) is None:
            text, remedy = f"The probe uses port {check.how.port!r}, which does not exist.", "name a port of the app in the probe"
            yield refuse("probes", f"{path}.how.port", "function", text, remedy, code="network.port-unknown", app=part.app_name)


def _privileges(scope: Scope, part: PodContainer) -> Iterator[Finding]:
    needs, path = part.container.needs, part.path
    for need, device in device_of(scope.plan.devices, needs):
        if device is None and need != "fuse":
            text = f"{part.name} needs the device {need}, which the profile does not have."
            at, remedy = f"{path}.needs.{need}", f"add `devices: {{{need}: {{plugin: ...}}}}` to the profile"
            yield refuse(f"devices.{need}", at, "function", text, remedy, code="config.device-missing", app=part.app_name)
        if isinstance(device, AnnotatedDevice) and need == "fuse":
            text = "A container that mounts FUSE is privileged on a cluster, so it needs no annotation for its device."
            yield note(f"devices.{need}", f"devices.{need}", "cosmetic", text, code="kubernetes.fuse-privileged")
            continue
        if isinstance(device, HostDevice) and needs.fuse:
            text = "A container that mounts FUSE is privileged on a cluster, so it has every device of its node."
            yield note(f"devices.{need}", f"devices.{need}", "cosmetic", text, code="kubernetes.fuse-privileged")
        elif isinstance(device, HostDevice):
            text = f"{part.name} sees the node's device {device.path}, but the device cgroup may deny access to it."
            remedy = f"use a device plug-in or a CRI-O annotation: `devices: {{{need}: {{plugin: ...}}}}`"
            field = f"devices.{need}"
            yield note(field, field, "function", text, remedy, code="kubernetes.device-cgroup", app=part.app_name)
        if isinstance(device, AnnotatedDevice):
            text = f"The CRI-O annotation adds {device.path} to the whole pod: each of its containers gets it."
            at = f"{path}.needs.{need}"
            yield note(f"devices.{need}", at, "cosmetic", text, code="kubernetes.device-annotation", app=part.app_name)
    if needs.fuse:
        for field in ("root_start", "net_admin"):
            text = "A container that mounts FUSE is privileged on a cluster, so it has every capability."
            at = f"{path}.needs.{field}"
            yield note("containers.needs", at, "cosmetic", text, code="kubernetes.fuse-privileged", app=part.app_name)


def _environment(part: PodContainer) -> Iterator[Finding]:
    for name, value in sorted(part.container.secret_env.items()):
        path, app = f"{part.path}.env.{name}", part.app_name
        text = "The image reads a secret from a variable: everyone who can run `exec` in the pod can read it."
        remedy = "allow `exec` only to people who may read the Secret"
        yield note("containers.env.secret", path, "cosmetic", text, remedy, code="security.secret-variable", app=app)
        if value.form != "plain":
            text = f"Variable {name} needs the secret in the form {value.form}; a Secret passes on only the plain value."
            remedy = "mount the secret as a file"
            yield refuse("containers.env.secret", f"{path}.form", "function", text, remedy, code="security.secret-form", app=app)


def _group(group: Group) -> Iterator[Finding]:
    path = f"groups.{group.name}"
    if group.address is not None:
        text = "Pods have no fixed addresses: apps find each other by name."
        yield note("groups.address", f"{path}.address", "cosmetic", text, code="kubernetes.address")
    match group.egress:
        case Tunnel(endpoints=(), gateway=gateway):
            text = f"No VPN endpoint is configured for {gateway}, so its NetworkPolicy allows all egress: only its firewall is a fence."
            remedy = "add the networks of the provider's servers to the profile: `vpn: {endpoints: [{cidr: ...}]}`"
            at = f"{path}.egress.endpoints"
            yield note("egress.fence", at, "security", text, remedy, code="kubernetes.vpn-endpoints", app=gateway)
        case Sealed(gateway=gateway):
            text = (
                f"The sealed pod of {gateway} has no DNS, because cluster DNS forwards queries to the outside: "
                "others find its apps by name, but these cannot look up any name."
            )
            at, remedy = f"{path}.egress.gateway", "add a `vpn` section to the profile"
            yield note("egress.dns", at, "function", text, remedy, code="kubernetes.sealed-dns", app=gateway)
        case Tunnel() | Direct():
            pass
        case _:
            assert_never(group.egress)
    if isinstance(group.egress, Tunnel):
        text = (
            f"The pod of {group.egress.gateway} has no search list, so that no name leaves outside the tunnel: its apps find apps of other "
            "pods only by their names in full. `portable` writes these where it makes settings."
        )
        remedy = "in settings that you make yourself, write APP.NAMESPACE.svc.cluster.local instead of APP"
        yield note(
            "egress.names", f"{path}.egress.gateway", "function", text, remedy, code="kubernetes.full-names", app=group.egress.gateway
        )
    yield from told_by_settings(group)
    if not isinstance(group.egress, Direct) and group.egress.gateway not in group.apps:
        gateway = group.egress.gateway
        text = f"Gateway {gateway!r} is not in its group {group.name}, so nothing would confine the apps."
        remedy = "add the gateway to its group"
        yield refuse("egress.gateway", f"{path}.egress", "security", text, remedy, code="network.gateway-outside", app=gateway)


def _apps(scope: Scope) -> Iterator[Finding]:
    grouped = {name for group in scope.plan.groups for name in group.apps}
    for app in scope.plan.apps:
        if app.name not in grouped:
            text, remedy = f"{app.name} belongs to no group, so it gets no pod.", "add the app to a group"
            yield refuse("groups", f"apps.{app.name}", "function", text, remedy, code="network.group-missing", app=app.name)
        mains = [container for container in app.containers if container.role == "main"]
        if len(mains) != 1:
            for container in app.containers:
                path = f"apps.{app.name}.containers.{container.name}.role"
                text = f"{app.name} must have exactly one container with the role `main`: the app's name refers to it."
                remedy = "give exactly one container the role `main`"
                yield refuse("containers.role", path, "function", text, remedy, code="config.main-container", app=app.name)
        for port in app.ports:
            path = f"apps.{app.name}.ports.{port.name}"
            if port.private:
                text = "A private port has no Service that could record its protocol."
                yield note("ports.serves", f"{path}.serves", "cosmetic", text, code="kubernetes.private-port", app=app.name)
            if port.container not in {container.name for container in app.containers}:
                text = f"Port {port.name} belongs to container {port.container!r}, which does not exist."
                at, remedy = f"{path}.container", "name a container of the app"
                yield refuse("ports.container", at, "function", text, remedy, code="network.container-unknown", app=app.name)


def _references(scope: Scope) -> Iterator[Finding]:
    for placed in containers(scope.plan):
        for mount in placed.container.mounts:
            if mount.volume not in scope.volumes:
                path, text = f"{placed.path}.mounts.{mount.volume}@{mount.path}", f"Volume {mount.volume!r} does not exist."
                remedy = "declare the volume, or correct its name"
                yield refuse("volumes", path, "data", text, remedy, code="storage.volume-unknown", app=placed.about)
        for file in placed.container.files:
            if file.file not in scope.files:
                path, text = f"{placed.path}.files.{file.file}@{file.path}", f"File {file.file!r} does not exist."
                remedy = "declare the file, or correct its name"
                yield refuse("files", path, "function", text, remedy, code="config.file-unknown", app=placed.about)
    for app in scope.plan.apps:
        for number, cloud in enumerate(app.clouds):
            if cloud not in scope.clouds:
                text, remedy = f"Cloud {cloud!r} does not exist.", "declare the cloud, or correct its name"
                path = f"apps.{app.name}.clouds.{number}"
                yield refuse("clouds", path, "function", text, remedy, code="storage.cloud-unknown", app=app.name)
    for group in scope.plan.groups:
        for number, name in enumerate(group.apps):
            if name not in scope.apps:
                text, path = f"App {name!r} does not exist.", f"groups.{group.name}.apps.{number}"
                yield refuse("groups", path, "function", text, "name an app of the stack", code="config.app-unknown")


def _volume(scope: Scope, volume: Volume) -> Iterator[Finding]:
    path, place = f"volumes.{volume.id}.place", volume.place
    pods = scope.mounted_by.get(volume.id, ())
    if not pods:
        text = f"No pod mounts volume {volume.id}."
        yield note("volumes", f"volumes.{volume.id}", "cosmetic", text, code="storage.volume-unused")
    match place:
        case Folder():
            text = f"A folder of a node does not move with its pod: {volume.id} would be empty on another node."
            yield refuse("volumes.place", path, "data", text, "use a claim: `claim: {size: ...}`", code="kubernetes.folder")
        case Ephemeral():
            if len(pods) > 1:
                text = f"Pods cannot share scratch space: {', '.join(pods)} each get their own {volume.id}."
                yield note("volumes.scratch", path, "cosmetic", text, code="kubernetes.scratch")
        case Claim():
            yield from _claim(volume, place, pods)
        case _:
            assert_never(place)


def _claim(volume: Volume, claim: Claim, pods: tuple[str, ...]) -> Iterator[Finding]:
    path = f"volumes.{volume.id}.place"
    if claim.existing:
        text = f"Claim {claim.name} already exists: `portable` changes neither its size nor its class nor its access mode."
        yield note("volumes.existing", path, "cosmetic", text, code="kubernetes.claim-existing")
    if not claim.shared and len(pods) > 1:
        text = f"Claim {claim.name} can be mounted on one node only: {', '.join(pods)} must all run on the same node."
        remedy = "set `shared: true` on the claim, or give each app a claim of its own"
        yield note("volumes.shared", f"{path}.shared", "function", text, remedy, code="kubernetes.claim-node")
    if claim.share is not None and claim.share.protocol == "nfs" and claim.share.login is not None:
        text = f"The login of claim {claim.name} has no effect: an NFS server trusts the client's address and user number."
        remedy = "limit the export to the addresses of the nodes"
        yield note("volumes.share.login", f"{path}.share.login", "security", text, remedy, code="storage.nfs-login")


def _claims(scope: Scope) -> Iterator[Finding]:
    """Yield a refusal for each claim that two volumes describe differently."""
    first: dict[str, Claim] = {}
    for volume in scope.plan.volumes:
        place = volume.place
        if isinstance(place, Claim) and first.setdefault(place.name, place) != place:
            text = f"Two volumes describe claim {place.name} differently."
            path, remedy = f"volumes.{volume.id}.place", "describe the claim once, and use a folder of it for each volume (`below`)"
            yield refuse("volumes.place", path, "data", text, remedy, code="storage.claim-conflict")


def _files(scope: Scope) -> Iterator[Finding]:
    for file in scope.plan.files:
        if file.id not in scope.readers:
            text = f"No pod uses file {file.id}."
            yield note("files", f"files.{file.id}", "cosmetic", text, code="config.file-unused")
        elif not all(scope.readers[file.id]) and file.mode & 0o500 != (file.mode & 0o005) << 6:
            text = "Kubernetes gives files to root: every user of the containers that mount this one gets its owner's permissions."
            yield note("files.mode", f"files.{file.id}.mode", "cosmetic", text, code="security.file-mode")


def _exposure(scope: Scope, exposure: Exposure) -> Iterator[Finding]:
    path, app = _at(exposure), exposure.app
    port = port_of(scope.apps.get(app), exposure.port)
    if port is None:
        text, remedy = f"App {app} has no port {exposure.port!r}.", "name a port of an app of the stack"
        yield refuse("exposures", path, "function", text, remedy, code="network.port-unknown", app=app)
        return
    how = exposure.how
    match how:
        case Loopback() | Lan():
            text = f"A cluster has no host ports: {app} can be reached only from inside the cluster."
            remedy = "use `ingress` or `load-balancer`"
            yield note("exposures", f"{path}.how", "function", text, remedy, code="exposure.unsupported", app=app)
        case Ingress():
            if port.protocol != "tcp" or port.serves == "raw":
                text = f"An Ingress routes HTTP only; port {port.name} of {app} uses another protocol."
                yield refuse("exposures", f"{path}.how", "function", text, "use `load-balancer`", code="exposure.http-only", app=app)
            if how.tls_secret is None:
                text = "No certificate is configured: the Ingress controller presents its own."
                at, remedy = f"{path}.how.tls_secret", "set `exposure: {tls-secret: ...}` to a Secret with a certificate"
                yield note("exposures.tls", at, "cosmetic", text, remedy, code="exposure.certificate", app=app)
        case GatewayRoute():
            yield from _gateway_route(exposure, how, port)
        case LoadBalancer() | Route():
            pass
        case _:
            assert_never(how)


def _gateway_route(exposure: Exposure, how: GatewayRoute, port: Port) -> Iterator[Finding]:
    path, app = _at(exposure), exposure.app
    if port.protocol != "tcp" or port.serves == "raw":
        text = f"An HTTPRoute routes HTTP only; port {port.name} of {app} uses another protocol."
        yield refuse("exposures", f"{path}.how", "function", text, "use `load-balancer`", code="exposure.http-only", app=app)
    if port.serves == "https":
        text = f"A Gateway sends plain HTTP to apps; port {port.name} of {app} uses TLS."
        yield refuse("exposures", f"{path}.how", "function", text, "use `load-balancer`", code="exposure.http-only", app=app)
    text = (
        f"Gateway {how.gateway}{f' in namespace {how.gateway_namespace}' if how.gateway_namespace else ''} must exist, "
        f"accept routes of this namespace, and have a listener with a certificate for {how.host}."
    )
    remedy = "create it, or use another exposure; `kubectl describe httproute` shows whether it accepts the route"
    yield note("exposures.gateway", f"{path}.how.gateway", "function", text, remedy, code="exposure.gateway", app=app)


def _at(exposure: Exposure) -> str:
    return f"exposures.{exposure.app}:{exposure.port}"
