"""What is backed up: the volumes of apps, and the program that copies them."""

from portable.model.base import Struct
from portable.model.plan import STATE, Claim, Volume

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


def is_unlocked_database(volume: Volume) -> bool:
    """Whether a volume holds databases on a share: another node does not see their locks, so no copy is safe while the app runs."""
    return volume.holds == "database" and isinstance(volume.place, Claim) and volume.place.shared
