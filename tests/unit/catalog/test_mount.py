"""When the mount of a cloud lets the apps of its pod start."""

import os
import subprocess

import pytest

from portable.catalog.shipped import SHIPPED

SCRIPT = SHIPPED / "apps" / "rclone" / "mount.sh"


@pytest.mark.parametrize(("seconds", "code"), [("0", 0), ("99999999999", 1)])
def test_apps_start_without_a_cloud_that_is_away_for_a_while(seconds: str, code: int) -> None:
    environment = {**os.environ, "CLOUD": "absent-from-this-host", "START_SECONDS": seconds}
    done = subprocess.run(["sh", str(SCRIPT), "started"], env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, "nothing is mounted" in done.stderr) == (code, True)
