"""Folders of volumes on a host."""

from pathlib import PurePosixPath

from portable.model.plan import Folder, Volume


def folder_in(volume: Volume, folder: Folder) -> str:
    """The path on the host of a volume in a host folder."""
    return str(PurePosixPath(folder.path) / volume.folder)


def folder_of(volume: Volume) -> str | None:
    """The path of a volume on the host; None if it is not a host folder."""
    return folder_in(volume, volume.place) if isinstance(volume.place, Folder) else None
