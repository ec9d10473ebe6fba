"""The apps of a stack, and the images that they need."""

from portable.engines.docker.engine import EngineReader
from portable.engines.docker.observed import Observed
from portable.live.compose.desired import ComposeStack, Desired, desire
from portable.live.compose.reconcile import scope
from portable.live.image_needs import ImageNeed
from portable.model.errors import UsageError


def refuse_unknown(stack: ComposeStack, apps: tuple[str, ...]) -> None:
    """Raise UsageError for a name that is not an app of the stack."""
    known = apps_of(stack)
    if unknown := [app for app in apps if app not in known]:
        raise UsageError(
            f"{stack.project} has no app {', '.join(unknown)}", code="up.unknown-app", remedy=f"use one of: {', '.join(known)}"
        )


def apps_of(stack: ComposeStack) -> tuple[str, ...]:
    """The names of the stack's apps."""
    return tuple(sorted({s.app for s in plain(stack).services}))


def plain(stack: ComposeStack) -> Desired:
    """The services of a stack without secrets and effective images; needs no engine."""
    return desire(stack, {}, None, Observed())


def images_of(engine: EngineReader, stack: ComposeStack, apps: tuple[str, ...]) -> tuple[ImageNeed, ...]:
    """The images of these apps, and of apps in their network namespaces, which are recreated with the owner."""
    if not apps:
        return stack.images
    bare, existing = plain(stack), {seen.service for seen in engine.containers(stack.project)}
    wanted = scope(bare, apps)
    used = {s.image for s in bare.services if s.name in wanted or (s.owner in wanted and s.name in existing)}
    return tuple(need for need in stack.images if need.reference in used)
