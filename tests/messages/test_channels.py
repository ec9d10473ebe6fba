"""Twenty faults and their recoveries, by mail to a real server and by ntfy's publish route; outages and kills in between."""

import functools
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from portable.model.errors import PortableError
from portable.model.plan import Notify, Plan
from portable.model.secret_refs import SecretRef
from portable.secrets.sources import EnvironmentSource
from portable.upkeep import channel
from portable.upkeep.faults import Standing
from portable.upkeep.notifying import Notifier
from tests import factories
from tests.lab.mail_server import mail_server
from tests.lab.ntfy import ntfy

FAULTS = 20
PLAN = Plan(
    stack="media", profile="nas", tools=factories.container("tools"), notify=Notify(url=SecretRef(name="notify-url", optional=True))
)
WORK = """
import sys
from portable.upkeep import channel
from portable.upkeep.reports import ReportFile
url, file = sys.argv[1], ReportFile("media-nas")
print("ready", flush=True)
file.deliver(lambda title, body, is_fault: channel.send(url, title, body, is_fault=is_fault))
"""


@pytest.fixture
def notifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Notifier, list[PortableError]]]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # On a machine with much else to do, an answer after the timeout would be a message that is sent again.
    monkeypatch.setattr(channel, "send", functools.partial(channel.send, seconds=300.0))

    def made(url: str) -> tuple[Notifier, list[PortableError]]:
        monkeypatch.setenv("PORTABLE_SECRET_NOTIFY_URL", url)
        warned: list[PortableError] = []
        return Notifier(PLAN, "media-nas", EnvironmentSource(), warn=warned.append), warned

    return made


def faults(notifier: Notifier, *, is_fault: bool, numbers: range = range(FAULTS)) -> None:
    """Each subject is seen twice in its state, in two runs."""
    for number in numbers:
        for _ in range(2):
            seen = Standing(
                command="verify", subject=f"contract {number}", is_fault=is_fault, text=f"text {number}", remedy="run `portable up`"
            )
            notifier.report([seen])


def titles(is_fault: bool, numbers: range = range(FAULTS)) -> list[str]:
    return [f"media-nas: verify: contract {n}: {'fault' if is_fault else 'recovered'}" for n in numbers]


def test_by_mail_each_fault_and_each_recovery_arrives_once(notifier: Callable[[str], tuple[Notifier, list[PortableError]]]) -> None:
    with mail_server() as server:
        sender, warned = notifier(server.url)
        faults(sender, is_fault=True)
        faults(sender, is_fault=False)
        mails = server.received(2 * FAULTS)
    assert warned == []
    assert sorted(str(mail["Subject"]) for mail in mails) == sorted(titles(True) + titles(False))
    assert {str(mail["To"]) for mail in mails} == {"person@example.test"}
    bodies = [part.get_content() for mail in mails if (part := mail.get_body(("plain",))) is not None]
    assert sum("What to do: run `portable up`" in body for body in bodies) == FAULTS
    assert sorted(number_of(body) for body in bodies) == list(range(1, 2 * FAULTS + 1))


def test_by_ntfy_an_outage_delays_and_neither_loses_nor_doubles(notifier: Callable[[str], tuple[Notifier, list[PortableError]]]) -> None:
    with ntfy() as server:
        sender, warned = notifier(server.url)
        faults(sender, is_fault=True, numbers=range(8))
        server.status = 503
        faults(sender, is_fault=True, numbers=range(8, 14))
        assert warned
        assert {error.code for error in warned} == {"notify.undelivered"}
        assert len(sender.file.read().queue) == 6
        server.status = 200
        faults(sender, is_fault=True, numbers=range(14, FAULTS))
        faults(sender, is_fault=False)
        assert server.titles == titles(True) + titles(False)


def test_killed_while_it_delivers_every_message_arrives_and_at_most_the_one_in_flight_twice(
    notifier: Callable[[str], tuple[Notifier, list[PortableError]]],
) -> None:
    kills = 3
    with ntfy() as server:
        sender, _ = notifier(server.url)
        seen = [Standing(command="verify", subject=f"s{n}", is_fault=True, text="t") for n in range(FAULTS)]
        sender.file.record(seen)
        for kill in range(1, kills + 1):
            process = subprocess.Popen([sys.executable, "-c", WORK, server.url], stdout=subprocess.PIPE)
            until = time.monotonic() + 120
            while len(server.published) < 4 * kill and time.monotonic() < until:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert process.returncode == -signal.SIGKILL, "it had delivered everything before it was killed"
        sender.report([])
        numbers = [number_of(message["message"]) for message in server.published]
    assert set(numbers) == set(range(1, FAULTS + 1))
    assert len(numbers) <= FAULTS + kills
    assert numbers == sorted(numbers)
    assert sender.file.read().queue == ()


def number_of(body: str) -> int:
    match = re.search(r"\(message (\d+) of media-nas\)", body)
    assert match is not None, body
    return int(match[1])
