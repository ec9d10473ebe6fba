"""What every type of the model has in common."""

import msgspec


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen record; an unknown field is an error, never silently ignored.

    Subclasses say `frozen` (for the type checker) and `kw_only` (not inherited).
    """
