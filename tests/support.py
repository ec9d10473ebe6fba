"""`python -m tests.support`: writes docs/reference/support.md.

It says what each back end does with each field, found by changing every leaf of a full plan.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from portable.backends.registry import BACK_ENDS, BackEnd
from tests.factories import full_plan
from tests.render.mutations import mutations, spots
from tests.render.test_mutation import covered, said

FILE = Path(__file__).parents[1] / "docs" / "reference" / "support.md"
HEAD = """\
<!-- Written by `make golden` (python -m tests.support): change the back ends, not this file. -->
# What each back end does with each field of a plan

A test changes every leaf of a [plan](../glossary.md#plan) that uses every feature, and compares the output. A field is **translated** where
the documents change, **noted** where a [finding](../glossary.md#finding) says why they do not, or what follows, and **refused** where
nothing starts until you change or waive it. A field can be several of these, depending on the rest of the plan. "not there" means that
such a place has no such field. `portable explain` says what applies to your plan.

"""
_ORDER = ("translated", "noted", "refused")


def outcomes(back_end: BackEnd) -> Iterator[tuple[str, str]]:
    """(field as `Container.stop_grace`, what happened) of every change of the full plan."""
    plan = full_plan(back_end.name)
    fields = {spot.path: spot.field for spot in spots(plan)}
    base = back_end.render(plan)
    for mutation in mutations(plan):
        kind, name = fields[mutation.path]
        mutant = back_end.render(mutation.plan)
        if said(mutant, digests=True) != said(base, digests=True):
            yield f"{kind.__name__}.{name}", "translated"
        for finding in {*base.findings, *mutant.findings}:
            if covered(mutation, (finding,)):
                yield f"{kind.__name__}.{name}", "refused" if finding.verdict == "refused" else "noted"


def text() -> str:
    """The document."""
    found: dict[str, dict[str, set[str]]] = {}
    for back_end in BACK_ENDS:
        for field, what in outcomes(back_end):
            found.setdefault(field, {}).setdefault(back_end.name, set()).add(what)
    names = [back_end.name for back_end in BACK_ENDS]
    lines = [f"| field | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
    for field, by in sorted(found.items()):
        cells = (", ".join(word for word in _ORDER if word in by.get(name, ())) or "not there" for name in names)
        lines.append(f"| `{field}` | {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"


def main() -> int:
    """Write it."""
    FILE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
