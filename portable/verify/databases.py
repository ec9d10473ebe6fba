"""Databases lie on file systems with reliable locks, and are intact."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from portable.backends.common import PlacedContainer, backs_up
from portable.engines.mounts import holding, parse
from portable.live.view import View
from portable.model.folders import folder_of
from portable.model.plan import Volume
from portable.verify import sound
from portable.verify.contract import Contract, Found, broken, holds, mounts_of, running, unknown, writer

UNSAFE = ("9p", "afs", "ceph", "cifs", "fuse", "glusterfs", "nfs", "nfs4", "smb2", "smb3")
"""File systems on which SQLite's locks may fail (https://www.sqlite.org/howtocorrupt.html, 2.1)."""
_SECONDS = 60.0
"""For all databases of a volume, checked in another container."""
_RESTORE = "restore it with `portable restore -p {profile} {app}`, or from the app's own backups"


def check(stack: View) -> Iterator[Found]:
    """Check the file system of each database, by the kernel's mount table, and each SQLite file, by SQLite."""
    backup_runner = next((placed for placed in running(stack) if backs_up(placed.container)), None)
    for placed in running(stack):
        for volume, path, _ in mounts_of(stack, placed.container):
            if volume.holds != "database" or placed.app is None or backs_up(placed.container):
                continue
            answer = stack.inside(placed, ["cat", "/proc/self/mountinfo"])
            mount = holding(parse(answer.text), path) if answer.done else None
            if mount is None:
                yield unknown(placed.app.name, f"the file system of {path} is unknown{'' if answer.done else f': {answer.text}'}")
            elif mount.kind.split(".")[0] in UNSAFE:
                text = f"{path} lies on {mount.kind}, whose file locks are unreliable: databases there become corrupted sooner or later"
                yield broken(placed.app.name, text, "put its state on a disk of the host, by `storage.state` of the profile")
            else:
                yield holds(placed.app.name, f"{path} lies on {mount.kind}")
            yield from _content(stack, placed, volume, path, backup_runner)


def _content(stack: View, placed: PlacedContainer, volume: Volume, inside: str, backup_runner: PlacedContainer | None) -> Iterator[Found]:
    """Check each SQLite file: on this machine, or in the backup container, which sees the state of all apps."""
    assert placed.app
    app = placed.app.name
    folder = folder_of(volume)
    restore = _RESTORE.format(profile=stack.plan.profile, app=app)
    if folder is not None and stack.here:
        rows = sound.looked(Path(folder))
    elif backup_runner and (at := next((path for own, path, _ in mounts_of(stack, backup_runner.container) if own.id == volume.id), None)):
        rows = _remote(stack, backup_runner, at, folder or inside, writer(placed.container))
    else:
        why = "it is not a folder of this machine, and no backup app runs that could check it"
        rows = iter([("unknown", f"the databases in {inside} cannot be checked for corruption: {why}")])
    for verdict, text in rows:
        match verdict:
            case "holds":
                yield holds(app, text)
            case "broken":
                yield broken(app, text, restore)
            case "unreadable":
                yield broken(app, text, f"check the disk with `dmesg` and `smartctl -a`; {restore}")
            case _:
                yield unknown(app, text)


def _remote(stack: View, backup_runner: PlacedContainer, at: str, label: str, user: str | None) -> Iterator[sound.Row]:
    """Run the same program in the backup container, as the app's user: root would follow links that the app creates meanwhile.

    A line that is not a row, such as a warning, does not invalidate the others.
    """
    command = ["python3", "-c", Path(sound.__file__).read_text(encoding="utf-8"), at, label]
    answer = stack.inside(backup_runner, command, user=user, seconds=_SECONDS)
    rows: list[sound.Row] = []
    for line in answer.text.splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            rows.append(msgspec.json.decode(line, type=sound.Row))
    yield from rows
    if not rows or not answer.done:
        last = answer.text.splitlines()[-1:]
        yield "unknown", f"{'other' if rows else 'the'} databases in {label} could not be checked: {''.join(last) or answer.code}"


CONTRACT = Contract(name="databases", promise="databases lie on safe storage and are intact", check=check)
