"""Finds the line of a log that states why an app failed. Pure: it knows the formats of error lines, but no app."""

import json
import re
from collections.abc import Iterable
from typing import Any

LINES = 60
"""Number of last lines that are searched: a program may write many lines between its error and its end."""
_LONGEST = 300
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_MOMENT = re.compile(r"^\[?(?:\d{4}[-/]\d\d[-/]\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?\s*(?:UTC\s*)?")
_HEAD = 80
"""A log level is within these first characters; further on, the same word is part of the text."""
_LEVELS = {
    **dict.fromkeys(("trace", "trc", "vrb", "verbose", "debug", "dbg", "dbug", "inf", "info", "information", "notice", "log"), 0),
    **dict.fromkeys(("warn", "wrn", "warning"), 1),
    **dict.fromkeys(("error", "err", "eror", "fail", "severe"), 3),
    **dict.fromkeys(("fatal", "ftl", "critical", "crit", "panic", "emerg", "alert"), 4),
}
_ERROR_RANK, _EXCEPTION_RANK = 3, 5
_WORDS = "|".join(sorted(_LEVELS, key=len, reverse=True))
_LEVEL = re.compile(
    rf"(?:^|[\s\[(<|])(?:{_WORDS.upper()})(?=[\s\])>|:,]|$)"  # in capitals: ERROR, [ERR], FATAL:, |ERROR|
    rf"|[\[(<|](?i:{_WORDS})[\])>|]"  # in brackets: [Error], <err>
    rf"|(?:^|\s)(?i:level|lvl|severity)=[\"']?(?i:{_WORDS})\b"  # logfmt
    rf"|(?:^|: |\] )(?i:{_WORDS})(?=:)"  # error: ..., nginx: fatal: ...
)
_NAMED = re.compile(r"(?i)" + _WORDS)
_EXCEPTION = re.compile(
    r"^(?:\[[^\]]*\] )?(?:Caused by: |Unhandled exception[.:]? |Exception in thread \"[^\"]*\" )?"
    r"(?:[A-Za-z_$][\w$]*\.)*[A-Z_]\w*(?:Error|Exception)(?: \[\w+\])?: \S"
)
"""The line of an exception in Python, Java, .NET and Node."""
_PANIC = re.compile(r"^(?:panic|fatal error): |^thread '.*' panicked at |^Unhandled exception")
_TROUBLE = re.compile(
    r"(?i)\b(?:failed|cannot|can't|could not|couldn't|unable to|not permitted|permission denied|no such file|exec format error|"
    r"out of memory|no space left|already in use|segmentation fault|refused|not started|not supported|not found|is not valid)\b"
)
"""Words of an error in a line without a level. Such a line counts only if no other line is more telling."""
_COUNTED = re.compile(
    r"(?i)\b(?:0|no|zero|without(?: any)?) (?:\w+ )?(?:errors?|failures?|failed|fails)\b"
    r"|\b(?:errors?|failures?|failed|fails)\s*[:=]\s*(?:0|no|none|null|nil|<nil>|false|\"\"|'')(?:\W|\Z)"
)
_JSON_LEVELS = ("level", "lvl", "severity", "levelname", "log.level", "@l", "L", "loglevel")
_JSON_TEXTS = ("msg", "message", "@m", "M", "event", "text")
_JSON_CAUSES = ("error", "err", "exception", "error.message", "@x", "reason")
_PINO = 40
"""From this number on, levels are those of Pino and Bunyan: 40 is a warning, 50 an error, 60 fatal."""


def plain(line: str) -> str:
    """A line of a log without colours and other control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in _COLOUR.sub("", line)).strip()


def headline(lines: Iterable[str]) -> str:
    """Return the most informative error line, its timestamp and colours removed: the last of equally good ones, or an empty string."""
    best, best_text, context = 0, "", _EXCEPTION_RANK
    clean = [_COLOUR.sub("", line).rstrip() for line in lines]
    in_trace = False
    for number, line in enumerate(clean):
        if not line.strip():
            continue
        rank, text = _judged(line)
        if rank is None:  # an exception without a level has the level of the line above it
            rank = context
        elif _LEVEL.search(text[:_HEAD]):
            context = _EXCEPTION_RANK if rank >= _ERROR_RANK else 2
        if in_trace and not line[0].isspace():
            in_trace, rank = False, _EXCEPTION_RANK  # after the frames, Python writes the exception
        if line.startswith("Traceback (most recent call last)"):
            in_trace, rank = True, 0
        if rank and rank >= best:
            follows = next((f.strip() for f in clean[number + 1 :] if f.strip()), "") if text.endswith(":") else ""
            best, best_text = rank, f"{text} {follows}".rstrip()
    # Cut in the middle: programs name the subject first and the cause last.
    half = _LONGEST // 2
    return best_text if len(best_text) <= _LONGEST else f"{best_text[:half]} … {best_text[-half:]}"


def _judged(line: str) -> tuple[int | None, str]:
    """The rank of a line and its text; None for an exception, whose rank is that of its context."""
    if line.lstrip().startswith("{"):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if isinstance(entry, dict):
            return _judged_entry(entry)
    text = _MOMENT.sub("", line).strip()
    if _COUNTED.search(text):
        return 0, text
    if _EXCEPTION.match(text):
        return None, text
    if _PANIC.match(text):
        return _EXCEPTION_RANK, text
    match = _LEVEL.search(text[:_HEAD])
    if match is None:
        return (2 if _TROUBLE.search(text) else 0), text
    words = _NAMED.findall(match.group())
    return _weighed(_LEVELS[words[-1].lower()], text), text


def _weighed(level: int, text: str) -> int:
    """The rank of a line with a level: a warning counts only if it states an error, information never."""
    if level == 1:
        return 2 if _TROUBLE.search(text) else 0
    return level


def _judged_entry(entry: dict[str, Any]) -> tuple[int, str]:
    """The same for a line that is a JSON object."""
    level = next((entry[key] for key in _JSON_LEVELS if key in entry), None)
    text = next((str(entry[key]) for key in _JSON_TEXTS if entry.get(key)), "")
    cause = next((entry[key] for key in _JSON_CAUSES if entry.get(key)), "")
    if isinstance(cause, dict):
        cause = cause.get("message") or cause.get("msg") or ""
    message = f"{text}: {cause}" if text and cause and str(cause) not in text else text or str(cause)
    if isinstance(level, int) and not isinstance(level, bool):
        weight = 0 if level < _PINO else (1, 3, 4)[min((level - _PINO) // 10, 2)]
    else:
        weight = _LEVELS.get(str(level).lower(), 0)
    return (_weighed(weight, message) if message else 0), message
