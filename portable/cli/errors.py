"""Turns every error into a text and an exit code. Tracebacks are for programming errors only."""

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from portable.model.errors import FAILED, INTERRUPTED, PortableError, Refused


def report(command: Callable[[], Any]) -> int:
    """Run it; the exit code it asks for, or the one of its error."""
    try:
        result = command()
    except Refused as refused:
        for finding in refused.findings:
            where = f"{finding.where}: " if finding.where else ""
            say(f"{where}{finding.class_}: {finding.text}\n    {finding.remedy}")
        say(f"refused: {refused}")
        return refused.exit_code
    except PortableError as error:
        say(f"{error}")
        return error.exit_code
    except click.exceptions.Abort:
        say("interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted; the same command again completes it")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return FAILED
    return result if isinstance(result, int) else 0


def say(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(f"portable: {text}\n")
