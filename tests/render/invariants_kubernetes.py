"""What must hold in every rendering for a cluster, checked on the documents alone, by other code than that which wrote them.

With the plan, what only the plan knows is checked too: which claims exist already, and which app needs which gateway. A pod's SCC is tried
by a small admission of our own against OpenShift's published SCCs, where `../shared/crds` is there.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from portable.model import plan as p
from portable.model.rendering import RenderedDocument

Body = dict[str, Any]
CRDS = Path(__file__).resolve().parents[2].parent / "shared" / "crds"
CLUSTER_KINDS = {"Namespace", "PersistentVolume", "SecurityContextConstraints", "ClusterRole", "ClusterRoleBinding"}
ADMINISTRATORS = CLUSTER_KINDS | {"RoleBinding"}
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


def check_kubernetes(documents: Iterable[RenderedDocument], plan: p.Plan | None = None) -> list[str]:
    """Every invariant that does not hold, as a sentence; empty where all is well."""
    documents = list(documents)
    bodies = [d.body for d in documents if _is_object(d)]
    found = [*_files(documents), *_objects(bodies), *_services(bodies), *_volumes_of_cluster(bodies)]
    for workload in _workloads(bodies):
        found += _once(workload, plan)
        found += _workload(bodies, workload, plan)
        found += _scc(bodies, workload)
    if plan is not None:
        found += _gateways(bodies, plan)
    return found


def scc_refusals(scc: Body, pod: Body) -> list[str]:
    """Why an SCC does not admit a pod, as OpenShift's admission decides it; empty where it does.

    Ranges that a namespace hands out are not known here: a number that a pod asks for is taken to lie outside of them.
    """
    found = [
        f"volume type {kind}" for kind in _volume_types(pod) if kind not in (scc["volumes"] or []) and "*" not in (scc["volumes"] or [])
    ]
    if "hostPath" in _volume_types(pod) and not scc["allowHostDirVolumePlugin"]:
        found.append("hostPath")
    for field, allowed in (("hostNetwork", "allowHostNetwork"), ("hostPID", "allowHostPID"), ("hostIPC", "allowHostIPC")):
        if pod.get(field) and not scc[allowed]:
            found.append(field)
    if scc.get("userNamespaceLevel") == "RequirePodLevel" and pod.get("hostUsers") is not False:
        found.append("needs a user namespace")
    security = pod.get("securityContext", {})
    for field, strategy in (("fsGroup", "fsGroup"), ("supplementalGroups", "supplementalGroups")):
        if security.get(field) and scc[strategy]["type"] != "RunAsAny":
            found.append(field)
    for container in _containers(pod):
        found += [f"{container['name']}: {why}" for why in _container_refusals(scc, security, container.get("securityContext", {}))]
    return found


def published_sccs() -> dict[str, Body]:
    """OpenShift's own SCCs by name; empty where they are not there."""
    files = sorted((CRDS / "scc").glob("scc-*.yaml"))
    sccs = [yaml.safe_load(file.read_text()) for file in files]
    return {scc["metadata"]["name"]: scc for scc in sccs}


def _container_refusals(scc: Body, pod: Body, own: Body) -> Iterator[str]:
    if own.get("privileged") and not scc["allowPrivilegedContainer"]:
        yield "privileged"
    if own.get("allowPrivilegeEscalation") and not scc["allowPrivilegeEscalation"]:
        yield "privilege escalation"
    allowed = {*(scc["allowedCapabilities"] or []), *(scc["defaultAddCapabilities"] or [])}
    capabilities = own.get("capabilities", {})
    for capability in capabilities.get("add", []):
        if "*" not in allowed and capability not in allowed:
            yield f"capability {capability}"
    missing = set(scc["requiredDropCapabilities"] or []) - set(capabilities.get("drop", []))
    if missing and "ALL" not in capabilities.get("drop", []):
        # Admission adds what must be dropped; here it has to be said, so that a reader of the file sees what runs.
        yield f"does not drop {', '.join(sorted(missing))}"
    profile = own.get("seccompProfile", pod.get("seccompProfile"))
    profiles = scc.get("seccompProfiles") or []
    if profile is not None and "*" not in profiles and {"RuntimeDefault": "runtime/default"}.get(profile["type"]) not in profiles:
        yield f"seccomp {profile['type']}"
    user = own.get("runAsUser", pod.get("runAsUser"))
    match scc["runAsUser"]["type"]:
        case "MustRunAsRange" if user is not None:
            yield f"uid {user}"
        case "MustRunAsNonRoot" if user == 0 or (user is None and not own.get("runAsNonRoot", pod.get("runAsNonRoot"))):
            yield "may be root"


