"""The counters of leaks themselves."""

import random
import socket
import threading
import time

from tests.lab.leak import Sniffer, run
from tests.lab.own import IN_CLOSED_RANGE


def test_a_sniffer_ends_on_a_machine_that_is_never_quiet() -> None:
    """It looks at what came before its end, and not for a moment without packets."""
    ended = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hears, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talks:
        hears.bind(("127.0.0.1", 0))

        def talk() -> None:
            while not ended.wait(0.01):
                talks.sendto(b"x", hears.getsockname())

        talking = threading.Thread(target=talk)
        talking.start()
        begun = time.monotonic()
        try:
            with Sniffer("a-name-that-nobody-asks-for") as seen:
                time.sleep(0.5)
            took = time.monotonic() - begun
        finally:
            ended.set()
            talking.join()
    assert took < 1.5
    assert seen.inspected >= 20
    assert seen.leaked == {}


def test_a_sniffer_leaves_the_closed_network_out_and_nothing_else() -> None:
    mark, lab = f"pl{random.randrange(16**8):08x}", IN_CLOSED_RANGE
    run("ip", "addr", "add", f"{lab}/32", "dev", "lo")  # this machine's own, so that nothing leaves it
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talks, Sniffer(mark) as seen:
            time.sleep(0.1)
            for address in (lab, "127.0.0.53"):
                assert run("ip", "route", "get", address).startswith("local ")
                talks.sendto(mark.encode(), (address, 53))
            time.sleep(0.3)
    finally:
        run("ip", "addr", "del", f"{lab}/32", "dev", "lo")
    assert {name.split(" on ")[0] for name in seen.leaked} == {"a marked name asked of 127.0.0.53"}
