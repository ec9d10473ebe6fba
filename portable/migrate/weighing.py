"""What a move of apps would weaken or damage, as findings. A waiver of the move accepts some of them, each by its kind and app."""

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

import msgspec

from portable.live.state_owners import StateFolder, foreign_state, state_folders
from portable.live.versions import VersionStep, keepers, known_of, step_of
from portable.migrate.choosing import MoveChoice, users_of, writers_of
from portable.migrate.losses import FACTS
from portable.migrate.mounts import mount_of
from portable.migrate.places import opened_target
from portable.migrate.planning import nearest
from portable.migrate.sides import MoveSide
from portable.model.codes import Code
from portable.model.errors import UsageError
from portable.model.findings import Class, Finding
from portable.model.plan import Direct, Plan

_APP_KINDS = ("egress", "version")
_KINDS = ("library", "volumes", "empty")
_SHARES = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.rclone")
"""File systems on which file locks of databases are not safe (docs/facts/databases.md#sqlite-on-a-share)."""


def parse_waivers(texts: Iterable[str]) -> dict[str, str]:
    """Read `KIND=REASON`. Raises UsageError for another form, an unknown kind, or an empty reason."""
    found: dict[str, str] = {}
    for text in texts:
        kind, _, why = text.partition("=")
        if not why.strip():
            remedy = "write KIND=REASON, for example `--waive library='the new place has its own'`"
            raise UsageError(f"--waive {text}: it gives no reason", code="migrate.unknown-waiver", remedy=remedy)
        if kind not in FACTS and kind not in _KINDS and not re.fullmatch(rf"(?:{'|'.join(_APP_KINDS)})\.[a-z0-9-]+", kind):
            remedy = "use the kinds that `--dry-run` prints, such as `ownership`, `library` or `egress.APP`"
            raise UsageError(f"no loss is called {kind}", code="migrate.unknown-waiver", remedy=remedy)
        found[kind] = why.strip()
    return found


def folder_waivers(waive: Mapping[str, str]) -> dict[str, str]:
    """The waivers that the move of a single folder knows."""
    return {kind: why for kind, why in waive.items() if kind in FACTS}


def weighed(
    source: MoveSide, target: MoveSide, choice: MoveChoice, images: Iterable[tuple[str, str]], waive: Mapping[str, str]
) -> tuple[Finding, ...]:
    """All findings, waived or refused. `images` has app and image of each container of the source."""
    images = tuple(images)
    found = [
        *_egress(source.plan, target.plan, choice),
        *_libraries(source.plan, choice),
        *_lost_volumes(source, choice),
        *_empty(choice, {app for app, _ in images}),
        *_writers(source.plan, choice),
        *versions(source, target, choice, images),
        *_owners(target.plan, choice),
        *_databases(choice),
    ]
    return tuple(_settled(one, waive) for one in found)


def _settled(finding: Finding, waive: Mapping[str, str]) -> Finding:
    kind = finding.field.removeprefix("migrate.") + (f".{finding.app}" if finding.app else "")
    if finding.is_waivable and kind in waive:
        return msgspec.structs.replace(finding, verdict="waived", reason=waive[kind])
    return finding


def _finding(
    kind: str, text: str, remedy: str, *, code: Code, class_: Class = "data", app: str | None = None, is_waivable: bool = True
) -> Finding:
    return Finding(
        field=f"migrate.{kind}",
        path=kind,
        class_=class_,
        text=text,
        remedy=remedy,
        code=code,
        app=app,
        verdict="refused",
        is_waivable=is_waivable,
    )


def _egress(source: Plan, target: Plan, choice: MoveChoice) -> Iterator[Finding]:
    """Promise 2: an app behind a gateway stays behind one. The seal and a tunnel are equally closed: both block the direct way."""
    before, after = source.behind_gateways, target.behind_gateways
    for app in choice.apps:
        is_open = any(app in group.apps and isinstance(group.egress, Direct) for group in target.groups)
        if app in before and (app not in after or is_open):
            text = f"{app} reaches the internet only through {before[app]} at {source.profile}, and directly at {target.profile}"
            remedy = f"put it behind a gateway at {target.profile}: remove it from `egress.direct`"
            yield _finding("egress", text, remedy, code="migrate.egress", class_="security", app=app)


def _libraries(source: Plan, choice: MoveChoice) -> Iterator[Finding]:
    """Apps that find another library mark their films as missing, and may forget them."""
    for volume in choice.volumes:
        if volume.how == "left" and source.is_library(volume.id) and volume.target:
            text = f"the library stays at {volume.source}, and the apps would see another one: {volume.target}"
            remedy = f"let both profiles use one folder for the library, or copy it too with `--with-library`: {volume.source}"
            yield _finding("library", text, remedy, code="migrate.library")
        if volume.how == "move" and source.is_library(volume.id):
            planned = next(one for one in source.volumes if one.id == volume.id)
            users = [app for app in users_of(source, planned) if app in choice.staying or app in choice.absent]
            if users or planned.hides:
                others = f"{', '.join(users)} would stay and use it" if users else f"it contains state of apps: {', '.join(planned.hides)}"
                remedy = "let both profiles use one folder for the library, or copy it yourself and waive `library`"
                yield _finding("library", f"the library cannot move: {others}", remedy, code="migrate.library", is_waivable=False)


