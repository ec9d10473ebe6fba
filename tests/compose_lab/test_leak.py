"""The counters of leaks themselves."""

import socket
import threading
import time

from tests.lab.leak import Sniffer


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
