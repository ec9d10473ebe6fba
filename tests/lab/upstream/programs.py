"""`python -m tests.lab.upstream.programs`: kubo and rclone at the versions that the catalog pins, built from their Go modules."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.lab.engine import LabError
from tests.lab.go_programs import GoPrograms

_HERE: Final = Path(__file__).parent
KUBO: Final = GoPrograms(name="kubo", module=_HERE / "kubo", packages={"ipfs": "github.com/ipfs/kubo/cmd/ipfs"})
RCLONE: Final = GoPrograms(
    name="rclone",
    module=_HERE / "rclone",
    packages={"rclone": "."},
    link="-s -w -X github.com/rclone/rclone/fs.Version=v1.75.1",
)
"""With the commands and remotes of the catalog only: all others take most of the time to compile."""
SCRIPTS: Final = {"start_ipfs": "bin/container_daemon", "container_init_run": "bin/container_init_run"}
"""The entry point of kubo's image, from the same module, by the name that it has there."""


def version_of(programs: GoPrograms, module: str) -> str:
    """The version of that module in `go.mod`. Raises LabError if it requires none."""
    for line in (programs.module / "go.mod").read_text(encoding="utf-8").splitlines():
        words = line.removeprefix("require ").split()
        if words[:1] == [module]:
            return words[1]
    raise LabError(f"{programs.module}/go.mod does not require {module}")


def scripts() -> dict[str, bytes]:
    """The scripts of kubo's image. Raises LabError if its module cannot be read."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    done = subprocess.run(
        [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "github.com/ipfs/kubo"],
        cwd=KUBO.module,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    folder = Path(done.stdout.strip())
    if done.returncode != 0 or not done.stdout.strip():
        raise LabError(f"kubo's module cannot be read: {done.stderr[-500:]}")
    return {name: (folder / path).read_bytes() for name, path in SCRIPTS.items()}


if __name__ == "__main__":
    KUBO.bring()
    RCLONE.bring()
