"""The driver for Docker Compose: desired and observed state, and changes with their causes."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from portable.backends.prepare import Prepared
    from portable.live.drivers import OpenedStack
    from portable.live.image_updates import ImageUpdates
    from portable.secrets.sources import Source


def open_stack(
    prepared: "Prepared", taken: "ImageUpdates | None", environment: Mapping[str, str], home: Path, source: "Source"
) -> "OpenedStack":
    """Open the stack of a profile on the engine that the profile or this machine names. Raises UsageError for an invalid address."""
    from portable.engines.docker.address import resolve
    from portable.live.compose.desired import stack_of
    from portable.live.compose.driver import opened

    profile = prepared.planned.given.profile
    names = tuple(dict.fromkeys(filter(None, (profile.exposure.address, *profile.exposure.addresses))))
    stack = msgspec.structs.replace(
        stack_of(prepared.planned.plan, prepared.rendering, prepared.recipes, taken, names), one_way=prepared.planned.one_way
    )
    return opened(stack, source, resolve(profile.engine, environment, home))
