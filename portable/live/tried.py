"""Backups that were tried, as a way back from a change of version. Pure, except for the question to the container that makes backups."""

import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from portable.backends.common import backs_up
from portable.live.versions import VersionStep, code_of
from portable.model.base import Struct
from portable.model.errors import Refused
from portable.model.moments import seconds_of
from portable.model.plan import App, Plan
from portable.model.question import Question

TRIED = Question(__name__, "tried.sh")
ASK_SECONDS = 60.0
_OLDEST_DAYS = 7
"""An older backup is no way back that a person wants: the state since then would be lost."""

Ask = Callable[[Question, Sequence[str]], tuple[int | None, str]]
"""Asks the container that makes backups: exit code and output."""


class SavedState(Struct, frozen=True, kw_only=True):
    """A backup of an app in the store."""

    app: str
    at: str
    """Its time and name."""
    result: str
    """sound, unsound or unreadable."""
    image: str = ""
    """The app's image as its files had it."""
    images: Mapping[str, str] | None = None
    """The images of its containers as the engine ran them; None if the program that lists backups is too old to know them."""
    tried: str = ""
    """When a restore of it was last tried with success; empty if never."""
    missing: tuple[str, ...] = ()
    """Volumes of the app that are not in it."""


class WayBack(Struct, frozen=True, kw_only=True):
    """The backup from which an app gets its state of before a step, or why there is none."""

    step: VersionStep
    at: str = ""
    """The time of the backup; empty if there is none."""
    why: str = ""
    """Why there is none."""
    outdated: str = ""
    """The app that makes backups, where its container runs a program that is too old to make one that leads back."""


def refuse_lost(ways: Iterable[WayBack], where: str, *, has_backups: bool) -> None:
    """Raise Refused for every step that has no way back."""
    lost = [way for way in ways if not way.at]
    if lost:
        raise Refused(
            "; ".join(map(text_of_lost, lost)),
            code=code_of(way.step for way in lost),
            where=where,
            remedy=remedy_of_lost(lost, has_backups=has_backups),
        )


def text_of_lost(way: WayBack) -> str:
    """What a step without a way back would do."""
    return f"{way.step.text}; no tried backup leads back: {way.why}"


def text_of_way(way: WayBack) -> str:
    """The step, and the command that undoes it."""
    return f"{way.step.text}; `portable restore {way.step.app} --at {way.at}` brings its state of before back"


def remedy_of_lost(lost: Collection[WayBack], *, has_backups: bool, store: str = "folder: /srv/backups") -> str:
    """How to get a way back from these steps, or to go on without one. `store` is an example for a profile without a store."""
    names = " ".join(sorted({way.step.app for way in lost}))
    flags = " ".join(f"--accept-version {app}" for app in names.split())
    backup = (
        f"make and try a backup: `portable backup --stop {names}`, then `portable backup --check {names}`; then run the same command again"
        if has_backups
        else f"add `backup` to the apps of the profile with `storage: {{backups: {{{store}}}}}`, make a backup, and try it"
    )
    if old := next((way.outdated for way in lost if way.outdated), ""):
        backup = f"renew the container that makes backups, `portable up {old}`; then {backup}"
    return f"{backup}; or go on without one: `portable up {flags}`"


def runner_in(plan: Plan) -> App | None:
    """The app that makes backups."""
    return next((app for app in plan.apps if any(backs_up(container) for container in app.containers)), None)


def ways_back(steps: Iterable[VersionStep], ask: Ask | None, now: float | None = None, *, runner: str = "") -> tuple[WayBack, ...]:
    """The way back of each step. `ask` is None if `runner`, the app that makes backups, does not run, or if there is none."""
    steps = tuple(steps)
    if not steps:
        return ()
    if ask is None:
        return tuple(WayBack(step=step, why="no app that makes backups runs here") for step in steps)
    apps = sorted({step.app for step in steps})
    code, text = ask(TRIED, apps)
    saved = saved_states(text)
    if not saved and code != 0:
        why = f"the app that makes backups cannot list them: {text.strip().splitlines()[-1] if text.strip() else f'exit {code}'}"
        return tuple(WayBack(step=step, why=why) for step in steps)
    moment = time.time() if now is None else now
    return tuple(_way_back(step, [one for one in saved if one.app == step.app], moment, runner) for step in steps)


def saved_states(text: str) -> tuple[SavedState, ...]:
    """The rows of the backup program's list; signs of life and other lines are skipped."""
    found = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):  # also msgspec's own, of a row in another form
            row = json.loads(line)
            if isinstance(row, Mapping) and {"app", "at", "result"} <= row.keys():
                found.append(msgspec.convert({key: row[key] for key in SavedState.__struct_fields__ if key in row}, SavedState))
    return tuple(found)


def _way_back(step: VersionStep, saved: Collection[SavedState], now: float, runner: str) -> WayBack:
    """The newest backup that is a way back; else why the newest one is none."""
    reasons = []
    for one in sorted(saved, key=lambda one: one.at, reverse=True):
        why = _unfit(one, step, now)
        if not why:
            return WayBack(step=step, at=one.at)
        reasons.append(f"the backup of {one.at} {why}")
    if runner and any(one.images is None for one in saved):
        return WayBack(step=step, why=f"{reasons[0]}, and the container of {runner} runs an older program", outdated=runner)
    return WayBack(step=step, why=reasons[0] if reasons else "it has no backup")


def _unfit(saved: SavedState, step: VersionStep, now: float) -> str:
    """Why a backup is no way back from a step; empty if it is one."""
    made = seconds_of(saved.at)
    if saved.result != "sound":
        return f"is {saved.result}"
    if saved.missing:
        return f"lacks {', '.join(saved.missing)}"
    if not _is_of(saved, step, made):
        return f"may be of another version than {step.before}"
    if made < now - _OLDEST_DAYS * 86400:
        return f"is older than {_OLDEST_DAYS} days"
    return "" if saved.tried else "was not tried"


def _is_of(saved: SavedState, step: VersionStep, made: float) -> bool:
    """Whether the image that ran before a step wrote the state in a backup: as the engine ran it, else by the files or the time."""
    image = step.reference.partition("@")[0]
    if saved.images:
        return image in saved.images.values()
    return bool(saved.image and image == saved.image) or bool(step.since and made >= step.since)
