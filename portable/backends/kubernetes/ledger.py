"""The ledger: every field of a plan that Kubernetes does not plainly translate, with what follows and what to do."""

from collections.abc import Iterator
from typing import assert_never

from portable.backends.common import containers, note, port_of, refuse, told_by_settings
from portable.backends.kubernetes.jobs import job_findings
from portable.backends.kubernetes.pod import grace, has_own_disk
from portable.backends.kubernetes.prepare import seeds
from portable.backends.kubernetes.probe import gate, is_http
from portable.backends.kubernetes.scope import SIDECARS, Part, Scope, starts_as_root
from portable.backends.kubernetes.volume import device_of
from portable.model.findings import Class, Finding
from portable.model.plan import (
    AnnotatedDevice,
    Claim,
    Container,
    Direct,
    Exposure,
    Folder,
    Group,
    HostDevice,
    Http,
    Ingress,
    Lan,
    LoadBalancer,
    Loopback,
    Route,
    Scratch,
    Sealed,
    Tcp,
    Tunnel,
    Volume,
)


def shared_findings(scope: Scope) -> Iterator[Finding]:
    """What holds on every cluster."""
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
    """On a cluster of any make nobody knows who enforces a NetworkPolicy, if anybody does."""
    for group in scope.plan.groups:
        if not isinstance(group.egress, Direct):
            gateway = group.egress.gateway
            text = f"The second fence around {gateway} is a NetworkPolicy: a network plug-in must enforce it, and Flannel does not."
            remedy = "use one that does, as Calico or Cilium, or waive it: the gateway's own firewall is then the only fence"
            yield note("egress.policy", f"groups.{group.name}.egress.gateway", "security", text, remedy, app=gateway)


def open_to_all(scope: Scope) -> Iterator[Finding]:
    """What is exposed through an Ingress whose controller might be any pod; OpenShift's router is known."""
    for exposure in scope.plan.exposures:
        if isinstance(exposure.how, Ingress) and exposure.how.namespace is None:
            text = f"Every pod of the cluster reaches {exposure.app}'s {exposure.port} past the Ingress: its controller's place isn't said."
            remedy = "name the namespace of its pods in `exposure.ingress-namespace`, unless they have their node's network; or waive it"
            yield note("exposures.from", f"{_at(exposure)}.how.namespace", "security", text, remedy, app=exposure.app)


def refused_routes(scope: Scope) -> Iterator[Finding]:
    """Routes, which only OpenShift has."""
    for exposure in scope.plan.exposures:
        if isinstance(exposure.how, Route):
            text = f"Kubernetes has no Routes: {exposure.app} would not be reached from outside."
            yield refuse("exposures", f"{_at(exposure)}.how", "function", text, "use ingress or load-balancer", app=exposure.app)


def _everywhere(scope: Scope) -> Iterator[Finding]:
    plan = scope.plan
    if plan.subnet is not None:
        yield note("subnet", "subnet", "cosmetic", "Pods get addresses of the cluster's own range.")
    if plan.node_weight is None and any(group.prefer_nodes for group in plan.groups):
        yield note("node_weight", "node_weight", "cosmetic", "A preference has a weight: the highest one, where none is named.")
    if plan.volumes:
        yield note("volumes.holds", "volumes.*.holds", "cosmetic", "What a volume holds is weighed in planning; a mount is a mount.")
        text = "A pod's volume has the name of its claim: two volumes of one claim are one there."
        yield note("volumes.id", "volumes.*.id", "cosmetic", text)
    if any(app.after for app in plan.apps):
        text = "Pods have no order: an app that is up first asks again until the other one answers."
        yield note("after", "apps.*.after", "cosmetic", text)
    if any(cloud.after for cloud in plan.clouds):
        text = "Pods have no order: the mounter tries again until the cloud is there, and the apps of its pod start then."
        yield note("after", "clouds.*.after", "cosmetic", text)
    placed = list(containers(plan))
    yield from _alike("apps.*.containers.*", [p.container for p in placed if p.app])
    yield from _alike("clouds.*.mounter", [p.container for p in placed if p.cloud])
    yield from _alike("tools", [plan.tools])


