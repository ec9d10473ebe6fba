"""How to store values of secrets: a command that the source of the profile accepts."""

from collections.abc import Sequence
from shlex import quote

from portable.model.secret_refs import called
from portable.model.variables import secret_variable
from portable.secrets.sources import CommandSource, EnvironmentSource, ExternalSource, FileSource, SopsSource, Source
from portable.secrets.values import Key


def how_to_store(keys: Sequence[Key], source: Source | None) -> str:
    """How to store the values of all these secrets, as a sentence without its full stop. An unknown source counts as a file."""
    names = [called(*key) for key in keys]
    one, it = len(keys) == 1, "it" if len(keys) == 1 else "them"
    match source:
        case None | FileSource():
            commands = ", ".join(f"`portable secrets set {name}`" for name in names)
            return f"run {commands}, which ask{'s' if one else ''} for {'its value' if one else 'their values'}"
        case EnvironmentSource():
            values = " ".join(f"{secret_variable(*key)}=VALUE" for key in keys)
            return f"set the variable{'' if one else 's'}: `export {values}`"
        case SopsSource(path=path):
            return f"write {it} into the encrypted file: `sops edit {quote(path)}`"
        case ExternalSource():
            return f"store {it} there; `portable secrets list` shows the place of {', '.join(names)}"
        case CommandSource():
            return f"make the profile's command print {it}: {'; '.join(' '.join(filled(source, key)) for key in keys)}"


def filled(source: CommandSource, key: Key) -> list[str]:
    """The command that prints that value."""
    return [part.replace("{name}", key[0]).replace("{key}", key[1]) for part in source.command]
