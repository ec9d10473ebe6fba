"""References to secrets: the only form in which a plan knows them."""

from typing import Literal

from portable.model.base import Struct


class SecretRef(Struct, frozen=True, kw_only=True):
    """A reference to a secret value. Never resolved in a plan, a rendering, a label or a log."""

    name: str
    key: str = "value"
    optional: bool = False
    form: Literal["plain", "qbittorrent"] = "plain"
    """The form of the value: plain, or hashed in the way that qBittorrent stores the password of its web interface."""

    @property
    def called(self) -> str:
        """The name that people type for it."""
        return called(self.name, self.key)


def called(name: str, key: str) -> str:
    """The name that people type for a key of a secret: a single key, `value`, is left out."""
    return name if key == "value" else f"{name}.{key}"


Text = str | SecretRef
