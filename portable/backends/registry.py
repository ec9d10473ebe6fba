"""The back ends, by name: a tuple written by hand."""

import importlib
from typing import TYPE_CHECKING

from portable.model.base import Struct
from portable.model.errors import UsageError
from portable.model.findings import Finding
from portable.model.plan import Plan
from portable.model.rendering import Rendering

if TYPE_CHECKING:
    from portable.backends.patch import Patching


class BackEnd(Struct, frozen=True, kw_only=True):
    """One kind of place that runs containers.

    Its package is imported when it is used: the others would cost a tenth of a command's time.
    """

    name: str
    package: str
    """It has `render(plan) -> Rendering`, a module `patching`, and where `is_cluster` also `prerequisites(plan) -> findings`."""
    folder: str
    """The folder of the repository in which its renderings lie, a folder a profile."""
    is_cluster: bool = False

    def render(self, plan: Plan) -> Rendering:
        """The documents of a plan, and its findings."""
        rendering: Rendering = importlib.import_module(self.package).render(plan)
        return rendering

    def prerequisites(self, plan: Plan) -> tuple[Finding, ...]:
        """What a person must have made before the rendering works. Apart from `render`, so that it accounts for no leaf of the plan."""
        if not self.is_cluster:
            return ()
        findings: tuple[Finding, ...] = importlib.import_module(self.package).prerequisites(plan)
        return findings

    def patching(self) -> "Patching":
        """The rules for a profile's patches of its documents."""
        patching: Patching = importlib.import_module(f"{self.package}.patching").PATCHING
        return patching


BACK_ENDS = (
    BackEnd(name="compose", package="portable.backends.compose", folder="compose"),
    BackEnd(name="kubernetes", package="portable.backends.kubernetes", folder="k8s", is_cluster=True),
    BackEnd(name="openshift", package="portable.backends.openshift", folder="k8s", is_cluster=True),
)


def back_end(name: str) -> BackEnd:
    """The back end of that name. Raises UsageError, which names the known ones."""
    for known in BACK_ENDS:
        if known.name == name:
            return known
    raise UsageError(f"there is no back end {name!r}", remedy=f"known are {', '.join(known.name for known in BACK_ENDS)}")
