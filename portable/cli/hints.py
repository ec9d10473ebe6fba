"""Add the profile in use to the commands in printed texts, so that they can be pasted as they are.

Everything printed for people or programs passes here, except documents and the output of apps.
"""

import functools
import os
import re
import shlex
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from portable.profiles.names import DEFAULT_PROFILE, PROFILE_VARIABLE

_profile: ContextVar[str | None] = ContextVar("profile", default=None)
_default: ContextVar[str] = ContextVar("default", default=DEFAULT_PROFILE)
_WORD = r"(?:'[^'`]*'|\"[^\"`]*\"|[^\s`'\"]+)"
_PROFILE_OPTION = re.compile(rf"(?P<before>(?:^|\s)(?:-p|--profile)[ =])(?P<value>{_WORD})")


def remember(profile: str, default: str = DEFAULT_PROFILE) -> str:
    """Remember the profile of this command, and the one that a command without `-p` uses here."""
    _profile.set(profile)
    _default.set(default)
    return profile


def forget() -> None:
    """Forget that profile."""
    _profile.set(None)


def typed(text: str) -> str:
    """Add the profile to the commands of a text: `portable logs -p nas sonarr`.

    Without it they would act on the default profile, or on that of the environment. A command that names this profile gets it as the
    person typed it, because a file can only be found by its path. A command that names another profile stays as it is.
    """
    profile = _profile.get()
    if profile is None or "`portable " not in text:
        return text
    return _command().sub(lambda match: _with(match, profile), text)


def taking_profile() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command that has the option `--profile`, from the program's own command tree."""
    from typer.main import get_command

    from portable.cli.app import application

    pending: list[tuple[tuple[str, ...], Any]] = [((), get_command(application()))]
    for words, command in pending:  # grows while it is walked
        inner = getattr(command, "commands", None)
        if inner is not None:
            pending += [((*words, name), below) for name, below in inner.items()]
        elif any("--profile" in parameter.opts for parameter in command.params):
            yield words


@functools.cache
def _command() -> re.Pattern[str]:
    """Match a command in backticks that has `--profile`. A command that runs in another process is followed by its pid, and not matched."""
    verbs = "|".join(re.escape(" ".join(words)) for words in sorted(taking_profile(), reverse=True))
    return re.compile(rf"`portable (?P<head>(?:--debug )?)(?P<verb>{verbs})(?P<rest>(?![\w-])[^`]*)`(?! \(process )")


def _with(match: re.Match[str], profile: str) -> str:
    head, verb, rest = match["head"], match["verb"], match["rest"]
    # The words after the app of `exec` belong to another program.
    option = re.match(_PROFILE_OPTION, rest) if verb == "exec" else _PROFILE_OPTION.search(rest)
    if option is None:
        # A person may paste it in another shell, so the environment's profile is written out.
        if profile == _default.get() and PROFILE_VARIABLE not in os.environ:
            return match[0]
        return f"`portable {head}{verb} -p {shlex.quote(profile)}{rest}`"
    if option["value"] != _name(profile):
        return match[0]
    return f"`portable {head}{verb}{rest[: option.start('value')]}{shlex.quote(profile)}{rest[option.end('value') :]}`"


def _name(profile: str) -> str:
    """The profile's own name; a file is named after its profile."""
    return Path(profile).name.removesuffix(".yaml")
