"""Commands that a text tells a person to type: they carry the profile in use, so that they do what the text says as they stand."""

import re
import shlex
from contextvars import ContextVar

DEFAULT = "local"
_profile = ContextVar("profile", default=DEFAULT)
_VERBS = "up|down|restart|status|logs|exec|diff|render|explain|wire|upkeep|backup|restore|secrets (?:list|check|set)|images (?:list|build)"
# A command that somebody else runs is named by its process, and stays as it is.
_COMMAND = re.compile(rf"`portable (?P<verb>{_VERBS})\b(?P<rest>[^`]*)`(?! \(process )")


def remember(profile: str) -> str:
    """Take note of the profile that a command was given."""
    _profile.set(profile)
    return profile


def typed(text: str) -> str:
    """The text, with the profile in its commands where that is not the default one: `portable logs -p nas sonarr`."""
    profile = _profile.get()
    return text if profile == DEFAULT else _COMMAND.sub(lambda match: _with(match, profile), text)


def _with(match: re.Match[str], profile: str) -> str:
    if re.search(r"(?:^| )(?:-p|--profile)\b", match["rest"]):
        return match[0]
    return f"`portable {match['verb']} -p {shlex.quote(profile)}{match['rest']}`"