def _is_object(document: RenderedDocument) -> bool:
    """Whether it is an object of the stack, and not one of kustomize or of a GitOps controller."""
    return not document.file.startswith("gitops") and document.body["kind"] not in ("Kustomization", "Component")


def _built(documents: list[RenderedDocument], folder: str) -> list[str]:
    """The files that kustomize reads for a folder, each as often as it reads it."""
    path = f"{folder}/kustomization.yaml".removeprefix("/")
    body = next((d.body for d in documents if d.file == path), None)
    if body is None:
        return [f"{path} is missing"]
    found: list[str] = []
    for name in (*body.get("resources", ()), *body.get("components", ())):
        below = posixpath.normpath(f"{folder}/{name}".removeprefix("/"))
        found += [below] if below.endswith(".yaml") else _built(documents, below)
    return found


def _files(documents: list[RenderedDocument]) -> Iterator[str]:
    own = {d.file for d in documents if _is_object(d)}
    for folder, of_administrator in (("", False), ("administrator", True)):
        wanted = sorted(file for file in own if file.startswith("administrator/") == of_administrator)
        if sorted(_built(documents, folder)) != wanted:
            yield f"the kustomization of {folder or 'the folder'} builds {_built(documents, folder)}, not {wanted}"
    if controlled := [d for d in documents if d.file.startswith("gitops/") and d.file != "gitops/kustomization.yaml"]:
        spec = [d.body["spec"] for d in controlled]
        paths = sorted(s["path"].removeprefix("./") if "path" in s else s["source"]["path"] for s in spec)
        whole = posixpath.commonpath(paths)
        built = [file for path in paths if path != f"{whole}/secrets" for file in _built(documents, posixpath.relpath(path, whole))]
        if sorted(built) not in (sorted(own), sorted(file for file in own if not file.startswith("administrator/"))):
            yield f"the controller applies {sorted(built)}, not {sorted(own)}"
    for d in documents:
        kind = d.body["kind"]
        if _is_object(d) and (kind in ADMINISTRATORS) != d.file.startswith("administrator/"):
            yield f"{kind} {d.body['metadata']['name']} lies in {d.file}"


def _objects(bodies: list[Body]) -> Iterator[str]:
    seen = Counter((b["kind"], b["metadata"].get("namespace"), b["metadata"]["name"]) for b in bodies)
    yield from (f"{kind} {name} stands {times} times" for (kind, _, name), times in seen.items() if times > 1)
    namespaces = {b["metadata"]["name"] for b in _of(bodies, "Namespace")}
    for body in bodies:
        name, kind = body["metadata"]["name"], body["kind"]
        if kind == "Secret":
            yield f"Secret {name} is rendered"
        if not _NAME.fullmatch(name) and not (kind in ("ClusterRole", "SecurityContextConstraints") and ":" in name):
            yield f"{kind} {name}: the name is not allowed"
        if (body["metadata"].get("namespace") is None) != (kind in CLUSTER_KINDS):
            yield f"{kind} {name}: namespace {body['metadata'].get('namespace')}"
        if body["metadata"].get("namespace") not in namespaces | {None}:
            yield f"{kind} {name} lies in another namespace"
        for key, value in body["metadata"]["labels"].items():
            if not _LABEL.fullmatch(value):
                yield f"{kind} {name}: label {key}={value} is not allowed"
        shared = kind in ("Namespace", "SecurityContextConstraints", "ClusterRole")
        if shared and "app.kubernetes.io/instance" in body["metadata"]["labels"]:
            yield f"{kind} {name} belongs to one stack, and others use it"
        for needed in ("name", "managed-by") if shared else ("name", "instance", "part-of", "managed-by"):
            if f"app.kubernetes.io/{needed}" not in body["metadata"]["labels"]:
                yield f"{kind} {name} has no label {needed}"


