"""An environment that holds secrets."""


class Variables(dict[str, str]):
    """An environment with secrets in it, which a traceback that shows variables does not show."""

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"
