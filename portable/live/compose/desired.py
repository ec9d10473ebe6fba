"""What should run: a rendered Compose project with the images that will really be used and the labels that only live can know. Pure."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from portable.backends.compose.services import Service, planned_services, published_ports, subnets
from portable.engines.docker.observed import Observed, Seen
from portable.live.image_needs import needed_images
from portable.live.stack import Stack
from portable.live.taken import Taken
from portable.model.base import Struct
from portable.model.plan import Lan, Loopback, Plan
from portable.model.rendering import Rendering
from portable.model.variables import Variables, secret_variable
from portable.secrets.digests import digest
from portable.secrets.environment import environment
from portable.secrets.needs import needs_of
from portable.secrets.values import Resolved

FILES, SECRETS = "portable.files", "portable.secrets"


class ComposeStack(Stack, frozen=True, kw_only=True):
    """A stack with its rendered document; made from a plan and its rendering, or by hand in a test."""

    body: Mapping[str, Any]
    """The Compose document as rendered, to be handed to Compose."""
    services: tuple[Service, ...] = ()
    """What it says, from the plan; by name."""
    subnets: Mapping[str, tuple[str, ...]] = {}
    """The subnets that the plan fixes, by network."""

    def environment(self, resolved: Resolved) -> dict[str, str]:
        """The variables for the Compose process."""
        if self.plan is not None:
            return environment(self.plan, resolved)
        return Variables({secret_variable(need.name): resolved.of(need.name, need.key) for need in self.secrets})


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


def stack_of(plan: Plan, rendering: Rendering, recipes: Mapping[str, Path] = {}, taken: Taken | None = None) -> ComposeStack:
    """The stack of a plan that was rendered for Compose."""
    body = next(document.body for document in rendering.documents if "services" in document.body)
    return ComposeStack(
        project=str(body["name"]),
        body=body,
        # A profile's patch may have changed the ports, and nothing else that is said here.
        services=tuple(
            msgspec.structs.replace(service, ports=published_ports(body["services"][service.name].get("ports", ())))
            for service in planned_services(plan)
        ),
        subnets=subnets(plan),
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
    bodies, services = {}, []
    for planned in stack.services:
        body = stack.body["services"][planned.name]
        labels = _labels(body)
        if planned.files:
            labels[FILES] = " ".join(f"{file}={digest}" for file, digest in planned.files.items())
        if planned.secrets and variables is not None:
            known = there[planned.name].labels.get(SECRETS) if planned.name in there else None
            labels[SECRETS] = digest({v: variables.get(v, "") for v in planned.secrets}, known)
        image = effective.get(planned.image, planned.image)
        bodies[planned.name] = {**body, "image": image, **({"labels": labels} if labels else {})}
        services.append(msgspec.structs.replace(planned, image=image))
    return Desired(project=stack.project, body={**stack.body, "services": bodies}, services=tuple(services), subnets=dict(stack.subnets))


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
