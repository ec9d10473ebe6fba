"""Commands that a text tells a person to type: they carry the profile in use, so that they do what the text says as they stand.

Everything that is printed for people or programs passes here, except documents and the output of apps.
"""

import functools
import os
import re
import shlex
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

DEFAULT = "local"
VARIABLE = "PORTABLE_PROFILE"
_profile: ContextVar[str | None] = ContextVar("profile", default=None)
_WORD = r"(?:'[^'`]*'|\"[^\"`]*\"|[^\s`'\"]+)"
_ASKED = re.compile(rf"(?P<before>(?:^|\s)(?:-p|--profile)[ =])(?P<value>{_WORD})")


def remember(profile: str) -> str:
    """Take note of the profile that a command was given."""
    _profile.set(profile)
    return profile


def forget() -> None:
    """Drop that profile again."""
    _profile.set(None)


def typed(text: str) -> str:
    """The text, with the profile in its commands: `portable logs -p nas sonarr`.

    Without it they would act on the default profile, or on that of the environment. A command that names the profile by its own name gets
    it as it was typed: of a file, only its path leads to it from anywhere. One that names another profile stays as it is.
    """
    profile = _profile.get()
    if profile is None or "`portable " not in text:
        return text
    return _command().sub(lambda match: _with(match, profile), text)


def taking_profile() -> Iterator[tuple[str, ...]]:
    """The words of every command that takes a profile, by the command line's own tree."""
    from typer.main import get_command

    from portable.cli.app import app

    pending: list[tuple[tuple[str, ...], Any]] = [((), get_command(app))]
    for words, command in pending:  # grows while it is walked
        inner = getattr(command, "commands", None)
        if inner is not None:
            pending += [((*words, name), below) for name, below in inner.items()]
        elif any("--profile" in parameter.opts for parameter in command.params):
            yield words


@functools.cache
def _command() -> re.Pattern[str]:
    """A command with the profile's option, in backticks. One that somebody else runs is named by its process, and stays as it is."""
    verbs = "|".join(re.escape(" ".join(words)) for words in sorted(taking_profile(), reverse=True))
    return re.compile(rf"`portable (?P<head>(?:--debug )?)(?P<verb>{verbs})(?P<rest>(?![\w-])[^`]*)`(?! \(process )")


def _with(match: re.Match[str], profile: str) -> str:
    head, verb, rest = match["head"], match["verb"], match["rest"]
    # What follows the app of `exec` is another program's.
    asked = re.match(_ASKED, rest) if verb == "exec" else _ASKED.search(rest)
    if asked is None:
        if profile == DEFAULT and os.environ.get(VARIABLE, DEFAULT) == DEFAULT:
            return match[0]
        return f"`portable {head}{verb} -p {shlex.quote(profile)}{rest}`"
    if asked["value"] != _name(profile):
        return match[0]
    return f"`portable {head}{verb}{rest[: asked.start('value')]}{shlex.quote(profile)}{rest[asked.end('value') :]}`"


def _name(profile: str) -> str:
    """What the profile calls itself: a file is called by the name that stands in it."""
    return Path(profile).name.removesuffix(".yaml")
