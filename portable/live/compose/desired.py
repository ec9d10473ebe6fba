"""The desired state: a rendered Compose project with effective images, and with labels for secrets and files. Pure."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from portable.backends.compose.services import Service, planned_services, published_ports, subnets
from portable.engines.docker.observed import Observed, ObservedContainer
from portable.live.image_needs import needed_images
from portable.live.image_updates import ImageUpdates
from portable.live.stack import Stack
from portable.model.base import Struct
from portable.model.exposures import Lan, Loopback, in_url
from portable.model.plan import Plan
from portable.model.rendering import Rendering
from portable.model.variables import Variables, secret_variable
from portable.secrets.digests import digest
from portable.secrets.environment import environment
from portable.secrets.needs import needs_of
from portable.secrets.values import Resolved

FILES, SECRETS = "portable.files", "portable.secrets"


class ComposeStack(Stack, frozen=True, kw_only=True):
    """A stack with its rendered Compose document."""

    body: Mapping[str, Any]
    """The rendered Compose document."""
    services: tuple[Service, ...] = ()
    """The services of the document, from the plan."""
    subnets: Mapping[str, tuple[str, ...]] = {}
    """The fixed subnets, by network."""

    def environment(self, resolved: Resolved) -> dict[str, str]:
        """The variables for the Compose process."""
        if self.plan is not None:
            return environment(self.plan, resolved)
        return Variables({secret_variable(need.name): resolved.of(need.name, need.key) for need in self.secrets})


class Desired(Struct, frozen=True, kw_only=True):
    """The project for Compose."""

    project: str
    body: Mapping[str, Any]
    services: tuple[Service, ...]
    subnets: Mapping[str, tuple[str, ...]] = {}
    """Network key to its fixed subnets."""
    hashes: Mapping[str, frozenset[str]] = {}
    """Service to the Compose hashes that its container may have."""
    image_ids: Mapping[str, str] = {}
    settings: Mapping[str, tuple[str, ...]] = {}
    """Service to the keys that differ from the last document for Compose, if that is known."""

    def service(self, name: str) -> Service:
        """The service of that name."""
        return next(s for s in self.services if s.name == name)


def stack_of(
    plan: Plan, rendering: Rendering, recipes: Mapping[str, Path] = {}, taken: ImageUpdates | None = None, names: tuple[str, ...] = ()
) -> ComposeStack:
    """The stack of a plan that was rendered for Compose."""
    body = next(document.body for document in rendering.documents if "services" in document.body)
    return ComposeStack(
        project=str(body["name"]),
        body=body,
        # Of these fields, a patch of the profile can only change the ports.
        services=tuple(
            msgspec.structs.replace(service, ports=published_ports(body["services"][service.name].get("ports", ())))
            for service in planned_services(plan)
        ),
        subnets=subnets(plan),
        images=needed_images(plan),
        secrets=needs_of(plan),
        addresses=addresses_of(plan),
        names=names,
        plan=plan,
        recipes=recipes,
        taken=taken,
    )


def addresses_of(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The addresses of each app from outside; `{host}` stands for each name of the engine's host."""
    apps = {app.name: app for app in plan.apps}
    addresses: dict[str, tuple[str, ...]] = {}
    for exposure in plan.exposures:
        if not isinstance(exposure.how, Loopback | Lan) or exposure.app not in apps:
            continue
        port = next((p for p in apps[exposure.app].ports if p.name == exposure.port), None)
        if port is None:
            continue
        scheme = port.serves if port.serves != "raw" else port.protocol
        own = "127.0.0.1" if isinstance(exposure.how, Loopback) else exposure.how.address
        host = in_url(own) if own else "{host}"
        addresses[exposure.app] = (*addresses.get(exposure.app, ()), f"{scheme}://{host}:{exposure.how.number}")
    return addresses


def desire(stack: ComposeStack, effective: Mapping[str, str], variables: Mapping[str, str] | None, observed: Observed) -> Desired:
    """The document with effective images and labels; a label that is still true stays as in the container.

    Without `variables` there are no labels for secrets: their digests are slow on purpose, and only a document that is applied needs them.
    """
    containers = {seen.service: seen for seen in _preferred(observed.containers)}
    bodies, services = {}, []
    for planned in stack.services:
        body = stack.body["services"][planned.name]
        labels = _labels(body)
        if planned.files:
            labels[FILES] = " ".join(f"{file}={digest}" for file, digest in planned.files.items())
        if planned.secrets and variables is not None:
            known = containers[planned.name].labels.get(SECRETS) if planned.name in containers else None
            labels[SECRETS] = digest({v: variables.get(v, "") for v in planned.secrets}, known)
        image = effective.get(planned.image, planned.image)
        bodies[planned.name] = {**body, "image": image, **({"labels": labels} if labels else {})}
        services.append(msgspec.structs.replace(planned, image=image))
    return Desired(project=stack.project, body={**stack.body, "services": bodies}, services=tuple(services), subnets=dict(stack.subnets))


def runs_on_other_values(stack: ComposeStack, containers: Mapping[str, ObservedContainer], variables: Mapping[str, str]) -> bool:
    """Whether a container was created with other values of secrets than these, by the digests in the labels."""
    for planned in stack.services:
        known = containers[planned.name].labels.get(SECRETS) if planned.name in containers and planned.secrets else None
        if known and digest({v: variables.get(v, "") for v in planned.secrets}, known) != known:
            return True
    return False


def joined(desired: Desired, observed: Observed) -> dict[str, Any]:
    """The document in the form that Compose hashes: a shared network namespace names the owner's container instead of its service."""
    owners = {seen.service: seen.id for seen in _preferred(observed.containers)}
    services = {}
    for service in desired.services:
        body = desired.body["services"][service.name]
        if service.owner and service.owner in owners:
            # Compose adds a dependency for a shared namespace before it resolves the namespace, and hashes both.
            after = {**{name: {"condition": how} for name, how in service.after.items()}, **_mapping(body.get("depends_on"))}
            after.setdefault(service.owner, {"condition": "service_started", "restart": True})
            body = {**body, "network_mode": f"container:{owners[service.owner]}", "depends_on": after}
        services[service.name] = body
    return {**desired.body, "services": services}


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The keys that differ between the services of two documents; of variables only the names, never a value."""
    old, differences = _mapping(before.get("services")), {}
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
        differences[name] = tuple(keys)
    return differences


def _comparable(body: dict[str, Any]) -> dict[str, Any]:
    """The service without the labels for files and secrets: their changes are reported separately."""
    labels = {key: value for key, value in _labels(body).items() if key not in (FILES, SECRETS)}
    return {key: value for key, value in {**body, "labels": labels}.items() if value}


def _preferred(containers: Iterable[ObservedContainer]) -> list[ObservedContainer]:
    """Sort containers; of several for one service, the effective one comes last."""
    return sorted(containers, key=lambda c: (c.state == "running", c.replaces is None, c.started_at, c.id))


def current(observed: Observed) -> dict[str, ObservedContainer]:
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
