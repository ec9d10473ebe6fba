"""Apps move between two places: what runs where, who may start what, and what stays."""

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from portable.live.last_images import last_images, note_images
from portable.local.lock import locked
from portable.migrate import hooks as points
from portable.migrate import planning
from portable.migrate.move_report import downtimes, keep_report
from portable.migrate.places import WORK
from portable.migrate.stack_journal import LOCK, read_stack_journal
from portable.model import plan as p
from portable.model.errors import PortableError
from portable.secrets.needs import Need
from portable.secrets.sources import FileSource
from tests import factories
from tests.moves.two_places import APPS, PlaceDriver, TwoPlaces

NEED = Need(name="one-key", key="value", optional=False, apps=("one",))


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(PortableError) as error:
        action()
    return error.value.code


def test_a_move_copies_stops_and_starts(places: TwoPlaces) -> None:
    journal = places.begin()
    assert journal.step == "done"
    assert (places.running("old"), places.running("new")) == ((), APPS)
    for app in APPS:
        assert (places.state("new", app) / "app.db").read_text() == f"what {app} knows"
        assert places.ran("old", app) == ["media-old"]
        assert places.ran("new", app) == ["media-old", "media-new"]
    assert not (places.folder / "new" / "cache").exists()
    assert set(downtimes(journal)) == set(APPS)
    assert all(seconds >= 0 for seconds in downtimes(journal).values())


def test_only_named_apps_move(places: TwoPlaces) -> None:
    journal = places.begin("two")
    assert (journal.apps, journal.staying) == (("two",), ("one",))
    assert (places.running("old"), places.running("new")) == (("one",), ("two",))
    assert not places.state("new", "one").exists()


def test_the_source_is_fenced_until_a_rollback(places: TwoPlaces) -> None:
    places.begin("two")
    assert code_of(lambda: places.here().up(apps=("two",))) == "migrate.fenced"
    assert places.here().up(apps=("one",)).rows
    places.roll_back()
    assert places.here().up(apps=("two",)).rows


