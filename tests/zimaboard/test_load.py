"""Six downloads at once through the tunnel, in the memory that the profile gives to the gateway."""

import os
import time
from collections.abc import Callable

import pytest

from tests.lab.home.box import BEACON
from tests.lab.home.capture import TUNNEL, Capture
from tests.lab.home.home import Home
from tests.lab.home.trouble import GATEWAY

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]
Record = Callable[[str, object], None]
SECONDS = int(os.environ.get("PORTABLE_LOAD_SECONDS", "10"))
CONNECTIONS = 6
PEAK = "cat /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null"


def lived(home: Home) -> tuple[str, str, bool, int]:
    """What changes where the gateway is killed."""
    seen = home.stack.inspected()[GATEWAY]
    return seen["Id"], seen["State"]["StartedAt"], seen["State"]["OOMKilled"], seen["RestartCount"]


def test_the_gateway_lives_in_its_memory_under_load(home: Home, record_property: Record) -> None:
    before = lived(home)
    restarts = home.stack.docker("logs", before[0]).count("restarting VPN")
    fetch = f"curl -s --max-time {SECONDS} -o /dev/null -w '%{{size_download}}\\n' http://{BEACON}/endless"
    began = time.monotonic()
    # The tunnel's own packets are left out: there are too many to keep.
    with Capture(home.host, which=f"(ip or ip6) and not {TUNNEL}") as seen:
        said = home.stack.inside("autobrr", "sh", "-c", "\n".join([f"{fetch} &"] * CONNECTIONS + ["wait"]), code=None)
    assert seen.leaked == [], f"{seen}: {seen.leaked[:5]}"
    assert time.monotonic() - began >= SECONDS
    assert lived(home) == before, "it was killed"
    assert home.stack.docker("logs", before[0]).count("restarting VPN") == restarts
    peak = int(home.stack.inside(GATEWAY, "sh", "-c", PEAK, code=None).split()[0])
    sizes = [int(size) for size in said.split()]
    assert len(sizes) == CONNECTIONS, said
    assert min(sizes) > 0, said
    record_property(
        "load",
        f"{SECONDS} s, {CONNECTIONS} connections, {sum(sizes) / SECONDS / 2**20:.0f} MiB/s, peak {peak / 2**20:.0f} MiB, 0 packets past it",
    )
