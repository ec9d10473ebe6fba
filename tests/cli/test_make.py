"""`make up` as a person meets it who may not install packages."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli import ROOT, write


@pytest.mark.parametrize(("code", "goes_on"), [(0, True), (4, True), (1, False)])
def test_up_goes_on_where_image_tools_are_refused_and_stops_where_they_fail(tmp_path: Path, code: int, goes_on: bool) -> None:
    """A registry may answer; where none does, `up` itself names what is missing."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    bootstrap = f'#!/bin/sh\n[ "$1" != image-tools ] || exit {code}\n'
    write(tmp_path, {"scripts/bootstrap.sh": bootstrap, ".venv/bin/portable": '#!/bin/sh\necho "portable $*"\n'})
    for program in ("scripts/bootstrap.sh", ".venv/bin/portable"):
        (tmp_path / program).chmod(0o755)
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}  # the suite may run under make
    done = subprocess.run(["make", "up"], cwd=tmp_path, env=outside, capture_output=True, text=True, check=False)
    assert (done.stdout == "portable up --profile local\n", done.returncode == 0) == (goes_on, goes_on), done.stderr
