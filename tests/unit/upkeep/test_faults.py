"""Which changes of state make a message, and what the results of commands mean as states."""

import msgspec
import pytest

from portable.live.results import ServiceStatus
from portable.model.contracts import ContractResult
from portable.model.errors import EngineError, PortableError
from portable.upkeep.backup import BackupRow
from portable.upkeep.faults import (
    QUEUE,
    Reports,
    Standing,
    changed,
    of_backups,
    of_contracts,
    of_error,
    of_services,
    of_tasks,
    of_updates,
)
from portable.upkeep.image_file import Updated
from portable.upkeep.tasks import TaskResult

THEN, NOW = "2026-11-30T03:15:00Z", "2026-11-30T04:15:00Z"


def seen(subject: str = "sonarr", *, is_fault: bool, text: str = "the disk is full") -> Standing:
    return Standing(command="backup", subject=subject, is_fault=is_fault, text=text, remedy="free some space" if is_fault else "")


def after(*turns: list[Standing], start: Reports | None = None) -> Reports:
    reports = start or Reports()
    for turn, now in zip(turns, (THEN, NOW, NOW, NOW), strict=False):
        reports = changed(reports, turn, place="media-nas", now=now)
    return reports


def test_a_fault_makes_one_message_however_often_and_in_which_words_it_is_seen() -> None:
    reports = after([seen(is_fault=True)], [seen(is_fault=True, text="other words")], [seen(is_fault=True)])
    (message,) = reports.queue
    assert message.is_fault
    assert message.title == "media-nas: backup: sonarr: fault"
    assert message.body.splitlines() == ["the disk is full", "What to do: free some space", f"Since {THEN}.", "(message 1 of media-nas)"]
    assert reports.faults["backup: sonarr"].since == THEN


def test_a_recovery_makes_one_message_which_repeats_the_fault() -> None:
    reports = after([seen(is_fault=True)], [seen(is_fault=False, text="backup of today")], [seen(is_fault=False)])
    fault, recovery = reports.queue
    assert (fault.number, recovery.number) == (1, 2)
    assert not recovery.is_fault
    assert f"It lasted from {THEN} to {NOW}: the disk is full" in recovery.body
    assert reports.faults == {}


def test_what_was_never_faulty_makes_no_message() -> None:
    assert after([seen(is_fault=False)], [seen(is_fault=False)]) == Reports()


def test_two_changes_of_one_subject_in_one_run_make_two_messages() -> None:
    assert [m.is_fault for m in after([seen(is_fault=True), seen(is_fault=False)]).queue] == [True, False]


def test_the_queue_has_a_bound_and_counts_what_it_drops() -> None:
    reports = after([seen(f"app{n}", is_fault=True) for n in range(QUEUE + 3)])
    assert len(reports.queue) == QUEUE
    assert reports.dropped == 3
    assert (reports.queue[0].number, reports.queue[-1].number) == (4, QUEUE + 3)
    assert len(reports.faults) == QUEUE + 3


def test_a_long_text_is_cut_and_keeps_the_number_of_the_message() -> None:
    (message,) = after([seen("s" * 500, is_fault=True, text="x" * 5000)]).queue
    assert len(message.body) <= 900
    assert message.body.endswith("(message 1 of media-nas)")
    assert len(message.title) <= 120


@pytest.mark.parametrize(
    ("state", "health", "reason", "is_fault"),
    [
        ("running", "healthy", "", False),
        ("running", "-", "", False),
        ("running", "starting", "starting (health: starting 3 s)", None),
        ("running", "-", "starting", None),
        ("running", "unhealthy", "unhealthy: connection refused", True),
        ("running", "healthy", "nothing comes back through the tunnel", True),
        ("exited", "-", "stopped with exit code 1", True),
        ("restarting", "-", "restarting (attempt 4, exit code 1)", True),
        ("paused", "-", "paused", True),
        ("created", "-", "waits for gluetun", None),
        ("finished", "-", "", False),
        ("missing", "-", "not created yet; run `portable up`", False),
        ("orphan", "-", "it is no longer part of the stack", None),
    ],
)
def test_states_of_services(state: str, health: str, reason: str, is_fault: bool | None) -> None:
    row = ServiceStatus(app="sonarr", service="sonarr", state=state, health=health, since="", reason=reason)
    assert [s.is_fault for s in of_services([row])] == ([] if is_fault is None else [is_fault])
    assert all(("`portable logs sonarr`" in s.remedy) is s.is_fault for s in of_services([row]))


def test_backups_that_are_left_out_say_nothing() -> None:
    rows = [BackupRow(app=name, result=result) for name, result in (("a", "done"), ("b", "failed"), ("c", "left out"))]
    assert {s.subject: s.is_fault for s in of_backups(rows)} == {"a": False, "b": True}
    tried = of_backups(rows, tried=True)
    assert {s.subject for s in tried} == {"restore test of a", "restore test of b"}
    assert "`portable backup --check b`" in tried[1].remedy


def test_tasks_that_are_not_here_and_newer_images_are_not_faults() -> None:
    results = [
        TaskResult(task="scrub", subject="/srv", result="failed", text="errors"),
        TaskResult(task="capacity", subject="capacity", result="done"),
        TaskResult(task="links", subject="stream-links", result="not here"),
        TaskResult(task="images", subject="x:1", result="newer"),
    ]
    assert {s.subject: s.is_fault for s in of_tasks(results)} == {"scrub of /srv": True, "capacity": False}


def test_an_update_is_judged_by_group() -> None:
    rows = [
        Updated(group="vpn", app="gluetun", result="taken"),
        Updated(group="vpn", app="qbittorrent", result="failed", why="it stays unhealthy"),
        Updated(group="sonarr", app="sonarr", result="taken"),
        Updated(group="plex", app="plex", result="same"),
    ]
    assert {s.subject: s.is_fault for s in of_updates(rows)} == {"vpn": True, "sonarr": False, "plex": False}


def test_a_contract_that_could_not_be_checked_keeps_its_state() -> None:
    held = ContractResult(contract="egress", subject="a", verdict="holds", text="198.51.100.7")
    results = [
        held,
        msgspec.structs.replace(held, subject="b", verdict="unknown"),
        msgspec.structs.replace(held, subject="c", verdict="broken", remedy="run `portable up`"),
        msgspec.structs.replace(held, subject="c"),
    ]
    assert {s.subject: s.is_fault for s in of_contracts(results)} == {"egress of a": False, "egress of c": True}


def test_an_error_is_a_fault_of_the_whole_command() -> None:
    error = EngineError("no answer", code="engine.absent", where="unix:///run/docker.sock", remedy="start it")
    assert of_error("verify", error) == Standing(
        command="verify", subject="run", is_fault=True, text="unix:///run/docker.sock: no answer", remedy="start it"
    )
    assert "`portable backup`" in of_error("backup", PortableError("no", code="backup.failed")).remedy
