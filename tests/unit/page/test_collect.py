"""The facts of a page through the driver protocol: what is good, broken and unknown, and the command of each line."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.backends.prepare import Prepared, prepare
from portable.live.drivers import unsupported_on
from portable.live.results import ServiceStatus
from portable.live.stack import Stack
from portable.live.view import CommandResult, View
from portable.local.paths import state_home
from portable.local.records import (
    BackupRecord,
    ContractRun,
    ImageAnswer,
    ImageRecord,
    Proof,
    StoredBackups,
    VerifyRecord,
    record,
)
from portable.model.changes import Change
from portable.model.contracts import ContractResult, Verdict
from portable.model.errors import EngineError
from portable.model.plan import Notify, Plan, Schedule
from portable.model.secret_refs import SecretRef
from portable.page.backups import as_recorded
from portable.page.collect import collect, longest_pause
from portable.page.facts import PageFacts, PageLine, moment_of, worded
from portable.secrets.sources import EnvironmentSource
from portable.upkeep.faults import Standing
from portable.upkeep.reports import ReportFile
from tests.unit.live.fake_driver import FakeApp, FakeDriver, World
from tests.unit.verify.fake import FakeStack, says

NOW = "2026-11-30T12:00:00Z"
BEACON = "http://203.0.113.1/ip"
PROJECT = "media-zimaboard"


class PageDriver(FakeDriver):
    """A fake whose answers each test sets."""

    def __init__(self, prepared: Prepared) -> None:
        names = [app.name for app in prepared.planned.plan.apps]
        super().__init__(World({name: FakeApp() for name in names}, hidden=("hunter2",)), Stack(project=PROJECT), EnvironmentSource())
        for name in names:
            self.world.start(name)
        self.away: EngineError | None = None
        self.seen: View | None = None
        self.backups: Sequence[dict[str, Any]] = ()
        self.rows: tuple[ServiceStatus, ...] | None = None
        self.changes: tuple[Change, ...] = ()
        self.asked: list[str] = []

    def check(self) -> str:
        self.asked.append("check")
        if self.away:
            raise self.away
        return super().check()

    def status(self, *, inside: bool = False) -> tuple[ServiceStatus, ...]:
        self.asked.append("status")
        return super().status() if self.rows is None else self.rows

    def diff(self, **_: object) -> tuple[Change, ...]:
        self.asked.append("diff")
        return self.changes

    def view(self, plan: Plan) -> View:
        self.asked.append("view")
        if self.seen is None:
            raise EngineError("no view", code="engine.failed", remedy="look elsewhere")
        return self.seen

    def exec_stream(self, app: str, command: Sequence[str], on_line: Callable[[str], None], *, beats: str = "") -> int:
        self.asked.append(" ".join(command[2:-1]))
        for row in self.backups:
            on_line(json.dumps(row))
        return 0


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """The shipped profile with VPN, library and backups."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return prepare("zimaboard", folder=tmp_path)


@pytest.fixture
def full(place: Prepared) -> tuple[Prepared, FakeStack]:
    """A plan with every field, and its containers."""
    stack = FakeStack(answer=says("203.0.113.1", CommandResult(code=0, text="198.51.100.7")))
    return msgspec.structs.replace(place, planned=msgspec.structs.replace(place.planned, plan=stack.plan)), stack


def section(facts: PageFacts, name: str) -> dict[str, PageLine]:
    """The lines of a section, by subject."""
    (found,) = (section for section in facts.sections if section.name == name)
    assert found.lines, "a section is never empty: it says what is unknown"
    return {line.subject: line for line in found.lines}


def made(prepared: Prepared, driver: PageDriver | None = None, beacon: str | None = None) -> PageFacts:
    return collect(driver or PageDriver(prepared), prepared, beacon=beacon, now=NOW)


def verified(**contracts: tuple[str, Sequence[tuple[str, Verdict, str]]]) -> None:
    """Record runs of contracts: by name, the time and the results."""
    runs = {
        name.replace("_", "-"): ContractRun(
            at=at,
            results=tuple(ContractResult(contract=name.replace("_", "-"), subject=s, verdict=v, text=t, remedy="mend") for s, v, t in rows),
        )
        for name, (at, rows) in contracts.items()
    }
    record(PROJECT, VerifyRecord, lambda before: msgspec.structs.replace(before, runs=runs))


