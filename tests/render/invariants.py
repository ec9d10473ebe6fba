"""What must be true of every rendered Compose project, whatever the plan; each broken rule is a line."""

from collections.abc import Iterator
from typing import Any

from portable.backends.common import gateway_of, main_container
from portable.backends.compose.names import app_service, cloud_service
from portable.formats.emit import Interpolated
from portable.model.plan import CLOUDS, LIBRARY, Folder, Plan
from portable.model.secret_refs import SecretRef

_ALLOWED_CAPABILITIES = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"}
_HARMLESS_OPTIONS = {"no-new-privileges:true"}


def check_compose(document: dict[str, Any], plan: Plan) -> list[str]:
    """The rules that the project of that plan breaks."""
    return [
        *_references(document),
        *_privileges(document, plan),
        *_namespaces(document, plan),
        *_storage(document, plan),
        *_secrets(document, plan),
    ]


def _references(document: dict[str, Any]) -> Iterator[str]:
    services = document["services"]
    known = {kind: set(document.get(kind, ())) for kind in ("networks", "configs", "secrets", "volumes")}
    for name, service in services.items():
        for kind in ("networks", "configs", "secrets"):
            for entry in service.get(kind, ()):
                wanted = entry if isinstance(entry, str) else entry["source"]
                if wanted not in known[kind]:
                    yield f"{name}: {kind}: {wanted} is not declared"
        for volume in service.get("volumes", ()):
            if volume["type"] == "volume" and volume["source"] not in known["volumes"]:
                yield f"{name}: volumes: {volume['source']} is not declared"
        mode = service.get("network_mode", "")
        wanted_services = [*service.get("depends_on", ()), *([mode.removeprefix("service:")] if mode.startswith("service:") else [])]
        for other in wanted_services:
            if other not in services:
                yield f"{name}: there is no service {other}"
            elif (
                service.get("depends_on", {}).get(other, {}).get("condition") == "service_healthy" and "healthcheck" not in services[other]
            ):
                yield f"{name}: waits for the health of {other}, which has no check"
    for name in _cycles({name: list(service.get("depends_on", ())) for name, service in services.items()}):
        yield f"{name}: waits for itself in a circle"
    published: dict[tuple[str, str, str], str] = {}
    for name, service in services.items():
        for port in service.get("ports", ()):
            key = (port.get("host_ip", ""), port["published"], port["protocol"])
            if key in published:
                yield f"{name}: port {port['published']} is also published by {published[key]}"
            published[key] = name


def _cycles(waits: dict[str, list[str]]) -> list[str]:
    done: set[str] = set()
    while ready := [name for name, others in waits.items() if name not in done and all(o in done or o not in waits for o in others)]:
        done |= set(ready)
    return sorted(set(waits) - done)


def _privileges(document: dict[str, Any], plan: Plan) -> Iterator[str]:
    needs = {app_service(app, container): container.needs for app in plan.apps for container in app.containers}
    needs |= {cloud_service(cloud): cloud.fuse_mount.needs for cloud in plan.clouds}
    for name, service in document["services"].items():
        allowed = {"CHOWN", "DAC_OVERRIDE", "FOWNER"} if name == "init" else set()
        if name in needs:
            allowed |= _ALLOWED_CAPABILITIES if needs[name].root_start else set()
            allowed |= {"NET_ADMIN"} if needs[name].net_admin else set()
            allowed |= {"SYS_ADMIN"} if needs[name].fuse else set()
        if extra := set(service.get("cap_add", ())) - allowed:
            yield f"{name}: has {sorted(extra)}, which it doesn't need"
        if service.get("cap_drop") != ["ALL"]:
            yield f"{name}: keeps the engine's capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", ()):
            yield f"{name}: may gain privileges"
        loose = set(service.get("security_opt", ())) - _HARMLESS_OPTIONS
        if loose and not (loose == {"apparmor:unconfined"} and name in needs and needs[name].fuse):
            yield f"{name}: {sorted(loose)}"
        for key in ("privileged", "pid", "ipc", "userns_mode", "cgroup", "devices_cgroup_rules"):
            if key in service:
                yield f"{name}: {key}"
        if service.get("network_mode") == "host":
            yield f"{name}: has the host's network"
        if any(str(volume.get("source", "")).endswith("docker.sock") for volume in service.get("volumes", ())):
            yield f"{name}: has the engine's socket"
        for key in ("mem_limit", "mem_reservation", "logging", "restart"):
            if key not in service:
                yield f"{name}: has no {key}"


