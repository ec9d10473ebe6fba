"""Stacks of Compose documents that tests write by hand: their services are read out of the document, which `portable` itself never does."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from portable.backends.compose.init import SEEDS
from portable.backends.compose.services import Service, ServicePort
from portable.live.compose.desired import ComposeStack

_VARIABLE = re.compile(r"\$\{(PORTABLE_SECRET_[A-Z0-9_]+)")


def by_hand(body: Mapping[str, Any], **more: Any) -> ComposeStack:
    """The stack of a document."""
    return ComposeStack(**{"project": body.get("name", ""), **more}, body=body, services=services_of(body), subnets=subnets_of(body))


def services_of(body: Mapping[str, Any], called: Mapping[str, str] = {}) -> tuple[Service, ...]:
    """The services of a document, by name; `called` names the secrets in the files that variables hold."""
    services = body.get("services") or {}
    finished = {d for s in services.values() for d, how in _after(s).items() if how == "service_completed_successfully"}
    contents = {name: str(config.get("content", "")) for name, config in (body.get("configs") or {}).items()}
    variable_of = {name: str(secret.get("environment", "")) for name, secret in (body.get("secrets") or {}).items()}
    found = []
    for name, service in sorted(services.items()):
        files = {source: hashlib.sha256(contents.get(source, "").encode()).hexdigest()[:12] for source in _sources(service.get("configs"))}
        seeds = {variable_of.get(source, "") for source in _seeds(service, "secrets")} - set(_variables(service))
        used = {variable_of[source] for source in _sources(service.get("secrets")) if source in variable_of} | set(_variables(service))
        mode = str(service.get("network_mode") or "")
        found.append(
            Service(
                name=name,
                app=_labels(service).get("portable.app", name),
                image=service["image"],
                owner=mode.removeprefix("service:") if mode.startswith("service:") else None,
                after=_after(service),
                once=name in finished or name == "init",
                ports=tuple(_ports(service)),
                files=dict(sorted(files.items())),
                secrets=tuple(sorted(used)),
                secret_files=tuple(sorted(source for source in _sources(service.get("secrets")) if variable_of.get(source) in called)),
                seeds=tuple(sorted(used & seeds)),
                seed_files=tuple(sorted(_seeds(service, "configs", "secrets"))),
                called={v: called[v] for v in sorted(used) if v in called},
                networks=() if mode else tuple(sorted(service.get("networks") or ("default",))),
            )
        )
    return tuple(found)


def subnets_of(body: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The subnets that a document fixes, by network."""
    networks = {key: network or {} for key, network in (body.get("networks") or {}).items()}
    found = {key: tuple(c["subnet"] for c in (n.get("ipam") or {}).get("config") or [] if c.get("subnet")) for key, n in networks.items()}
    return {key: subnets for key, subnets in found.items() if subnets}


def _sources(mounts: Any) -> list[str]:
    return [mount if isinstance(mount, str) else str(mount["source"]) for mount in mounts or []]


def _seeds(body: Mapping[str, Any], *keys: str) -> list[str]:
    mounts = [mount for key in keys for mount in body.get(key) or [] if isinstance(mount, Mapping)]
    return [str(mount["source"]) for mount in mounts if str(mount.get("target", "")).startswith(f"{SEEDS}/")]


def _labels(body: Mapping[str, Any]) -> dict[str, str]:
    labels = body.get("labels") or {}
    return dict(labels) if isinstance(labels, Mapping) else dict(str(item).partition("=")[::2] for item in labels)


def _after(body: Mapping[str, Any]) -> dict[str, str]:
    after = body.get("depends_on") or {}
    if isinstance(after, Mapping):
        return {name: str((how or {}).get("condition", "service_started")) for name, how in sorted(after.items())}
    return dict.fromkeys(sorted(after), "service_started")


def _variables(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield from _VARIABLE.findall(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _variables(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _variables(item)


def _ports(body: Mapping[str, Any]) -> Iterable[ServicePort]:
    for port in body.get("ports") or []:
        if isinstance(port, Mapping):
            if str(port.get("published") or "").isdigit():
                address, protocol = str(port.get("host_ip") or ""), str(port.get("protocol") or "tcp")
                yield ServicePort(number=int(port["published"]), protocol=protocol, address=address)
            continue
        match = re.fullmatch(r"(?:(?P<ip>.+):)?(?P<host>\d+):(?P<inside>\d+)(?:/(?P<protocol>\w+))?", str(port))
        if match:
            yield ServicePort(number=int(match["host"]), protocol=match["protocol"] or "tcp", address=(match["ip"] or "").strip("[]"))