def proven(contract: str, **subjects: str) -> None:
    record(
        PROJECT,
        VerifyRecord,
        lambda before: msgspec.structs.replace(
            before, proofs={**before.proofs, contract: {name: Proof(at=at, text="proven") for name, at in subjects.items()}}
        ),
    )


def test_without_an_engine_everything_is_unknown_with_the_reason_and_it_is_asked_once(place: Prepared) -> None:
    driver = PageDriver(place)
    driver.away = EngineError("it does not answer", code="engine.absent", where="unix:///x", remedy="start it")
    facts = made(place, driver)
    assert driver.asked == ["check"]
    assert facts.counts["holds"] == 0
    assert section(facts, "apps")["engine"].text == "unix:///x: it does not answer; start it"
    for name, subject in (("library", "one mount"), ("backups", "all apps"), ("changes", "changes")):
        line = section(facts, name)[subject]
        assert (line.verdict, line.text) == ("unknown", "the engine does not answer: see the section Apps")
    assert {line.verdict for line in section(facts, "findings").values()} == {"note"}


def test_every_line_has_a_command_and_every_section_is_there(place: Prepared) -> None:
    facts = made(place)
    assert [found.name for found in facts.sections] == [
        *(
            "apps",
            "exits",
            "kill-switch",
            "library",
            "clouds",
            "backups",
            "restores",
            "changes",
            "updates",
            "promises",
            "faults",
            "findings",
        )
    ]
    assert [line for found in facts.sections for line in found.lines if not line.command.startswith("`portable ")] == []


def test_apps_that_run_hold_and_the_others_are_named(place: Prepared) -> None:
    driver = PageDriver(place)
    assert {line.verdict for line in section(made(place, driver), "apps").values()} == {"holds"}
    row = ServiceStatus(app="sonarr", service="sonarr", state="exited", health="-", since="0001-01-01T00:00:00Z", reason="exit code 1")
    driver.rows = (row, ServiceStatus(app="plex", service="plex", state="running", health="healthy", since=""))
    lines = section(made(place, driver), "apps")
    assert (lines["sonarr"].verdict, lines["sonarr"].at, lines["sonarr"].command) == ("broken", "", "`portable logs sonarr`")
    assert lines["1 services"].verdict == "holds"
    driver.rows = (
        ServiceStatus(app="plex", service="plex", state="running", health="starting", since="", reason="starting: not healthy yet"),
    )
    assert section(made(place, driver), "apps")["plex"].verdict == "unknown"
    driver.rows = tuple(ServiceStatus(app=n, service=n, state="missing", health="-", since="", reason="x") for n in ("a", "b"))
    assert section(made(place, driver), "apps").keys() == {"all apps"}
    driver.rows = ()
    assert section(made(place, driver), "apps")["all apps"].verdict == "unknown"


def test_exit_addresses_come_from_the_last_proof_and_an_old_one_does_not_count(place: Prepared) -> None:
    unknown = section(made(place), "exits")["qbittorrent"]
    assert (unknown.verdict, "never seen" in unknown.text, "no beacon" in unknown.text) == ("unknown", True, True)
    record(
        PROJECT,
        VerifyRecord,
        lambda _: VerifyRecord(
            proofs={
                "egress": {
                    "gluetun": Proof(at="2026-11-29T00:00:00Z", text="the beacon sees it as 198.51.100.7, and the host as 203.0.113.9"),
                    "qbittorrent": Proof(at="2026-11-01T00:00:00Z", text="the beacon sees it as 198.51.100.7, its gateway as 198.51.100.7"),
                    "prowlarr": Proof(at="2027-01-01T00:00:00Z", text="the beacon sees it as 198.51.100.7, its gateway as 198.51.100.7"),
                }
            }
        ),
    )
    lines = section(made(place), "exits")
    assert (lines["gluetun"].verdict, lines["gluetun"].text.partition(":")[0]) == ("holds", "198.51.100.7")
    assert (lines["qbittorrent"].verdict, "too long ago" in lines["qbittorrent"].text) == ("unknown", True)
    assert (lines["prowlarr"].verdict, "a clock is wrong" in lines["prowlarr"].text) == ("unknown", True)