def _lost_volumes(source: MoveSide, choice: MoveChoice) -> Iterator[Finding]:
    for volume in choice.those("left"):
        if not volume.target:
            text = f"the target has no folder for {volume.id}, the state of {', '.join(volume.apps)}"
            remedy = f"give it a folder in the target's `storage`, or keep the copy at {source.profile}"
            yield _finding("volumes", text, remedy, code="migrate.no-volume")


def _empty(choice: MoveChoice, known: AbstractSet[str]) -> Iterator[Finding]:
    """An empty folder of an app that ran may be a disk that is not mounted: the app would begin anew at the target."""
    own = [volume for volume in choice.volumes if volume.holds in ("state", "database") and volume.how != "cache"]
    nothing = all(volume.how == "empty" for volume in own)
    for volume in own:
        if volume.how == "empty" and known & set(volume.apps) and (nothing or volume.holds == "database"):
            text = f"{volume.source} is empty, although {', '.join(volume.apps)} ran: the app would begin anew at the target"
            remedy = "check that its disk is mounted, and that the path is right"
            yield _finding("empty", text, remedy, code="migrate.source-empty")


def _writers(source: Plan, choice: MoveChoice) -> Iterator[Finding]:
    """State has one writer: an app that stays must not write what moves."""
    planned = {volume.id: volume for volume in source.volumes}
    for volume in choice.volumes:
        if volume.how not in ("move", "shared") or source.is_library(volume.id):
            continue
        if others := [app for app in writers_of(source, planned[volume.id]) if app not in choice.stopped]:
            text = f"{', '.join(others)} would stay, and writes {volume.id} of {', '.join(volume.apps)}"
            yield _finding("writers", text, f"move it too: add {' '.join(others)}", code="migrate.other-writer", is_waivable=False)


def versions(source: MoveSide, target: MoveSide, choice: MoveChoice, images: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """Images at the target that cannot read what the source's image wrote, or that leave no way back from a shared folder."""
    wrote: dict[str, set[str]] = {}
    for app, image in (*images, *_planned_images(source.plan)):
        wrote.setdefault(app, set()).add(image)
    known, shared = target.stack.one_way, {app for volume in choice.those("shared") if volume.holds != "library" for app in volume.apps}
    runs: dict[str, set[str]] = {}
    for app, image in _planned_images(target.plan):
        runs.setdefault(app, set()).add(image)
    for app in sorted(set(choice.apps) & keepers(target.plan)):
        pairs = [(old, new) for old in sorted(wrote.get(app, ())) for new in sorted(runs.get(app, ()))]
        steps = [step for old, new in pairs if (step := step_of(app, old, new, known_of(target.plan, app, new, known))) is not None]
        if steps:
            remedy = _version_remedy(app, steps[0], target.profile)
            yield _finding("version", steps[0].text, remedy, code="migrate.version", app=app)
        elif app in shared and (back := [s for old, new in pairs if (s := step_of(app, new, old)) is not None and s.is_downgrade]):
            text = f"{app} would go from {back[0].after} to {back[0].before} on a folder that both places use, so nothing could go back"
            yield _finding("version", text, f"run the same version at both places, then update {app}", code="migrate.version", app=app)


def _version_remedy(app: str, step: VersionStep, profile: str) -> str:
    if step.is_downgrade:
        return f"run at least {step.before} at {profile}: set its image there, or try `portable update -p {profile} {app}`"
    return f"use the same version at {profile} for the move, and update {app} afterwards"


def _planned_images(plan: Plan) -> tuple[tuple[str, str], ...]:
    return tuple((app.name, container.image.reference) for app in plan.apps for container in app.containers)


def _owners(target: Plan, choice: MoveChoice) -> Iterator[Finding]:
    """Files that the app could not write at the target: looked at in the source, since owners move with the files."""
    moved = {volume.target: volume.source for volume in choice.volumes if volume.how in ("move", "shared")}
    folders = (
        msgspec.structs.replace(one, path=moved[one.path]) for one in state_folders(target) if one.app in choice.apps and one.path in moved
    )
    yield from foreign_findings(folders)


def foreign_findings(folders: Iterable[StateFolder]) -> Iterator[Finding]:
    """A finding for each folder with files that its app may not write."""
    for foreign in foreign_state(folders):
        yield _finding("owner", foreign.text, foreign.remedy, code="migrate.owner", app=foreign.folder.app, is_waivable=False)


def _databases(choice: MoveChoice) -> Iterator[Finding]:
    for volume in choice.those("move"):
        if volume.holds != "database":
            continue
        with opened_target(nearest(Path(volume.target))) as folder:
            mount = mount_of(folder)
        if mount is not None and mount.kind in _SHARES:
            text = f"{volume.target} is on {mount.kind}: the database of {', '.join(volume.apps)} would be damaged sooner or later"
            yield _finding("database", text, "choose a local disk for it under `storage`", code="migrate.database", is_waivable=False)
