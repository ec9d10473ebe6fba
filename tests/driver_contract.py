"""The contract of every driver, as one suite: a class of tests is made of it for each driver, with its own `driver` fixture.

The stack is a gateway with two apps in its network (`one`, `two`), an app by itself (`lone`), and `init`, which ends. `two` has the secret
`token`, whose value is TOKEN.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from portable.live.driver import StackDriver, StackReader
from portable.local.lock import locked
from portable.model.changes import NETWORK
from portable.model.errors import PortableError, UsageError
from portable.model.progress import Event

TOKEN = "canary-7d21f0c4"
APPS = ("gateway", "init", "lone", "one", "two")
_SECONDS = 90.0


def writing_methods() -> set[str]:
    """The methods of a driver that a reader must not have."""
    return {name for name, _ in inspect.getmembers(StackDriver, callable)} - {name for name, _ in inspect.getmembers(StackReader, callable)}


class DriverContract:
    """Tests that every driver passes."""

    shares_pods: bool = False
    """Whether apps that share a network are one unit of the engine, a pod: they start, restart and end together."""

    @pytest.fixture
    def driver(self) -> Iterator[StackDriver]:
        """The driver, for a stack of which nothing is there yet; what a test leaves is taken away afterwards."""
        raise NotImplementedError

    @pytest.fixture
    def reader(self, driver: StackDriver) -> StackReader:
        """The reader of the same stack."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _own_state(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def test_a_reader_has_no_method_that_writes(self, reader: StackReader) -> None:
        assert writing_methods() >= {"up", "down", "restart", "execute", "exec_stream", "heal", "bring", "run_as_host"}
        assert [name for name in sorted(writing_methods()) if hasattr(reader, name)] == []

    def test_it_says_what_it_speaks_to(self, driver: StackDriver) -> None:
        assert driver.check()
        assert driver.where
        assert driver.apps() == APPS

    def test_diff_foretells_what_up_does_and_up_does_it_once(self, driver: StackDriver, reader: StackReader) -> None:
        foretold = reader.diff()
        assert {(change.kind, change.service) for change in foretold if change.app} == {("create", app) for app in APPS}
        assert all(change.cause for change in foretold)
        done = driver.up(deadline=_SECONDS).changes
        assert {(change.kind, change.service) for change in done} == {(change.kind, change.service) for change in foretold}
        assert reader.diff() == driver.up(deadline=_SECONDS).changes == ()

    def test_up_tells_what_it_does(self, driver: StackDriver) -> None:
        events: list[Event] = []
        driver.up(deadline=_SECONDS, progress=events.append)
        assert {name for event in events if event.what == "doing" for name in event.subject.split(", ")} >= set(APPS)

    def test_status_has_a_row_for_each_service_before_and_after(self, driver: StackDriver, reader: StackReader) -> None:
        assert {row.service: row.state for row in reader.status()} == dict.fromkeys(APPS, "missing")
        assert all(row.reason for row in reader.status())
        driver.up(deadline=_SECONDS)
        rows = {row.service: row for row in reader.status()}
        assert {name: row.state for name, row in rows.items()} == {app: "finished" if app == "init" else "running" for app in APPS}
        assert rows["gateway"].health == "healthy"
        assert {row.reason for row in rows.values()} == {""}

    def test_up_of_one_app_brings_what_it_needs_and_nothing_else(self, driver: StackDriver) -> None:
        driver.up(apps=("one",), deadline=_SECONDS)
        assert {app: driver.state_of(app) for app in ("gateway", "one", "two", "lone")} == {
            "gateway": "running",
            "one": "running",
            "two": "running" if self.shares_pods else "missing",
            "lone": "missing",
        }

    def test_apps_of_one_network_go_down_together(self, driver: StackDriver) -> None:
        driver.up(deadline=_SECONDS)
        assert driver.running_with("gateway") == {"gateway", "one", "two"}
        assert driver.running_with("one") == ({"gateway", "one", "two"} if self.shares_pods else {"one"})
        removed = {change.service for change in driver.down(apps=("gateway",)) if change.app}
        assert removed == {"gateway", "one", "two"}
        assert driver.state_of("lone") == "running"
        assert driver.running_with("gateway") == set()

    def test_down_removes_all_and_is_done_then(self, driver: StackDriver) -> None:
        driver.up(deadline=_SECONDS)
        removed = driver.down()
        assert {change.service for change in removed if change.app and not change.service.startswith(NETWORK)} == set(APPS)
        assert {row.state for row in driver.status()} == {"missing"}
        assert driver.down() == ()

    def test_restart_touches_those_that_share_a_network(self, driver: StackDriver) -> None:
        driver.up(deadline=_SECONDS)
        outcome = driver.restart(apps=("gateway",), deadline=_SECONDS)
        assert {(change.kind, change.service) for change in outcome.changes} == {("restart", name) for name in ("gateway", "one", "two")}
        assert {row.reason for row in outcome.rows} == {""}
        driver.down(apps=("lone",))
        with pytest.raises(PortableError, match=r"\blone\b.*\[up\.not-created\]"):
            driver.restart(apps=("lone",))

    def test_logs_are_in_order_and_hide_secrets(self, driver: StackDriver, reader: StackReader) -> None:
        assert not reader.has_logs()
        driver.up(deadline=_SECONDS)
        assert reader.has_logs(("init",))
        assert [line.text for line in reader.logs(apps=("init",))] == ["prepared"]
        assert TOKEN not in driver.hide(f"the token is {TOKEN}")
        everything = list(reader.logs())
        assert [line.moment for line in everything] == sorted(line.moment for line in everything)

    def test_a_command_inside_gives_its_lines_and_its_exit_code(self, driver: StackDriver) -> None:
        with pytest.raises(PortableError, match=r"\[up\.not-running\]"):
            driver.exec_stream("lone", ["true"], lambda _: None)
        driver.up(deadline=_SECONDS)
        lines: list[str] = []
        assert driver.exec_stream("lone", ["sh", "-c", "echo one; echo two; exit 3"], lines.append) == 3
        assert lines == ["one", "two"]

    def test_an_app_that_does_not_exist_is_refused_by_every_verb(self, driver: StackDriver) -> None:
        for verb in (driver.up, driver.down, driver.restart, driver.diff, driver.has_logs):
            with pytest.raises(UsageError) as refused:
                verb(apps=("stranger",))
            assert refused.value.code == "up.unknown-app"
            assert "stranger" in refused.value.text
            assert all(app in (refused.value.remedy or "") for app in APPS)

    def test_the_lock_keeps_others_out_and_lets_its_holder_in(self, driver: StackDriver) -> None:
        with locked(driver.stack.project, "a test") as held:
            driver.up(deadline=_SECONDS, held=held)
            assert driver.state_of("lone") == "running"
            driver.down(held=held)
        assert driver.state_of("lone") == "missing"

    def test_healthy_apps_need_no_healing_and_an_app_that_crashed_does(self, driver: StackDriver) -> None:
        driver.up(deadline=_SECONDS)
        assert driver.examine().changes == ()
        self.crash(driver, "one")
        others = [("restart", "gateway"), ("restart", "two")] if self.shares_pods else []
        assert [(change.kind, change.service) for change in driver.examine().changes] == [("start", "one"), *others]
        driver.heal(deadline=_SECONDS)
        assert driver.state_of("one") == "running"
        assert driver.examine().changes == ()

    def crash(self, driver: StackDriver, app: str) -> None:
        """Let an app end by itself with an error."""
        raise NotImplementedError

    def test_a_driver_for_other_files_keeps_the_connection(self, driver: StackDriver) -> None:
        again = driver.rebound(driver.stack, driver.source)
        assert again is not driver
        again.up(deadline=_SECONDS)
        assert driver.state_of("lone") == "running"

    def test_images_in_use_are_those_of_the_apps(self, driver: StackDriver) -> None:
        assert driver.images_in_use() == set()
        driver.up(deadline=_SECONDS)
        assert {app for app, _ in driver.images_in_use()} == set(APPS)
        assert set(driver.service_images().values()) == driver.images_in_use()
        assert {image for _, image in driver.images_in_use()} == {row.reference for row in driver.image_table()}
