"""Turn every error into a text and an exit code. Only programming errors print a traceback."""

import errno
import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.exceptions import TyperException

from portable.cli.hints import typed
from portable.model.codes import bracketed
from portable.model.errors import FAILED, INTERRUPTED, WRONG_INPUT, PortableError, Refused

_WRONG_PLACES = (errno.ENOTDIR, errno.EISDIR)
_REMEDIES = {
    errno.ENOTDIR: "name a folder, or move the file in its place away",
    errno.EISDIR: "move the folder away, or choose another path",
    errno.EACCES: "run as a user with write permission, or choose another path",
    errno.EPERM: "run as a user with write permission, or choose another path",
    errno.EROFS: "choose a writable path",
    errno.ENOSPC: "free some space there",
}


class SilentExit(Exception):  # noqa: N818 - an end, not an error
    """Ends the command with an exit code and no message."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def report(command: Callable[[], Any]) -> int:
    """Run a command and return its exit code, or that of its error, which is printed."""
    try:
        result = command()
        sys.stdout.flush()
    except Refused as refused:
        for finding in refused.findings:
            where = f"{finding.where}: " if finding.where else ""
            say(f"{where}{finding.class_}: {finding.text}{bracketed(finding.code)}\n    {finding.remedy}")
        say(f"refused: {refused}")
        return refused.exit_code
    except SilentExit as end:
        return end.code
    except PortableError as error:
        say(f"{error}")
        return error.exit_code
    except TyperException as error:  # wrong usage; typer prints the command's own usage line
        if callable(show := getattr(error, "show", None)):
            show()
        else:
            say(error.format_message())
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
            remedy = _REMEDIES.get(error.errno or 0)
            say(f"{text} ({remedy})" if remedy else text)
        _drop_output()
        return WRONG_INPUT if error.errno in _WRONG_PLACES else FAILED
    code = result if isinstance(result, int) else 0
    return _interrupted() if code == INTERRUPTED else code  # typer turns a KeyboardInterrupt into an exit


def say(text: str) -> None:
    """Print a line on standard error."""
    sys.stderr.write(f"portable: {typed(text)}\n")


def _interrupted() -> int:
    say("interrupted; run the same command again to complete it")
    return INTERRUPTED


def _drop_output() -> None:
    """Keep Python from writing again at its end what the closed output could not take."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
