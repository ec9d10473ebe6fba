"""Turn every error into a text and an exit code. Only programming errors print a traceback."""

import errno
import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.exceptions import TyperException

from portable.cli.formats import cause, forget_format, is_json, print_causes, print_error
from portable.cli.hints import typed
from portable.cli.opening import forget_announced
from portable.cli.progress import details, forget_progress
from portable.model.codes import bracketed
from portable.model.errors import FAILED, INTERRUPTED, WRONG_INPUT, PortableError, Refused, SeveralErrors
from portable.model.findings import Finding, waiver

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
    forget_format()
    forget_announced()
    forget_progress()
    try:
        result = command()
        sys.stdout.flush()
    except SilentExit as end:
        return end.code
    except PortableError as error:
        _show_details(error)
        _print(error)
        return error.exit_code
    except TyperException as error:
        _print_usage(error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            _print_os_error(error)
        _drop_output()
        return _code_of(error)
    code = result if isinstance(result, int) else 0
    return _interrupted() if code == INTERRUPTED else code  # typer turns a KeyboardInterrupt into an exit


def _print(error: PortableError) -> None:
    if is_json():
        print_error(error)
        return
    if isinstance(error, SeveralErrors):
        for one in error.errors:
            _print(one)
        say(f"{len(error.errors)} problems, and nothing was changed")
        return
    if isinstance(error, Refused):
        for finding in error.findings:
            where = f"{finding.where}: " if finding.where else ""
            remedy = finding.remedy
            if (accept := _acceptance(finding)).removeprefix("in the profile: ") not in remedy:
                remedy = f"{remedy}\n    to accept it {accept}"
            say(f"{where}{finding.class_}: {finding.text}{bracketed(finding.code)}\n    {remedy}")
        say(f"refused: {error}")
        return
    say(f"{error}")


def _acceptance(finding: Finding) -> str:
    """How a person accepts a refused finding; empty if nobody can."""
    if not finding.is_waivable:
        return ""
    if not finding.field.startswith("migrate."):
        return f"in the profile: {waiver(finding.field, finding.app, finding.class_, finding.code)}"
    kind = finding.field.removeprefix("migrate.") + (f".{finding.app}" if finding.app else "")
    return f"for this move: add `--waive {kind}=REASON`"


def _show_details(error: PortableError) -> None:
    """Print the end of the log of a failed build, and its file."""
    if error.code.startswith("build.") and not is_json() and (found := details()):
        lines, log = found
        say(f"the end of {log}:")
        for line in lines:
            sys.stderr.write(f"  | {line}\n")


def _print_usage(error: TyperException) -> None:
    """Print an error of the command line; typer prints the command's own usage line."""
    context = getattr(error, "ctx", None)
    command: Any = context.command if context else None
    has_format = not isinstance(getattr(command, "params", None), list) or hasattr(command, "commands")
    has_format = has_format or any("--format" in parameter.opts for parameter in command.params)
    if has_format and is_json(sys.argv[1:]):
        remedy = f"`{context.command_path if context else 'portable'} --help` lists the options and arguments"
        print_causes([cause(error.format_message(), code="usage.command-line", remedy=remedy)], error.exit_code)
    elif callable(show := getattr(error, "show", None)):
        show()
    else:
        say(error.format_message())


def _print_os_error(error: OSError) -> None:
    text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0)
    if is_json():
        where = str(error.filename) if error.filename else None
        print_causes([cause(error.strerror or str(error), where=where, remedy=remedy)], _code_of(error))
    else:
        say(f"{text} ({remedy})" if remedy else text)


def _code_of(error: OSError) -> int:
    return WRONG_INPUT if error.errno in _WRONG_PLACES else FAILED


def say(text: str) -> None:
    """Print a line on standard error."""
    sys.stderr.write(f"portable: {typed(text)}\n")


def _interrupted() -> int:
    if is_json():
        print_causes([cause("interrupted", remedy="run the same command again to complete it")], INTERRUPTED)
    else:
        say("interrupted; run the same command again to complete it")
    return INTERRUPTED


def _drop_output() -> None:
    """Keep Python from writing again at its end what the closed output could not take."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
