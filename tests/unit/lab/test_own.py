"""Two labs on one machine: what a machine has once, each of them has of its own."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import own
from tests.lab.home import box
from tests.lab.local import ROOT, free_ports

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0100A8C0	0003	0	0	0	00000000	0	0	0
br-1	000C12C6	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""
MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
shelf: /mnt/clouds/labshelf-12 fuse.rclone rw 0 0
small: /mnt/clouds/labsmall-13 fuse.rclone rw 0 0
shelf: /mnt/clouds/labshelf-140 fuse.rclone rw 0 0
"""
OWN = """\
import json
from tests.lab import leak, local, own
from tests.lab.home import box
from tests.lab.upstream import images
addresses = (box.NET, box.HOST, leak.ADDRESS, leak.ADDRESS6, own.IN_CLOSED_RANGE)
print(json.dumps([*addresses, local.CLOUD, images.SMALL, own.SILENT]))
"""


@pytest.fixture(autouse=True)
def _given_back() -> Iterator[None]:
    before = len(own._CLAIMS)
    yield
    for held in own._CLAIMS[before:]:
        held.close()
    del own._CLAIMS[before:]


def test_a_number_with_a_way_to_its_range_or_a_mounted_cloud_is_not_free() -> None:
    """Of another lab that is up, also one that was killed."""
    assert [own.is_routed(number, ROUTES) for number in (11, 12, 13)] == [False, True, False]
    assert [own.is_mounted(number, MOUNTS) for number in (11, 12, 13, 14, 140)] == [False, True, True, False, True]


def test_a_checkout_has_its_own_number_and_takes_the_next_one_where_it_is_not_free() -> None:
    every = range(own.FIRST, own.LAST + 1)
    number = own.number_of(Path("/work/main"), lambda _number: True)
    assert number in every
    assert number != own.number_of(Path("/work/other"), lambda _number: True)
    assert own.number_of(Path("/work/main"), lambda other: other != number) == (number + 1 if number < own.LAST else own.FIRST)
    for last in every:
        assert own.number_of(Path("/work/main"), lambda number, last=last: number == last) == last  # type: ignore[misc]
    assert own.number_of(Path("/work/main"), lambda _number: False) == number


def test_a_name_is_held_by_one_process_and_given_back_when_it_ends() -> None:
    claim = "import sys, tests.lab.own as own; print(own.claim(sys.argv[1]), flush=True); sys.stdin.read()"
    name = f"test-{own.NUMBER}"
    assert own.claim(name)
    command = [sys.executable, "-c", claim, name]
    assert subprocess.run(command, cwd=ROOT, input="", capture_output=True, text=True, check=True).stdout == "False\n"
    own._CLAIMS.pop().close()
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not own.claim(name)
        other.kill()
    assert own.claim(name)


def test_two_processes_of_one_checkout_share_no_address_and_no_cloud() -> None:
    here, other = (
        json.loads(subprocess.run([sys.executable, "-c", OWN], cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        for _ in range(2)
    )
    assert f"198.18.{own.NUMBER}.0/24" == box.NET
    assert box.NET not in here  # this process has it all the while
    assert here == other, "a process that ended gives everything back"
    mine = [box.NET, box.HOST, own.LEAK, own.LEAK6, own.IN_CLOSED_RANGE, own.SHELF, own.SMALL, own.SILENT]
    assert [one for one, theirs in zip(mine, here, strict=True) if one == theirs] == []


def test_a_fault_in_a_cloud_of_another_run_is_its_own_affair() -> None:
    other = own.clouds(own.NUMBER - 1)
    assert all(own.is_foreign(f"/mnt/clouds/{cloud}") for cloud in other)
    for path in (*(f"/mnt/clouds/{cloud}" for cloud in own.clouds(own.NUMBER)), "/mnt/clouds", "/mnt/clouds/shelf", "/srv/labshelf-1"):
        assert not own.is_foreign(path), path


def test_ports_are_not_given_to_two_runs() -> None:
    (port,) = free_ports(1)
    assert not own.claim(f"port-{port}")


FIXED = {
    "a cloud": re.compile(r"/mnt/clouds/(?!\{|zurg|torbox|shelf)[a-z]"),
    "an address where leaks end": re.compile(r"198\.51\.100\.\d|2001:db8::"),
    "an address of the closed range": re.compile(r"198\.1[89]\.\d+\.\d+(?!/15)"),
    "a published port": re.compile(r"""["']-p["'], ["'][\d.:]*\d{4,5}:|"published": "\d"""),
    "all helpers": re.compile(r"label=portable\.helper|label=\{HELPER\}"),
}
"""What two runs would share, by a pattern of the code that would have it."""
ALLOWED = {
    "tests/lab/own.py",
    "tests/lab/local.py",
    "tests/verify_lab/test_faults.py",  # a network of a profile to which nothing is sent
    "tests/zimaboard/test_mounts.py",  # inside the lab's host
}


def test_no_test_with_an_engine_has_a_fixed_name_of_the_machine() -> None:
    """Whatever two checkouts would both want has the number of the run in it: see `tests/lab/own.py`."""
    rings = ("lab", "compose_lab", "verify_lab", "cluster_lab", "zimaboard", "browser", "messages", "moves", "bootstrap")
    found = []
    for file in sorted(file for ring in rings for file in (ROOT / "tests" / ring).rglob("*.py")):
        path = str(file.relative_to(ROOT))
        if path in ALLOWED:
            continue
        text = file.read_text(encoding="utf-8")
        found += [f"{path} has {what}: {match[0]}" for what, pattern in FIXED.items() if (match := pattern.search(text))]
    assert found == []