def test_with_a_beacon_exit_addresses_are_asked_now(full: tuple[Prepared, FakeStack]) -> None:
    prepared, stack = full
    driver = PageDriver(prepared)
    driver.seen = stack
    lines = section(made(prepared, driver, BEACON), "exits")
    assert {name: line.at for name, line in lines.items()} == dict.fromkeys(lines, "")
    assert any(line.text.startswith("198.51.100.7: ") for line in lines.values()), lines


def test_a_broken_egress_is_broken_without_a_beacon_as_well(place: Prepared) -> None:
    verified(egress=("2026-11-30T00:00:00Z", [("qbittorrent", "broken", "the beacon sees it as 203.0.113.9, its gateway as unknown")]))
    line = section(made(place), "exits")["qbittorrent"]
    assert (line.verdict, line.text.startswith("203.0.113.9: ")) == ("broken", True)


def test_the_kill_switch_is_what_was_last_proven(place: Prepared) -> None:
    assert {line.verdict for line in section(made(place), "kill-switch").values()} == {"unknown"}
    verified(
        kill_switch=(
            "2026-11-29T00:00:00Z",
            [("qbittorrent", "broken", "it leaked"), ("gluetun", "unknown", "no beacon"), ("autobrr", "unknown", "no beacon")],
        )
    )
    proven("kill-switch", gluetun="2026-11-20T00:00:00Z", prowlarr="2026-09-01T00:00:00Z")
    lines = section(made(place), "kill-switch")
    assert {name: lines[name].verdict for name in ("qbittorrent", "gluetun", "autobrr", "prowlarr")} == {
        "qbittorrent": "broken",
        "gluetun": "unknown",
        "autobrr": "unknown",
        "prowlarr": "unknown",
    }
    assert lines["gluetun"].text == "proven; the last try proved nothing: no beacon"
    assert (lines["gluetun"].at, lines["autobrr"].text) == ("2026-11-20T00:00:00Z", "no beacon")
    assert lines["gluetun"].command == "`portable verify --disruptive --beacon URL kill-switch`"


def test_a_sealed_app_is_as_good_as_its_fence(tmp_path: Path, place: Prepared) -> None:
    sealed = prepare("local", folder=tmp_path)
    assert section(made(sealed), "exits")["qbittorrent"].verdict == "unknown"
    assert section(made(sealed), "kill-switch")["VPN"].verdict == "note"
    verified(fence=("2026-11-29T00:00:00Z", [("seal", "holds", "iptables allows local networks"), ("seal", "broken", "ip6tables is open")]))
    line = section(made(sealed), "exits")["qbittorrent"]
    assert (line.verdict, "ip6tables is open" in line.text) == ("broken", True)
    verified(fence=("2026-11-01T00:00:00Z", [("seal", "holds", "shut")]))
    assert section(made(sealed), "exits")["qbittorrent"].verdict == "unknown"


def test_library_and_clouds_are_looked_at_now(full: tuple[Prepared, FakeStack]) -> None:
    prepared, stack = full
    driver = PageDriver(prepared)
    assert section(made(prepared, driver), "library")["one mount"].text == "no view; look elsewhere"
    stack.here = False
    driver.seen = stack
    facts = made(prepared, driver)
    assert section(facts, "library")["one mount"].verdict == "holds"
    assert {(line.verdict, line.text.partition(":")[0]) for line in section(facts, "clouds").values()} == {("holds", "mounted")}
    dead = FakeStack(prepared.planned.plan, answer=says("known", CommandResult(code=3, text="nothing is mounted")))
    dead._answer = lambda _name, command: CommandResult(code=3, text="nothing is mounted") if "df" in " ".join(command) else None
    driver.seen = dead
    cloud = next(iter(section(made(prepared, driver), "clouds").values()))
    assert (cloud.verdict, cloud.text.partition(":")[0], "nothing is mounted" in cloud.text) == ("broken", "dead", True)


def test_links_are_what_the_last_verify_found(place: Prepared) -> None:
    assert section(made(place), "library")["links"].verdict == "unknown"
    verified(links=("2026-11-29T00:00:00Z", [("sonarr", "holds", "ok"), ("radarr", "broken", "no link")]))
    lines = section(made(place), "library")
    assert (lines["links"].verdict, lines["radarr"].verdict) == ("holds", "broken")
    verified(links=("2026-11-01T00:00:00Z", [("sonarr", "holds", "ok")]))
    assert section(made(place), "library")["links"].verdict == "unknown"


