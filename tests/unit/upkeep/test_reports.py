"""The file of open faults: a message is written with its fault, and leaves the queue after it was delivered. A kill loses nothing."""

import stat
import threading
from pathlib import Path

import pytest

import portable.upkeep.reports as module
from portable.model.errors import PortableError
from portable.upkeep.faults import Standing
from portable.upkeep.reports import ReportFile

Delivered = list[tuple[str, str, bool]]


class KilledError(BaseException):
    """The command ends here, like by SIGKILL: no handler may catch it."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReportFile:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return ReportFile("media-nas")


def fault(number: int, *, is_fault: bool = True) -> Standing:
    return Standing(command="verify", subject=f"s{number}", is_fault=is_fault, text="t", remedy="r")


def to(delivered: Delivered) -> module.Send:
    return lambda title, body, is_fault: delivered.append((title, body, is_fault))


def refused(_title: str, _body: str, _is_fault: bool) -> None:
    raise PortableError("the channel did not accept the message: status 403", code="notify.undelivered")


def test_twenty_faults_and_recoveries_are_delivered_once_and_in_order(file: ReportFile) -> None:
    delivered: Delivered = []
    for is_fault in (True, True, False, False):
        for number in range(20):
            file.record([fault(number, is_fault=is_fault)])
            file.deliver(to(delivered))
    assert [is_fault for _, _, is_fault in delivered] == [True] * 20 + [False] * 20
    assert len({title for title, _, _ in delivered}) == 40
    assert file.read().queue == ()


def test_the_file_is_private_and_no_change_writes_nothing(file: ReportFile) -> None:
    file.record([fault(1, is_fault=False)])
    assert not file.path.exists()
    file.record([fault(1)])
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    before = file.path.stat().st_ino
    file.record([fault(1)])
    assert file.path.stat().st_ino == before


def test_a_dead_channel_keeps_the_messages_and_the_reason(file: ReportFile) -> None:
    file.record([fault(1), fault(2)])
    for _ in range(2):
        with pytest.raises(PortableError) as error:
            file.deliver(refused)
        assert error.value.code == "notify.undelivered"
    reports = file.read()
    assert len(reports.queue) == 2
    assert reports.undelivered_since
    assert "status 403" in reports.why
    delivered: Delivered = []
    assert file.deliver(to(delivered)) == 2
    assert file.read().undelivered_since == ""
    assert [title for title, _, _ in delivered] == ["media-nas: verify: s1: fault", "media-nas: verify: s2: fault"]


def test_a_message_says_how_many_were_dropped(file: ReportFile) -> None:
    file.record([fault(number) for number in range(203)])
    delivered: Delivered = []
    file.deliver(to(delivered))
    assert len(delivered) == 200
    assert "3 older messages were dropped" in delivered[0][1]
    assert "dropped" not in delivered[1][1]


def test_a_kill_before_the_channel_accepts_loses_and_doubles_nothing(file: ReportFile) -> None:
    file.record([fault(1), fault(2)])

    def killed(_title: str, _body: str, _is_fault: bool) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        file.deliver(killed)
    delivered: Delivered = []
    assert file.deliver(to(delivered)) == 2


def test_a_kill_after_the_channel_accepted_repeats_that_message_only(file: ReportFile) -> None:
    """At least once: the repeated message has the same number."""
    file.record([fault(1), fault(2)])
    delivered: Delivered = []

    def accepted_then_killed(title: str, body: str, is_fault: bool) -> None:
        delivered.append((title, body, is_fault))
        raise KilledError

    with pytest.raises(KilledError):
        file.deliver(accepted_then_killed)
    file.deliver(to(delivered))
    assert [body.splitlines()[-1] for _, body, _ in delivered] == [f"(message {n} of media-nas)" for n in (1, 1, 2)]


def test_a_kill_while_the_file_is_written_leaves_the_old_or_the_new_content(file: ReportFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_private", killed)
        with pytest.raises(KilledError):
            file.record([fault(1)])
    assert file.read().faults == {}
    assert len(file.record([fault(1)]).queue) == 1


def test_commands_at_once_lose_and_double_nothing(file: ReportFile) -> None:
    delivered: Delivered = []

    def command(number: int) -> None:
        file.record([fault(number)])
        file.deliver(to(delivered))

    threads = [threading.Thread(target=command, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(delivered) == 12
    assert len({title for title, _, _ in delivered}) == 12


def test_a_command_that_waits_too_long_for_another_leaves_its_message_to_it(file: ReportFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.record([fault(1)])
    monkeypatch.setattr(module, "_LOCK_SECONDS", 0.2)
    inside: list[int] = []

    def slow(_title: str, _body: str, _is_fault: bool) -> None:
        inside.append(ReportFile("media-nas").deliver(refused))

    assert file.deliver(slow) == 1
    assert inside == [0]


def test_forgotten_faults_are_reported_again(file: ReportFile) -> None:
    file.record([fault(1)])
    assert len(file.forget().faults) == 1
    assert file.read().queue == ()
    assert [message.number for message in file.record([fault(1)]).queue] == [2]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"faults": 3}'])
def test_a_damaged_file_is_reported_and_kept(file: ReportFile, content: str) -> None:
    file.record([fault(1)])
    file.path.write_text(content)
    with pytest.raises(PortableError) as error:
        file.record([fault(2)])
    assert error.value.code == "notify.state"
    assert file.path.read_text() == content
