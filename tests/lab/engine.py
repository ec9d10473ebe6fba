"""A real engine for tests: the one that answers, or one that `scripts/bootstrap.sh engine` brings. Cleans up by label."""

import hashlib
import os
import random
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from portable.engines.docker.address import resolve
from portable.engines.docker.engine import Engine
from portable.engines.docker.observed import PROJECT

LABEL = "portable.test"
BUSYBOX = f"localhost/portable-test/busybox:{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]}"
"""Another one where what makes it, below, is another."""
_CHECKOUT = Path(__file__).parents[2]


class LabError(Exception):
    """Why this machine can't run the lab."""


def bring_engine() -> Engine:
    """The engine under test, checked. Raises LabError with the reason where there can be none."""
    engine = Engine(resolve(None, os.environ, Path.home()))
    try:
        engine.check()
        return engine
    except Exception as missing:  # noqa: BLE001  # whatever it is, bootstrap is asked
        done = subprocess.run(
            [str(_CHECKOUT / "scripts" / "bootstrap.sh"), "engine"],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            raise LabError(f"no engine here ({missing}), and bootstrap.sh said: {(done.stdout + done.stderr)[-2000:]}") from None
    engine = Engine(resolve(None, os.environ, Path.home()))
    engine.check()
    return engine


def busybox(engine: Engine) -> str:
    """A tiny image with a shell, `httpd`, `nc` and `wget`, made from Debian's static BusyBox."""
    if engine.image_ids([BUSYBOX]):
        return BUSYBOX
    program = shutil.which("busybox")
    with tempfile.TemporaryDirectory() as work:
        if program is None or b"statically" not in subprocess.run(["file", "-L", program], capture_output=True, check=False).stdout:
            program = _from_debian(Path(work))
        applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
        archive = Path(work) / "root.tar"
        with tarfile.open(archive, "w") as tar:
            for folder in ("bin", "etc", "tmp", "proc", "sys", "dev", "var"):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
                tar.addfile(entry)
            tar.add(program, "bin/busybox", recursive=False)
            for applet in applets:
                if applet != "busybox":
                    entry = tarfile.TarInfo(f"bin/{applet}")
                    entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                    tar.addfile(entry)
        repository, _, tag = BUSYBOX.rpartition(":")
        with archive.open("rb") as data:
            engine.import_image(data, repository, tag, ['CMD ["sh"]', f"LABEL {LABEL}=live"])
    return BUSYBOX


def _from_debian(work: Path) -> str:
    """Debian's static BusyBox, unpacked without being installed."""
    got = subprocess.run(["apt-get", "download", "busybox-static"], cwd=work, capture_output=True, text=True, check=False)
    packages = list(work.glob("busybox-static_*.deb"))
    if got.returncode != 0 or not packages:
        raise LabError(f"Debian's busybox-static cannot be had: {got.stderr[-500:]}")
    subprocess.run(["dpkg", "-x", str(packages[0]), str(work / "unpacked")], check=True, capture_output=True)
    found = next((p for p in (work / "unpacked").rglob("busybox") if p.is_file() and os.access(p, os.X_OK)), None)
    if found is None:
        raise LabError("Debian's busybox-static holds no busybox")
    return str(found)


def random_project() -> str:
    """A name that no other run has."""
    return f"pltest-{random.randrange(16**8):08x}"


def clean(engine: Engine, project: str) -> None:
    """Remove whatever is left of a project of a test, its volumes too: they are the test's own."""
    for seen in engine.containers(project):
        subprocess.run(["docker", "rm", "-f", seen.id], capture_output=True, check=False)
    for kind in ("network", "volume"):
        listed = subprocess.run(
            ["docker", kind, "ls", "-q", "--filter", f"label={PROJECT}={project}"], capture_output=True, text=True, check=False
        )
        for name in listed.stdout.split():
            subprocess.run(["docker", kind, "rm", name], capture_output=True, check=False)
