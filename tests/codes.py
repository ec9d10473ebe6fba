"""`python -m tests.codes`: writes docs/reference/findings.md from the explanations of all codes."""

import sys
from pathlib import Path

from portable.model.codes import area_names, explanations_of

FILE = Path(__file__).parents[1] / "docs" / "reference" / "findings.md"
HEAD = """\
<!-- Written by `make golden` (python -m tests.codes): change portable/model/explanations, not this file. -->
# Codes of findings and errors

Each [finding](../glossary.md#finding) and each error ends with a code in brackets, such as `[vpn.override]`. A code names one cause and
does not change when the wording does, so you can search for it and test for it. `portable explain CODE` prints what stands here.

"""


def text() -> str:
    """Return the document."""
    parts = [HEAD]
    for area in area_names():
        parts.append(f"## {area}\n\n")
        parts += [f"### `{e.code}`\n\n{e.title}\n\n- **Cause:** {e.cause}\n- **Remedy:** {e.remedy}\n\n" for e in explanations_of(area)]
    return "".join(parts).rstrip("\n") + "\n"


def main() -> int:
    """Write it."""
    FILE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
