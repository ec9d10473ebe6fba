"""Links and downloads of every kind and age, as they lie in a library before upkeep looks at them."""

import os
import time
from pathlib import Path

from tests.lab.own import SHELF

Old = dict[str, Path]
"""By what it is."""
_DAY = 24 * 3600


def age(library: Path) -> Old:
    """Make them, of the stack's user. What is older than 90 days is so by a day at least."""
    stream, downloads, media = library / "stream", library / "downloads" / "complete", library / "media" / "old"
    found = {
        "last name": _written(downloads / "last.mkv", 200),
        "twice in downloads": _written(downloads / "twice.mkv", 200),
        "kept": _written(media / "kept.mkv", 200),
        "kept, young": _written(media / "young.mkv", 30),
        "file": _written(stream / "film.mkv", 200),
        "old link": _linked(stream / "old link", f"/mnt/media/{SHELF}/welcome.txt", 92),
        "young link": _linked(stream / "young\nlink", f"/mnt/media/{SHELF}/welcome.txt", 88),
        "dead link": _linked(stream / "dead link", f"/mnt/media/{SHELF}/gone.mkv", 10),
    }
    found["download"], found["download, young"] = downloads / "kept.mkv", downloads / "young.mkv"
    found["download"].hardlink_to(found["kept"])
    found["download, young"].hardlink_to(found["kept, young"])
    (downloads / "again.mkv").hardlink_to(found["twice in downloads"])
    return found


def _written(path: Path, days: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.name)
    return _aged(path, days)


def _linked(path: Path, target: str, days: int) -> Path:
    path.symlink_to(target)
    return _aged(path, days)


def _aged(path: Path, days: int) -> Path:
    then = time.time() - days * _DAY
    os.utime(path, (then, then), follow_symlinks=False)
    return path
