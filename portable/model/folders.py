"""Folders of a host in which volumes lie."""

from pathlib import PurePosixPath

from portable.model.plan import Folder, Volume


def folder_in(volume: Volume, folder: Folder) -> str:
    """The folder of the host that a volume is."""
    return str(PurePosixPath(folder.path) / volume.folder)


def folder_of(volume: Volume) -> str | None:
    """Where a volume lies on the host; None where it is no folder of it."""
    return folder_in(volume, volume.place) if isinstance(volume.place, Folder) else None
