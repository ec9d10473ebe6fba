"""The images that a plan needs."""

from typing import TYPE_CHECKING

from portable.model.base import Struct
from portable.model.plan import Plan

if TYPE_CHECKING:
    pass


class ImageNeed(Struct, frozen=True, kw_only=True):
    """An image that a plan needs."""

    reference: str
    recipe: str | None = None
    apps: tuple[str, ...] = ()


def needed_images(plan: Plan) -> tuple[ImageNeed, ...]:
    """The images of a plan, by reference."""
    placed = [(app.name, c.image) for app in plan.apps for c in app.containers]
    placed += [(cloud.id, cloud.fuse_mount.image) for cloud in plan.clouds] + [("init", plan.tools.image)]
    needs: dict[str, tuple[str | None, set[str]]] = {}
    for app, image in placed:
        recipe, apps = needs.get(image.reference, (None, set()))
        needs[image.reference] = (recipe or image.recipe, apps | {app})
    return tuple(
        ImageNeed(reference=reference, recipe=recipe, apps=tuple(sorted(apps))) for reference, (recipe, apps) in sorted(needs.items())
    )
