"""Secrets in clear text among the variables of a plan: they would stand in every rendered file, and in the history of a repository."""

import re
from collections.abc import Iterator

from portable.model import plan as p
from portable.model.findings import Finding, waiver

_NAME = re.compile(
    r"(?:^|_)(?:PASS|PASSWD|PASSWORD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|(?:API|ACCESS|PRIVATE|SECRET|ENCRYPTION)_?KEY)(?:_\d+)?$",
    re.IGNORECASE,
)
"""Names of variables that hold a secret themselves: `DB_PASSWORD`, but not `DB_PASSWORD_FILE` and not `TOKEN_TTL`."""
_NO_SECRET = re.compile(r"|/.*|true|false|yes|no|on|off|none|null|[01]", re.IGNORECASE)
_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@", re.IGNORECASE)


def clear_secrets(plan: p.Plan) -> Iterator[Finding]:
    """Yield a finding for each variable whose value is a secret, by its name, or an address with a password in it."""
    for app in plan.apps:
        for container in app.containers:
            for name, value in container.env.items():
                if isinstance(value, str) and (why := _secret(name, value)):
                    yield _finding(app.name, container.name, name, why)


def _secret(name: str, value: str) -> str:
    if _IN_URL.search(value):
        return "has an address with a password in it"
    return "is a secret by its name" if _NAME.search(name) and not _NO_SECRET.fullmatch(value.strip()) else ""


def _finding(app: str, container: str, name: str, why: str) -> Finding:
    secret = f"{app}-{name.lower().replace('_', '-')}"
    return Finding(
        field="containers.env",
        path=f"apps.{app}.containers.{container}.env.{name}",
        class_="security",
        verdict="refused",
        app=app,
        text=f"the variable {name} of {app} {why}, and its value is written in clear text: it would be in every rendered file",
        remedy=f"write `{name}: {{secret: {secret}}}` in the app's file with the secret under `secrets`, and store the value with "
        f"`portable secrets set {secret}`; or accept it in the profile: {waiver('containers.env', app)}",
        code="security.clear-secret",
    )
