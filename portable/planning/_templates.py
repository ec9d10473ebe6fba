"""Templates of the catalog: parsing, unknown names, secrets as placeholders, and errors with their line and code."""

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from portable.catalog.inside import LARGEST
from portable.model.codes import Code
from portable.model.errors import PortableError
from portable.model.secret_refs import SecretRef, Text
from portable.planning._template_cache import cache_for, compiled
from portable.planning._template_limits import MOST_BITS, WorkError, bounded
from portable.programs.bundle import bundle, programs

if TYPE_CHECKING:
    import jinja2
    from jinja2.bccache import BytecodeCache

Report: TypeAlias = Callable[[int, str, Code], None]
"""Takes line, text and code of a mistake in a template."""
# Replaces a secret while a template renders; plain ASCII without quotes, so that no filter changes it.
SECRET = re.compile(r"@@portable-secret:([a-z0-9-]+):([A-Za-z0-9._-]+):(optional|required):(plain|qbittorrent)@@")
_MARK = "@@portable-secret"
# Errors that an expression of a template can raise, besides Jinja's own.
_EXPRESSION_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
CONTEXT = frozenset(
    (
        *(
            "address",
            "addresses",
            "app",
            "backup",
            "cloud",
            "clouds",
            "dashboard",
            "egress",
            "folders",
            "gid",
            "group",
            "has",
            "library",
            "memory",
            "names",
            "networks",
        ),
        *("ports", "program", "reads", "secret", "stack", "timezone", "uid", "umask", "url", "vpn"),
    )
)
"""The names that a template may use, see `docs/reference/templates.md`; `cloud` in the mounter and in clouds' templates only."""
_JINJA_NAMES = frozenset(("range", "dict", "lipsum", "cycler", "joiner"))


class TemplateValueError(PortableError):
    """A template uses a value that does not exist."""


def program(name: str) -> str:
    """Return the text of one of `portable`'s own programs, bundled into one file. Raises TemplateValueError for an unknown name."""
    try:
        return bundle(name)
    except KeyError:
        raise TemplateValueError(f"unknown program {name!r}; known: {', '.join(programs())}", code="template.program-unknown") from None


@functools.cache
def _environment() -> "jinja2.Environment":
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        """Refuses huge integers, which take time that nothing interrupts."""

        intercepted_binops = frozenset(("*", "**"))

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if isinstance(left, int) and isinstance(right, int):
                bits = left.bit_length() * max(right, 0) if operator == "**" else left.bit_length() + right.bit_length()
                if bits > MOST_BITS:
                    raise OverflowError("the number is too large")
            return super().call_binop(context, operator, left, right)

    # The text goes to configuration files, never to a browser: HTML escapes would corrupt it.
    return Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)


@functools.cache
def _cache() -> "BytecodeCache | None":
    return cache_for(_environment())


@functools.lru_cache(maxsize=4096)
def template(text: str) -> "jinja2.Template":
    """The text as a template, compiled once."""
    return compiled(_environment(), text, _cache())


def rendered(text: str, context: Mapping[str, Any], report: Report) -> str:
    """Render a template; secrets stay placeholders. After an error it calls `report` and returns an empty string."""
    import jinja2  # only where a template is used: the import costs 50 ms

    try:
        with bounded():
            result = template(text).render(context)
    except (WorkError, MemoryError) as error:
        what = "processor time" if isinstance(error, WorkError) else "memory"
        report(_line_of(error), f"it takes too much {what}", "template.too-much-work")
        return ""
    except jinja2.TemplateSyntaxError as error:
        report(error.lineno, str(error.message), "template.syntax")
        return ""
    except TemplateValueError as error:
        report(_line_of(error), error.text, error.code)
        return ""
    except jinja2.UndefinedError as error:
        report(_line_of(error), str(error), "template.undefined")
        return ""
    except (jinja2.TemplateError, *_EXPRESSION_ERRORS) as error:
        report(_line_of(error), str(error) or type(error).__name__, "template.failed")
        return ""
    if len(result) > LARGEST:
        report(1, f"its text has {len(result)} characters, more than the {LARGEST} of a ConfigMap", "template.too-large")
        return ""
    if _MARK in SECRET.sub("", result).lower():
        why = "a filter changed a secret: write `secret(...)` without filters"
        report(1, why, "template.secret-changed")
    return result


def _line_of(error: BaseException) -> int:
    """The template's line in a traceback; Jinja names its own frames `<template>`."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def escape(text: str) -> str:
    """The remedy for an unknown name: braces may be for the program itself, such as `{{PORTS}}` for Gluetun."""
    name = re.fullmatch(r"'(\w+)' is (?:undefined|not defined)", text)
    return f"to pass {{{{{name[1]}}}}} on unchanged, write {{{{ '{{{{{name[1]}}}}}' }}}}" if name else ""


def parts(text: str) -> Iterator[Text]:
    """A rendered text as strings and references to secrets."""
    end = 0
    for match in SECRET.finditer(text):
        if match.start() > end:
            yield text[end : match.start()]
        form: Literal["plain", "qbittorrent"] = "qbittorrent" if match[4] == "qbittorrent" else "plain"
        yield SecretRef(name=match[1], key=match[2], optional=match[3] == "optional", form=form)
        end = match.end()
    if end < len(text) or end == 0:
        yield text[end:]


def problems(text: str) -> Iterator[tuple[int, str, Code]]:
    """Line, text and code of a syntax error or of each unknown name, without rendering."""
    import jinja2
    from jinja2 import meta

    try:
        unknown = meta.find_undeclared_variables(_environment().parse(text)) - CONTEXT - _JINJA_NAMES
    except jinja2.TemplateSyntaxError as error:
        yield error.lineno, str(error.message), "template.syntax"
        return
    for name in sorted(unknown):
        line = next((number for number, line in enumerate(text.splitlines(), 1) if name in line), 1)
        yield line, f"{name!r} is not defined", "template.undefined"
