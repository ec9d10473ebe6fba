"""The back ends, by name: an explicit tuple."""

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

    Its package is imported on first use: importing all of them would take a tenth of a command's time.
    """

    name: str
    package: str
    """It has `render(plan) -> Rendering`, a module `patching`, and if `is_cluster` also `prerequisites(plan) -> findings`."""
    folder: str
    """The folder of the repository with its renderings, one folder for each profile."""
    is_cluster: bool = False

    def render(self, plan: Plan) -> Rendering:
        """The documents of a plan, and its findings."""
        rendering: Rendering = importlib.import_module(self.package).render(plan)
        return rendering

    def prerequisites(self, plan: Plan) -> tuple[Finding, ...]:
        """Findings on objects that must exist before the rendering works. Separate from `render`: they account for no leaf of the plan."""
        if not self.is_cluster:
            return ()
        findings: tuple[Finding, ...] = importlib.import_module(self.package).prerequisites(plan)
        return findings

    def patching(self) -> "Patching":
        """The rules for patches of its documents."""
        patching: Patching = importlib.import_module(f"{self.package}.patching").PATCHING
        return patching


BACK_ENDS = (
    BackEnd(name="compose", package="portable.backends.compose", folder="compose"),
    BackEnd(name="kubernetes", package="portable.backends.kubernetes", folder="k8s", is_cluster=True),
    BackEnd(name="openshift", package="portable.backends.openshift", folder="k8s", is_cluster=True),
)


def back_end(name: str) -> BackEnd:
    """The back end of that name. Raises UsageError with the known names."""
    for known in BACK_ENDS:
        if known.name == name:
            return known
    names = ", ".join(known.name for known in BACK_ENDS)
    raise UsageError(f"unknown back end {name!r}", code="render.back-end-unknown", remedy=f"use one of {names}")
