"""Programs that are built from their Go modules once for all checkouts, and kept by a checksum of all that decides what is built."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from portable.model.base import Struct
from tests.lab.engine import LabError

_SECONDS: Final = 3600
"""For one build, on a busy machine without any cache."""


def cache_folder() -> Path:
    """Where built parts of the lab are kept: `PORTABLE_LAB_CACHE`, or a folder of the user's."""
    return Path(os.environ.get("PORTABLE_LAB_CACHE") or Path.home() / ".cache" / "portable-lab")


class GoPrograms(Struct, frozen=True, kw_only=True):
    """Programs of one Go module, whose `go.mod` and `go.sum` lie in a folder of the tests."""

    name: str
    """Of the folder in the cache, before the checksum."""
    module: Path
    packages: Mapping[str, str]
    """Package by program."""
    link: str = "-s -w"
    """Flags of the linker."""

    def key(self) -> str:
        """Twelve digits for everything that decides what is built: the module with its versions, the flags and the packages."""
        digest = hashlib.sha256(f"{self.link}\0{sorted(self.packages.items())}\0".encode())
        for file in sorted(path for path in self.module.rglob("*") if path.is_file()):
            digest.update(f"{file.relative_to(self.module)}\0".encode() + file.read_bytes())
        return digest.hexdigest()[:12]

    def folder(self) -> Path:
        """Where the programs are, or will be."""
        return cache_folder() / f"{self.name}-{self.key()}"

    def are_built(self) -> bool:
        """Whether all of them are in the cache."""
        return all((self.folder() / name).exists() for name in self.packages)

    def bring(self) -> Path:
        """Return the folder of the programs; build those that are missing. Raises LabError with the compiler's words.

        Several runs at once wait for one another. A program appears in the folder whole or not at all.
        """
        folder = self.folder()
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for name, package in self.packages.items():
                if not (folder / name).exists():
                    print(f"{name}: building it from {package}", file=sys.stderr, flush=True)
                    self._build(package, folder / name)
        return folder

    def _build(self, package: str, target: Path) -> None:
        go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
        if go is None:
            raise LabError("the Go compiler is missing: scripts/lab.sh installs it")
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            made = Path(work) / target.name
            done = subprocess.run(
                [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", self.link, "-o", str(made), package],
                cwd=self.module,
                env={**os.environ, "CGO_ENABLED": "0"},
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
            if done.returncode != 0:
                raise LabError(f"{target.name} cannot be built: {done.stderr[-2000:]}")
            made.replace(target)
