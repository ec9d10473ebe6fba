"""The commands as a person runs them: a process, its output, its exit code, and the folder it leaves."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(
    *args: str, cwd: Path, env: Mapping[str, str] | None = None, before: Sequence[str] = (), timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """`portable ARGS` in that folder, in an environment that says nothing of this machine's; `before` stands in front of the command.

    It reaches no engine and no cluster, unless `env` names one: a stack of `make up` has the same project as the profile local here.
    """
    command = [*before, sys.executable, "-m", "portable", *args]
    return subprocess.run(command, cwd=cwd, env=environment(cwd, env), capture_output=True, text=True, timeout=timeout, check=False)


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the process sees of the outside. Bytecode and templates are kept, or every command would compile them anew."""
    kept = ROOT / ".pytest_cache"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "DOCKER_HOST": "unix:///nowhere/docker.sock",
        "KUBECONFIG": "/nowhere/kubeconfig",
        "PYTHONPATH": str(ROOT),
        "PYTHONPYCACHEPREFIX": str(kept / "bytecode"),
        "XDG_CACHE_HOME": str(kept / "cache"),
        **(more or {}),
    }


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Those files, by their paths below the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def digest(folder: Path) -> str:
    """One figure for all that a folder holds: names, kinds, modes, contents."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        total.update(repr((str(path.relative_to(folder)), oct(about.st_mode), content)).encode())
    return total.hexdigest()
