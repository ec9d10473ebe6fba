"""The start order: a service waits for `init`, the owner of its network, the apps it names and the clouds it reads."""

from typing import Any

from portable.backends.common import Index, PlacedContainer, befores, gateway_of, main_container, note, refuse
from portable.backends.compose.health import asked
from portable.backends.compose.names import INIT, app_service, cloud_service, owner_of
from portable.backends.compose.part import ServicePart
from portable.backends.compose.storage import reads_clouds
from portable.model.findings import Finding
from portable.model.plan import Container

_READY, _STARTED = "service_healthy", "service_started"


def order(placed: PlacedContainer, index: Index) -> ServicePart:
    """Return the services that must be started or ready before this one starts."""
    if not placed.app and not placed.cloud:
        return ServicePart({})
    waits: dict[str, dict[str, Any]] = {INIT: {"condition": "service_completed_successfully"}}
    own = _owner(placed, index)
    findings = _after(placed, index, waits, own)
    if reads_clouds(placed, index) and placed.app:
        for name in placed.app.clouds:
            if name in index.clouds:
                waits[cloud_service(index.clouds[name])] = {"condition": _ready(index.clouds[name].fuse_mount)}
            else:
                path = f"{placed.path.split('.containers.')[0]}.clouds"
                text, remedy = f"Cloud {name!r} does not exist.", "declare the cloud, or correct its name"
                findings.append(refuse("clouds", path, "function", text, remedy, code="storage.cloud-unknown", app=placed.about))
    if placed.app and placed.container is main_container(placed.app):
        waits |= {app_service(placed.app, first): {"condition": _ready(first)} for first in befores(placed.app)}
    if own:
        name, container, fences = own
        # `restart`: containers that shared the namespace of a recreated owner have no network until they restart.
        waits[name] = {"condition": _ready(container) if fences else _STARTED, **waits.get(name, {}), "restart": True}
    return ServicePart({"depends_on": waits}, tuple(findings))


def _owner(placed: PlacedContainer, index: Index) -> tuple[str, Container, bool] | None:
    """Return the service that owns this one's network, its container, and whether it is a gateway; None for an owner itself."""
    if not placed.app or not (group := index.group_of.get(placed.app.name)) or not (owner := owner_of(group, index)):
        return None
    app, container = owner
    if placed.container is container:
        return None
    return app_service(app, container), container, gateway_of(group) is not None


def _after(
    placed: PlacedContainer, index: Index, waits: dict[str, dict[str, Any]], own: tuple[str, Container, bool] | None
) -> list[Finding]:
    after = placed.app.after if placed.app else placed.cloud.after if placed.cloud else ()
    if placed.app and placed.container is not main_container(placed.app):
        return []
    base = f"apps.{placed.app.name}" if placed.app else f"clouds.{placed.cloud.id}" if placed.cloud else ""
    findings: list[Finding] = []
    for wait in after:
        path, target = f"{base}.after.{wait.app}", index.apps.get(wait.app)
        if target is None or target is placed.app:
            text = f"App {wait.app!r}, which this one waits for, is not another app of the stack."
            remedy = "name another app of the stack in `after`"
            findings.append(refuse("after", path, "function", text, remedy, code="order.app-unknown", app=placed.about))
            continue
        container = main_container(target)
        condition = _ready(container) if wait.when == "ready" else _STARTED
        if wait.when == "ready" and condition == _STARTED:
            text = f"{wait.app} has no probe, so this app waits only until it has started, not until it is ready."
            remedy = f"add a probe to {wait.app}"
            findings.append(note("after", path, "function", text, remedy, code="order.start-only", app=placed.about))
        if own and app_service(target, container) == own[0]:
            text = f"This app waits for {wait.app} in any case, because it shares its network namespace."
            findings.append(note("after", path, "cosmetic", text, code="order.redundant", app=placed.about))
        waits[app_service(target, container)] = {"condition": condition}
    return findings


def _ready(container: Container) -> str:
    return _READY if asked(container) else _STARTED
