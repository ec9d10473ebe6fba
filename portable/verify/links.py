"""A finished download becomes a file of the library by a hard link and a rename, tried inside each app that does so (promise 3)."""

from collections.abc import Iterator
from posixpath import dirname

from portable.verify.contract import Contract, Found, broken, holds, library_of, running_apps, unknown, writer
from portable.verify.stack import Stack

# $1 the folder of downloads, $2 one of the library. Cleans up after itself, also when it is told to end.
_TRY = """\
umask 077
a="$1/.portable-verify-$$" b="$2/.portable-verify-$$"
trap 'rm -f "$a" "$b" "$b.moved"' EXIT
trap 'exit 9' TERM INT HUP
echo tried >"$a" || { echo "$1 can't be written"; exit 4; }
ln "$a" "$b" || { echo "no hard link from $1 to $2"; exit 3; }
[ "$a" -ef "$b" ] || { echo "the link is another file"; exit 3; }
first=$(ls -i "$a" | awk '{print $1}')
rm -f "$b"
mv "$a" "$b.moved" || { echo "no rename from $1 to $2"; exit 3; }
[ "$(ls -i "$b.moved" | awk '{print $1}')" = "$first" ] || { echo "a rename from $1 to $2 copies"; exit 3; }
"""


def check(stack: Stack) -> Iterator[Found]:
    """Each app that writes to the library, as the user that it writes as."""
    pairs = tuple(_pairs(stack.plan.library.folders if stack.plan.library else ()))
    for app, placed in running_apps(stack):
        seen = library_of(stack, placed.container)
        if seen is None or seen[1] != "rw":
            continue
        for source, target in pairs:
            at, to = f"{seen[0]}/{source}", f"{seen[0]}/{target}"
            said = stack.inside(placed, ["sh", "-c", _TRY, "sh", at, to], user=writer(placed.container))
            if said.done:
                yield holds(app.name, f"links and moves from {at} to {to}")
            elif said.code == 3:
                yield broken(
                    app.name, said.text, "let downloads and library lie in one file system, mounted once: `storage.library` of the profile"
                )
            elif said.code == 4:
                yield broken(app.name, said.text, f"give the folder to {writer(placed.container)}")
            else:
                yield unknown(app.name, f"it could not be tried: {said.text or said.code}")


def _pairs(folders: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """From each folder of downloads to the tree beside it that keeps what is imported."""
    for folder in folders:
        if folder == "downloads" and "media" in folders:
            yield folder, "media"
        elif folder.endswith("/downloads"):
            yield folder, dirname(folder)


CONTRACT = Contract(name="links", promise="what is downloaded becomes part of the library by a link, not a copy", check=check)
