"""What every type of the model has in common."""

import msgspec


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen record; an unknown field is an error, never silently ignored. Subclasses say `kw_only=True`, which isn't inherited."""
