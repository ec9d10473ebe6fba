"""What a service waits for: `init`, the owner of its network, the apps it names, the clouds it reads."""

from typing import Any

from portable.backends.common import Index, Placed, befores, gateway_of, main_container, note, refuse
from portable.backends.compose.health import asked
from portable.backends.compose.names import INIT, app_service, cloud_service, owner_of
from portable.backends.compose.part import Part
from portable.backends.compose.storage import reads_clouds
from portable.model.findings import Finding
from portable.model.plan import Container

_READY, _STARTED = "service_healthy", "service_started"


def order(placed: Placed, index: Index) -> Part:
    """The services that must be there before this one starts."""
    if not placed.app and not placed.cloud:
        return Part({})
    waits: dict[str, dict[str, Any]] = {INIT: {"condition": "service_completed_successfully"}}
    own = _owner(placed, index)
    findings = _after(placed, index, waits, own)
    if reads_clouds(placed, index) and placed.app:
        for name in placed.app.clouds:
            if name in index.clouds:
                waits[cloud_service(index.clouds[name])] = {"condition": _ready(index.clouds[name].mounter)}
            else:
                path = f"{placed.path.split('.containers.')[0]}.clouds"
                findings.append(refuse("clouds", path, "function", f"There is no cloud {name!r}.", "declare the cloud", app=placed.about))
    if placed.app and placed.container is main_container(placed.app):
        waits |= {app_service(placed.app, first): {"condition": _ready(first)} for first in befores(placed.app)}
    if own:
        name, container, fences = own
        # `restart`: a namespace that is made anew leaves those who shared the old one without any network.
        waits[name] = {"condition": _ready(container) if fences else _STARTED, **waits.get(name, {}), "restart": True}
    return Part({"depends_on": waits}, tuple(findings))


def _owner(placed: Placed, index: Index) -> tuple[str, Container, bool] | None:
    """The service whose network this one shares, its container, and whether it is a gateway; None for an owner itself."""
    if not placed.app or not (group := index.group_of.get(placed.app.name)) or not (owner := owner_of(group, index)):
        return None
    app, container = owner
    if placed.container is container:
        return None
    return app_service(app, container), container, gateway_of(group) is not None


def _after(placed: Placed, index: Index, waits: dict[str, dict[str, Any]], own: tuple[str, Container, bool] | None) -> list[Finding]:
    after = placed.app.after if placed.app else placed.cloud.after if placed.cloud else ()
    if placed.app and placed.container is not main_container(placed.app):
        return []
    base = f"apps.{placed.app.name}" if placed.app else f"clouds.{placed.cloud.id}" if placed.cloud else ""
    findings: list[Finding] = []
    for wait in after:
        path, target = f"{base}.after.{wait.app}", index.apps.get(wait.app)
        if target is None or target is placed.app:
            text = f"There is no other app {wait.app!r} to wait for."
            findings.append(refuse("after", path, "function", text, "name an app of the stack", app=placed.about))
            continue
        container = main_container(target)
        condition = _ready(container) if wait.when == "ready" else _STARTED
        if wait.when == "ready" and condition == _STARTED:
            text = f"{wait.app} has no probe: this waits only for its start."
            findings.append(note("after", path, "function", text, f"give {wait.app} a probe", app=placed.about))
        if own and app_service(target, container) == own[0]:
            text = f"{wait.app} owns the network that this app shares: it waits for that in any case."
            findings.append(note("after", path, "cosmetic", text, app=placed.about))
        waits[app_service(target, container)] = {"condition": condition}
    return findings


def _ready(container: Container) -> str:
    return _READY if asked(container) else _STARTED
