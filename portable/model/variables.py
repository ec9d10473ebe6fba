"""Environment variables that hold secrets."""

import re

_NOT_IN_VARIABLE = re.compile(r"[^A-Z0-9]")


class Variables(dict[str, str]):
    """Environment variables that contain secrets: a traceback that shows variables does not show them."""

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"


def secret_variable(*names: str) -> str:
    """The environment variable in which the live layer passes a secret's value: `PORTABLE_SECRET_PLEX_TLS_TLS_CRT`."""
    return "_".join(("PORTABLE_SECRET", *(_NOT_IN_VARIABLE.sub("_", name.upper()) for name in names)))
