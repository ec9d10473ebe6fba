"""What is backed up: the volumes of apps, and the program that copies them."""

from portable.model.base import Struct
from portable.model.plan import STATE

BACKUP_PROGRAM = ("python3", "/upkeep/backup.py")
"""The command of the backup program in its container."""


class BackedUpVolume(Struct, frozen=True, kw_only=True):
    """A volume that is backed up."""

    app: str
    name: str
    id: str
    copied: str
    """`running`, or `stopped` if it can be copied only while its app is stopped."""

    @property
    def path(self) -> str:
        """The mount path in the backup container."""
        return f"{STATE}/{self.id}"
