"""Secrets in clear text in a plan: they would stand in every rendered file, and in the history of a repository.

Variables, commands, arguments and health checks of all containers are read, also those of clouds and of the tools.
"""

import re
from collections.abc import Iterator

from portable.model import plan as p
from portable.model.clear_text import why_secret, why_secret_command
from portable.model.findings import Finding, waiver


def clear_secrets(plan: p.Plan) -> Iterator[Finding]:
    """Yield a finding for each value that is a secret, by its name or its form, or that is an address with a password in it."""
    for app in plan.apps:
        for container in app.containers:
            yield from _in_container(f"apps.{app.name}.containers.{container.name}", app.name, container)
    for cloud in plan.clouds:
        yield from _in_container(f"clouds.{cloud.id}.fuse_mount", cloud.id, cloud.fuse_mount)
    yield from _in_container("tools", "init", plan.tools)


def _in_container(path: str, app: str, container: p.Container) -> Iterator[Finding]:
    for name, value in container.env.items():
        if isinstance(value, str) and (why := why_secret(name, value)):
            yield _variable(path, app, name, why)
    probes = (container.probes.startup, container.probes.ready, container.probes.live)
    checks = [check.how for check in probes if check is not None]
    commands = (
        ("command", (container.command or (),)),
        ("args", (container.args or (),)),
        ("probes", tuple(how.command if isinstance(how, p.Exec) else (how.path,) for how in checks if not isinstance(how, p.Tcp))),
    )
    for field, texts in commands:
        if why := next((found for command in texts if (found := why_secret_command(command))), ""):
            yield _argument(path, app, field, why)


def _variable(path: str, app: str, name: str, why: str) -> Finding:
    secret = re.sub(r"[^a-z0-9]+", "-", f"{app}-{name}".lower()).strip("-")
    return Finding(
        field="containers.env",
        path=f"{path}.env.{name}",
        class_="security",
        verdict="refused",
        app=app,
        text=f"the variable {name} of {app} {why}, and its value is written in clear text: it would be in every rendered file",
        remedy=f"write `{name}: {{secret: {secret}}}` in the app's file with the secret under `secrets`, and store the value with "
        f"`portable secrets set {secret}`; or accept it in the profile: {waiver('containers.env', app)}",
        code="security.clear-secret",
    )


def _argument(path: str, app: str, field: str, why: str) -> Finding:
    where = {"command": "command", "args": "list of arguments", "probes": "health check"}[field]
    return Finding(
        field=f"containers.{field}",
        path=f"{path}.{field}",
        class_="security",
        verdict="refused",
        app=app,
        text=f"the {where} of {app} {why}, in clear text: it would be in every rendered file, and in the list of processes of the host",
        remedy="give the program its secret by a variable or a file: declare it under `secrets` in the app's file, and use it in "
        f"`environment` or `secret-files`; or accept it in the profile: {waiver(f'containers.{field}', app)}",
        code="security.clear-secret",
    )
