"""Render one container of a plan as one service. Each concern returns its keys; the service merges them."""

from typing import Any

from portable.backends.common import Index, PlacedContainer, main_container, note, refuse
from portable.backends.compose.files import environment, files, secrets
from portable.backends.compose.health import health
from portable.backends.compose.jobs import command, runs_at_times
from portable.backends.compose.names import service_name
from portable.backends.compose.network import network
from portable.backends.compose.order import order
from portable.backends.compose.part import ServicePart, join
from portable.backends.compose.privileges import identity, privileges
from portable.backends.compose.storage import amount, mounts
from portable.model.findings import Finding
from portable.model.plan import Resources

LOGGING = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
"""Log rotation: by default, Docker keeps logs without a limit."""


def service(placed: PlacedContainer, index: Index) -> ServicePart:
    """Return the service of a container."""
    container, app = placed.container, placed.app
    fixed = {
        "restart": "no" if behind_gateway(placed, index) else "unless-stopped",
        "logging": LOGGING,
        "labels": {"portable.app": app.name if app else service_name(placed), "portable.container": container.name},
    }
    image = {
        "image": container.image.reference,
        "init": container.init or None,
        "read_only": True if container.read_only_root and not _copied_into(placed) else None,
        "stop_grace_period": f"{container.stop_grace}s",
    }
    return join(
        (
            ServicePart({**fixed, **image}, (*_role(placed), *_restart(placed, index), *_writable(placed))),
            command(placed),
            identity(placed, index.plan.timezone),
            environment(placed),
            privileges(placed, index.plan.devices),
            ServicePart(resources(container.resources)),
            health(placed),
            network(placed, index),
            mounts(placed, index),
            *files(placed, index),
            secrets(placed),
            order(placed, index),
        )
    )


def behind_gateway(placed: PlacedContainer, index: Index) -> bool:
    """Return whether a container shares the network namespace of a gateway that confines it."""
    return placed.app is not None and placed.app.name in index.plan.behind_gateways


def _restart(placed: PlacedContainer, index: Index) -> tuple[Finding, ...]:
    if placed.app is None or not behind_gateway(placed, index):
        return ()
    text = (
        "Docker does not restart this app after a reboot or a crash: "
        "Docker ignores the start order, so the app could run before its gateway's firewall is up."
    )
    path = f"groups.{index.group_of[placed.app.name].name}.egress"
    return (
        note(
            "egress.restart",
            path,
            "function",
            text,
            "run `portable heal --install` on the host to restart it in order, or start it with `portable up`",
            code="compose.restart",
            app=placed.app.name,
        ),
    )


def _copied_into(placed: PlacedContainer) -> bool:
    """Return whether Compose copies files into the container at start, which Docker refuses for a read-only root file system."""
    container = placed.container
    files = any(not mount.seed for mount in container.files)
    return files or bool(container.secrets) or runs_at_times(placed) or (placed.app is None and placed.cloud is None)


def _writable(placed: PlacedContainer) -> tuple[Finding, ...]:
    if not placed.container.read_only_root or not _copied_into(placed):
        return ()
    text = "Its root file system stays writable: Compose copies files into the container at start, which needs a writable root."
    path = f"{placed.path}.read_only_root"
    return (note("containers.read_only_root", path, "cosmetic", text, code="compose.read-only-root", app=placed.about),)


def resources(requested: Resources) -> dict[str, Any]:
    """Return limits and requests. 1000 thousandths of a core are 1024 CPU shares."""
    return {
        "mem_limit": amount(requested.memory_limit),
        "mem_reservation": amount(requested.memory_request),
        "cpu_shares": None if requested.cpu_request is None else max(2, requested.cpu_request * 1024 // 1000),
        "shm_size": None if requested.shm is None else amount(requested.shm),
    }


def _role(placed: PlacedContainer) -> tuple[Finding, ...]:
    app, container = placed.app, placed.container
    if app is None:
        if container.role == "main":
            return ()
        text = "Its role has no effect: it runs as a service of its own."
        return (note("containers.role", f"{placed.path}.role", "cosmetic", text, code="config.role-ignored"),)
    if (container is main_container(app)) == (container.role == "main"):
        return ()
    text = f"{app.name} must have exactly one container with the role `main`: the app's name refers to it."
    remedy = "give exactly one container the role `main`"
    return (refuse("containers.role", f"{placed.path}.role", "function", text, remedy, code="config.main-container", app=app.name),)
