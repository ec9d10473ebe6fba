"""Databases lie where locks hold, and are sound."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from portable.backends.common import Placed, backs_up
from portable.engines.mounts import holding, parse
from portable.live.view import View
from portable.model.folders import folder_of
from portable.model.plan import Volume
from portable.verify import sound
from portable.verify.contract import Contract, Found, broken, holds, mounts_of, running, unknown, writer

UNSAFE = ("9p", "afs", "ceph", "cifs", "fuse", "glusterfs", "nfs", "nfs4", "smb2", "smb3")
"""File systems on which SQLite's locks may fail (https://www.sqlite.org/howtocorrupt.html, 2.1)."""
_SECONDS = 60.0
"""For all databases of a volume, asked elsewhere."""
_RESTORE = "restore it from a backup; the app keeps some of its own"


def check(stack: View) -> Iterator[Found]:
    """Where each database lies, told by the kernel; and each SQLite file, by SQLite."""
    keeper = next((placed for placed in running(stack) if backs_up(placed.container)), None)
    for placed in running(stack):
        for volume, path, _ in mounts_of(stack, placed.container):
            if volume.holds != "database" or placed.app is None or backs_up(placed.container):
                continue
            said = stack.inside(placed, ["cat", "/proc/self/mountinfo"])
            mount = holding(parse(said.text), path) if said.done else None
            if mount is None:
                yield unknown(placed.app.name, f"what {path} lies on can't be told{'' if said.done else f': {said.text}'}")
            elif mount.kind.split(".")[0] in UNSAFE:
                text = f"{path} lies on {mount.kind}, where locks may fail: a database is corrupted there sooner or later"
                yield broken(placed.app.name, text, "let its state lie on a disk of the host (`storage.state` of the profile)")
            else:
                yield holds(placed.app.name, f"{path} lies on {mount.kind}")
            yield from _sound(stack, placed, volume, path, keeper)


def _sound(stack: View, placed: Placed, volume: Volume, inside: str, keeper: Placed | None) -> Iterator[Found]:
    """Each SQLite file: on this machine, or by the container that backs up, which sees the state of all apps."""
    assert placed.app
    app = placed.app.name
    folder = folder_of(volume)
    if folder is not None and stack.here:
        rows = sound.looked(Path(folder))
    elif keeper and (at := next((path for seen, path, _ in mounts_of(stack, keeper.container) if seen.id == volume.id), None)):
        rows = _asked(stack, keeper, at, folder or inside, writer(placed.container))
    else:
        why = "it is no folder of this machine, and no app that backs up runs to ask"
        rows = iter([("unknown", f"whether what is in {inside} is sound is not seen from here: {why}")])
    for verdict, text in rows:
        match verdict:
            case "holds":
                yield holds(app, text)
            case "broken":
                yield broken(app, text, _RESTORE)
            case "unreadable":
                yield broken(app, text, f"look at the disk (`dmesg`, `smartctl -a`); {_RESTORE}")
            case _:
                yield unknown(app, text)


def _asked(stack: View, keeper: Placed, at: str, called: str, user: str | None) -> Iterator[sound.Row]:
    """What the same program tells there, as the app's own user: root would follow whatever the app puts in a file's place meanwhile.

    A line that is none of its rows, as a warning is, takes away none of the others.
    """
    command = ["python3", "-c", Path(sound.__file__).read_text(encoding="utf-8"), at, called]
    said = stack.inside(keeper, command, user=user, seconds=_SECONDS)
    rows: list[sound.Row] = []
    for line in said.text.splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            rows.append(msgspec.json.decode(line, type=sound.Row))
    yield from rows
    if not rows or not said.done:
        last = said.text.splitlines()[-1:]
        yield "unknown", f"whether what {'else ' if rows else ''}is in {called} is sound can't be told: {''.join(last) or said.code}"


CONTRACT = Contract(name="databases", promise="databases lie on storage that keeps them sound, and are sound", check=check)
