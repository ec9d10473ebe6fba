"""Shell scripts: `*.sh` files beside the modules that use them, so that shellcheck can check them."""

import functools
import sys
from pathlib import Path


@functools.cache
def script(module: str, name: str) -> str:
    """The script of that name beside a module (`__name__`), read on first use."""
    return Path(sys.modules[module].__file__ or "").with_name(name).read_text(encoding="utf-8")


def filled(text: str, **values: object) -> str:
    """A script with each `@name@` replaced by its value. The script does the quoting."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text
