"""The back ends, by name: a tuple written by hand. What renders a plan is a frozen record of functions."""

from collections.abc import Callable

from portable.backends import compose, kubernetes, openshift
from portable.model.base import Struct
from portable.model.errors import UsageError
from portable.model.findings import Finding
from portable.model.plan import Plan
from portable.model.rendering import Rendering


class BackEnd(Struct, frozen=True, kw_only=True):
    """One kind of place that runs containers."""

    name: str
    render: Callable[[Plan], Rendering]
    folder: str
    """Where renderings lie, a folder a profile."""
    prerequisites: Callable[[Plan], tuple[Finding, ...]] = lambda _: ()
    """What a person must have made before the rendering works. Apart from `render`, so that it accounts for no leaf of the plan."""


BACK_ENDS = (
    BackEnd(name="compose", render=compose.render, folder="compose"),
    BackEnd(name="kubernetes", render=kubernetes.render, folder="k8s", prerequisites=kubernetes.prerequisites),
    BackEnd(name="openshift", render=openshift.render, folder="k8s", prerequisites=kubernetes.prerequisites),
)


def back_end(name: str) -> BackEnd:
    """The back end of that name. Raises UsageError, which names the known ones."""
    for known in BACK_ENDS:
        if known.name == name:
            return known
    raise UsageError(f"there is no back end {name!r}", remedy=f"known are {', '.join(known.name for known in BACK_ENDS)}")
