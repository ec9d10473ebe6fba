"""A finished download joins the library by a hard link and a rename, tested inside each app that writes there (promise 3)."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from portable.live.view import View
from portable.model.shell import script
from portable.verify.contract import Contract, Found, broken, holds, library_of, running_apps, unknown, untried, writer

_DOWNLOADS = ("downloads", "incomplete")


def check(stack: View) -> Iterator[Found]:
    """Test each app that writes to the library, as its own user: from every download folder to every other folder."""
    folders = stack.plan.library.folders if stack.plan.library else ()
    sources = [f for f in folders if any(part in _DOWNLOADS for part in PurePosixPath(f).parts)]
    targets = [f for f in folders if f not in sources and not any(s.startswith(f"{f}/") for s in sources if f in _DOWNLOADS)]
    for app, placed in running_apps(stack):
        library = library_of(stack, placed.container)
        if library is None or library[1] != "rw":
            continue
        if not sources or not targets:
            yield unknown(app.name, "the library lacks a download folder, or another folder besides it")
            continue
        command = ["sh", "-c", script(__name__, "links.sh"), "sh", library[0], f".portable-verify-{app.name}", *sources, "--", *targets]
        answer = stack.inside(placed, command, user=writer(placed.container), seconds=60)
        lines = [line for line in answer.text.splitlines() if line[:2] in ("W ", "L ")]
        if answer.done:
            yield holds(app.name, f"links and moves from {', '.join(sources)} to {', '.join(targets)}")
        elif untried(answer) or not lines:
            yield unknown(app.name, f"links could not be tested: {answer.text or answer.code}")
        else:
            kind, text = lines[0][0], "; ".join(line[2:] for line in lines)
            one = "put downloads and media on one file system with one mount, by `storage.library` of the profile"
            own = f"change the owner of the folder to {writer(placed.container) or 'the user of the app'}, with `chown` as root"
            yield broken(app.name, text, one if kind == "L" else own)


CONTRACT = Contract(name="links", promise="a finished download joins the library by a hard link, not by a copy", check=check)
