"""The names that things of a plan have in a Compose project; the live layer finds them by the same functions."""

from portable.backends.common import Index, Placed, befores, gateway_of, main_container
from portable.model.plan import App, Cloud, Container, Group, Plan

INIT = "init"
"""The service that prepares folders, links and seeds."""


def project_name(plan: Plan) -> str:
    """One project a stack and profile."""
    return f"{plan.stack}-{plan.profile}"


def app_service(app: App, container: Container) -> str:
    """The main container has the app's own name, so that it is what `docker compose logs sonarr` means."""
    return app.name if container is main_container(app) else f"{app.name}-{container.name}"


def cloud_service(cloud: Cloud) -> str:
    """The service that mounts a cloud."""
    return f"cloud-{cloud.id}"


def service_name(placed: Placed) -> str:
    """The service of any container of a plan."""
    if placed.app:
        return app_service(placed.app, placed.container)
    return cloud_service(placed.cloud) if placed.cloud else INIT


def owner_of(group: Group, index: Index) -> tuple[App, Container] | None:
    """The container that owns the group's network namespace; None where there is no such app.

    A gateway, or the first to start of the only app: who joins a namespace starts after its owner, so it can't be what waits.
    """
    name = gateway_of(group) or next(iter(group.apps), None)
    if name is None or name not in index.apps:
        return None
    app = index.apps[name]
    return app, (main_container(app) if gateway_of(group) else next(iter(befores(app)), main_container(app)))


def key_secret(secret: str, key: str) -> str:
    """The Compose secret that is one key of a secret."""
    return f"{secret}-{key}"
