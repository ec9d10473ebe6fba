"""The wheel holds all that the program reads: profiles, catalog, templates, image recipes."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from portable.backends.registry import BACK_ENDS
from tests.shipped import PROFILES

ROOT = Path(__file__).parents[2]
DATA = {".yaml", ".j2", ".sh", ".conf", ".txt", ""}


def test_the_wheel_works_away_from_the_checkout(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    site = tmp_path / "site"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    shipped = {f.relative_to(ROOT) for f in (ROOT / "portable" / "catalog").rglob("*") if f.is_file() and f.suffix in DATA}
    assert {f for f in shipped if not (site / f).is_file()} == set()
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
    for profile in PROFILES:
        out = tmp_path / profile
        done = subprocess.run(
            [sys.executable, "-P", "-m", "portable", "render", "-p", profile, "-o", str(out)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        committed = next(folder for form in {back_end.folder: None for back_end in BACK_ENDS} if (folder := ROOT / form / profile).is_dir())
        assert (out / "findings.md").read_text() == (committed / "findings.md").read_text()