def test_backups_are_asked_of_the_store(place: Prepared) -> None:
    driver = PageDriver(place)
    driver.backups = [
        {"app": "sonarr", "at": "2026-11-29T031500.000Z", "result": "sound"},
        {"app": "sonarr", "at": "2026-11-30T031500.000Z", "result": "sound"},
        {"app": "radarr", "at": "2026-11-20T031500.000Z", "result": "sound"},
        {"app": "lidarr", "at": "2026-11-30T031500.000Z", "result": "unsound"},
        {"app": "prowlarr", "at": "2026-11-29T231500.000Z", "result": "sound"},
        {"app": "prowlarr", "at": "2026-11-30T031500.000Z", "result": "unreadable"},
        {"app": "seerr", "at": "yesterday", "result": "sound"},
    ]
    lines = section(made(place, driver), "backups")
    assert "list" in driver.asked
    assert {name: lines[name].verdict for name in ("sonarr", "radarr", "lidarr", "prowlarr", "seerr", "jellyfin")} == {
        "sonarr": "holds",
        "radarr": "broken",
        "lidarr": "broken",
        "prowlarr": "broken",
        "seerr": "unknown",
        "jellyfin": "broken",
    }
    assert (lines["sonarr"].text, lines["sonarr"].at) == ("backed up 8 hours ago", "2026-11-30T03:15:00Z")
    assert "more than 2 days" in lines["radarr"].text
    assert lines["jellyfin"].text == "it has no backup"
    driver.world.states["backup"] = "exited"
    assert section(made(place, driver), "backups")["all apps"].verdict == "unknown"


def test_a_backup_is_too_old_when_its_schedule_missed_a_run() -> None:
    assert longest_pause(None) == longest_pause(Schedule(minutes=(15,), hours=(3,))) == 2
    assert longest_pause(Schedule(weekdays=(0,))) == 8
    assert longest_pause(Schedule(days=(1,))) == 32
    assert longest_pause(Schedule(days=(1,), months=(1,))) == 367


def test_a_place_without_backups_says_so(tmp_path: Path, place: Prepared) -> None:
    facts = made(prepare("local", folder=tmp_path))
    assert section(facts, "backups")["all apps"].verdict == "broken"
    assert section(facts, "restores")["all apps"].verdict == "broken"


def test_tried_restores_are_what_the_store_notes(place: Prepared) -> None:
    """Whoever tried them, on whatever machine; the newest try counts, also if it is of an older backup."""
    driver = PageDriver(place)

    def backup(app: str, at: str, **more: str) -> dict[str, Any]:
        return {"app": app, "at": at, "result": "sound", **more}

    old, new = "2026-11-26T031500.000Z", "2026-11-27T031500.000Z"
    driver.backups = (
        backup("sonarr", old, failed_try="2026-11-27T000000.000Z", try_text="rotten"),
        backup("sonarr", new, tried="2026-11-28T000000.000Z"),
        backup("radarr", old, failed_try="2026-11-29T000000.000Z", try_text="app.db: its contents have changed in the store"),
        backup("radarr", new, tried="2026-11-28T000000.000Z"),
        backup("lidarr", old, tried="2026-01-01T000000.000Z"),
        backup("prowlarr", new),
    )
    lines = section(made(place, driver), "restores")
    verdicts = {name: lines[name].verdict for name in ("sonarr", "radarr", "lidarr")}
    assert verdicts == {"sonarr": "holds", "radarr": "broken", "lidarr": "unknown"}
    failed = f"the restore of the backup of {old} failed: app.db: its contents have changed in the store"
    assert (lines["radarr"].text, lines["radarr"].at) == (failed, "2026-11-29T00:00:00Z")
    (rest,) = (line for line in lines.values() if line.subject.endswith(" apps"))
    assert (rest.verdict, "prowlarr" in rest.text, "jellyfin" in rest.text) == ("unknown", True, True)
    assert sum(asked.startswith("list") for asked in driver.asked) == 1, "the store is read once"
    driver.world.states["backup"] = "exited"
    assert section(made(place, driver), "restores")["all apps"].verdict == "unknown"


def test_changes_are_what_up_would_do(place: Prepared) -> None:
    driver = PageDriver(place)
    driver.changes = tuple(Change(kind="recreate", service=f"app{n}", app="sonarr", cause="its image changed") for n in range(42))
    found = next(s for s in made(place, driver).sections if s.name == "changes").lines
    assert (len(found), found[0].text, found[0].command) == (41, "recreate app0: its image changed", "`portable up sonarr`")
    assert found[-1].text == "2 more changes"


