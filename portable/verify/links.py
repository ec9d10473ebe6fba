"""A finished download becomes a file of the library by a hard link and a rename, tried inside each app that does so (promise 3)."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from portable.live.view import View
from portable.verify.contract import Contract, Found, broken, holds, library_of, running_apps, unknown, untried, writer

_DOWNLOADS = ("downloads", "incomplete")
# $1 the library, $2 a name of this app's own; then folders of downloads, `--`, folders that keep what is imported. What an earlier run
# left behind when it was killed is removed first; this one cleans up after itself, also when it is told to end.
_TRY = """\
umask 077
cd "$1" || exit 4
name=$2; shift 2
all() { for folder; do [ "$folder" = -- ] || rm -f "$folder/$name" "$folder/$name.kept" "$folder/$name.moved"; done; }
trap 'all "$@"' EXIT
trap 'exit 9' TERM INT HUP
all "$@"
sources=; while [ "$1" != -- ]; do sources="$sources $1"; set -- "$@" "$1"; shift; done; shift
failed=0 tried=0
for a in $sources; do
  [ -d "$a" ] || continue
  for b; do
    case " $sources " in *" $b "*) continue ;; esac
    [ -d "$b" ] || continue
    tried=1
    if ! { echo tried >"$a/$name"; } 2>/dev/null; then echo "W $a can't be written"; failed=1; break; fi
    if ! ln "$a/$name" "$b/$name.kept" 2>/dev/null || ! [ "$a/$name" -ef "$b/$name.kept" ]; then
      echo "L no hard link from $a to $b"; failed=1
    elif ! mv "$a/$name" "$b/$name.moved" 2>/dev/null || ! [ "$b/$name.kept" -ef "$b/$name.moved" ]; then
      echo "L no rename from $a to $b"; failed=1
    fi
    rm -f "$a/$name" "$b/$name.kept" "$b/$name.moved"
  done
done
[ $tried = 1 ] || echo "none of these folders is there"
[ $tried$failed = 10 ]
"""


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
        command = ["sh", "-c", _TRY, "sh", seen[0], f".portable-verify-{app.name}", *sources, "--", *targets]
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
