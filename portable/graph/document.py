"""What all HTML documents share: the style, and how text becomes HTML. A document loads no other file and runs no script."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup


def document(template: Path, *, filters: Mapping[str, Callable[[str], object]] = {}, **values: object) -> str:
    """Fill a template. Every value is text, and is escaped; `style` is the shared style, and the filter `code` sets backticks as code."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"code": with_code, **filters}
    style = Markup((Path(__file__).parent / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - a file of this package
    return environment.from_string(template.read_text(encoding="utf-8")).render(style=style, **values) + "\n"


def with_code(text: str) -> "Markup":
    """Return a text with its backticks as code; everything in it stays text."""
    from markupsafe import Markup, escape

    parts = re.split(r"`([^`]+)`", text)  # what stood between backticks is at the odd places
    return Markup("").join(Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