def test_updates_are_the_last_answers_of_registries(place: Prepared) -> None:
    assert section(made(place), "updates")["all images"].verdict == "unknown"
    images: dict[str, str] = {}
    for app in place.planned.plan.apps:
        images[app.containers[0].image.tagged] = app.containers[0].image.digest or ""
    (first, _), (second, _), *others = images.items()
    answers = [
        ImageAnswer(image=first, result="newer", text="", digest="sha256:" + "a" * 64),
        ImageAnswer(image=second, result="refused", text="the registry denied it"),
        *(ImageAnswer(image=name, result="newer", text="", digest=taken) for name, taken in others),
    ]
    record(PROJECT, ImageRecord, lambda _: ImageRecord(at="2026-11-29T00:00:00Z", images=tuple(answers)))
    lines = section(made(place), "updates")
    assert (lines[first].verdict, "aaaaaaaaaaaa" in lines[first].text, lines[first].command.startswith("`portable update ")) == (
        "note",
        True,
        True,
    )
    assert (lines[second].verdict, lines[second].text) == ("unknown", "the registry denied it")
    assert any(line.verdict == "holds" and line.subject.endswith(" images") for line in lines.values()), (
        "an installed update no longer waits"
    )
    record(PROJECT, ImageRecord, lambda before: msgspec.structs.replace(before, at="2026-01-01T00:00:00Z"))
    assert not any(line.verdict == "holds" for line in section(made(place), "updates").values())


def test_findings_have_the_reason_of_their_waiver(place: Prepared) -> None:
    facts = made(place)
    waived = [finding for finding in place.ledger if finding.verdict == "waived"]
    (lines,) = (found.lines for found in facts.sections if found.name == "findings")
    assert waived
    assert sum("; waived: " in line.text for line in lines) == len(waived)
    refused = msgspec.structs.replace(waived[0], verdict="refused", reason=None)
    worse = msgspec.structs.replace(place, ledger=(*place.ledger, refused))
    (lines,) = (found.lines for found in made(worse).sections if found.name == "findings")
    assert lines[0].verdict == "broken"


def test_faults_that_were_reported_are_shown(place: Prepared) -> None:
    assert section(made(place), "faults")["channel"].verdict == "note"
    plan = msgspec.structs.replace(place.planned.plan, notify=Notify(url=SecretRef(name="notify-url", key="value")))
    told = msgspec.structs.replace(place, planned=msgspec.structs.replace(place.planned, plan=plan))
    assert section(made(told), "faults")["faults"].verdict == "holds"
    ReportFile(PROJECT).record([Standing(command="backup", subject="sonarr", is_fault=True, text="disk full", remedy="free some")])
    lines = section(made(told), "faults")
    assert (lines["backup: sonarr"].text, lines["channel"].verdict) == ("disk full; free some", "broken")


def test_a_record_that_cannot_be_read_makes_its_lines_unknown_and_no_others(place: Prepared) -> None:
    folder = state_home() / PROJECT
    folder.mkdir(parents=True)
    for name in ("verify.json", "images.json"):
        (folder / name).write_text("{")
    facts = made(place)
    for name in ("kill-switch", "updates", "promises"):
        assert {line.verdict for line in section(facts, name).values()} == {"unknown"}, name
    assert section(facts, "apps")[f"{len(place.planned.plan.apps)} services"].verdict == "holds"


def test_a_cluster_says_what_it_does_not_check_and_names_no_command_that_it_refuses(tmp_path: Path, place: Prepared) -> None:
    cluster = prepare("samba", folder=tmp_path)
    facts = made(cluster)
    assert section(facts, "library")["one mount"].verdict == "unknown"
    commands = {line.command.strip("`").split(" ")[1] for found in facts.sections for line in found.lines if line.command}
    refused = unsupported_on("kubernetes")
    assert refused
    assert not commands & refused.keys()
    for name in ("backups", "restores"):
        (line,) = section(facts, name).values()
        assert (line.verdict, line.command) == ("broken", "`portable explain backup.not-set-up`")


