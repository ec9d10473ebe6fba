"""No app sees the state of another one: databases, keys and tokens lie there."""

from collections.abc import Iterator

from portable.backends.common import backs_up
from portable.live.view import View
from portable.model.folders import folder_of
from portable.verify.contract import Contract, Found, about, broken, holds, library_of, mounts_of, running, unknown


def check(stack: View) -> Iterator[Found]:
    """No mount is another app's folder, one around it, or one in it; where state lies in the library, it is covered."""
    states = {
        folder: app.name
        for app in stack.plan.apps
        for container in app.containers
        if not backs_up(container)
        for volume, _, _ in mounts_of(stack, container)
        if volume.holds in ("state", "database") and (folder := folder_of(volume)) is not None
    }
    up = f"`portable up -p {stack.plan.profile}` makes it anew with its own folders only"
    for placed in running(stack):
        if backs_up(placed.container):
            yield holds(about(placed), "sees the state of all, as what copies it must")
            continue
        own = placed.app.name if placed.app else ""
        library = library_of(stack, placed.container)
        wrong, unseen = [], []
        for path, source in sorted(stack.look(placed).mounts.items()):
            if not source or (library and path == library[0]):  # memory; what the library covers is looked at below
                continue
            whose = sorted({app for folder, app in states.items() if app != own and (_within(folder, source) or _within(source, folder))})
            if whose:
                wrong.append(f"{path} shows the state of {', '.join(whose)}")
        for volume, path, _ in mounts_of(stack, placed.container):
            for hidden in volume.hides:
                said = stack.inside(placed, ["ls", "-A", f"{path}/{hidden}"])
                if not said.done:
                    unseen.append(f"{path}/{hidden} can't be looked at: {said.text or said.code}")
                elif said.text:
                    wrong.append(f"{path}/{hidden} is not covered: {len(said.text.splitlines())} folders of other apps are seen")
        if wrong:
            yield broken(about(placed), "; ".join(wrong), up)
        elif unseen:
            yield unknown(about(placed), "; ".join(unseen))
        else:
            yield holds(about(placed), "sees no state but its own")


def _within(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


CONTRACT = Contract(name="privacy", promise="no app sees the state of another one", check=check)
