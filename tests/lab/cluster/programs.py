"""`python -m tests.lab.cluster.programs`: Kubernetes, built from its Go modules once for all checkouts; only the real one proves much."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.lab.engine import LabError

MODULE: Final = Path(__file__).parent / "module"
"""The Go module that requires them all, so that packages are compiled once."""
VERSION: Final = "1.34.4"
"""Of Kubernetes, as `module/go.mod` has it."""
PROGRAMS: Final = {
    "etcd": "go.etcd.io/etcd/server/v3",
    **{
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
    },
    "coredns": "./coredns",
}
"""Package by program."""
_LINK: Final = "-s -w " + " ".join(
    f"-X k8s.io/component-base/version.{name}={value}"
    for name, value in {"gitVersion": f"v{VERSION}", "gitMajor": "1", "gitMinor": VERSION.split(".")[1], "gitTreeState": "clean"}.items()
)
_SECONDS: Final = 3600
"""For one build, on a busy machine without any cache; ten minutes on an idle one of two cores."""


def cache_folder() -> Path:
    """Where built parts of the lab are kept: `PORTABLE_LAB_CACHE`, or a folder of the user's."""
    return Path(os.environ.get("PORTABLE_LAB_CACHE") or Path.home() / ".cache" / "portable-lab")


def build_key() -> str:
    """Twelve digits for everything that decides what is built: the module with its versions, the flags and the packages."""
    digest = hashlib.sha256(f"{_LINK}\0{sorted(PROGRAMS.items())}\0".encode())
    for file in sorted(path for path in MODULE.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(MODULE)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def bring_programs() -> Path:
    """Return the folder of the programs; build those that are missing. Raises LabError with the compiler's words.

    Several runs at once wait for one another. A program appears in the folder whole or not at all.
    """
    folder = cache_folder() / f"kubernetes-{build_key()}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, package in PROGRAMS.items():
            if not (folder / name).exists():
                print(f"{name}: building it from {package}", file=sys.stderr, flush=True)
                _build(package, folder / name)
    return folder


def _build(package: str, target: Path) -> None:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise LabError("the Go compiler is missing: scripts/lab.sh installs it")
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        made = Path(work) / target.name
        done = subprocess.run(
            [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", _LINK, "-o", str(made), package],
            cwd=MODULE,
            env={**os.environ, "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise LabError(f"{target.name} cannot be built: {done.stderr[-2000:]}")
        made.replace(target)


if __name__ == "__main__":
    bring_programs()  # before the tests: none of them has the time to wait for a compiler