def _alike(path: str, given: list[Container]) -> Iterator[Finding]:
    """What is said once for all containers of a kind."""
    if not given:
        return
    text = "The kubelet asks by itself: the image's own HTTP client isn't needed."
    yield note("containers.fetch", f"{path}.fetch", "cosmetic", text)
    text = "A user given and one that the image fixes are both said as runAsUser."
    yield note("containers.identity.how", f"{path}.identity.how", "cosmetic", text)
    if any(container.image.recipe for container in given):
        text = "A cluster pulls images: what is built from a recipe must be pushed to a registry that the nodes reach."
        remedy = "`portable images build`, then push the image under the name that the catalog gives it"
        yield note("images.recipe", f"{path}.image.recipe", "function", text, remedy)
    probes = [container.probes for container in given if path != "tools"]
    checks = [check for probe in probes for check in (probe.startup, probe.ready, probe.live) if check is not None]
    if any(isinstance(check.how, Http) and is_http(check.how) for check in checks):
        text = "The kubelet takes every answer from 200 to 399 for healthy."
        yield note("probes.ok", f"{path}.probes.*.how.ok", "cosmetic", text)


def _tools(scope: Scope) -> Iterator[Finding]:
    tools = scope.plan.tools
    if scope.plan.clouds:
        yield note("containers.role", "clouds.*.mounter.role", "cosmetic", "A mounter is a container of each pod that reads its cloud.")
    text = "init-dirs needs nothing here: the folders that it makes are its own."
    yield note("tools.needs", "tools.needs", "cosmetic", text)
    if tools.identity.uid == 0:
        text = "init-dirs runs as root, which a share with root squash lets make nothing, and nobody else may write to what root made."
        yield note("tools.identity", "tools.identity.uid", "function", text, "give the tools the identity of the apps")
    yield note("tools.stop_grace", "tools.stop_grace", "cosmetic", "init-dirs ends by itself.")
    yield note("containers.role", "tools.role", "cosmetic", "init-dirs is an init container of each pod with something to prepare.")
    for name in ("startup", "ready", "live"):
        if getattr(tools.probes, name) is not None:
            yield note("tools.probes", f"tools.probes.{name}", "cosmetic", "init-dirs ends by itself: it is not asked.")


def _pod(scope: Scope, group: str, parts: tuple[Part, ...]) -> Iterator[Finding]:
    longest = grace(parts)
    groups = {part.container.identity.groups for part in parts if part.kind != "init"}
    for part in parts:
        given, app, path = part.container, part.app_name, part.path
        if part.kind != "init" and given.stop_grace < longest:
            text = f"A pod has one time to end: in {group} {longest} seconds instead of {given.stop_grace}."
            yield note("containers.stop_grace", f"{path}.stop_grace", "cosmetic", text, app=app)
        if given.init:
            text = f"A pod starts {part.name} as its first process: nothing hands signals on or takes orphans. It ends when its time is up."
            yield note("containers.init", f"{path}.init", "function", text, "nothing to do, or an image that brings an init", app=app)
        if given.identity.groups and len(groups) > 1:
            text = f"Supplemental groups belong to a pod: all containers of {group} have these."
            yield note("containers.identity.groups", f"{path}.identity.groups", "cosmetic", text, app=app)
        yield from _identity(part)
        yield from _squashed(scope, part)
        yield from _probes(part)
        yield from _privileges(scope, part)
        yield from _environment(part)
    for seed in seeds(scope, parts):
        if seed.target is None:
            at, file = seed.part.path, seed.mount
            text = f"{file.path} lies in no volume of its container: there is nowhere to put the seed."
            yield refuse(
                "files.seed", f"{at}.files.{file.file}@{file.path}", "function", text, "mount a volume there", app=seed.part.app_name
            )
    if has_own_disk(scope, parts):
        names = {mount.volume for part in parts for mount in part.container.mounts}
        shared = [v for v in scope.plan.volumes if v.id in names and isinstance(v.place, Claim) and v.place.shared]
        for volume in shared:
            text = f"Pod {group} also has a disk of its own, so the kubelet gives {volume.id} to a group too, where its driver lets it."
            remedy = "let the root of the share belong to that group: then nothing is changed"
            yield note("volumes.group", f"volumes.{volume.id}.place.shared", "function", text, remedy)


