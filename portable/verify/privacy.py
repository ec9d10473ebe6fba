"""No app sees the state of another app, which holds databases, keys and tokens."""

from collections.abc import Iterator

from portable.backends.common import backs_up
from portable.live.view import View
from portable.verify.contract import Contract, Found, about, broken, holds, library_of, mounts_of, running, unknown


def check(stack: View) -> Iterator[Found]:
    """Check that no mount is another app's folder, a parent of it or a folder in it, and that state in the library is covered."""
    states = {
        folder: app.name
        for app in stack.plan.apps
        for container in app.containers
        if not backs_up(container)
        for volume, _, _ in mounts_of(stack, container)
        if volume.holds in ("state", "database") and (folder := stack.source(volume)) is not None
    }
    up = f"run `portable up -p {stack.plan.profile}`, which recreates it with its own folders only"
    for placed in running(stack):
        if backs_up(placed.container):
            yield holds(about(placed), "sees the state of all apps, which it needs for backups")
            continue
        own = placed.app.name if placed.app else ""
        library = library_of(stack, placed.container)
        faults, unreadable = [], []
        for path, source in sorted(stack.look(placed).mounts.items()):
            if not source or (library and path == library[0]):  # a tmpfs; covered folders of the library are checked below
                continue
            apps = sorted({app for folder, app in states.items() if app != own and (_within(folder, source) or _within(source, folder))})
            if apps:
                faults.append(f"{path} shows the state of {', '.join(apps)}")
        for volume, path, _ in mounts_of(stack, placed.container):
            for hidden in volume.hides:
                answer = stack.inside(placed, ["ls", "-A", f"{path}/{hidden}"])
                if not answer.done:
                    unreadable.append(f"{path}/{hidden} cannot be read: {answer.text or answer.code}")
                elif answer.text:
                    faults.append(f"{path}/{hidden} is not covered: it shows {len(answer.text.splitlines())} folders of other apps")
        if faults:
            yield broken(about(placed), "; ".join(faults), up)
        elif unreadable:
            yield unknown(about(placed), "; ".join(unreadable))
        else:
            yield holds(about(placed), "sees only its own state")


def _within(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


CONTRACT = Contract(name="privacy", promise="no app sees the state of another app", check=check)
