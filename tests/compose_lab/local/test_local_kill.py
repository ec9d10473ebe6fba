"""`up` of the real apps is killed with SIGKILL at seeded moments; the same command, run again, ends in the same healthy state.

PORTABLE_KILLS says how often (2 by default, 20 in the full form), PORTABLE_SEED where the moments come from. They are spread evenly over
the time that a cold `up` takes here, measured just before. By chance the whole process group dies, or only `portable` itself while the
Compose that it started goes on; every third time nothing at all is there before: no secrets, no state, no folders.
"""

import os
import random
import shutil
import time
from collections.abc import Callable

import pytest

from tests.lab.local import SERVICES, Local, end_group

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(3600)]
Record = Callable[[str, object], None]
KILLS = int(os.environ.get("PORTABLE_KILLS", "2"))
SEED = int(os.environ.get("PORTABLE_SEED", "20261120"))


def test_killed_up_is_completed_by_the_same_command(local: Local, record_property: Record) -> None:
    local.portable("down")
    whole = local.portable("up").seconds
    chance = random.Random(SEED)
    print(f"seed {SEED}, a cold up takes {whole:.1f} s")
    hit, done = [], 0
    for number in range(KILLS):
        # Even slices, so that few kills hit early and late moments too.
        moment = whole * (number + chance.random()) / KILLS
        group, fresh = chance.random() < 0.5, number % 3 == 0
        local.portable("down")
        if fresh:
            for folder in (local.secrets_file.parent, local.state, local.folder / "config"):
                shutil.rmtree(folder)
        process = local.start("up")
        time.sleep(moment)
        ended = process.poll()
        if group:
            end_group(process)
        else:
            process.kill()
            process.wait()
        hit.append(f"{moment:.2f} s{' (all of it)' if group else ''}{' (fresh)' if fresh else ''}")
        print(f"kill {number}: after {hit[-1]}; {len(local.inspected())} containers were there; ended by itself: {ended}")
        local.portable("up")
        local.assert_well()
        assert {name: c["State"]["Status"] for name, c in local.inspected().items()} == {
            name: "exited" if name == "init" else "running" for name in SERVICES
        }
        assert local.secrets_file.stat().st_mode & 0o777 == 0o600
        before = local.identity()
        assert "nothing to change" in local.portable("up").out
        assert local.identity() == before
        done += 1
    record_property("kills", f"{done} of {KILLS}, seed {SEED}, over {whole:.1f} s")
