"""The driver for Kubernetes and OpenShift: desired and live objects, changes with their causes, and carrying them out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

UNSUPPORTED: Mapping[str, str] = {
    "heal --watch": "the cluster restarts containers by itself; `portable heal` replaces the pods that do not recover",
    "heal --install": "the cluster restarts containers by itself; `portable heal` replaces the pods that do not recover",
    "doctor --fix": "`portable doctor` shows each problem with its remedy",
    "images build": "build the images on another machine, and push them to a registry that the nodes reach",
}
"""The commands that clusters do not support yet, each with what to do instead."""

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
    from portable.local.paths import state_home

    planned = prepared.planned
    stack = msgspec.structs.replace(
        stack_of(planned.plan, prepared.rendering, prepared.recipes, updates),
        one_way=planned.one_way,
        backed_up=planned.backed_up,
        back_end=prepared.back_end.name,
    )
    address = resolve(prepared.planned.given.profile.engine, environment, home)
    return opened(stack, source, address, state_home(environment) / "_kinds")
