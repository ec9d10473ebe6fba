"""Two labs on one machine: each has a range of addresses of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.home import box, ranges
from tests.lab.local import ROOT

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0100A8C0	0003	0	0	0	00000000	0	0	0
br-1	000912C6	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""


@pytest.fixture(autouse=True)
def _given_back() -> Iterator[None]:
    before = len(ranges._CLAIMS)
    yield
    for held in ranges._CLAIMS[before:]:
        held.close()
    del ranges._CLAIMS[before:]


def test_a_range_with_a_way_to_it_is_not_free() -> None:
    """Of another lab whose network is up, also one that was killed."""
    assert [ranges.is_routed(number, ROUTES) for number in (8, 9, 10)] == [False, True, False]


def test_a_checkout_has_its_own_number_and_takes_the_next_one_where_it_is_not_free() -> None:
    every = range(ranges.FIRST, ranges.LAST + 1)
    own = ranges.number_of(Path("/work/main"), lambda _number: True)
    assert own in every
    assert own != ranges.number_of(Path("/work/other"), lambda _number: True)
    assert ranges.number_of(Path("/work/main"), lambda number: number != own) == (own + 1 if own < ranges.LAST else ranges.FIRST)
    for last in every:
        assert ranges.number_of(Path("/work/main"), lambda number, last=last: number == last) == last  # type: ignore[misc]
    assert ranges.number_of(Path("/work/main"), lambda _number: False) == own


def test_a_number_is_held_by_one_process_and_given_back_when_it_ends() -> None:
    claim = "import sys, tests.lab.home.ranges as r; print(r.claim(int(sys.argv[1])), flush=True); sys.stdin.read()"
    number = str(next(n for n in range(ranges.LAST, ranges.FIRST, -1) if ranges.claim(n)))
    command = [sys.executable, "-c", claim, number]
    assert subprocess.run(command, cwd=ROOT, input="", capture_output=True, text=True, check=True).stdout == "False\n"
    ranges._CLAIMS.pop().close()
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not ranges.claim(int(number))
        other.kill()
    assert ranges.claim(int(number))


def test_two_processes_of_one_checkout_have_different_addresses() -> None:
    ask = "from tests.lab.home import box; print(box.NET, box.HOST)"
    net, host = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert (net == box.NET, host == box.HOST) == (False, False)
    assert net.startswith("198.18.")
    assert host == net.replace(".0/24", ".5")