class ClusterPageDriver(PageDriver):
    """One whose store only a pod can read: it starts none."""

    can_list_backups = False

    def run_backup(self, *_: object, **__: object) -> int:
        raise AssertionError("the page starts no pod")


def scheduled(state: str, since: str = "") -> tuple[ServiceStatus, ...]:
    """The row of the CronJob that makes backups."""
    return (ServiceStatus(app="backup", service="backup", state=state, health="-", since=since),)


@pytest.mark.parametrize(
    ("row", "verdict", "text"),
    [
        (("finished", "2026-11-30T03:15:00Z"), "holds", "its last run ended well 8 hours ago"),
        (("finished", "2026-11-20T03:15:00Z"), "broken", "more than 2 days"),
        (("exited", "2026-11-30T03:15:00Z"), "broken", "its last run failed"),
        (("running", ""), "unknown", "a run is under way"),
        (("created", ""), "unknown", "it has not run yet"),
        (("missing", ""), "broken", "not deployed"),
    ],
)
def test_the_last_scheduled_backup_of_a_cluster(tmp_path: Path, place: Prepared, row: tuple[str, str], verdict: str, text: str) -> None:
    cluster = prepare("samba", sets=["apps=[backup, sonarr]"], folder=tmp_path)
    driver = ClusterPageDriver(cluster)
    driver.rows = scheduled(*row)
    line = section(made(cluster, driver), "backups")["the schedule"]
    assert (line.verdict, text in line.text) == (verdict, True), line.text


def test_backups_of_a_cluster_are_those_that_a_command_here_last_saw(tmp_path: Path, place: Prepared) -> None:
    cluster = prepare("samba", sets=["apps=[backup, sonarr]"], folder=tmp_path)
    driver = ClusterPageDriver(cluster)
    driver.stack = msgspec.structs.replace(driver.stack, backed_up=cluster.planned.backed_up)
    line = section(made(cluster, driver), "backups")["sonarr"]
    assert (line.verdict, line.command, "never listed" in line.text) == ("unknown", "`portable backup --list`", True)
    (restores,) = section(made(cluster, driver), "restores").values()
    assert (restores.verdict, "never listed" in restores.text) == ("unknown", True)
    row = {"app": "sonarr", "at": "2026-11-29T031500.000Z", "result": "sound", "tried": "2026-11-29T040000.000Z"}
    seen = {"sonarr": StoredBackups(at="2026-11-29T05:00:00Z", rows=(row,))}
    record(PROJECT, BackupRecord, lambda _: BackupRecord(apps=seen))
    facts = made(cluster, driver)
    line = section(facts, "backups")["sonarr"]
    assert line.verdict == "holds"
    assert line.text.startswith("backed up ")
    assert "as a command on this machine last saw it" in line.text
    assert section(facts, "restores")["sonarr"].verdict == "holds"


def test_a_scheduled_run_after_the_last_look_makes_an_old_backup_unknown(tmp_path: Path, place: Prepared) -> None:
    line = PageLine(subject="sonarr", verdict="broken", text="backed up 9 days ago", command="`portable backup sonarr`")
    run = PageLine(subject="the schedule", verdict="holds", text="it ended well", at="2026-11-30T03:15:00Z")
    found = as_recorded(line, "2026-11-22T03:00:00Z", run, now=NOW)
    assert (found.verdict, "`portable backup --list`" in found.text) == ("unknown", True)
    for other in (None, msgspec.structs.replace(run, verdict="broken"), msgspec.structs.replace(run, at="2026-11-21T03:15:00Z")):
        assert as_recorded(line, "2026-11-22T03:00:00Z", other, now=NOW).verdict == "broken"


def test_secrets_are_hidden_commands_get_the_profile_and_control_characters_go(place: Prepared) -> None:
    driver = PageDriver(place)
    driver.changes = (Change(kind="change", service="x", app="sonarr", cause="password hunter2\x1b[31m\n\ud800"),)

    def word(text: str) -> str:
        return driver.hide(text).replace("`portable up ", "`portable up -p nas ")

    line = section(worded(made(place, driver), word), "changes")["sonarr"]
    assert line.text == "change x: password <secret> [31m  "
    assert line.command == "portable up -p nas sonarr"


def test_only_the_time_of_a_backup_is_one() -> None:
    assert moment_of("2026-11-30T031500.123Z") == "2026-11-30T03:15:00Z"
    assert moment_of("2026-11-30") == moment_of("") == ""
