"""Names in a Compose project. The live layer uses the same functions to find services."""

from portable.backends.common import Index, PlacedContainer, befores, gateway_of, main_container
from portable.model.plan import App, Cloud, Container, Group, Plan

INIT = "init"
"""The service that prepares folders, links and seeds."""


def project_name(plan: Plan) -> str:
    """Return the name of the project: one for each stack and profile."""
    return f"{plan.stack}-{plan.profile}"


def app_service(app: App, container: Container) -> str:
    """Return the service of a container. The main one has the app's name, so that `docker compose logs sonarr` works."""
    return app.name if container is main_container(app) else f"{app.name}-{container.name}"


def cloud_service(cloud: Cloud) -> str:
    """Return the service that mounts a cloud."""
    return f"cloud-{cloud.id}"


def service_name(placed: PlacedContainer) -> str:
    """Return the service of any container of a plan."""
    if placed.app:
        return app_service(placed.app, placed.container)
    return cloud_service(placed.cloud) if placed.cloud else INIT


def owner_of(group: Group, index: Index) -> tuple[App, Container] | None:
    """Return the container that owns the group's network namespace; None if there is no such app.

    This is the gateway, or the first container of the only app. Others join the namespace, so they start after its owner.
    """
    name = gateway_of(group) or next(iter(group.apps), None)
    if name is None or name not in index.apps:
        return None
    app = index.apps[name]
    return app, (main_container(app) if gateway_of(group) else next(iter(befores(app)), main_container(app)))


def key_secret(secret: str, key: str) -> str:
    """Return the name of the Compose secret for one key of a secret."""
    return f"{secret}-{key}"
