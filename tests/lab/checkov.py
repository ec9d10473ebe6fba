"""`python -m tests.lab.checkov`: bring checkov before the tests, in an environment of its own: none of them has the time to install it."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.lab.engine import LabError

ROOT: Final = Path(__file__).parents[2]
LOCK: Final = ROOT / "tests" / "prove" / "requirements-checkov.lock"
"""Its two hundred packages with their hashes, which are nobody else's business."""
_SECONDS: Final = 900


def bring(folder: Path = ROOT / ".cache" / "checkov") -> Path:
    """Return the program; install it if it is missing, or if the lock is another one. Raises LabError with pip's words."""
    home = folder / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "whole").is_file():
            shutil.rmtree(home, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(home)])
            _run([str(home / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", "--require-hashes", "-r", str(LOCK)])
            (home / "whole").touch()
    return home / "bin" / "checkov"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode != 0:
        raise LabError(f"checkov cannot be installed: {done.stderr[-2000:]}")


if __name__ == "__main__":
    bring()
