"""The base of every type of the model."""

import msgspec


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen record; an unknown field is an error, never silently ignored.

    Subclasses repeat `frozen` (for the type checker) and `kw_only` (not inherited).
    """
