"""Each cloud shows what it holds in each app that reads it (promise 4): the table that its owner had as a script."""

from collections.abc import Iterator

from portable.model.plan import CLOUDS
from portable.verify.contract import Contract, Found, broken, holds, library_of, running_apps, unknown
from portable.verify.stack import Stack

# $1 the cloud as the app sees it, $2 what is always in it. A new account is empty, and readable.
_COUNT = """\
grep -q " $3 .* - fuse" /proc/self/mountinfo || { echo "nothing is mounted at $3"; exit 3; }
if [ -d "$1/$2" ]; then set -- "$1/$2"; fi
found=$(ls -A "$1" 2>&1) || { echo "$found"; exit 4; }
[ -n "$found" ] && echo "$found" | wc -l || echo 0
"""
_REMEDY = "`portable restart -p {profile} {app}`; if it stays so, `portable logs -p {profile}` of the cloud's mounter"


def check(stack: Stack) -> Iterator[Found]:
    """Counted inside each app, at the path that it uses: what is mounted on the host tells nothing of that."""
    clouds = {cloud.id: cloud for cloud in stack.plan.clouds}
    links = {link.target: link.path for link in (stack.plan.library.links if stack.plan.library else ())}
    for app, placed in running_apps(stack):
        seen = library_of(stack, placed.container)
        for cloud in (clouds[name] for name in app.clouds if name in clouds):
            target = f"{CLOUDS}/{cloud.id}"
            path = f"{seen[0]}/{links[target]}" if seen and target in links else target
            said = stack.inside(placed, ["sh", "-c", _COUNT, "sh", path, cloud.known_entry, target])
            subject, remedy = f"{app.name} cloud {cloud.id}", _REMEDY.format(profile=stack.plan.profile, app=app.name)
            if said.done:
                yield holds(subject, f"OK ({said.text} entries)")
            elif said.code in (126, 127):
                yield unknown(subject, f"no shell to look with: {said.text}")
            else:
                yield broken(subject, said.text or f"looking ended with {said.code}", remedy)


CONTRACT = Contract(name="clouds", promise="each cloud shows what it holds in every app that reads it", check=check)
