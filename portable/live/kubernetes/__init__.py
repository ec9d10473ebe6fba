"""The driver for Kubernetes and OpenShift: desired and live objects, changes with their causes, and carrying them out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portable.backends.prepare import Prepared
    from portable.live.drivers import Opened
    from portable.live.taken import Taken
    from portable.secrets.sources import Source


def open_stack(prepared: "Prepared", taken: "Taken | None", environment: Mapping[str, str], home: Path, source: "Source") -> "Opened":
    """The stack of a profile in the cluster whose context the profile or the kubeconfig names. Raises UsageError for an invalid one."""
    from portable.engines.kubernetes.address import resolve
    from portable.live.kubernetes.driver import opened
    from portable.live.kubernetes.stack import stack_of
    from portable.local.folders import state_home

    stack = stack_of(prepared.planned.plan, prepared.rendering, prepared.recipes, taken)
    address = resolve(prepared.planned.given.profile.engine, environment, home)
    return opened(stack, source, address, state_home(environment) / "_kinds")