def _identity(part: Part) -> Iterator[Finding]:
    identity, path = part.container.identity, part.path
    if identity.how != "puid-pgid" and part.kind != "init":
        text = "Kubernetes can't set the umask: the image's own holds."
        yield note("containers.identity.umask", f"{path}.identity.umask", "cosmetic", text, app=part.app_name)
    if identity.how != "puid-pgid" and starts_as_root(identity, part.container.needs):
        text = "It starts as root; whom it then drops to, the image decides."
        for field in ("uid", "gid") if identity.how == "user" else ("uid",):
            yield note("containers.identity.uid", f"{path}.identity.{field}", "cosmetic", text, app=part.app_name)
    derived = {"TZ": "timezone"}
    if identity.how == "puid-pgid":
        derived |= {"PUID": f"{path}.identity.uid", "PGID": f"{path}.identity.gid", "UMASK": f"{path}.identity.umask"}
    for variable in sorted(derived.keys() & part.container.env.keys()):
        text = f"{variable} is also in the environment of {path}, which wins."
        remedy = f"take {variable} out of the environment"
        yield note("containers.env", derived[variable], "function", text, remedy, app=part.app_name)


def _squashed(scope: Scope, part: Part) -> Iterator[Finding]:
    """What stays root and writes to a share: the folders there are made by another user, and an export with root squash knows no root."""
    if part.kind in ("init", "cloud") or part.container.identity.how != "fixed" or part.container.identity.uid != 0:
        return
    for mount in part.container.mounts:
        volume = scope.volumes.get(mount.volume)
        if mount.access == "ro" or volume is None or not isinstance(volume.place, Claim) or not volume.place.shared:
            continue
        if volume.place.share is None or volume.place.share.protocol == "nfs":
            text = f"{part.name} is root and writes to {volume.id}: an export with root squash takes it for nobody and refuses."
            remedy = "map root on the export (TrueNAS: maproot), or give the volume a claim of its own"
            yield note("containers.identity.root", f"{part.path}.identity.uid", "function", text, remedy, app=part.app_name)


def _probes(part: Part) -> Iterator[Finding]:
    given = part.container.probes
    if part.kind == "cloud" and given.ready is not None:
        text = "A mounter that is not ready would take its readers off the network: only its start is asked."
        yield note("probes.ready", f"{part.path}.probes.ready", "cosmetic", text)
    if part.kind in SIDECARS and gate(part) is None:
        text = f"Nothing says when {part.name} is up: what needs it would start before it holds."
        field: tuple[str, Class] = ("egress.gateway", "security") if part.kind == "gateway" else ("probes", "function")
        yield refuse(field[0], f"{part.path}.probes", field[1], text, "give it a probe", app=part.app_name)
    for name, check in (("startup", given.startup), ("ready", given.ready), ("live", given.live)):
        path = f"{part.path}.probes.{name}"
        if check is None or part.kind == "init":
            continue
        if isinstance(check.how, Http) and not is_http(check.how):
            answers = ", ".join(str(status) for status in check.how.ok)
            text = f"The kubelet can't be told that {answers} are healthy: only the connection is tried."
            yield note("probes.ok", f"{path}.how", "function", text, "name a path that answers with 200 to 399", app=part.app_name)
        if isinstance(check.how, Http | Tcp) and port_of(part.app, check.how.port) is None:
            text = f"There is no port {check.how.port!r} to ask."
            yield refuse("probes", f"{path}.how.port", "function", text, "name a port of the app", app=part.app_name)


def _privileges(scope: Scope, part: Part) -> Iterator[Finding]:
    needs, path = part.container.needs, part.path
    for need, device in device_of(scope.plan.devices, needs):
        if device is None and need != "fuse":
            text = f"{part.name} needs {need}, and this place gives none."
            yield refuse(
                f"devices.{need}", f"{path}.needs.{need}", "function", text, f"name devices.{need} in the profile", app=part.app_name
            )
        if isinstance(device, AnnotatedDevice) and need == "fuse":
            text = "What mounts FUSE is privileged on a cluster, and needs no annotation for its device."
            yield note(f"devices.{need}", f"devices.{need}", "cosmetic", text)
            continue
        if isinstance(device, HostDevice) and needs.fuse:
            text = "What mounts FUSE is privileged on a cluster, and so has every device of its node."
            yield note(f"devices.{need}", f"devices.{need}", "cosmetic", text)
        elif isinstance(device, HostDevice):
            text = f"A device of the node's own is seen by {part.name}, but the device cgroup may not let it open it."
            remedy = "have a device plug-in, or CRI-O's annotation, give the device"
            yield note(f"devices.{need}", f"devices.{need}", "function", text, remedy, app=part.app_name)
        if isinstance(device, AnnotatedDevice):
            text = f"CRI-O's annotation gives {device.path} to a pod: each of its containers has it."
            yield note(f"devices.{need}", f"{path}.needs.{need}", "cosmetic", text, app=part.app_name)
    if needs.fuse:
        for field in ("root_start", "net_admin"):
            text = "What mounts FUSE is privileged on a cluster: it has every capability already."
            yield note("containers.needs", f"{path}.needs.{field}", "cosmetic", text, app=part.app_name)


