"""Every app that reads a cloud sees its content (promise 4). It prints the table that the owner's script printed."""

from collections.abc import Iterator

from portable.live.view import View
from portable.model.plan import CLOUDS
from portable.model.shell import script
from portable.verify.contract import Contract, Found, broken, holds, library_of, running_apps, unknown, untried, writer

_REMEDY = "run `portable restart -p {profile} {app}`; if it stays broken, read the logs of the cloud's mount: `portable logs -p {profile}`"


def check(stack: View) -> Iterator[Found]:
    """Count the entries inside each app, at its own path and as its user: the mount on the host does not show them."""
    clouds = {cloud.id: cloud for cloud in stack.plan.clouds}
    links = {link.target: link.path for link in (stack.plan.library.links if stack.plan.library else ())}
    hung: dict[str, str] = {}
    for app, placed in running_apps(stack):
        library = library_of(stack, placed.container)
        for cloud in (clouds[name] for name in app.clouds if name in clouds):
            subject, target = f"{app.name} cloud {cloud.id}", f"{CLOUDS}/{cloud.id}"
            if cloud.id in hung:
                # Each process that reads a hung mount hangs until the mount is gone.
                yield unknown(subject, f"not tried, because the cloud hangs in {hung[cloud.id]}")
                continue
            path = f"{library[0]}/{links[target]}" if library and target in links else target
            answer = stack.inside(
                placed, ["sh", "-c", script(__name__, "clouds.sh"), "sh", path, cloud.known_entry, target], user=writer(placed.container)
            )
            remedy = _REMEDY.format(profile=stack.plan.profile, app=app.name)
            if answer.done:
                yield holds(subject, f"OK ({answer.text} entries)")
            elif answer.hangs or answer.code == 5:
                hung[cloud.id] = app.name
                yield broken(subject, f"a read hangs: {answer.text}", remedy)
            elif untried(answer):
                yield unknown(subject, f"cannot be read: {answer.text or 'the image has no shell'}")
            else:
                yield broken(subject, answer.text or f"the check exited with {answer.code}", remedy)


CONTRACT = Contract(name="clouds", promise="every app that reads a cloud sees its content", check=check)
