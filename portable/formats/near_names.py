"""Names that people give to a file of this program by mistake: only `.yaml`, in lower case, is read."""

_ENDINGS = (".yaml.txt", ".yml.txt", ".yaml", ".yml")
"""Ends of names that are meant as YAML, in any case."""


def meant(name: str) -> str | None:
    """The name in lower case, without its ending, if it is nearly that of a file of this program."""
    folded = name.casefold()
    return next((folded.removesuffix(ending) for ending in _ENDINGS if folded.endswith(ending)), None)
