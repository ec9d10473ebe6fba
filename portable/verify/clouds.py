"""Each cloud shows what it holds in each app that reads it (promise 4): the table that its owner had as a script."""

from collections.abc import Iterator

from portable.live.view import View
from portable.model.plan import CLOUDS
from portable.model.shell import script
from portable.verify.contract import Contract, Found, broken, holds, library_of, running_apps, unknown, untried, writer

_REMEDY = "`portable restart -p {profile} {app}`; if it stays so, `portable logs -p {profile}` of the cloud's mounter"


def check(stack: View) -> Iterator[Found]:
    """Counted inside each app, at the path that it uses and as its user: what is mounted on the host tells nothing of that."""
    clouds = {cloud.id: cloud for cloud in stack.plan.clouds}
    links = {link.target: link.path for link in (stack.plan.library.links if stack.plan.library else ())}
    hung: dict[str, str] = {}
    for app, placed in running_apps(stack):
        seen = library_of(stack, placed.container)
        for cloud in (clouds[name] for name in app.clouds if name in clouds):
            subject, target = f"{app.name} cloud {cloud.id}", f"{CLOUDS}/{cloud.id}"
            if cloud.id in hung:
                # Each reader of a mount that hangs stays there until the mount is gone.
                yield unknown(subject, f"not tried: it hung in {hung[cloud.id]}")
                continue
            path = f"{seen[0]}/{links[target]}" if seen and target in links else target
            said = stack.inside(
                placed, ["sh", "-c", script(__name__, "clouds.sh"), "sh", path, cloud.known_entry, target], user=writer(placed.container)
            )
            remedy = _REMEDY.format(profile=stack.plan.profile, app=app.name)
            if said.done:
                yield holds(subject, f"OK ({said.text} entries)")
            elif said.hangs or said.code == 5:
                hung[cloud.id] = app.name
                yield broken(subject, f"reading it hangs: {said.text}", remedy)
            elif untried(said):
                yield unknown(subject, f"it could not be tried: {said.text or 'no shell to look with'}")
            else:
                yield broken(subject, said.text or f"looking ended with {said.code}", remedy)


CONTRACT = Contract(name="clouds", promise="each cloud shows what it holds in every app that reads it", check=check)
