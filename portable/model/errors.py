"""The one family of errors: what, where, what next. Only the command line prints them and exits."""

from portable.model.codes import Code, bracketed
from portable.model.findings import Finding
from portable.model.source import Mistake

FAILED, WRONG_INPUT, DIFFERENCES, REFUSED, INTERRUPTED = 1, 2, 3, 4, 130


class PortableError(Exception):
    """Base of every error that a person is meant to read.

    `text` says what is wrong, `where` names the file or thing, `remedy` what to do next, `code` the cause for `portable explain CODE`.
    """

    exit_code = FAILED

    def __init__(self, text: str, *, code: Code = "", where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(text)
        self.text, self.code, self.where, self.remedy = text, code, where, remedy

    def __str__(self) -> str:
        head = f"{self.where}: {self.text}" if self.where else self.text
        return f"{head} ({self.remedy}){bracketed(self.code)}" if self.remedy else f"{head}{bracketed(self.code)}"


class UsageError(PortableError):
    """Wrong input that is not a place in a file: an unknown profile, app or option value."""

    exit_code = WRONG_INPUT


class InputError(PortableError):
    """All mistakes of an input, in order of file and line."""

    exit_code = WRONG_INPUT

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda m: (m.source.file, m.source.line, m.source.column)))
        super().__init__("\n".join(str(m) for m in self.mistakes))


class Refused(PortableError):  # noqa: N818 - the word of the ledger
    """A plan or step that is not safe; carries the findings that say why."""

    exit_code = REFUSED

    def __init__(
        self, text: str, *, code: Code = "", findings: tuple[Finding, ...] = (), where: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(text, code=code, where=where, remedy=remedy)
        self.findings = findings


class EngineError(PortableError):
    """The engine is not there, refuses, is too old, or went away."""


class UnhealthyError(EngineError):
    """Containers of these apps run, or ran, and do not get healthy: it is them, neither the engine nor what stands around them."""

    apps: frozenset[str] = frozenset()
