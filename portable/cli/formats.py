"""The format of a command's output, and of its errors: an error of a command with `--format json` is JSON on standard error."""

import itertools
import json
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from enum import StrEnum
from typing import Any, TypeVar

from portable.cli.hints import typed
from portable.model.errors import InputError, PortableError, Refused, SeveralErrors
from portable.model.findings import Finding
from portable.model.source import Mistake


class Format(StrEnum):
    """Output format of a table."""

    text = "text"
    json = "json"


_Value = TypeVar("_Value", bound=StrEnum | None)
_is_json: ContextVar[bool] = ContextVar("is_json", default=False)


def remember_format(value: _Value) -> _Value:
    """Remember whether this command prints JSON."""
    _is_json.set(value is not None and value.value == "json")
    return value


def forget_format() -> None:
    """Forget that format."""
    _is_json.set(False)


def is_json(words: Sequence[str] | None = None) -> bool:
    """Whether this command prints JSON; by its words if they could not be parsed."""
    if words is None:
        return _is_json.get()
    words = words[: words.index("--")] if "--" in words else words
    return "--format=json" in words or ("--format", "json") in itertools.pairwise(words)


def print_error(error: PortableError) -> None:
    """Print an error as one line of JSON: the first cause at the top level, and every cause in `errors`."""
    print_causes(_causes(error), error.exit_code)


def _causes(error: PortableError) -> list[dict[str, Any]]:
    match error:
        case SeveralErrors(errors=errors):
            return [row for one in errors for row in _causes(one)]
        case InputError(mistakes=mistakes):
            return [_of_mistake(mistake) for mistake in mistakes]
        case Refused(findings=findings) if findings:
            return [_of_finding(finding) for finding in findings]
        case _:
            return [cause(error.text, code=error.code, where=error.where, remedy=error.remedy)]


def print_causes(causes: Sequence[dict[str, Any]], exit_code: int) -> None:
    """Print the causes of an error as one line of JSON on standard error."""
    document = {"schema": "portable/error/1", **causes[0], "exit": exit_code, "errors": causes}
    sys.stderr.write(json.dumps(document, ensure_ascii=False) + "\n")


def cause(text: str, *, code: str = "", where: str | None = None, remedy: str | None = None, **more: str | None) -> dict[str, Any]:
    """One cause of an error; what is unknown is null."""
    return {"code": code or None, "text": typed(text), "where": where or None, "remedy": typed(remedy) if remedy else None, **more}


def _of_mistake(mistake: Mistake) -> dict[str, Any]:
    return cause(mistake.text, code=mistake.code, where=str(mistake.source), remedy=mistake.remedy, path=mistake.path or None)


def _of_finding(finding: Finding) -> dict[str, Any]:
    where = str(finding.where) if finding.where else None
    return cause(
        finding.text,
        code=finding.code,
        where=where,
        remedy=finding.remedy,
        field=finding.field,
        app=finding.app,
        **{"class": finding.class_},
    )
