"""A finished download becomes a file of the library by a hard link and a rename, tried inside each app that does so (promise 3)."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from portable.live.view import View
from portable.model.shell import script
from portable.verify.contract import Contract, Found, broken, holds, library_of, running_apps, unknown, untried, writer

_DOWNLOADS = ("downloads", "incomplete")


def check(stack: View) -> Iterator[Found]:
    """Each app that writes to the library, as the user that it writes as: from every folder of downloads to every other one."""
    folders = stack.plan.library.folders if stack.plan.library else ()
    sources = [f for f in folders if any(part in _DOWNLOADS for part in PurePosixPath(f).parts)]
    targets = [f for f in folders if f not in sources and not any(s.startswith(f"{f}/") for s in sources if f in _DOWNLOADS)]
    for app, placed in running_apps(stack):
        seen = library_of(stack, placed.container)
        if seen is None or seen[1] != "rw":
            continue
        if not sources or not targets:
            yield unknown(app.name, "the library has no folder of downloads, or none beside it")
            continue
        command = ["sh", "-c", script(__name__, "links.sh"), "sh", seen[0], f".portable-verify-{app.name}", *sources, "--", *targets]
        said = stack.inside(placed, command, user=writer(placed.container), seconds=60)
        lines = [line for line in said.text.splitlines() if line[:2] in ("W ", "L ")]
        if said.done:
            yield holds(app.name, f"links and moves from {', '.join(sources)} to {', '.join(targets)}")
        elif untried(said) or not lines:
            yield unknown(app.name, f"it could not be tried: {said.text or said.code}")
        else:
            kind, text = lines[0][0], "; ".join(line[2:] for line in lines)
            one = "let downloads and library lie in one file system, mounted once: `storage.library` of the profile"
            yield broken(app.name, text, one if kind == "L" else f"give the folder to {writer(placed.container) or 'its user'}")


CONTRACT = Contract(name="links", promise="what is downloaded becomes part of the library by a link, not a copy", check=check)
