"""The sources of secrets: a file, the environment, or a command."""

from portable.model.base import Struct


class FileSource(Struct, tag="file", frozen=True, kw_only=True):
    """A YAML file of mode 0600: `name: value`, or `name: {key: value}`. Every value is read as text."""

    path: str


class EnvironmentSource(Struct, tag="environment", frozen=True, kw_only=True):
    """Variables `PORTABLE_SECRET_<NAME>_<KEY>`, or `PORTABLE_SECRET_<NAME>` for the key `value`."""


class CommandSource(Struct, tag="command", frozen=True, kw_only=True):
    """A program that prints one value: `["pass", "show", "media/{name}/{key}"]`."""

    command: tuple[str, ...]


Source = FileSource | EnvironmentSource | CommandSource


def place_name(source: Source) -> str:
    """The name of a source in messages."""
    if isinstance(source, FileSource):
        return source.path
    if isinstance(source, CommandSource):
        return f"command {source.command[0] if source.command else ''}"
    return "environment"
