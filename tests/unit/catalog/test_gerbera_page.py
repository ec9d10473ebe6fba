"""Gerbera's page in the image from Debian: it asks for libraries by names that the package does not have."""

import os
import subprocess
from pathlib import Path

import pytest

from portable.catalog.shipped import SHIPPED

SCRIPT = SHIPPED / "apps" / "gerbera" / "image" / "page.sh"
PAGE = """\
<link rel="stylesheet" href="vendor/bootstrap-4.6.2/css/bootstrap.min.css" />
<script src="vendor/jquery/jquery-3.7.1.min.js" type="text/javascript"></script>
<script src="vendor/tether-2.0.0/tether.min.js" type="text/javascript"></script>
<script src="vendor/popper/popper.min.js" type="text/javascript"></script>
<script src="vendor/md5.min.js" type="text/javascript"></script>
<!-- <script src="vendor/bootstrap-5.3.3/js/bootstrap-bundle.min.js"></script> -->
<script src="js/app.js" type="module"></script>
"""
PACKAGES = (
    "gerbera/web/js/app.js",
    "javascript/jquery/jquery.min.js",
    "javascript/blueimp-md5/md5.min.js",
    "nodejs/popper.js/dist/popper.min.js",
    "nodejs/popper.js/dist/umd/popper.min.js",
    "javascript/bootstrap4/css/bootstrap.min.css",
    "fonts/truetype/lato/Lato-Regular.ttf",
)


@pytest.fixture(params=["folder", "file"])
def packages(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The files of Debian's packages, in their folders. Popper is linked as a folder or as a file."""
    for name in PACKAGES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    web = tmp_path / "gerbera" / "web"
    (web / "index.html").write_text(PAGE)
    (web / "vendor" / "jquery").mkdir(parents=True)
    (web / "vendor" / "jquery" / "jquery-3.6.0.min.js").symlink_to("../../../../javascript/jquery/jquery.min.js")
    (web / "vendor" / "bootstrap").symlink_to("../../../javascript/bootstrap4")
    (tmp_path / "javascript" / "popper.js").symlink_to("../nodejs/popper.js/dist")
    if request.param == "folder":
        (web / "vendor" / "popper").symlink_to("../../../javascript/popper.js")
    else:
        (web / "vendor" / "popper").mkdir()
        (web / "vendor" / "popper" / "popper.min.js").symlink_to("../../../../javascript/popper.js/popper.min.js")
    return tmp_path


def mended(packages: Path) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "PACKAGES": str(packages)}
    return subprocess.run(["sh", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)


def test_each_library_has_the_name_that_the_page_asks_for(packages: Path) -> None:
    for _ in range(2):
        assert mended(packages).returncode == 0
    web = packages / "gerbera" / "web"
    assert (web / "vendor/jquery/jquery-3.7.1.min.js").read_text() == "javascript/jquery/jquery.min.js"
    assert (web / "vendor/md5.min.js").read_text() == "javascript/blueimp-md5/md5.min.js"
    assert (web / "vendor/bootstrap-4.6.2/css/bootstrap.min.css").read_text() == "javascript/bootstrap4/css/bootstrap.min.css"
    assert (web / "vendor/lato/lato-v14-latin-ext_latin-regular.woff2").read_text() == "fonts/truetype/lato/Lato-Regular.ttf"
    assert (web / "vendor/popper/popper.min.js").read_text() == "nodejs/popper.js/dist/umd/popper.min.js", "a script, not a module"
    assert "tether" not in (web / "index.html").read_text()


@pytest.mark.parametrize("name", ["javascript/jquery/jquery.min.js", "gerbera/web/js/app.js"])
@pytest.mark.parametrize("is_empty", [True, False])
def test_a_build_fails_where_a_part_of_the_page_is_missing_or_empty(packages: Path, name: str, is_empty: bool) -> None:
    (packages / name).unlink()
    if is_empty:
        (packages / name).touch()
    done = mended(packages)
    assert done.returncode == 1
    assert "the page asks for" in done.stderr