def _environment(part: Part) -> Iterator[Finding]:
    for name, value in sorted(part.container.secret_env.items()):
        path, app = f"{part.path}.env.{name}", part.app_name
        text = "The image takes a secret by environment: who may exec into its pod reads it there."
        yield note("containers.env.secret", path, "cosmetic", text, "give exec only to those who may read the Secret", app=app)
        if value.form != "plain":
            text = f"A Secret hands its value on as it is, and {name} wants it in the form of {value.form}."
            yield refuse("containers.env.secret", f"{path}.form", "function", text, "put it into a file", app=app)


def _group(group: Group) -> Iterator[Finding]:
    path = f"groups.{group.name}"
    if group.address is not None:
        text = "A pod has no fixed address: apps find one another by name."
        yield note("groups.address", f"{path}.address", "cosmetic", text)
    match group.egress:
        case Tunnel(endpoints=(), gateway=gateway):
            text = f"Nobody says where the tunnel of {gateway} ends, so its NetworkPolicy limits nothing: only its own firewall is a fence."
            remedy = "name the provider's servers as endpoints of the VPN in the profile"
            yield note("egress.fence", f"{path}.egress.endpoints", "security", text, remedy, app=gateway)
        case Sealed(gateway=gateway):
            text = (
                f"The sealed pod of {gateway} has no DNS, because cluster DNS asks the outside: its apps are found by name, but find none."
            )
            yield note("egress.dns", f"{path}.egress.gateway", "function", text, "add a `vpn` section to the profile", app=gateway)
        case Tunnel() | Direct():
            pass
        case _:
            assert_never(group.egress)
    yield from told_by_settings(group)
    if not isinstance(group.egress, Direct) and group.egress.gateway not in group.apps:
        text = f"The gateway {group.egress.gateway} is no app of the group: nothing would hold its traffic back."
        yield refuse("egress.gateway", f"{path}.egress", "security", text, "put the gateway into its group", app=group.egress.gateway)


def _apps(scope: Scope) -> Iterator[Finding]:
    grouped = {name for group in scope.plan.groups for name in group.apps}
    for app in scope.plan.apps:
        if app.name not in grouped:
            text = "No group has it: it gets no pod."
            yield refuse("groups", f"apps.{app.name}", "function", text, "put it into a group", app=app.name)
        mains = [container for container in app.containers if container.role == "main"]
        if len(mains) != 1:
            for container in app.containers:
                path = f"apps.{app.name}.containers.{container.name}.role"
                text = "An app has exactly one main container: its name stands for that."
                yield refuse("containers.role", path, "function", text, "let one container have the role main", app=app.name)
        for port in app.ports:
            path = f"apps.{app.name}.ports.{port.name}"
            if port.private:
                text = "A private port has no Service that could say what it serves."
                yield note("ports.serves", f"{path}.serves", "cosmetic", text, app=app.name)
            if port.container not in {container.name for container in app.containers}:
                text = f"There is no container {port.container!r} to listen."
                yield refuse("ports.container", f"{path}.container", "function", text, "name a container of the app", app=app.name)


def _references(scope: Scope) -> Iterator[Finding]:
    for placed in containers(scope.plan):
        for mount in placed.container.mounts:
            if mount.volume not in scope.volumes:
                path, text = f"{placed.path}.mounts.{mount.volume}@{mount.path}", f"There is no volume {mount.volume!r}."
                yield refuse("volumes", path, "data", text, "declare the volume", app=placed.about)
        for file in placed.container.files:
            if file.file not in scope.files:
                path, text = f"{placed.path}.files.{file.file}@{file.path}", f"There is no file {file.file!r}."
                yield refuse("files", path, "function", text, "declare the file", app=placed.about)
    for app in scope.plan.apps:
        for number, cloud in enumerate(app.clouds):
            if cloud not in scope.clouds:
                text = f"There is no cloud {cloud!r}."
                yield refuse("clouds", f"apps.{app.name}.clouds.{number}", "function", text, "declare the cloud", app=app.name)
    for group in scope.plan.groups:
        for number, name in enumerate(group.apps):
            if name not in scope.apps:
                text = f"There is no app {name!r}."
                yield refuse("groups", f"groups.{group.name}.apps.{number}", "function", text, "name an app of the stack")


