"""Every app answers other apps at its stable name and port (promise 1): inside its group, across groups, and out of the VPN."""

from collections.abc import Iterator

from portable.backends.common import Placed, main_container
from portable.live.view import Said, View
from portable.model.plan import App, Direct, Group, Port
from portable.verify.contract import Contract, Found, broken, holds, running_apps, unknown, untried

_SECONDS = 5
_ASK = {
    # Any answer will do, also one that asks for a login: it is the name and the way that are tried.
    "curl": ["curl", "--silent", "--output", "/dev/null", "--insecure", "--noproxy", "*", "--max-time", str(_SECONDS)],
    "wget": ["wget", "-q", "-O", "/dev/null", "-T", str(_SECONDS), "-Y", "off"],
}
_WGET_ANSWERED = (5, 6, 8)
"""GNU Wget's exit codes for a certificate, a login and an error that the server answered with (its manual, Exit Status)."""


def check(stack: View) -> Iterator[Found]:
    """Each name of each app that serves the web, asked from its group, from outside of it, and from each group behind a gateway."""
    group_of = {name: group for group in stack.plan.groups for name in group.apps}
    there = {app.name: (app, placed) for app, placed in running_apps(stack)}
    askers = [app for app, placed in there.values() if placed.container.fetch in _ASK and not app.schedule]
    # Who reaches everything goes first: an app behind a gateway is asked for its own group.
    askers.sort(key=lambda app: (not isinstance(group_of[app.name].egress, Direct), app.name))
    for app in stack.plan.apps:
        ports = [port for port in app.ports if port.serves in ("http", "https") and port.protocol == "tcp" and not port.private]
        if not ports or app.name not in there:
            continue
        chosen = _askers(app, askers, group_of)
        if not chosen:
            yield unknown(app.name, "no other app that runs could ask it")
        for asker in chosen:
            yield from (_asked(stack, app, name, port, asker, there[asker.name][1]) for port in ports for name in (app.name, *app.aliases))


def _askers(app: App, askers: list[App], group_of: dict[str, Group]) -> list[App]:
    """One of its own group, one direct app of another one, and one of each group behind a gateway: its firewall must let them through."""
    own = group_of[app.name]
    found: dict[str, App] = {}
    for asker in askers:
        group = group_of[asker.name]
        if asker.name == app.name:
            continue
        if group is own:
            found.setdefault("own", asker)
        elif isinstance(group.egress, Direct):
            found.setdefault("direct", asker)
        elif isinstance(own.egress, Direct):
            found.setdefault(f"gateway {group.name}", asker)
    return list(found.values())


def _asked(stack: View, app: App, name: str, port: Port, asker: App, placed: Placed) -> Found:
    url = f"{port.serves}://{name}:{port.number}/"
    tool = main_container(asker).fetch
    said = stack.inside(placed, [*_ASK[tool], url], seconds=_SECONDS * 3)
    subject = f"{app.name} from {asker.name}"
    if untried(said):
        return unknown(subject, f"{asker.name} could not ask: {said.text or f'no {tool}'}")
    if _answered(tool, said):
        return holds(subject, f"{url} answers")
    remedy = f"`portable up -p {stack.plan.profile}` mends names and networks; `portable logs -p {stack.plan.profile} {app.name}`"
    return broken(subject, f"{url} does not answer {asker.name}: {said.text or f'{tool} ended with {said.code}'}", remedy)


def _answered(tool: str, said: Said) -> bool:
    """Whether it did: curl ends well with any answer; wget does not with an error: GNU's tells by its code, BusyBox's in words."""
    return said.done or (tool == "wget" and (said.code in _WGET_ANSWERED or "HTTP/" in said.text or "server returned error" in said.text))


CONTRACT = Contract(name="answers", promise="every app answers other apps at its stable name and port", check=check)
