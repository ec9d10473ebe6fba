"""What should run: a rendered Compose project with the images that will really be used and the labels that only live can know. Pure."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from portable.backends.compose.init import SEEDS
from portable.engines.docker.observed import Observed, Seen
from portable.live.image_needs import needed_images
from portable.live.stack import Stack
from portable.live.taken import Taken
from portable.model.base import Struct
from portable.model.plan import Lan, Loopback, Plan, SecretRef
from portable.model.rendering import Rendering
from portable.model.variables import Variables, secret_variable
from portable.secrets.digests import digest
from portable.secrets.environment import environment
from portable.secrets.needs import needs_of
from portable.secrets.values import Resolved

FILES, SECRETS = "portable.files", "portable.secrets"
_VARIABLE = re.compile(r"\$\{(PORTABLE_SECRET_[A-Z0-9_]+)")


class ComposeStack(Stack, frozen=True, kw_only=True):
    """A stack with its rendered document; made from a plan and its rendering, or by hand in a test."""

    body: Mapping[str, Any]
    """The Compose document as rendered."""

    def environment(self, resolved: Resolved) -> dict[str, str]:
        """The variables for the Compose process."""
        if self.plan is not None:
            return environment(self.plan, resolved)
        return Variables({secret_variable(need.name): resolved.of(need.name, need.key) for need in self.secrets})


class Port(Struct, frozen=True, kw_only=True):
    """A published port."""

    number: int
    protocol: str
    address: str


class Service(Struct, frozen=True, kw_only=True):
    """One service of the project, as far as reconciling cares."""

    name: str
    app: str
    image: str
    owner: str | None = None
    """The service whose network namespace it shares."""
    after: Mapping[str, str] = {}
    """Service to condition, as Compose names it."""
    once: bool = False
    """It ends, and that is success."""
    checked: bool = False
    """It has a health check, its own or possibly its image's."""
    ports: tuple[Port, ...] = ()
    files: Mapping[str, str] = {}
    """Config file to a digest of its content."""
    secrets: tuple[str, ...] = ()
    """Variables that it uses."""
    seeds: tuple[str, ...] = ()
    """Those of them that only fill files for an app's first start."""
    called: Mapping[str, str] = {}
    """Variable to the secrets in it, as `portable secrets` names them; where a file is filled they differ."""
    networks: tuple[str, ...] = ()


class Desired(Struct, frozen=True, kw_only=True):
    """The project that is handed to Compose."""

    project: str
    body: Mapping[str, Any]
    services: tuple[Service, ...]
    subnets: Mapping[str, tuple[str, ...]] = {}
    """Network key to the subnets that the document fixes."""
    hashes: Mapping[str, frozenset[str]] = {}
    """Service to the Compose hashes that its container may have."""
    image_ids: Mapping[str, str] = {}
    settings: Mapping[str, tuple[str, ...]] = {}
    """Service to the keys in which its document differs from what was handed to Compose last, where that is known."""

    def service(self, name: str) -> Service:
        """The service of that name."""
        return next(s for s in self.services if s.name == name)

    def sharers(self, owner: str) -> tuple[str, ...]:
        """Services in the namespace of that one."""
        return tuple(s.name for s in self.services if s.owner == owner)


def stack_of(plan: Plan, rendering: Rendering, recipes: Mapping[str, Path] = {}, taken: Taken | None = None) -> ComposeStack:
    """The stack of a plan that was rendered for Compose."""
    body = next(document.body for document in rendering.documents if "services" in document.body)
    return ComposeStack(
        project=str(body["name"]),
        body=body,
        images=needed_images(plan),
        secrets=needs_of(plan),
        addresses=addresses_of(plan),
        plan=plan,
        recipes=recipes,
        taken=taken,
    )