def _namespaces(document: dict[str, Any], plan: Plan) -> Iterator[str]:
    services = document["services"]
    apps = {app.name: app for app in plan.apps}
    for group in plan.groups:
        gateway = gateway_of(group)
        for name in group.apps:
            for container in apps[name].containers:
                service = app_service(apps[name], container)
                if gateway is None or service == gateway:
                    continue
                if services[service].get("network_mode") != f"service:{gateway}":
                    yield f"{service}: is not in the namespace of its gateway {gateway}"
                if services[service].get("depends_on", {}).get(gateway, {}).get("condition") != "service_healthy":
                    yield f"{service}: may start before its gateway {gateway} is up"
        inside = {app_service(apps[name], container) for name in group.apps for container in apps[name].containers}
        owners = [service for service in sorted(inside) if "network_mode" not in services[service]]
        if len(owners) != 1 or any(services[s]["network_mode"] != f"service:{owners[0]}" for s in inside - set(owners)):
            yield f"{group.name}: {', '.join(owners) or 'nobody'} has a network, and all share one"
            continue
        owner = services[owners[0]]
        for name in group.apps:
            for known in (name, *apps[name].aliases):
                hosts = owner.get("extra_hosts", {})
                if known not in owner["networks"]["default"]["aliases"] or (hosts.get(known) != "127.0.0.1" and gateway):
                    yield f"{name}: {known} is not known in the network and in its own namespace"
        if gateway and any(
            key in services[app_service(apps[n], main_container(apps[n]))]
            for n in group.apps
            if n != gateway
            for key in ("ports", "networks")
        ):
            yield f"{group.name}: somebody but the gateway has a network"
    for name, service in services.items():
        mode = service.get("network_mode", "")
        if mode.startswith("service:") and {"networks", "ports", "hostname", "extra_hosts", "dns"} & set(service):
            yield f"{name}: says something about a network that isn't its own"


def _storage(document: dict[str, Any], plan: Plan) -> Iterator[str]:
    library = plan.library.volume if plan.library else None
    roots = {volume.place.path for volume in plan.volumes if volume.id == library and isinstance(volume.place, Folder)}
    hidden = {volume.id: volume.hides for volume in plan.volumes}
    for name, service in document["services"].items():
        volumes = service.get("volumes", ())
        targets = [volume["target"] for volume in volumes]
        for target in {target for target in targets if targets.count(target) > 1}:
            yield f"{name}: {target} is mounted twice"
        if name == "init":
            continue
        of_library = [volume for volume in volumes if volume.get("source") in roots]
        if any(volume["target"] != LIBRARY for volume in of_library) or len(of_library) > 1:
            yield f"{name}: the library is mounted elsewhere, or twice"
        if of_library and library:
            for folder in hidden[library]:
                covers = [v for v in volumes if v["target"] == f"{LIBRARY}/{folder}" and v["type"] == "tmpfs" and v.get("read_only")]
                if len(covers) != 1:
                    yield f"{name}: sees {folder} in the library"
        for volume in volumes:
            if volume["target"].startswith(CLOUDS) and volume["target"] != CLOUDS:
                yield f"{name}: binds a mount, not the folder above it"
            if volume["target"] == CLOUDS and volume["bind"].get("propagation") != ("rshared" if name.startswith("cloud-") else "rslave"):
                yield f"{name}: won't see clouds come and go"


def _secrets(document: dict[str, Any], plan: Plan) -> Iterator[str]:
    for name, secret in document.get("secrets", {}).items():
        if set(secret) != {"environment"}:
            yield f"secret {name}: is more than a reference"
    for file in plan.files:
        if file.is_secret and file.id in document.get("configs", {}):
            yield f"config {file.id}: holds a secret"
    for app in plan.apps:
        for container in app.containers:
            for variable, value in container.env.items():
                rendered = document["services"][app_service(app, container)]["environment"][variable]
                if isinstance(value, SecretRef) != isinstance(rendered, Interpolated):
                    yield f"{app.name}: {variable} is not what Compose fills in"
