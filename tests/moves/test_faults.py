"""Movers and disks that fail: never a false "done", the source unchanged, and one command ends well."""

import os
import shutil
from pathlib import Path

import pytest

from portable.migrate import hooks as points
from portable.migrate.ending import roll_back
from portable.migrate.manifest import make_manifest
from portable.migrate.moving import begin, resume
from portable.model.errors import PortableError
from portable.model.shell import filled
from tests.moves.kinds import mounted
from tests.moves.running import equal

MOVERS = {
    "does nothing and succeeds": ("exit 0", "migrate.differs"),
    "is killed": ("kill -9 $$", "migrate.mover"),
    "is killed while it copies": ('(sleep 0.05; kill -9 $$) & exec "$REAL" --bwlimit=200 "$@"', "migrate.mover"),
    "fails as a whole": ("exit 12", "migrate.mover"),
    "skips entries and says so": ('"$REAL" --exclude=settings "$@"; exit 23', "migrate.differs"),
    "skips entries in silence": ('"$REAL" --exclude=settings "$@"', "migrate.differs"),
    "loses owners": ('real_with --no-owner "$@"', "migrate.differs"),
    "loses hard links": ('real_with --no-hard-links "$@"', "migrate.differs"),
    "loses attributes": ('real_with --no-xattrs "$@"', "migrate.differs"),
    "rounds times": ('real_with --no-times "$@"', "migrate.differs"),
}
"""Shell commands in the place of rsync, and the error that they have to lead to."""
SCRIPT = (Path(__file__).parent / "faulty_rsync.sh").read_text(encoding="utf-8")
"""The fault follows it."""


@pytest.fixture
def source(scratch: Path) -> Path:
    folder = scratch / "source"
    folder.mkdir()
    (folder / "film").write_bytes(os.urandom(1 << 20))
    (folder / "settings").write_text("x")
    os.chown(folder / "settings", 1000, 1000)
    os.setxattr(folder / "settings", "user.note", b"x")
    os.link(folder / "film", folder / "linked")
    for name in ("film", "settings"):
        os.utime(folder / name, ns=(1, 10**18 + 1))
    return folder


@pytest.mark.parametrize("kind", MOVERS)
def test_a_mover_that_fails_or_lies(kind: str, scratch: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, code = MOVERS[kind]
    real = shutil.which("rsync")
    (scratch / "bin").mkdir()
    (scratch / "bin" / "rsync").write_text(filled(SCRIPT, real=real) + script + "\n")
    (scratch / "bin" / "rsync").chmod(0o755)
    before = make_manifest(source, scratch / "m")
    with monkeypatch.context() as changed:
        changed.setenv("PATH", f"{scratch / 'bin'}:{os.environ['PATH']}")
        with pytest.raises(PortableError) as error:
            begin(source, scratch / "target")
    assert error.value.code == code
    assert equal(before, source, scratch / "n") == []
    assert resume(scratch / "target").step == "done"
    assert equal(before, scratch / "target", scratch / "n") == []


@pytest.mark.parametrize("end", ["resume", "roll back"])
def test_a_disk_that_fills_up_meanwhile(end: str, scratch: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = make_manifest(source, scratch / "m")
    with mounted(scratch, "mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs") as target:

        def reach(point: str) -> None:
            if point == "planned":
                room = os.statvfs(target)
                with (target / "foreign").open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - (1 << 18))

        with monkeypatch.context() as changed:
            changed.setattr(points, "reach", reach)
            with pytest.raises(PortableError) as error:
                begin(source, target)
        assert error.value.code in ("migrate.mover", "migrate.failed")
        (target / "foreign").unlink()
        if end == "resume":
            assert resume(target).step == "done"
            assert equal(before, target, scratch / "n") == []
        else:
            roll_back(target)
            assert not list(target.iterdir())
    assert equal(before, source, scratch / "n") == []
