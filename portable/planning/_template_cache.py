"""Keeps compiled templates from one command to the next, with Jinja's own cache (ADR 27).

Compiling the templates of a shipped profile takes a seventh of its rendering.
"""

import contextlib
import hashlib
import sys
from typing import TYPE_CHECKING

from portable.local.folders import own_cache

if TYPE_CHECKING:
    import jinja2
    from jinja2.bccache import BytecodeCache

MOST = 2000
"""Compiled templates in the folder, before all of them are removed; a shipped profile has about 40."""


def compiled(environment: "jinja2.Environment", text: str, cache: "BytecodeCache | None") -> "jinja2.Template":
    """Return the template, from the cache if it is there. Raises jinja2.TemplateSyntaxError."""
    if cache is None:
        return environment.from_string(text)
    from jinja2.bccache import Bucket

    try:
        bucket = cache.get_bucket(environment, text, None, text)
    except Exception:  # noqa: BLE001 - a file that was cut short raises whatever its reader meets; writing it anew mends it
        bucket = Bucket(environment, cache.get_cache_key(text), cache.get_source_checksum(text))
    if bucket.code is None:
        bucket.code = environment.compile(text)
        with contextlib.suppress(OSError):  # a full or read-only disk: the next command compiles again
            cache.set_bucket(bucket)
    return environment.template_class.from_code(environment, bucket.code, environment.make_globals(None))


def cache_for(environment: "jinja2.Environment") -> "BytecodeCache | None":
    """Return the cache of this user for templates with the settings of `environment`; None where there cannot be a safe one."""
    folder = own_cache(f"templates-{_settings(environment)}")
    if folder is None:
        return None
    from jinja2.bccache import FileSystemBytecodeCache

    cache = FileSystemBytecodeCache(str(folder), "%s")
    try:
        if sum(1 for _ in folder.iterdir()) > MOST:
            cache.clear()
    except OSError:
        return None
    return cache


def _settings(environment: "jinja2.Environment") -> str:
    """A short name for everything, besides its text, that decides how a template is compiled."""
    import jinja2

    told = (
        *(jinja2.__version__, sys.implementation.cache_tag, sorted(environment.extensions)),
        *(environment.block_start_string, environment.variable_start_string, environment.comment_start_string),
        *(environment.trim_blocks, environment.lstrip_blocks, environment.keep_trailing_newline, environment.newline_sequence),
        *(environment.line_statement_prefix, environment.line_comment_prefix, environment.autoescape, environment.optimized),
        *(environment.sandboxed, sorted(getattr(environment, "intercepted_binops", ())), environment.is_async),
        sorted(getattr(environment, "intercepted_unops", ())),
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
