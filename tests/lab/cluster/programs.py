"""`python -m tests.lab.cluster.programs`: Kubernetes, built from its Go modules once for all checkouts; only the real one proves much."""

from pathlib import Path
from typing import Final

from tests.lab.go_programs import GoPrograms, cache_folder

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
KUBERNETES: Final = GoPrograms(name="kubernetes", module=MODULE, packages=PROGRAMS, link=_LINK)
"""Ten minutes on an idle machine of two cores."""

__all__ = ["KUBERNETES", "PROGRAMS", "VERSION", "bring_programs", "build_key", "cache_folder"]


def build_key() -> str:
    """Twelve digits for everything that decides what is built."""
    return KUBERNETES.key()


def bring_programs() -> Path:
    """Return the folder of the programs; build those that are missing. Raises LabError with the compiler's words."""
    return KUBERNETES.bring()


if __name__ == "__main__":
    bring_programs()  # before the tests: none of them has the time to wait for a compiler
