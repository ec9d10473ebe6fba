"""Moved to portable.formats.emit; this name goes as soon as nobody imports it."""

from portable.formats.emit import Data, Interpolated, dump, dump_all

__all__ = ["Data", "Interpolated", "dump", "dump_all"]
