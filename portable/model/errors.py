"""All errors for people: text, place and remedy. Only the command line prints them and exits."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from portable.model.codes import Code, bracketed
from portable.model.findings import Finding
from portable.model.source import Mistake

FAILED, WRONG_INPUT, DIFFERENCES, REFUSED, INTERRUPTED = 1, 2, 3, 4, 130


class Holder(NamedTuple):
    """A container that has something that an app needs for itself, such as a port or a folder."""

    project: str
    """Empty if Compose did not create it."""
    app: str
    """Empty for foreign containers."""
    container: str


class PortableError(Exception):
    """Base of every error for a person.

    `text` describes the error, `where` names the file or object, `remedy` the next step, `code` the cause for `portable explain CODE`.
    """

    exit_code = FAILED
    holders: tuple[Holder, ...] = ()
    """The containers that are the whole cause: the error ends when all of them stop. Empty if there is any other cause."""

    def __init__(self, text: str, *, code: Code = "", where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(text)
        self.text, self.code, self.where, self.remedy = text, code, where, remedy

    def __str__(self) -> str:
        head = f"{self.where}: {self.text}" if self.where else self.text
        return f"{head} ({self.remedy}){bracketed(self.code)}" if self.remedy else f"{head}{bracketed(self.code)}"


class UsageError(PortableError):
    """Wrong input outside files: an unknown profile, app or option value."""

    exit_code = WRONG_INPUT


class InputError(PortableError):
    """All mistakes in the input files, in order of file and line."""

    exit_code = WRONG_INPUT

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda m: (m.source.file, m.source.line, m.source.column)))
        super().__init__("\n".join(str(m) for m in self.mistakes))


class Refused(PortableError):  # noqa: N818 - the word of the ledger
    """A plan or step that is not safe; carries the findings that are the reason."""

    exit_code = REFUSED

    def __init__(
        self, text: str, *, code: Code = "", findings: tuple[Finding, ...] = (), where: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(text, code=code, where=where, remedy=remedy)
        self.findings = findings


class SeveralErrors(PortableError):  # noqa: N818 - several of them
    """Independent errors that stop one command, all at once. Each has its own code."""

    def __init__(self, errors: Sequence[PortableError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(map(str, self.errors)))
        self.exit_code = max(error.exit_code for error in self.errors)


def caught(*checks: Callable[[], object]) -> tuple[PortableError, ...]:
    """Run every check, and return the errors that they raise."""
    errors: list[PortableError] = []
    for check in checks:
        try:
            check()
        except SeveralErrors as several:
            errors += several.errors
        except PortableError as error:
            errors.append(error)
    return tuple(errors)


def raise_all(errors: Sequence[PortableError]) -> None:
    """Raise the errors together, a single one as it is; nothing if there are none. Errors with one text, as of one dead engine, are one."""
    different: dict[object, PortableError] = {}
    for error in errors:
        findings = error.findings if isinstance(error, Refused) else ()
        different.setdefault((error.code, error.where, str(error), findings), error)
    unique = tuple(different.values())
    if len(unique) == 1:
        raise unique[0]
    if unique:
        raise SeveralErrors(unique)


class EngineError(PortableError):
    """The engine is absent, refuses, is too old, or stopped answering."""


class UnhealthyError(EngineError):
    """Containers of these apps do not become healthy. The cause is in the apps, not in the engine or its surroundings."""

    apps: frozenset[str] = frozenset()
