"""The images of a stack: their state, the steps for missing ones, and pulling or building them."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from portable.live.results import ImageOutcome, ImageStatus
from portable.local.lock import locked
from portable.model.base import Struct
from portable.model.changes import Change
from portable.model.errors import EngineError, UsageError
from portable.model.progress import Progress, silent

if TYPE_CHECKING:
    from portable.engines.docker.engine import Engine, EngineReader
from portable.live.compose.building import build_recipe
from portable.live.compose.recipes import BUILT, Recipes, built_reference, shipped_recipe
from portable.live.compose.registries import PullFailed, Registries
from portable.live.image_needs import ImageNeed

LOCK = "_images"
"""Name of the lock on pulling and building. No project's name begins with `_`, so it differs from the project's lock that `up` holds."""


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
        changes: list[Change] = []
        to_build: list[tuple[ImageNeed, str, str]] = []
        lost: list[str] = []
        registries = Registries(engine, progress)
        for need in needs:
            if need.reference not in missing:
                continue
            try:
                registries.pull(need.reference)
                changes.append(Change(kind="pull", service=need.reference, app=", ".join(need.apps), cause="it was missing"))
            except PullFailed as failed:
                if need.recipe and recipes(need.recipe) is not None:
                    to_build.append((need, need.recipe, failed.text))
                else:
                    lost.append(f"{need.reference} (for {', '.join(need.apps)}): {failed.text}")
        if lost:
            raise EngineError(
                f"{len(lost)} image{'s' if len(lost) > 1 else ''} can neither be pulled nor built: {'; '.join(lost)}",
                code="build.no-image",
                remedy="check the registry and the reference, use `docker load`, or give the app a recipe (`image/Dockerfile`)",
            )
        built: dict[str, str] = {}
        for need, recipe, why in to_build:
            if recipe not in built:
                built[recipe] = build_recipe(engine, recipe, recipes=recipes, progress=progress, registries=registries, why=why)
            effective[need.reference] = built[recipe]
            changes.append(Change(kind="build", service=need.reference, app=", ".join(need.apps), cause=why))
    return Resolution(effective=effective, changes=tuple(changes))


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