def _volume(scope: Scope, volume: Volume) -> Iterator[Finding]:
    path, place = f"volumes.{volume.id}.place", volume.place
    pods = scope.mounted_by.get(volume.id, ())
    if not pods:
        yield note("volumes", f"volumes.{volume.id}", "cosmetic", "No pod mounts it.")
    match place:
        case Folder():
            text = f"A folder of one node does not follow its pod: {volume.id} would be empty on another."
            yield refuse("volumes.place", path, "data", text, "give it a claim")
        case Scratch():
            if len(pods) > 1:
                text = f"Scratch space belongs to one pod: {', '.join(pods)} have each their own {volume.id}."
                yield note("volumes.scratch", path, "cosmetic", text)
        case Claim():
            yield from _claim(volume, place, pods)
        case _:
            assert_never(place)


def _claim(volume: Volume, claim: Claim, pods: tuple[str, ...]) -> Iterator[Finding]:
    path = f"volumes.{volume.id}.place"
    if claim.existing:
        text = f"Claim {claim.name} exists: its size, class and access are as they are, nothing of it is applied."
        yield note("volumes.existing", path, "cosmetic", text)
    if not claim.shared and len(pods) > 1:
        text = f"Claim {claim.name} is for one node, and {', '.join(pods)} mount it: they only start on the same node."
        yield note("volumes.shared", f"{path}.shared", "function", text, "let the claim be shared, or give each its own")
    if claim.share is not None and claim.share.protocol == "nfs" and claim.share.login is not None:
        text = "NFS has no login: the server decides by address and number of the user."
        yield note("volumes.share.login", f"{path}.share.login", "security", text, "limit the export to the nodes")


def _claims(scope: Scope) -> Iterator[Finding]:
    """Claims that two volumes describe: they must mean the same one."""
    first: dict[str, Claim] = {}
    for volume in scope.plan.volumes:
        place = volume.place
        if isinstance(place, Claim) and first.setdefault(place.name, place) != place:
            text = f"Claim {place.name} is described twice and differently."
            yield refuse("volumes.place", f"volumes.{volume.id}.place", "data", text, "describe a claim once, and name folders in it")


def _files(scope: Scope) -> Iterator[Finding]:
    for file in scope.plan.files:
        if file.id not in scope.readers:
            yield note("files", f"files.{file.id}", "cosmetic", "No pod has it.")
        elif not all(scope.readers[file.id]) and file.mode & 0o500 != (file.mode & 0o005) << 6:
            text = "Files of a pod belong to root, so what its owner may do, every user of the containers that name it may."
            yield note("files.mode", f"files.{file.id}.mode", "cosmetic", text)


def _exposure(scope: Scope, exposure: Exposure) -> Iterator[Finding]:
    path, app = _at(exposure), exposure.app
    port = port_of(scope.apps.get(app), exposure.port)
    if port is None:
        yield refuse(
            "exposures", path, "function", f"There is no port {exposure.port!r} of {app}.", "name a port of an app of the stack", app=app
        )
        return
    how = exposure.how
    match how:
        case Loopback() | Lan():
            text = f"A cluster has no host of its own: {app} is only reached within the cluster."
            yield note("exposures", f"{path}.how", "function", text, "use ingress or load-balancer", app=app)
        case Ingress():
            if port.protocol != "tcp" or port.serves == "raw":
                text = f"An Ingress carries HTTP only, and {app}'s {port.name} serves something else."
                yield refuse("exposures", f"{path}.how", "function", text, "use load-balancer", app=app)
            if how.tls_secret is None:
                text = "No certificate is named: the Ingress controller shows its own."
                yield note("exposures.tls", f"{path}.how.tls_secret", "cosmetic", text, "name a secret with a certificate", app=app)
        case LoadBalancer() | Route():
            pass
        case _:
            assert_never(how)


def _at(exposure: Exposure) -> str:
    return f"exposures.{exposure.app}:{exposure.port}"
