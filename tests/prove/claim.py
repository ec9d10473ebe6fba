"""A claim: what is said, the bar, the tests that show it in full, and how its figure is read from them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.prove.running import Outcome


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One line of the table."""

    name: str
    bar: str
    tests: tuple[str, ...]
    """What pytest is given: files, node ids, -k."""
    figure: str = ""
    """A text with `{property}` for what tests recorded; the count of tests stands behind it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Sizes of the full form."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Where a claim is a list: each item, and a pattern of the names of the tests that show it; an item without a test doesn't hold."""
    points: tuple[int, ...] = ()
    """The numbered points of its issue that it shows."""
    also: Callable[[Outcome], bool] = lambda _: True
    """What must hold beyond tests that pass: a bar on a figure."""
    may_skip: bool = False
    """Whether a test may be skipped because what it needs lies outside the project."""

    def judge(self, outcome: Outcome) -> tuple[str, bool]:
        """The figure, and whether the claim holds. Tests that did not run show nothing."""
        if outcome.trouble:
            return outcome.trouble, False
        if not (outcome.passed or outcome.failed):
            return "no test ran" if not outcome.total else f"0 of {outcome.total} tests", False
        holds = not outcome.failed and (self.may_skip or not outcome.skipped)
        parts = []
        if self.figure:
            try:
                parts.append(self.figure.format_map(outcome.properties))
                holds = holds and self.also(outcome)
            except KeyError as missing:
                parts.append(f"no test measured {missing}")
                holds = False
        if self.kinds:
            shown = [kind for kind, pattern in self.kinds.items() if _shown(pattern, outcome)]
            parts.append(f"{len(shown)} of {len(self.kinds)} kinds")
            if missing_kinds := [kind for kind in self.kinds if kind not in shown]:
                parts.append(f"not shown: {', '.join(missing_kinds)}")
                holds = False
        skipped = f", {len(outcome.skipped)} skipped" if outcome.skipped else ""
        parts.append(f"{len(outcome.passed)} of {outcome.total} tests{skipped}")
        if outcome.failed:
            parts.append(f"failed: {', '.join(name.rpartition('.')[2] for name in outcome.failed[:3])}")
        return "; ".join(parts), holds


def _shown(pattern: str, outcome: Outcome) -> bool:
    passed, failed = ([name for name in names if re.search(pattern, name)] for names in (outcome.passed, outcome.failed))
    return bool(passed) and not failed