def addresses_of(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Where each app answers from outside; `{host}` stands for the engine's host."""
    apps = {app.name: app for app in plan.apps}
    found: dict[str, tuple[str, ...]] = {}
    for exposure in plan.exposures:
        if not isinstance(exposure.how, Loopback | Lan) or exposure.app not in apps:
            continue
        port = next((p for p in apps[exposure.app].ports if p.name == exposure.port), None)
        if port is None:
            continue
        scheme = port.serves if port.serves != "raw" else port.protocol
        host = "127.0.0.1" if isinstance(exposure.how, Loopback) else "{host}"
        found[exposure.app] = (*found.get(exposure.app, ()), f"{scheme}://{host}:{exposure.how.number}")
    return found


def desire(stack: ComposeStack, effective: Mapping[str, str], variables: Mapping[str, str] | None, observed: Observed) -> Desired:
    """The document with effective images and live labels; a label that still tells the truth is kept as the container has it.

    Without `variables` no label stands for secrets: their digests are slow on purpose, and only a document that is carried out needs them.
    """
    there = {seen.service: seen for seen in _preferred(observed.containers)}
    finished = {d for s in stack.body["services"].values() for d, how in _after(s).items() if how == "service_completed_successfully"}
    contents = {name: str(config.get("content", "")) for name, config in (stack.body.get("configs") or {}).items()}
    variable_of = {name: str(secret.get("environment", "")) for name, secret in (stack.body.get("secrets") or {}).items()}
    called = {
        secret_variable(file.id): ", ".join(sorted({part.name for part in file.body if isinstance(part, SecretRef)}))
        for file in (stack.plan.files if stack.plan else ())
        if file.is_secret
    }
    bodies, services = {}, []
    for name, body in sorted(stack.body["services"].items()):
        files = {
            source: hashlib.sha256(contents.get(source, "").encode()).hexdigest()[:12] for source in sorted(_sources(body.get("configs")))
        }
        seeds = {variable_of.get(source, "") for source in _seeds(body)} - set(_variables(body))
        used = {variable_of[source] for source in _sources(body.get("secrets")) if source in variable_of} | set(_variables(body))
        labels = _labels(body)
        if files:
            labels[FILES] = " ".join(f"{file}={digest}" for file, digest in files.items())
        if used and variables is not None:
            known = there[name].labels.get(SECRETS) if name in there else None
            labels[SECRETS] = digest({v: variables.get(v, "") for v in used}, known)
        image = effective.get(body["image"], body["image"])
        bodies[name] = {**body, "image": image, **({"labels": labels} if labels else {})}
        mode = str(body.get("network_mode") or "")
        services.append(
            Service(
                name=name,
                app=labels.get("portable.app", name),
                image=image,
                owner=mode.removeprefix("service:") if mode.startswith("service:") else None,
                after=_after(body),
                once=name in finished or name == "init",
                checked=not (body.get("healthcheck") or {}).get("disable", False),
                ports=tuple(_ports(body)),
                files=files,
                secrets=tuple(sorted(used)),
                seeds=tuple(sorted(used & seeds)),
                called={v: called[v] for v in sorted(used) if v in called},
                networks=() if mode else tuple(sorted(body.get("networks") or ("default",))),
            )
        )
    networks = {key: network or {} for key, network in (stack.body.get("networks") or {}).items()}
    subnets = {key: tuple(c["subnet"] for c in (n.get("ipam") or {}).get("config") or [] if c.get("subnet")) for key, n in networks.items()}
    return Desired(
        project=stack.project,
        body={**stack.body, "services": bodies},
        services=tuple(services),
        subnets={k: v for k, v in subnets.items() if v},
    )


def joined(desired: Desired, observed: Observed) -> dict[str, Any]:
    """The document as Compose hashes it for containers: who shares a namespace names the owner's container, not its service."""
    owners = {seen.service: seen.id for seen in _preferred(observed.containers)}
    services = {}
    for service in desired.services:
        body = desired.body["services"][service.name]
        if service.owner and service.owner in owners:
            # Compose makes a shared namespace a dependency before it resolves it, and counts both.
            after = {**{name: {"condition": how} for name, how in service.after.items()}, **_mapping(body.get("depends_on"))}
            after.setdefault(service.owner, {"condition": "service_started", "restart": True})
            body = {**body, "network_mode": f"container:{owners[service.owner]}", "depends_on": after}
        services[service.name] = body
    return {**desired.body, "services": services}


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The keys in which each service of two documents differs; of variables the names, and never a value."""
    old, found = _mapping(before.get("services")), {}
    for name, body in _mapping(now.get("services")).items():
        if name not in old:
            continue
        was, keys = _comparable(_mapping(old[name])), []
        wanted = _comparable(_mapping(body))
        for key in sorted({*was, *wanted}):
            one, other = was.get(key), wanted.get(key)
            if one == other:
                continue
            one, other = (_mapping(one), _mapping(other)) if key == "environment" else ({}, {})
            variables = [variable for variable in sorted({*one, *other}) if one.get(variable) != other.get(variable)]
            keys.append(" ".join((key, ", ".join(variables))).strip())
        found[name] = tuple(keys)
    return found


def _comparable(body: dict[str, Any]) -> dict[str, Any]:
    """Without the labels that only live gives: what they stand for is told by itself."""
    labels = {key: value for key, value in _labels(body).items() if key not in (FILES, SECRETS)}
    return {key: value for key, value in {**body, "labels": labels}.items() if value}


def _preferred(containers: Iterable[Seen]) -> list[Seen]:
    """Of several containers of a service the one that counts comes last."""
    return sorted(containers, key=lambda c: (c.state == "running", c.replaces is None, c.started_at, c.id))


def current(observed: Observed) -> dict[str, Seen]:
    """The container of each service."""
    return {seen.service: seen for seen in _preferred(observed.containers)}


def _sources(mounts: Any) -> list[str]:
    return [mount if isinstance(mount, str) else str(mount["source"]) for mount in mounts or []]


def _seeds(body: Mapping[str, Any]) -> list[str]:
    mounts = [mount for mount in body.get("secrets") or [] if isinstance(mount, Mapping)]
    return [str(mount["source"]) for mount in mounts if str(mount.get("target", "")).startswith(f"{SEEDS}/")]


def _labels(body: Mapping[str, Any]) -> dict[str, str]:
    labels = body.get("labels") or {}
    return dict(labels) if isinstance(labels, Mapping) else dict(str(item).partition("=")[::2] for item in labels)


def _after(body: Mapping[str, Any]) -> dict[str, str]:
    after = body.get("depends_on") or {}
    if isinstance(after, Mapping):
        return {name: str((how or {}).get("condition", "service_started")) for name, how in sorted(after.items())}
    return dict.fromkeys(sorted(after), "service_started")


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _variables(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield from _VARIABLE.findall(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _variables(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _variables(item)


def _ports(body: Mapping[str, Any]) -> Iterable[Port]:
    for port in body.get("ports") or []:
        if isinstance(port, Mapping):
            if str(port.get("published") or "").isdigit():
                yield Port(
                    number=int(port["published"]), protocol=str(port.get("protocol") or "tcp"), address=str(port.get("host_ip") or "")
                )
            continue
        match = re.fullmatch(r"(?:(?P<ip>.+):)?(?P<host>\d+):(?P<inside>\d+)(?:/(?P<protocol>\w+))?", str(port))
        if match:
            yield Port(number=int(match["host"]), protocol=match["protocol"] or "tcp", address=(match["ip"] or "").strip("[]"))