def test_the_target_is_fenced_until_its_state_is_whole(places: TwoPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []

    def reach(point: str) -> None:
        if point in ("stack precopied", "stack stopped", "stack placed"):
            refused.append(code_of(lambda: places.there().up()))

    monkeypatch.setattr(points, "reach", reach)
    places.begin()
    assert refused == ["migrate.fenced"] * 3
    assert places.there().fences() == ()


def test_a_rollback_keeps_what_the_target_wrote(places: TwoPlaces) -> None:
    places.begin()
    end = places.roll_back()
    assert (places.running("old"), places.running("new")) == (APPS, ())
    assert places.ran("old", "one") == ["media-old", "media-old"]
    assert [(Path(path) / "ran").read_text().split() for path in end.aside] == [["media-old", "media-new"]] * 2
    assert read_stack_journal("media-old", "media-new") is None
    assert (places.here().fences(), places.there().fences()) == ((), ())


def test_a_rollback_before_the_start_removes_the_copy(places: TwoPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    def reach(point: str) -> None:
        if point == "stack placed":
            raise PortableError("stopped by the test", code="migrate.failed")

    with monkeypatch.context() as changed:
        changed.setattr(points, "reach", reach)
        assert code_of(places.begin) == "migrate.failed"
    assert (places.running("old"), places.running("new")) == ((), ())
    end = places.roll_back()
    assert places.running("old") == APPS
    assert end.aside == ()
    assert not (places.folder / "new").exists()


def test_apps_that_did_not_run_are_not_started_by_a_rollback(places: TwoPlaces) -> None:
    places.here().down(apps=("two",))
    places.begin()
    assert places.running("new") == APPS
    places.roll_back()
    assert places.running("old") == ("one",)


def test_only_a_named_volume_is_removed(places: TwoPlaces) -> None:
    places.begin()
    assert code_of(lambda: places.confirm(remove=("three",))) == "migrate.unknown-volume"
    end = places.confirm(remove=("one-config",))
    assert sorted(Path(path).name for path in end.removed) == ["app.db", "ran"]
    assert list(places.state("old", "one").iterdir()) == []
    assert (places.state("old", "two") / "app.db").exists()
    assert not (places.state("new", "one") / WORK).exists()
    assert code_of(lambda: places.here().up()) == "migrate.fenced"
    assert code_of(places.roll_back) == "migrate.not-begun"


def test_a_changed_source_is_not_removed(places: TwoPlaces) -> None:
    places.begin()
    (places.state("old", "one") / "app.db").write_text("somebody was here")
    assert code_of(lambda: places.confirm(remove=("one-config", "two-config"))) == "migrate.source-changed"
    assert code_of(places.roll_back) == "migrate.past-confirm"
    places.confirm()
    assert (places.state("old", "one") / "app.db").read_text() == "somebody was here"
    assert list(places.state("old", "two").iterdir()) == []


def test_a_release_frees_the_source(places: TwoPlaces) -> None:
    places.begin()
    places.confirm(release=True)
    assert places.here().fences() == ()


def test_a_shared_folder_is_only_attached_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    places = TwoPlaces(tmp_path / "places", shared=True)
    journal = places.begin()
    assert {volume.how for volume in journal.volumes if volume.holds == "state"} == {"shared"}
    assert places.ran("new", "one") == ["media-old", "media-new"]
    assert code_of(lambda: places.confirm(release=True)) == "migrate.fenced"
    places.confirm()
    assert code_of(lambda: places.here().up()) == "migrate.fenced"


def test_two_moves_at_once_are_refused(places: TwoPlaces) -> None:
    with locked(LOCK, "migrate"):
        assert code_of(places.begin) == "file.locked"
    places.begin("two")
    assert code_of(lambda: places.begin("one")) == "migrate.unfinished"


def test_an_end_that_was_chosen_only_goes_on(places: TwoPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    places.begin()

    def reach(point: str) -> None:
        if point == "stack rolling-back":
            raise PortableError("stopped by the test", code="migrate.failed")

    with monkeypatch.context() as changed:
        changed.setattr(points, "reach", reach)
        assert code_of(places.roll_back) == "migrate.failed"
    assert code_of(places.resume) == "migrate.past-confirm"
    assert code_of(places.confirm) == "migrate.confirm-first"
    places.roll_back()
    assert code_of(places.resume) == "migrate.not-begun"


def test_secrets_travel_between_stores_and_never_to_a_report(places: TwoPlaces) -> None:
    stores = {place: places.folder / f"{place}.yaml" for place in ("old", "new")}
    stores["old"].write_text("one-key: canary-5f2d9a\n")
    stores["new"].write_text("other: x\n")
    for place, file in stores.items():
        file.chmod(0o600)
        places.source_of_secrets[place] = FileSource(path=str(file))
    places.needs = (NEED,)
    journal = places.begin()
    assert journal.secrets == ("one-key",)
    assert "canary-5f2d9a" in stores["new"].read_text()
    report = keep_report(journal, "done")[1].read_text()
    assert json.loads(report)["secrets"] == ["one-key"]
    assert "canary" not in report + (places.folder.parent / "xdg" / "portable" / LOCK / "media-old--media-new.json").read_text()


def test_different_secrets_are_refused_by_name(places: TwoPlaces) -> None:
    for place in ("old", "new"):
        file = places.folder / f"{place}.yaml"
        file.write_text(f"one-key: value-of-{place}\n")
        file.chmod(0o600)
        places.source_of_secrets[place] = FileSource(path=str(file))
    places.needs = (NEED,)
    with pytest.raises(PortableError, match="one-key") as error:
        places.begin()
    assert error.value.code == "migrate.secrets"
    assert "value-of" not in str(error.value)
    assert places.running("old") == APPS


def test_a_gateway_that_the_start_brings_goes_with_a_rollback(places: TwoPlaces) -> None:
    gate = factories.app("gate", ports=())
    places.target_changes["apps"] = (gate, TwoPlaces.app("one"), TwoPlaces.app("two"))
    groups = (p.Group(name="gate", apps=("gate", "one"), egress=p.Tunnel(gateway="gate")), p.Group(name="two", apps=("two",)))
    places.target_changes["groups"] = groups
    assert places.begin("one").brought == ("gate",)
    places.there().up(apps=("gate",))
    places.roll_back()
    assert places.running("new") == ()
    assert places.running("old") == APPS


def test_the_report_counts_databases_and_their_rows(places: TwoPlaces) -> None:
    with contextlib.closing(sqlite3.connect(places.state("old", "one") / "library.db")) as database:
        database.execute("create table films (name text)")
        database.executemany("insert into films values (?)", [("a",), ("b",), ("c",)])
        database.commit()
    page, data = keep_report(places.begin(), "done")
    volumes = {volume["volume"]: volume["databases"] for volume in json.loads(data.read_text())["volumes"]}
    assert volumes["one-config"] == {"intact": 1, "damaged": 0, "unknown": 0, "rows": 3, "examples": []}
    assert volumes["library"] is None
    assert "SQLite, one-config: 1 intact, 3 rows." in page.read_text()


def test_a_damaged_database_stops_the_start_and_goes_back(places: TwoPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by the proof alone, as for whoever is not root; root knows before the first byte."""
    monkeypatch.setattr(planning, "damaged_now", lambda *_: ())
    (places.state("old", "two") / "bad.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 4080)
    assert code_of(places.begin) == "migrate.database-damaged"
    assert places.running("new") == ()
    places.roll_back()
    assert (places.running("old"), places.running("new")) == (APPS, ())
    report = json.loads(keep_report(places.begin(waive={"damaged-databases": "a test"}), "done")[1].read_text())
    (bad,) = next(volume for volume in report["volumes"] if volume["volume"] == "two-config")["databases"]["examples"]
    assert (bad["path"], bad["verdict"]) == ("bad.db", "damaged")


def test_a_move_that_has_not_begun_is_rolled_back_with_a_report(places: TwoPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(point: str) -> None:
        if point == "stack fencing":
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(points, "reach", stop)
        with pytest.raises(KeyboardInterrupt):
            places.begin()
    assert places.there().fences() == ()
    end = places.roll_back()
    assert json.loads(keep_report(end.journal, "rolled back", end)[1].read_text())["step"] == "rolling-back"
    assert read_stack_journal("media-old", "media-new") is None


def test_the_targets_note_of_images_is_the_sources(places: TwoPlaces) -> None:
    """Both ran other images once; what ran at the target before must not refuse the way back."""
    note_images("media-new", {"one": ("one", "demo:9.0"), "one-database": ("one", "postgres:19"), "three": ("three", "x:1")})
    note_images("media-old", {"one": ("one", "demo:0.5"), "gone": ("two", "helper:2.0")})
    image = dict(places.here().images_in_use())["one"]
    places.begin()
    noted = {service: last.image for service, last in last_images("media-new").items()}
    assert noted == {"one": image, "two": image, "gone": "helper:2.0", "three": "x:1"}


def test_the_moves_own_check_of_versions_counts(places: TwoPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = []

    def noted(call: Callable[..., object]) -> Callable[..., object]:
        def called(driver: PlaceDriver, **more: object) -> object:
            if driver.stack.project == "media-new":
                accepted.append((call.__name__, driver.stack.accepted_versions))
            return call(driver, **more)

        return called

    monkeypatch.setattr(PlaceDriver, "rehearse", noted(PlaceDriver.rehearse))
    monkeypatch.setattr(PlaceDriver, "up", noted(PlaceDriver.up))
    places.begin(waive={"version.one": "tried before"})
    assert accepted == [("rehearse", APPS), ("up", ("one",))]
