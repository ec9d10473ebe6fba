"""Every app answers other apps at its stable name and port (promise 1), inside its group and across groups."""

from collections.abc import Iterator

from portable.backends.common import Placed, main_container
from portable.model.plan import App, Direct, Port
from portable.verify.contract import Contract, Found, broken, holds, running_apps, unknown
from portable.verify.stack import Said, Stack

_SECONDS = 5
_ASK = {
    # Any answer will do, also one that asks for a login: it is the name and the way that are tried.
    "curl": ["curl", "--silent", "--output", "/dev/null", "--insecure", "--noproxy", "*", "--max-time", str(_SECONDS)],
    "wget": ["wget", "-q", "-O", "/dev/null", "-T", str(_SECONDS), "-Y", "off"],
}


def check(stack: Stack) -> Iterator[Found]:
    """Each name of each app that serves the web, asked from another app of its group, and from one outside."""
    group_of = {name: group for group in stack.plan.groups for name in group.apps}
    there = dict(running_apps_by_name(stack))
    askers = [app for app, placed in there.values() if placed.container.fetch in _ASK and not app.schedule]
    # Who reaches everything goes first: an app that may only talk to local networks is asked for its own group.
    askers.sort(key=lambda app: (not isinstance(group_of[app.name].egress, Direct), app.name))
    for app in stack.plan.apps:
        ports = [port for port in app.ports if port.serves in ("http", "https") and port.protocol == "tcp" and not port.private]
        if not ports or app.name not in there:
            continue
        near = next((a for a in askers if a.name != app.name and group_of[a.name] is group_of[app.name]), None)
        far = next((a for a in askers if group_of[a.name] is not group_of[app.name] and isinstance(group_of[a.name].egress, Direct)), None)
        if near is None and far is None:
            yield unknown(app.name, "no other app that runs could ask it")
        for asker in (near, far):
            if asker is not None:
                yield from (
                    _asked(stack, app, name, port, asker, there[asker.name][1]) for port in ports for name in (app.name, *app.aliases)
                )


def running_apps_by_name(stack: Stack) -> Iterator[tuple[str, tuple[App, Placed]]]:
    """(name, (app, its main container))."""
    for app, placed in running_apps(stack):
        yield app.name, (app, placed)


def _asked(stack: Stack, app: App, name: str, port: Port, asker: App, placed: Placed) -> Found:
    url = f"{port.serves}://{name}:{port.number}/"
    tool = main_container(asker).fetch
    said = stack.inside(placed, [*_ASK[tool], url], seconds=_SECONDS * 3)
    subject = f"{app.name} from {asker.name}"
    if said.code is None or said.code in (126, 127):
        return unknown(subject, f"{asker.name} could not ask: {said.text or f'no {tool}'}")
    if _answered(tool, said):
        return holds(subject, f"{url} answers")
    remedy = f"`portable up -p {stack.plan.profile}` mends names and networks; `portable logs -p {stack.plan.profile} {app.name}`"
    return broken(subject, f"{url} does not answer {asker.name}: {said.text or f'{tool} ended with {said.code}'}", remedy)


def _answered(tool: str, said: Said) -> bool:
    """Whether it did: curl ends well with any answer; wget does not with one that is an error, which it tells by its number."""
    return said.done or (tool == "wget" and ("HTTP/" in said.text or "server returned error" in said.text))


CONTRACT = Contract(name="answers", promise="every app answers other apps at its stable name and port", check=check)
