"""The back ends, by name: a tuple written by hand. What renders a plan is a frozen record of functions."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from portable.model.base import Struct
from portable.model.errors import UsageError
from portable.model.findings import Finding
from portable.model.plan import Plan
from portable.model.rendering import Rendering

if TYPE_CHECKING:
    from portable.backends.patch import Patching


class BackEnd(Struct, frozen=True, kw_only=True):
    """One kind of place that runs containers."""

    name: str
    render: Callable[[Plan], Rendering]
    folder: str
    """Where renderings lie, a folder a profile."""
    patching: "Callable[[], Patching]"
    """What a profile's patches may change in its documents."""
    prerequisites: Callable[[Plan], tuple[Finding, ...]] = lambda _: ()
    """What a person must have made before the rendering works. Apart from `render`, so that it accounts for no leaf of the plan."""


def _compose(plan: Plan) -> Rendering:
    from portable.backends import compose

    return compose.render(plan)


def _kubernetes(plan: Plan) -> Rendering:
    from portable.backends import kubernetes

    return kubernetes.render(plan)


def _openshift(plan: Plan) -> Rendering:
    from portable.backends import openshift

    return openshift.render(plan)


def _patching_compose() -> "Patching":
    from portable.backends.compose.patching import PATCHING

    return PATCHING


def _patching_cluster() -> "Patching":
    from portable.backends.kubernetes.patching import PATCHING

    return PATCHING


def _on_a_cluster(plan: Plan) -> tuple[Finding, ...]:
    from portable.backends import kubernetes

    return kubernetes.prerequisites(plan)


# Each is imported when it is used: a command has one back end, and the others cost a tenth of its time.
BACK_ENDS = (
    BackEnd(name="compose", render=_compose, folder="compose", patching=_patching_compose),
    BackEnd(name="kubernetes", render=_kubernetes, folder="k8s", patching=_patching_cluster, prerequisites=_on_a_cluster),
    BackEnd(name="openshift", render=_openshift, folder="k8s", patching=_patching_cluster, prerequisites=_on_a_cluster),
)


def back_end(name: str) -> BackEnd:
    """The back end of that name. Raises UsageError, which names the known ones."""
    for known in BACK_ENDS:
        if known.name == name:
            return known
    raise UsageError(f"there is no back end {name!r}", remedy=f"known are {', '.join(known.name for known in BACK_ENDS)}")
