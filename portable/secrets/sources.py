"""The sources of secrets: a plain file, the environment, a command, an encrypted file, or a store that an operator reads."""

from portable.model.base import Struct
from portable.model.errors import Refused


class FileSource(Struct, tag="file", frozen=True, kw_only=True):
    """A YAML file of mode 0600: `name: value`, or `name: {key: value}`. Every value is read as text."""

    path: str


class EnvironmentSource(Struct, tag="environment", frozen=True, kw_only=True):
    """Variables `PORTABLE_SECRET_<NAME>_<KEY>`, or `PORTABLE_SECRET_<NAME>` for the key `value`."""


class CommandSource(Struct, tag="command", frozen=True, kw_only=True):
    """A program that prints one value: `["pass", "show", "media/{name}/{key}"]`."""

    command: tuple[str, ...]


class SopsSource(Struct, tag="sops", frozen=True, kw_only=True):
    """A YAML file like that of `FileSource`, encrypted by SOPS, so that it can lie in a repository. `portable` only reads it."""

    path: str


class ExternalSource(Struct, tag="external", frozen=True, kw_only=True):
    """A store from which the External Secrets Operator fetches the values. `portable` reads and writes none of them."""

    store: str
    kind: str


Source = FileSource | EnvironmentSource | CommandSource | SopsSource | ExternalSource


def refuse_external(source: Source, what: str, remedy: str) -> None:
    """Raise Refused where the values are in a store that `portable` does not reach. `what` is what the command would have to do."""
    if isinstance(source, ExternalSource):
        text = f"`portable` cannot {what}: the External Secrets Operator fetches the values from the {source.kind} {source.store}"
        raise Refused(text, code="secret.external", where="secrets", remedy=remedy)


def place_name(source: Source) -> str:
    """The name of a source in messages."""
    if isinstance(source, FileSource | SopsSource):
        return source.path
    if isinstance(source, CommandSource):
        return f"command {source.command[0] if source.command else ''}"
    return "environment" if isinstance(source, EnvironmentSource) else f"{source.kind} {source.store}"
