"""Ports of a host."""

from portable.model.base import Struct


class PublishedPort(Struct, frozen=True, kw_only=True):
    """A port of the engine's host that a container publishes."""

    number: int
    protocol: str
    address: str
    container: str
    project: str
    app: str = ""
    """From the label of portable; empty for foreign containers."""
