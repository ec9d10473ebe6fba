"""Every app answers other apps at its stable name and port (promise 1): within its group, across groups, and from behind a gateway.

What its first page loads is fetched once: a page without its scripts stays blank, although the server answers.
"""

from collections.abc import Callable, Iterator
from functools import partial

from portable.backends.common import PlacedContainer, main_container
from portable.live.view import CommandResult, View
from portable.model.plan import App, Direct, Group, Port
from portable.verify.contract import Contract, Found, broken, holds, running_apps, unknown, untried
from portable.verify.first_page import parts_of

_SECONDS = 5
_SHOWN = 3
_ASK = {
    # Any answer is enough, even one that requires a login: the name and the route are tested.
    "curl": ["curl", "--silent", "--output", "/dev/null", "--insecure", "--noproxy", "*", "--max-time", str(_SECONDS)],
    "wget": ["wget", "-q", "-O", "/dev/null", "-T", str(_SECONDS), "-Y", "off"],
}
_WGET_ANSWERED = (5, 6, 8)
"""GNU Wget's exit codes for a bad certificate, a required login and a server error (its manual, Exit Status)."""


HostOf = Callable[[Group, str, str], str]
"""Takes the caller's group, an app and one of its names; returns the host name by which that group calls it."""


def answers(host_of: HostOf = lambda _group, _app, name: name) -> Contract:
    """Return the contract for a place in which apps call each other by these host names."""
    return Contract(name="answers", promise="every app answers other apps at its stable name and port", check=partial(_check, host_of))


def _check(host_of: HostOf, stack: View) -> Iterator[Found]:
    """Request each name of each web app: from its own group, from outside it, and from each group behind a gateway."""
    group_of = {name: group for group in stack.plan.groups for name in group.apps}
    apps = {app.name: (app, placed) for app, placed in running_apps(stack)}
    callers = [app for app, placed in apps.values() if placed.container.fetch in _ASK and not app.schedule]
    # Apps with direct egress come first, since they reach every app.
    callers.sort(key=lambda app: (not isinstance(group_of[app.name].egress, Direct), app.name))
    for app in stack.plan.apps:
        ports = [port for port in app.ports if port.serves in ("http", "https") and port.protocol == "tcp" and not port.private]
        if not ports or app.name not in apps:
            continue
        chosen = _callers(app, callers, group_of)
        if not chosen:
            yield unknown(app.name, "no other running app can call it")
        for port in ports if chosen else ():
            host = host_of(group_of[chosen[0].name], app.name, app.name)
            yield from _page(stack, app, host, port, chosen[0], apps[chosen[0].name][1])
        for caller in chosen:
            hosts = [host_of(group_of[caller.name], app.name, name) for name in (app.name, *app.aliases)]
            yield from (_call(stack, app, host, port, caller, apps[caller.name][1]) for port in ports for host in hosts)


def _callers(app: App, callers: list[App], group_of: dict[str, Group]) -> list[App]:
    """One app of its own group, one with direct egress, and one of each group behind a gateway, whose firewall must allow the call."""
    own = group_of[app.name]
    chosen: dict[str, App] = {}
    for caller in callers:
        group = group_of[caller.name]
        if caller.name == app.name:
            continue
        if group is own:
            chosen.setdefault("own", caller)
        elif isinstance(group.egress, Direct):
            chosen.setdefault("direct", caller)
        elif isinstance(own.egress, Direct):
            chosen.setdefault(f"gateway {group.name}", caller)
    return list(chosen.values())


def _call(stack: View, app: App, name: str, port: Port, caller: App, placed: PlacedContainer) -> Found:
    url = f"{port.serves}://{name}:{port.number}/"
    tool = main_container(caller).fetch
    answer = stack.inside(placed, [*_ASK[tool], url], seconds=_SECONDS * 3)
    subject = f"{app.name} from {caller.name}"
    if untried(answer):
        return unknown(subject, f"{caller.name} cannot make requests: {answer.text or f'{tool} is missing'}")
    if _has_answer(tool, answer):
        return holds(subject, f"{url} answers")
    profile = stack.plan.profile
    remedy = f"run `portable up -p {profile}` to restore names and networks, then read `portable logs -p {profile} {app.name}`"
    return broken(subject, f"{url} does not answer {caller.name}: {answer.text or f'{tool} exited with {answer.code}'}", remedy)


def _page(stack: View, app: App, host: str, port: Port, caller: App, placed: PlacedContainer) -> Iterator[Found]:
    """The scripts and styles of the app's first page, if it has one."""
    url = f"{port.serves}://{host}:{port.number}/"
    parts = parts_of(stack, placed, main_container(caller).fetch or "", url)
    subject = f"{app.name} page"
    if faults := [f"{part.address}: {part.fault}" for part in parts if part.fault]:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        text = f"a browser cannot load {len(faults)} of {len(parts)} scripts and styles of {url}: {'; '.join(faults[:_SHOWN])}{more}"
        remedy = f"its image is incomplete: run `portable update {app.name}`, or build it anew with `portable images build`"
        yield broken(subject, text, remedy)
    elif parts:
        yield holds(subject, f"{url} and its {len(parts)} scripts and styles can be loaded")


def _has_answer(tool: str, said: CommandResult) -> bool:
    """Whether a server answered: curl exits with 0 then. Wget reports errors, GNU Wget by its exit code, BusyBox by a text."""
    return said.done or (tool == "wget" and (said.code in _WGET_ANSWERED or "HTTP/" in said.text or "server returned error" in said.text))
