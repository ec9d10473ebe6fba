"""Variables, program and rights of a container in a pod; one reading for the rendered pod and for the running one."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from portable.model.rights import PlannedContainer, Rights
from portable.model.secret_refs import SecretRef

Spec = Mapping[str, Any]
"""The spec of a pod, or one of its containers, as the API has it."""
_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
"""The folder with the token of the pod's ServiceAccount."""
_NETWORKS: Final = "k8s.v1.cni.cncf.io/networks"
"""The annotation with further networks (Multus)."""
_DEVICES: Final = "io.kubernetes.cri-o.Devices"


def settings(pod: Spec, container: Spec, annotations: Mapping[str, str]) -> PlannedContainer:
    """Return what a pod sets for one of its containers."""
    entrypoint, command = container.get("command"), container.get("args")
    return PlannedContainer(
        environment={**variables(container), **references(container)},
        entrypoint=None if entrypoint is None else tuple(entrypoint),
        command=None if command is None else tuple(command),
        rights=rights(pod, container, annotations),
    )


def variables(container: Spec) -> dict[str, str]:
    """Return the variables with their values, without those whose values are in Secrets."""
    found: dict[str, str] = {}
    for variable in container.get("env") or ():
        origin = variable.get("valueFrom") or {}
        if "secretKeyRef" not in origin:
            # The kubelet turns `$$` into `$`.
            found[variable["name"]] = json.dumps(origin) if origin else str(variable.get("value") or "").replace("$$", "$")
    for origin in container.get("envFrom") or ():
        found[f"envFrom {json.dumps(origin, sort_keys=True)}"] = ""
    return found


def references(container: Spec) -> dict[str, SecretRef]:
    """Return the variables whose values are in Secrets, each with the Secret's name in the cluster and the key."""
    found = {}
    for variable in container.get("env") or ():
        if key := (variable.get("valueFrom") or {}).get("secretKeyRef"):
            found[variable["name"]] = SecretRef(name=key["name"], key=key["key"], optional=bool(key.get("optional")))
    return found


def mounts(pod: Spec, container: Spec) -> dict[str, str]:
    """Return by path what is mounted there: `claim NAME/FOLDER`, a folder of the node, `secret NAME/KEY`; empty for scratch space."""
    sources = {volume["name"]: _source(volume) for volume in pod.get("volumes") or ()}
    found = {}
    for mount in container.get("volumeMounts") or ():
        source = sources.get(mount["name"], "")
        found[mount["mountPath"]] = f"{source.rstrip('/')}/{mount['subPath']}" if source and mount.get("subPath") else source
    return found


def _source(volume: Spec) -> str:
    for kind, body in volume.items():
        match kind:
            case "persistentVolumeClaim":
                return claim_source(body["claimName"])
            case "hostPath":
                return str(body["path"])
            case "configMap":
                return f"configmap {body.get('name')}"
            case "secret":
                return f"secret {body.get('secretName')}"
            case "name" | "emptyDir":
                continue
            case _:
                return f"{kind} {volume['name']}"
    return ""


def claim_source(claim: str) -> str:
    """Return a claim in the form of `mounts`."""
    return f"claim {claim}"


def rights(pod: Spec, container: Spec, annotations: Mapping[str, str]) -> Rights:
    """Return the rights that a pod gives to one of its containers."""
    security = container.get("securityContext") or {}
    limits = (container.get("resources") or {}).get("limits") or {}
    attached = mounts(pod, container)
    folders = {volume["hostPath"]["path"] for volume in pod.get("volumes") or () if "hostPath" in volume}
    return Rights(
        privileged=bool(security.get("privileged")),
        capabilities=_capabilities(security.get("capabilities") or {}),
        devices=frozenset(
            [
                *(name for name in limits if "/" in name),
                *(device for device in annotations.get(_DEVICES, "").split(",") if device),
            ]
        ),
        network="the host's" if pod.get("hostNetwork") else "its own",
        networks=frozenset(part.strip() for part in annotations.get(_NETWORKS, "").split(",") if part.strip()),
        name_servers=_name_servers(pod),
        hosts=frozenset(f"{name} {alias['ip']}" for alias in pod.get("hostAliases") or () for name in alias.get("hostnames") or ()),
        namespaces=frozenset(_namespaces(pod)),
        security=frozenset(_security(pod, container, attached)),
        folders={path: source for path, source in attached.items() if any(_lies_in(source, folder) for folder in folders)},
    )


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _capabilities(given: Mapping[str, Any]) -> frozenset[str]:
    kept = frozenset() if "ALL" in (given.get("drop") or ()) else frozenset({"the runtime's default capabilities"})
    return kept | frozenset(name.removeprefix("CAP_") for name in given.get("add") or ())


def _name_servers(pod: Spec) -> tuple[str, ...]:
    policy = pod.get("dnsPolicy") or "ClusterFirst"
    servers = (pod.get("dnsConfig") or {}).get("nameservers") or ()
    return (*(["the node's"] if policy == "Default" else []), *(["the cluster's"] if policy.startswith("ClusterFirst") else []), *servers)


def _namespaces(pod: Spec) -> Iterator[str]:
    for key, name in (("hostPID", "PID of the node"), ("hostIPC", "IPC of the node"), ("shareProcessNamespace", "PID of the pod")):
        if pod.get(key):
            yield name


def _security(pod: Spec, container: Spec, attached: Mapping[str, str]) -> Iterator[str]:
    """Yield what widens a container's reach in words that are compared; `no-new-privileges:true` is the only one that narrows it."""
    shared, own = pod.get("securityContext") or {}, container.get("securityContext") or {}
    if own.get("allowPrivilegeEscalation") is False:
        yield "no-new-privileges:true"
    for key, name in (("seccompProfile", "seccomp"), ("appArmorProfile", "apparmor")):
        kind = (own.get(key) or shared.get(key) or {}).get("type")
        if kind == "Unconfined" or (kind is None and name == "seccomp"):
            yield f"{name}:unconfined"
    if own.get("procMount") == "Unmasked":
        yield "an unmasked /proc"
    if own.get("runAsUser", shared.get("runAsUser")) == 0:
        yield "user 0"
    if not own.get("readOnlyRootFilesystem"):
        yield "a writable image"
    yield from (f"sysctl {entry['name']}={entry['value']}" for entry in shared.get("sysctls") or ())
    if _ACCOUNT in attached or pod.get("automountServiceAccountToken"):
        yield "a token for the API server"