def _services(bodies: list[Body]) -> Iterator[str]:
    templates = [template_of(d) for d in _workloads(bodies)]
    services = {s["metadata"]["name"]: s for s in _of(bodies, "Service")}
    for name, service in services.items():
        wanted = service["spec"]["selector"].items()
        chosen = [t for t in templates if wanted <= t["metadata"]["labels"].items()]
        if len(chosen) != 1:
            yield f"Service {name} selects {len(chosen)} pods"
            continue
        listening = {(port["name"], port["protocol"]) for c in _containers(chosen[0]["spec"]) for port in c.get("ports", [])}
        for port in service["spec"]["ports"]:
            if (port["targetPort"], port["protocol"]) not in listening:
                yield f"Service {name}: no container listens on {port['targetPort']}"
    for ingress in _of(bodies, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                to = path["backend"]["service"]
                if to["port"]["name"] not in _port_names(services.get(to["name"])):
                    yield f"Ingress {ingress['metadata']['name']} leads to nowhere"
    for route in _of(bodies, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for to in rule["backendRefs"]:
                if to["port"] not in {port["port"] for port in services.get(to["name"], {"spec": {"ports": []}})["spec"]["ports"]}:
                    yield f"HTTPRoute {route['metadata']['name']} leads to nowhere"
    for route in _of(bodies, "Route"):
        if route["spec"]["port"]["targetPort"] not in _port_names(services.get(route["spec"]["to"]["name"])):
            yield f"Route {route['metadata']['name']} leads to nowhere"
    for policy in _of(bodies, "NetworkPolicy"):
        wanted = policy["spec"]["podSelector"]["matchLabels"].items()
        if len([t for t in templates if wanted <= t["metadata"]["labels"].items()]) != 1:
            yield f"NetworkPolicy {policy['metadata']['name']} is the fence of no pod"
    if len(_of(bodies, "NetworkPolicy")) != len(templates):
        yield "a pod has no NetworkPolicy"


def _volumes_of_cluster(bodies: list[Body]) -> Iterator[str]:
    volumes = {v["metadata"]["name"]: v["spec"] for v in _of(bodies, "PersistentVolume")}
    claims = {c["metadata"]["name"]: c["spec"] for c in _of(bodies, "PersistentVolumeClaim")}
    for name, spec in volumes.items():
        if spec["persistentVolumeReclaimPolicy"] != "Retain":
            yield f"PersistentVolume {name} goes with its claim"
        claim = claims.get(spec["claimRef"]["name"])
        if claim is None or claim.get("volumeName") != name or claim.get("storageClassName") != spec["storageClassName"]:
            yield f"PersistentVolume {name} and its claim don't bind"
    handles = Counter(spec["csi"]["volumeHandle"] for spec in volumes.values() if "csi" in spec)
    yield from (f"volume handle {handle} stands {times} times" for handle, times in handles.items() if times > 1)
    for name, spec in claims.items():
        if spec.get("volumeName") is not None and spec["volumeName"] not in volumes:
            yield f"claim {name} waits for a volume that is not there"


def template_of(workload: Body) -> Body:
    """The template of the pods of a workload."""
    spec: Body = workload["spec"].get("jobTemplate", workload)["spec"]
    template: Body = spec["template"]
    return template


def _workloads(bodies: list[Body]) -> list[Body]:
    return [*_of(bodies, "Deployment"), *_of(bodies, "StatefulSet"), *_of(bodies, "CronJob")]


def _once(workload: Body, plan: p.Plan | None) -> Iterator[str]:
    """Two pods of one app would write one database."""
    name, spec = workload["metadata"]["name"], workload["spec"]
    if workload["kind"] == "CronJob":
        if spec["concurrencyPolicy"] != "Forbid" or template_of(workload)["spec"]["restartPolicy"] != "Never":
            yield f"{name} could run twice"
        if "activeDeadlineSeconds" not in spec["jobTemplate"]["spec"]:
            yield f"{name} may wait for ever, and keep its later runs from starting"
        if "timeZone" not in spec:
            yield f"{name} runs by the clock of the control plane"
        return
    if spec["replicas"] != 1 or (workload["kind"] == "Deployment" and (spec["strategy"] != {"type": "Recreate"} or _has_state(spec, plan))):
        yield f"{name} could run twice"
    if not spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items():
        yield f"{name} does not select its own pods"


def _has_state(spec: Body, plan: p.Plan | None) -> bool:
    """Whether an app of the pod writes state on a claim."""
    group = next((g for g in plan.groups if g.name == spec["selector"]["matchLabels"]["portable/group"]), None) if plan else None
    if plan is None or group is None:
        return False
    state = {v.id for v in plan.volumes if v.holds in ("state", "database") and isinstance(v.place, p.Claim)}
    mounts = [m for a in plan.apps if a.name in group.apps for c in a.containers for m in c.mounts]
    return any(m.volume in state and m.access == "rw" for m in mounts)


def _workload(bodies: list[Body], workload: Body, plan: p.Plan | None) -> Iterator[str]:
    name, pod = workload["metadata"]["name"], template_of(workload)["spec"]
    if pod["automountServiceAccountToken"] or pod["enableServiceLinks"]:
        yield f"{name} is told of the cluster"
    if pod["serviceAccountName"] not in {a["metadata"]["name"] for a in _of(bodies, "ServiceAccount")}:
        yield f"{name} runs as an account that is not there"
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    if len(volumes) != len(pod.get("volumes", [])):
        yield f"{name}: two volumes share a name"
    used = {mount["name"] for c in _containers(pod) for mount in c.get("volumeMounts", [])}
    if used != set(volumes):
        yield f"{name}: volumes {sorted(used ^ set(volumes))} are not there or not used"
    for volume in volumes.values():
        yield from (f"{name}: {why}" for why in _volume(bodies, volume, plan))
    ports = [port for c in _containers(pod) for port in c.get("ports", [])]
    for what, times in (
        *Counter(port["name"] for port in ports).items(),
        *Counter((port["containerPort"], port["protocol"]) for port in ports).items(),
    ):
        if times > 1:
            yield f"{name}: port {what} stands {times} times"
    yield from (f"{name}: port name {port['name']} is not allowed" for port in ports if not _PORT_NAME.fullmatch(port["name"]))
    names = [c["name"] for c in _containers(pod)]
    if len(set(names)) != len(names):
        yield f"{name}: two containers share a name"
    for container in _containers(pod):
        yield from (f"{name}/{container['name']}: {why}" for why in _container(volumes, container, plan))
    yield from (f"{name}: {why}" for why in _sidecars(pod))


def _volume(bodies: list[Body], volume: Body, plan: p.Plan | None) -> Iterator[str]:
    if config := volume.get("configMap"):
        found = next((m for m in _of(bodies, "ConfigMap") if m["metadata"]["name"] == config["name"]), None)
        for item in config["items"]:
            if found is None or item["key"] not in found["data"]:
                yield f"ConfigMap {config['name']} has no key {item['key']}"
    if claim := volume.get("persistentVolumeClaim"):
        there = {c["metadata"]["name"] for c in _of(bodies, "PersistentVolumeClaim")}
        if plan is not None:
            there |= {v.place.name for v in plan.volumes if isinstance(v.place, p.Claim) and v.place.existing}
            if claim["claimName"] not in there:
                yield f"claim {claim['claimName']} neither exists nor is made"
    if (
        "emptyDir" not in volume
        and "hostPath" not in volume
        and not any(k in volume for k in ("configMap", "secret", "persistentVolumeClaim", "projected"))
    ):
        yield f"volume {volume['name']} has no source"


def _container(volumes: Mapping[str, Body], container: Body, plan: p.Plan | None) -> Iterator[str]:
    mounts, security = container.get("volumeMounts", []), container["securityContext"]
    yield from (f"two mounts at {path}" for path, times in Counter(m["mountPath"] for m in mounts).items() if times > 1)
    for mount in mounts:
        volume, sub = volumes.get(mount["name"], {}), mount.get("subPath")
        items = (volume.get("configMap") or volume.get("secret") or {}).get("items")
        if sub is not None and items is not None and sub not in {item["path"] for item in items}:
            yield f"{mount['mountPath']} is a file that is not there"
    own_ports = {port["name"] for port in container.get("ports", [])}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        for way in ("httpGet", "tcpSocket"):
            if (asked := container.get(probe, {}).get(way)) is not None and asked["port"] not in own_ports:
                yield f"{probe} asks an unknown port {asked['port']}"
    shared = [m for m in mounts if m.get("mountPropagation") == "Bidirectional"]
    mounts_itself = plan is not None and any(
        c.needs.fuse and c.image.reference == container["image"] for a in plan.apps for c in a.containers
    )
    if bool(shared) != bool(security.get("privileged")) and not mounts_itself:
        yield "is privileged and mounts no cloud, or the reverse"
    if not security.get("privileged") and (
        security.get("allowPrivilegeEscalation") is not False or security["capabilities"]["drop"] != ["ALL"]
    ):
        yield "has privileges that nobody gave"
    library = [m for m in mounts if m["mountPath"] == p.LIBRARY]
    folder = next((v.folder for v in plan.volumes if v.holds == "library"), "") if plan is not None else ""
    if any(m.get("subPath", "") != folder for m in library):
        yield "mounts a part of the library"
    inside = [m for m in mounts if m["mountPath"].startswith(f"{p.LIBRARY}/")]
    if any("emptyDir" not in volumes.get(m["name"], {}) or not m.get("readOnly") for m in inside):
        yield "splits the library"
    if "restartPolicy" in container and "startupProbe" not in container:
        yield "is a sidecar that nothing waits for"


def _sidecars(pod: Body) -> Iterator[str]:
    before, after = pod.get("initContainers", []), pod["containers"]
    if not after:
        yield "has no container"
    order = [c["name"] for c in (*before, *after)]
    for container in _containers(pod):
        adds = container["securityContext"].get("capabilities", {}).get("add", [])
        sidecar = container in before and container.get("restartPolicy") == "Always"
        if "NET_ADMIN" in adds and not sidecar and len(after) > 1:
            yield f"the gateway {container['name']} starts beside the apps"
        if "NET_ADMIN" in adds and sidecar and (early := [n for n in order[: order.index(container["name"])] if n != "init-dirs"]):
            yield f"{', '.join(early)} starts before the gateway"
        shares = any(m.get("mountPropagation") == "Bidirectional" for m in container.get("volumeMounts", []))
        if shares and not sidecar:
            yield f"{container['name']} mounts a cloud, but is no sidecar"


def _gateways(bodies: list[Body], plan: p.Plan) -> Iterator[str]:
    pods = {t["metadata"]["labels"]["portable/group"]: t["spec"] for t in map(template_of, _workloads(bodies))}
    for group in plan.groups:
        if isinstance(group.egress, p.Direct):
            continue
        pod = pods[group.name]
        sidecars = [c["name"] for c in pod.get("initContainers", []) if c.get("restartPolicy") == "Always"]
        if group.egress.gateway not in sidecars and len(group.apps) > 1:
            yield f"{group.name}: its gateway {group.egress.gateway} is no sidecar of its pod"
        missing = {app for app in group.apps if app not in {c["name"] for c in _containers(pod)}}
        if missing:
            yield f"{', '.join(sorted(missing))} run outside of the pod of {group.egress.gateway}"
        fence = next(
            policy["spec"]
            for policy in _of(bodies, "NetworkPolicy")
            if policy["spec"]["podSelector"]["matchLabels"]["portable/group"] == group.name
        )
        limited = isinstance(group.egress, p.Sealed) or group.egress.endpoints
        if limited and "Egress" not in fence["policyTypes"]:
            yield f"{group.name} has no second fence"


def _scc(bodies: list[Body], workload: Body) -> Iterator[str]:
    template = template_of(workload)
    name = workload["metadata"]["name"]
    required = template["metadata"].get("annotations", {}).get("openshift.io/required-scc")
    if required is None:
        return
    own = {scc["metadata"]["name"]: scc for scc in _of(bodies, "SecurityContextConstraints")}
    published = published_sccs()
    scc = own.get(required) or published.get(required)
    if scc is None:
        if published:
            yield f"{name} requires an SCC {required} that is not there"
        return
    yield from (f"{name} is not admitted by {required}: {why}" for why in scc_refusals(scc, template["spec"]))
    account = template["spec"]["serviceAccountName"]
    bound = {b["roleRef"]["name"] for b in _of(bodies, "RoleBinding") for s in b["subjects"] if s["name"] == account}
    if required != "restricted-v2" and not any(role.endswith(f":scc:{required}") for role in bound):
        yield f"{name}: account {account} may not use {required}"
    if len(bound) > 1:
        yield f"account {account} may use several SCCs: {', '.join(sorted(bound))}"


def _volume_types(pod: Body) -> set[str]:
    return {key for volume in pod.get("volumes", []) for key in volume if key != "name"}


def _port_names(service: Body | None) -> set[str]:
    return {port["name"] for port in service["spec"]["ports"]} if service else set()


def _containers(pod: Body) -> list[Body]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def _of(bodies: list[Body], kind: str) -> list[Body]:
    return [body for body in bodies if body["kind"] == kind]
