"""The output of a back end: documents as plain data, and findings about everything that it did not fully translate."""

from typing import Any

from portable.model.base import Struct
from portable.model.findings import Finding


class RenderedDocument(Struct, frozen=True, kw_only=True):
    """One document and the file it belongs to, relative to the rendered folder; documents of one file stay in order."""

    file: str
    body: dict[str, Any]


class Rendering(Struct, frozen=True, kw_only=True):
    """The output of `render`: the same plan gives an equal rendering, always."""

    documents: tuple[RenderedDocument, ...]
    findings: tuple[Finding, ...] = ()
