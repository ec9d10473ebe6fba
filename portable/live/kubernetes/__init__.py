"""The driver for Kubernetes and OpenShift: desired and live objects, changes with their causes, and carrying them out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portable.backends.prepare import Prepared
    from portable.live.drivers import OpenedStack
    from portable.live.image_updates import ImageUpdates
    from portable.secrets.sources import Source


def open_stack(
    prepared: "Prepared", updates: "ImageUpdates | None", environment: Mapping[str, str], home: Path, source: "Source"
) -> "OpenedStack":
    """The stack of a profile, in the cluster of the profile's or the kubeconfig's context. Raises UsageError for an invalid one."""
    from portable.engines.kubernetes.address import resolve
    from portable.live.kubernetes.driver import opened
    from portable.live.kubernetes.stack import stack_of
    from portable.local.folders import state_home

    stack = stack_of(prepared.planned.plan, prepared.rendering, prepared.recipes, updates)
    address = resolve(prepared.planned.given.profile.engine, environment, home)
    return opened(stack, source, address, state_home(environment) / "_kinds")
