"""Apps that people reach before anybody has set a login on their pages (docs/facts/logins.md)."""

from collections.abc import Iterator, Mapping

from portable.model import plan as p
from portable.model.exposures import Exposure, Loopback, Route
from portable.model.findings import Finding
from portable.planning.inputs import AppEntry

_WHY = {
    "first-visitor": "has no login until somebody sets one on its page: whoever opens it first owns the app",
    "open": "has no login by default: whoever reaches its page can use all of it",
}
"""The consequence by what the catalog says of the app's login."""


def findings(plan: p.Plan, entries: Mapping[str, AppEntry], addresses: Mapping[tuple[str, str], str]) -> Iterator[Finding]:
    """Each app without a login of the stack's own, at the first of its pages that other machines reach."""
    reported: set[str] = set()
    for exposure in plan.exposures:
        entry = entries[exposure.app]
        login = entry.facts.login
        if login is None or exposure.app in reported or not _is_open(exposure, plan):
            continue
        reported.add(exposure.app)
        yield Finding(
            field="login",
            path=f"exposures.{exposure.app}.{exposure.port}",
            class_="security",
            app=exposure.app,
            text=f"{exposure.app} {_WHY[login]}",
            remedy=f"open {addresses.get((exposure.app, exposure.port), 'its page')} right after the first `portable up`, set a login "
            f"there, and accept this in the profile: `waive: [{{field: login, class: security, apps: [{exposure.app}], reason: ...}}]`",
            code="app.login",
            where=entry.document.source(("login",)),
        )


def _is_open(exposure: Exposure, plan: p.Plan) -> bool:
    """Whether other machines get a page there without a login in front of it."""
    how = exposure.how
    if isinstance(how, Loopback) or (isinstance(how, Route) and how.auth is not None):
        return False
    return any(port.name == exposure.port and port.serves != "raw" for app in plan.apps if app.name == exposure.app for port in app.ports)
