"""What a manager does in the library: a file of its own, and a hard link of everything that was downloaded for it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_UNFINISHED = (".!qB", ".part", ".portable-new")
"""Endings of files that are still being written."""


class Library:
    """The folders that this app takes from, and the one in which it keeps."""

    def __init__(self, app: str, root: Path, keeps: str, imports: list[str]) -> None:
        self._app, self._keeps = app, root / keeps
        self._imports = [root / folder / app for folder in imports]
        self.imported = 0
        self.failed: dict[str, str] = {}

    def mark(self) -> None:
        """Write the app's own file, for the one who owns the library where the app is told by HOST_UID and HOST_GID."""
        own = self._keeps / f"{self._app}.stand-in.txt"
        own.write_text(f"{self._app} may write here\n")
        if not os.getuid() and "HOST_UID" in os.environ:
            os.chown(own, int(os.environ["HOST_UID"]), int(os.environ["HOST_GID"]))

    def look(self) -> None:
        """Link what is finished and not in the library yet; what can't be linked is said once, and tried again."""
        for source, inside in self._finished():
            target = self._keeps / inside
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(source, target, follow_symlinks=False)
            except FileExistsError:
                continue
            except OSError as error:
                text = f"IMPORT FAILED: {source} -> {target}: {os.strerror(error.errno or 0)}"
                if self.failed.get(str(source)) != text:
                    print(text, file=sys.stderr)
                self.failed[str(source)] = text
                continue
            self.imported += 1
            self.failed.pop(str(source), None)
            print(f"imported {source} -> {target}")

    def _finished(self) -> Iterator[tuple[Path, Path]]:
        """Plain files with their paths below the category, not through links."""
        for root in self._imports:
            for at, folders, files in os.walk(root, followlinks=False):
                folders.sort()
                for name in sorted(files):
                    path = Path(at) / name
                    if not name.endswith(_UNFINISHED) and not path.is_symlink():
                        yield path, path.relative_to(root)
