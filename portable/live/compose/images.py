"""The images of a stack: their state, the steps for missing ones, and pulling or building them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from portable.live.results import ImageOutcome, ImageStatus
from portable.local.lock import locked
from portable.model.base import Struct
from portable.model.changes import Change
from portable.model.errors import EngineError, UsageError
from portable.model.progress import Event, Progress, silent

if TYPE_CHECKING:
    from portable.engines.docker.engine import Engine, EngineReader
from portable.live.compose.building import build_recipe
from portable.live.compose.recipes import BUILT, Recipes, built_reference, shipped_recipe
from portable.live.compose.registries import PullFailed, Registries
from portable.live.image_needs import ImageNeed
from portable.model.registry import not_offered, split_reference

LOCK = "_images"
"""Name of the lock on pulling and building. No project's name begins with `_`, so it differs from the project's lock that `up` holds."""

_BUILD_SECONDS = 90
"""What a recipe takes on two cores, for an estimate."""


class Resolution(Struct, frozen=True, kw_only=True):
    """The effective image of each reference, and the steps that were (or would be) made for it."""

    effective: Mapping[str, str]
    changes: tuple[Change, ...] = ()


def table(engine: "EngineReader", needs: Iterable[ImageNeed], recipes: Recipes = shipped_recipe) -> tuple[ImageStatus, ...]:
    """The state of each image, and what `up` would do for it; asks no registry."""
    needs = tuple(needs)
    built = {n.reference: built_reference(n.recipe, recipes) if n.recipe else None for n in needs}
    present_ids = engine.image_ids([n.reference for n in needs] + [b for b in built.values() if b])
    rows = []
    for need in needs:
        mine = built[need.reference]
        present, has_built = need.reference in present_ids, mine is not None and mine in present_ids
        outcome: ImageOutcome = "there" if present else "built" if has_built else "pull or build" if mine else "pull"
        if not present and not has_built and not mine and need.reference.startswith(BUILT):
            outcome = "missing"
        rows.append(
            ImageStatus(
                reference=need.reference,
                apps=need.apps,
                present=present,
                recipe=need.recipe if mine else None,
                built=mine if has_built else None,
                outcome=outcome,
            )
        )
    return tuple(rows)


def foresee(engine: "EngineReader", needs: Iterable[ImageNeed], recipes: Recipes = shipped_recipe) -> Resolution:
    """The images that `up` would use, without changing anything. A missing image is returned as a change."""
    effective: dict[str, str] = {}
    changes = []
    for row in table(engine, needs, recipes):
        effective[row.reference] = row.reference if row.present else row.built or row.reference
        if not row.present and not row.built:
            cause = "it is missing" + (f"; built from the recipe {row.recipe} if it cannot be pulled" if row.recipe else "")
            changes.append(Change(kind="pull", service=row.reference, app=", ".join(row.apps), cause=cause))
    return Resolution(effective=effective, changes=tuple(changes))


def resolve(engine: "Engine", needs: Iterable[ImageNeed], *, recipes: Recipes = shipped_recipe, progress: Progress = silent) -> Resolution:
    """Pull or build every missing image. Raises PortableError that names all unavailable ones, before anything is built."""
    needs = tuple(needs)
    first = foresee(engine, needs, recipes)
    if not first.changes:
        return first
    with locked(LOCK, "images", progress=progress, wait=3600):
        first = foresee(engine, needs, recipes)  # another run may have brought them
        missing = {change.service for change in first.changes}
        effective = dict(first.effective)
        steps = _Steps(len(missing), progress)
        changes, to_build = _pulled(engine, [need for need in needs if need.reference in missing], recipes, steps)
        built: dict[str, str] = {}
        for need, recipe, why in to_build:
            if recipe not in built:
                built[recipe] = build_recipe(engine, recipe, recipes=recipes, progress=steps.detail, registries=steps.registries, why=why)
            effective[need.reference] = built[recipe]
            changes.append(Change(kind="build", service=need.reference, app=", ".join(need.apps), cause=why))
            steps.end(need, "built")
    return Resolution(effective=effective, changes=tuple(changes))


def _pulled(
    engine: "Engine", needs: Sequence[ImageNeed], recipes: Recipes, steps: "_Steps"
) -> tuple[list[Change], list[tuple[ImageNeed, str, str]]]:
    """Pull images. Returns the changes, and each image to build, with its recipe and the reason why it was not pulled.

    Raises EngineError that names all images which can be neither pulled nor built.
    """
    changes: list[Change] = []
    to_build: list[tuple[ImageNeed, str, str]] = []
    lost: list[str] = []
    steps.registries = Registries(engine, steps.detail)
    steps.say(f"{_count(len(needs))} missing here, and pulled or built now")
    for need in needs:
        steps.begin()
        try:
            steps.registries.pull(need.reference)
            changes.append(Change(kind="pull", service=need.reference, app=", ".join(need.apps), cause="it was missing"))
            steps.end(need, "pulled")
        except PullFailed as failed:
            if need.recipe and recipes(need.recipe) is not None:
                to_build.append((need, need.recipe, failed.text))
            else:
                lost.append(f"{need.reference} (for {', '.join(need.apps)}): {failed.text}")
    if lost:
        raise _no_image(lost)
    if to_build:
        minutes = max(1, round(len({recipe for _, recipe, _ in to_build}) * _BUILD_SECONDS / 60))
        causes = "; ".join(dict.fromkeys(why for _, _, why in to_build))
        steps.say(f"{len(to_build)} cannot be pulled ({causes}): building them takes about {minutes} min")
        steps.begin()
    return changes, to_build


def _count(images: int) -> str:
    return "1 image is" if images == 1 else f"{images} images are"


class _Steps:
    """Reports one line an image, `[3/7] gerbera: built in 91 s`; everything else is a detail."""

    registries: Registries

    def __init__(self, total: int, progress: Progress) -> None:
        self._total, self._progress = total, progress
        self._ended = 0
        self._began = time.monotonic()

    def begin(self) -> None:
        """Start the time of the next image."""
        self._began = time.monotonic()

    def end(self, need: ImageNeed, how: str) -> None:
        """Report an image, and start the time of the next one."""
        self._ended += 1
        name = need.recipe or need.reference
        self.say(f"[{self._ended}/{self._total}] {name}: {how} in {time.monotonic() - self._began:.0f} s")
        self.begin()

    def say(self, text: str) -> None:
        """Report a sentence about all images."""
        self._progress(Event(what="note", subject="", text=text))

    def detail(self, event: Event) -> None:
        """Pass on an event of a single image as a detail, except for signs of life."""
        self._progress(event if event.what == "beat" else msgspec.structs.replace(event, what="line"))


def refuse_unavailable(engine: "EngineReader", expected: Resolution, recipes: Recipes, needs: Iterable[ImageNeed]) -> None:
    """Raise EngineError that names the missing images that no registry offers, and that have no recipe. Asks registries."""
    lacking = {change.service for change in expected.changes}
    asked = [need for need in needs if need.reference in lacking and not (need.recipe and recipes(need.recipe) is not None)]
    if not asked:
        return
    with ThreadPoolExecutor(min(8, len(asked))) as pool:
        offers = list(pool.map(lambda need: engine.offered(need.reference), asked))
    lost = [
        f"{need.reference} (for {', '.join(need.apps)}): {not_offered(offer, split_reference(need.reference)[0])}"
        for need, offer in zip(asked, offers, strict=True)
        if offer.why
    ]
    if lost:
        raise _no_image(lost)


def _no_image(lost: Sequence[str]) -> EngineError:
    return EngineError(
        f"{len(lost)} image{'s' if len(lost) > 1 else ''} can neither be pulled nor built: {'; '.join(lost)}",
        code="build.no-image",
        remedy="check the registry and the reference, use `docker load`, or give the app a recipe (`image/Dockerfile`)",
    )


def build(
    engine: "Engine", names: Iterable[str], needs: Iterable[ImageNeed], *, recipes: Recipes = shipped_recipe, progress: Progress = silent
) -> tuple[Change, ...]:
    """Rebuild these recipes (all that the stack needs if none is named), even if their images exist."""
    needs = tuple(needs)
    known = sorted({n.recipe for n in needs if n.recipe})
    wanted = sorted(set(names)) or known
    if unknown := [name for name in wanted if recipes(name) is None]:
        raise UsageError(
            f"no recipe is named {', '.join(unknown)}",
            code="build.unknown-recipe",
            where="images build",
            remedy=f"use one of: {', '.join(known) or 'none'}",
        )
    changes = []
    with locked(LOCK, "images build", progress=progress, wait=3600):
        registries = Registries(engine, progress)
        for name in wanted:
            tag = build_recipe(engine, name, recipes=recipes, progress=progress, registries=registries, fresh=True)
            changes.append(
                Change(
                    kind="build",
                    service=tag,
                    app=", ".join(sorted({a for n in needs if n.recipe == name for a in n.apps})),
                    cause="requested",
                )
            )
    return tuple(changes)
