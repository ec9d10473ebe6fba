"""Shell scripts, which lie as `*.sh` files beside the modules that use them, so that shellcheck reads them too."""

import functools


@functools.cache
def script(module: str, name: str) -> str:
    """The script of that name beside a module (`__name__`), read when it is first needed."""
    from importlib.resources import files  # 5 ms, which a command that runs no script need not spend

    return files(module.rpartition(".")[0]).joinpath(name).read_text(encoding="utf-8")


def filled(text: str, **values: object) -> str:
    """A script with `@name@` replaced by each value. Quoting is up to the script."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text
