"""Step 3: where bytes lie; one library, one mount; nothing on top of anything else."""

from typing import Any

import pytest

from portable.formats.merge import merged
from portable.model import plan as p
from tests.unit.planning import CLUSTER, COMPOSE, Place, app

GI = 2**30


def keeping(name: str, **volumes: str) -> dict[str, Any]:
    """An app that keeps those volumes, by what they hold."""
    return app(
        name,
        volumes={volume: {"holds": holds, "size": "2Gi"} for volume, holds in volumes.items()},
        containers={"main": {"volumes": {volume: f"/{volume}" for volume in volumes}, "library": "rw"}},
    )


def volumes(place: Place, *apps: str, **changes: Any) -> dict[str, p.Volume]:
    return {v.id: v for v in place.plan(*apps, **changes).plan.volumes}


def storage(**changes: Any) -> dict[str, Any]:
    return {"storage": changes}


# --- places


def test_every_volume_has_a_place(place: Place) -> None:
    place.write(keeping("one", config="state", db="database", tmp="cache"))
    assert volumes(place, "one") == {
        "library": p.Volume(id="library", holds="library", place=p.Folder(path="/srv/library")),
        "one-config": p.Volume(id="one-config", holds="state", place=p.Folder(path="/srv/state"), folder="one"),
        "one-db": p.Volume(id="one-db", holds="database", place=p.Folder(path="/srv/state"), folder="one-db"),
        "one-tmp": p.Volume(id="one-tmp", holds="cache", place=p.Ephemeral(size=2 * GI)),
    }


def test_one_volume_of_one_app_can_lie_elsewhere(place: Place) -> None:
    place.write(keeping("one", config="state"), keeping("two", config="state"))
    found = volumes(place, "one", "two", storage={"apps": {"two": {"config": {"folder": "/fast", "below": "db"}}}})
    assert found["one-config"].place == p.Folder(path="/srv/state")
    assert (found["two-config"].place, found["two-config"].folder) == (p.Folder(path="/fast"), "db/two")


def test_claims_are_named_by_their_volumes_and_sized_by_their_apps(place: Place) -> None:
    place.write(keeping("one", config="state"))
    found = volumes(place, "one", base=CLUSTER, storage={"state": {"claim": {"storage-class": "fast"}}})
    assert (found["one-config"].place, found["one-config"].folder) == (p.Claim(name="one-config", size=2 * GI, storage_class="fast"), "")


def test_one_claim_can_hold_the_state_of_all(place: Place) -> None:
    place.write(keeping("one", config="state"), keeping("two", config="state"))
    found = volumes(place, "one", "two", base=CLUSTER, storage={"state": {"claim": {"name": "state", "size": "10Gi"}, "below": "all"}})
    assert [found[f"{a}-config"].folder for a in ("one", "two")] == ["all/one", "all/two"]
    assert found["one-config"].place == found["two-config"].place == p.Claim(name="state", size=10 * GI)


def test_a_share_makes_a_claim_static(place: Place) -> None:
    share = {"protocol": "nfs", "server": "nas", "export": "/tank", "options": ["hard"], "login": "nas-login"}
    found = volumes(place, base=CLUSTER, storage={"library": {"claim": {"share": share}}})
    claim = found["library"].place
    assert isinstance(claim, p.Claim)
    assert claim.share == p.Share(protocol="nfs", server="nas", export="/tank", options=("hard",), login="nas-login")


def test_cloud_caches_are_bounded_with_room(place: Place) -> None:
    """Its cache is limited every few seconds only: a volume as large as the cache would be full before that."""
    found = volumes(place, clouds=["torbox"])
    assert found["cloud-torbox-cache"] == p.Volume(id="cloud-torbox-cache", holds="cache", place=p.Ephemeral(size=7 * GI))


@pytest.mark.parametrize(
    ("base", "changes", "path", "code", "words"),
    [
        (COMPOSE, {"state": {"claim": {}}}, "storage.state", "volume.place", ""),
        (COMPOSE, {"state": {"folder": None}}, "storage.state", "volume.place", ""),
        (COMPOSE, {"library": {"folder": None, "on": "library"}}, "storage.library", "volume.place", ""),
        (COMPOSE, {"state": {"folder": None, "claim": {}}}, "storage.state", "volume.claim-unsupported", ""),
        (CLUSTER, {"state": {"folder": "/srv", "claim": None}}, "storage.state", "volume.host-folder", ""),
        (COMPOSE, {"library": {"folder": "/"}}, "storage.library.folder", "volume.system-folder", "/ "),
        (COMPOSE, {"state": {"folder": "/etc/media"}}, "storage.state.folder", "volume.system-folder", "/etc/media "),
        (COMPOSE, {"library": {"folder": None, "scratch": {}}}, "storage.library", "volume.not-persistent", "the library "),
        (COMPOSE, {"state": {"folder": None, "scratch": {}}}, "storage.state", "volume.not-persistent", "one-config "),
        (COMPOSE, {"apps": {"one": {"config": {"scratch": {}}}}}, "storage.apps.one.config", "volume.not-persistent", "one-config "),
        (CLUSTER, {"library": {"claim": {"size": None}}}, "storage.library", "volume.claim-size", ""),
        (COMPOSE, {"apps": {"one": {"cofnig": {"folder": "/x"}}}}, "storage.apps.one", "volume.unknown", "'cofnig'; known: config"),
    ],
)
def test_places_that_can_not_be(place: Place, base: dict[str, Any], changes: dict[str, Any], path: str, code: str, words: str) -> None:
    place.write(keeping("one", config="state"))
    place.refuses("one", base=base, storage=changes, wanted=[(path, code, words)])


def test_every_kind_of_mistake_is_told_at_once(place: Place) -> None:
    place.write(keeping("one", config="state", tmp="cache"))
    changes = {
        "library": {"folder": None, "scratch": {}},
        "state": {"folder": None, "scratch": {}},
        "cache": {"scratch": {}, "on": "library"},
    }
    assert {path for path, _ in place.told("one", storage=changes)} == {"storage.library", "storage.state", "storage.cache"}


# --- promise 3: one library


def test_the_library_is_one_mount_in_every_container(place: Place) -> None:
    place.write(keeping("one", config="state"), keeping("two"))
    for container in (c for a in place.plan("one", "two").plan.apps for c in a.containers):
        assert [m for m in container.mounts if m.volume == "library"] == [p.Mount(volume="library", path="/mnt/media", access="rw")]


def test_no_app_can_move_the_library(place: Place) -> None:
    place.write(keeping("one", config="state"))
    wanted = [("storage.apps.one", "volume.unknown", "'library'; known: config")]
    place.refuses("one", storage={"apps": {"one": {"library": {"folder": "/elsewhere"}}}}, wanted=wanted)


@pytest.mark.parametrize("path", ["/mnt/media", "/mnt/media/tv", "/mnt/clouds/box"])
def test_no_app_can_mount_its_own_into_the_library(place: Place, path: str) -> None:
    override = {"one": {"containers": {"main": {"volumes": {"config": path}}}}}
    place.write(keeping("one", config="state"))
    (mistake,) = place.caught("one", override=override)
    assert mistake.path == "containers.main.volumes.config"
    assert path in mistake.text
    assert mistake.code == "catalog.reserved-path"


def test_the_tree_has_what_apps_expect_parents_first(place: Place) -> None:
    place.write(app("one", library={"folders": ["media/tv/new", "stream"]}))
    library = place.plan("one", clouds=["torbox"]).plan.library
    assert library is not None
    assert library.folders == ("downloads", "media", "media/tv", "media/tv/new", "stream")
    assert library.links == (p.Link(path="torbox", target="/mnt/clouds/torbox"),)


# --- state beside the library is hidden in it


@pytest.mark.parametrize(
    ("base", "changes", "hides"),
    [
        (COMPOSE, {}, ()),
        (COMPOSE, {"state": {"folder": None, "on": "library", "below": "appdata"}}, ("appdata",)),
        (COMPOSE, {"state": {"folder": None, "on": "library", "below": "a/b"}}, ("a",)),
        (COMPOSE, {"state": {"folder": None, "on": "library"}}, ("one", "two")),
        (COMPOSE, {"state": {"folder": "/srv/library/appdata"}}, ("appdata",)),
        (COMPOSE, {"state": {"folder": "/srv/library/x/../appdata"}}, ("appdata",)),
        (COMPOSE, {"library": {"folder": "/srv"}}, ("state",)),
        (COMPOSE, {"library": {"folder": "/srv", "below": "library"}}, ()),
        (COMPOSE, {"library": {"below": "tree"}, "state": {"folder": None, "on": "library", "below": "appdata"}}, ()),
        (COMPOSE, {"library": {"below": "tree"}, "state": {"folder": None, "on": "library", "below": "tree/config"}}, ("config",)),
        (COMPOSE, {"state": {"folder": "/srv/library-2"}}, ()),
        (COMPOSE, {"state": {"folder": "/srv/library", "below": "..x"}}, ("..x",)),
        (CLUSTER, {"state": {"claim": None, "on": "library", "below": "config"}}, ("config",)),
        (CLUSTER, {"library": {"below": "tree"}, "state": {"claim": None, "on": "library", "below": "config"}}, ()),
        (CLUSTER, {}, ()),
    ],
)
def test_what_the_library_hides(place: Place, base: dict[str, Any], changes: dict[str, Any], hides: tuple[str, ...]) -> None:
    place.write(keeping("one", config="state"), keeping("two", config="state"))
    assert volumes(place, "one", "two", base=base, storage=changes)["library"].hides == hides


@pytest.mark.parametrize(
    ("base", "facts", "path"),
    [
        (CLUSTER, {"state": {"below": "config"}}, "storage.state.below"),
        (CLUSTER, {"apps": {"one": {"config": {"claim": {"size": "1Gi"}, "below": "db"}}}}, "storage.apps.one.config.below"),
        (COMPOSE, {"cache": {"scratch": {}, "below": "cache"}}, "storage.cache.below"),
    ],
)
def test_a_folder_in_what_one_volume_has_alone_would_be_passed_over(
    place: Place, base: dict[str, Any], facts: dict[str, Any], path: str
) -> None:
    place.write(keeping("one", config="state", tmp="cache"))
    assert place.told("one", base=base, storage=facts) == [(path, "volume.below")]


def test_the_library_may_lie_in_a_folder_of_its_own_claim(place: Place) -> None:
    place.write(keeping("one", config="state"))
    nameless = merged(CLUSTER, storage(library={"claim": {"name": None}, "below": "tree"}))
    assert place.plan("one", base=nameless).plan.volumes[0].folder == "tree"


@pytest.mark.parametrize("below", ["media", "downloads", "media/config", "books", "torbox"])
def test_state_can_not_lie_in_a_folder_that_the_library_shows(place: Place, below: str) -> None:
    place.write(keeping("one", config="state"), app("two", library={"folders": ["books/new"]}))
    name = below.split("/")[0]
    state = {"folder": None, "on": "library", "below": below}
    wanted = [("storage.state", "volume.library-folder", f"{name!r}")]
    place.refuses("one", "two", clouds=["torbox"], storage={"state": state}, wanted=wanted)


# --- nothing lies on top of anything else


@pytest.mark.parametrize(
    ("base", "changes", "code", "words"),
    [
        (COMPOSE, {"library": {"folder": "/srv/state/one"}}, "volume.overlap", ("one-config and library", "folder: /srv/state/one")),
        (COMPOSE, {"library": {"folder": "/srv/state/one/media"}}, "volume.overlap", ("library", "one-config: /srv/state/one/media")),
        (
            COMPOSE,
            {"apps": {"two": {"config": {"folder": "/srv/state/one"}}}},
            "volume.overlap",
            ("two-config", "inside one-config: /srv/state/one/two"),
        ),
        (
            CLUSTER,
            {"state": {"claim": {"name": "library", "size": "2Ti"}}},
            "volume.claim-conflict",
            ("library and one-config", "claim 'library'"),
        ),
        (
            CLUSTER,
            {"apps": {"two": {"config": {"claim": {"name": "one-config", "size": "9Gi"}}}}},
            "volume.claim-conflict",
            ("one-config and two-config", "claim 'one-config'"),
        ),
    ],
)
def test_two_volumes_can_not_lie_on_one_another(
    place: Place, base: dict[str, Any], changes: dict[str, Any], code: str, words: tuple[str, ...]
) -> None:
    place.write(keeping("one", config="state"), keeping("two", config="state"))
    texts = [m.text for m in place.caught("one", "two", base=base, storage=changes) if (m.path, m.code) == ("storage", code)]
    assert any(all(word in text for word in words) for text in texts), texts


def test_two_apps_whose_folders_would_be_called_alike(place: Place) -> None:
    place.write(keeping("one", config="state", data="state"), keeping("one-data", config="state"))
    wanted = [("storage", "volume.overlap", "one-data-config and one-data ", "folder: /srv/state/one-data")]
    place.refuses("one", "one-data", wanted=wanted)


def test_what_an_app_alone_keeps_lies_in_a_folder_of_its_name(place: Place) -> None:
    place.write(
        keeping("one", data="state"), keeping("two", first="state", second="database"), keeping("three", db="database", tmp="cache")
    )
    found = {v.id: v.folder for v in place.plan("one", "two", "three").plan.volumes}
    assert (found["one-data"], found["three-db"]) == ("one", "three")
    assert (found["two-first"], found["two-second"]) == ("two-first", "two-second")


def test_two_volumes_that_would_be_called_alike(place: Place) -> None:
    place.write(keeping("one", **{"two-config": "state"}), keeping("one-two", config="state"))
    (mistake,) = [m for m in place.caught("one", "one-two") if m.code == "volume.name"]
    assert mistake.path == "volumes.config"
    assert "one-two-config" in mistake.text


# --- databases


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ({"shared": True}, "on a shared file system"),
        ({"shared": True, "share": {"protocol": "smb", "server": "nas", "export": "x"}}, "on SMB"),
        ({"share": {"protocol": "nfs", "server": "nas", "export": "x"}}, "on NFS"),
        ({}, None),
    ],
)
def test_databases_on_network_storage_are_findings(place: Place, claim: dict[str, Any], words: str | None) -> None:
    place.write(keeping("one", config="state", db="database", tmp="cache"))
    planned = place.plan("one", base=CLUSTER, storage={"state": {"claim": claim}})
    found = [(f.code, f.path, f.class_, f.app) for f in planned.findings if f.field == "storage.state"]
    assert found == ([("volume.database-share", "volumes.one-db.place", "data", "one")] if words else [])
    if words:
        finding = planned.findings[0]
        assert words in finding.text
        assert finding.where is not None
        assert finding.where.file == "test.yaml"
        assert "storage.apps.one.db" in finding.remedy


def test_a_database_can_be_given_a_claim_of_its_own(place: Place) -> None:
    place.write(keeping("one", db="database"))
    shared = merged(CLUSTER, storage(state={"claim": None, "on": "library", "below": "config"}))
    assert [f.field for f in place.plan("one", base=shared).findings] == ["storage.state"]
    assert place.plan("one", base=shared, storage={"apps": {"one": {"db": {"claim": {"storage-class": "block"}}}}}).findings == ()


@pytest.mark.parametrize(
    ("protocol", "options", "owner"),
    [
        ("smb", ["uid=1001", "gid=1000", "nobrl"], None),
        ("smb", ["uid=1001,gid=1000"], None),
        ("smb", ["noperm,nobrl"], None),
        ("smb", ["uid=1000", "gid=1000"], "1000:1000"),
        ("smb", ["gid=1000"], "root:1000"),
        ("smb", [], "root:root"),
        ("smb", ["noperm"], None),
        ("nfs", [], None),
    ],
)
def test_an_smb_mount_of_another_user_is_told(place: Place, protocol: str, options: list[str], owner: str | None) -> None:
    place.write(keeping("one", config="state"))
    share = {"protocol": protocol, "server": "nas", "export": "x", "options": options}
    base = merged(CLUSTER, storage(library={"claim": {"share": share}}, state={"claim": None, "on": "library", "below": "config"}))
    findings = place.plan("one", base=base, stack="portable: 1\nuid: 1001\n").findings
    findings = tuple(f for f in findings if f.field == "storage.share")
    assert [(f.code, f.path) for f in findings] == ([("volume.share-owner", "volumes.library.place.share.options")] if owner else [])
    assert all(word in f.text for f in findings for word in ("library", f" {owner},", " 1001:1000:"))


def test_a_share_cant_hold_what_checks_its_owner(place: Place) -> None:
    facts = keeping("one", db="database")
    facts["volumes"]["db"]["owner-checked"] = True
    shared = merged(CLUSTER, storage(state={"claim": None, "on": "library", "below": "config"}))
    found = [(f.code, f.field, f.class_, f.verdict, f.app) for f in place.write(facts).plan("one", base=shared).findings]
    assert found == [("volume.owner-checked", "storage.owner", "data", "refused", "one")]
    assert place.plan("one", base=merged(shared, storage(apps={"one": {"db": {"claim": {}}}}))).findings == ()


# --- one file system


@pytest.mark.parametrize(
    ("datasets", "folders", "parts"),
    [
        ([], ["archive", "media/tv"], None),
        (["archive"], ["media/tv"], None),
        (["archive"], ["archive"], ["archive in archive", "downloads in the library itself"]),
        (["media", "media/tv"], ["media/tv/old", "media/movies"], ["media/movies in media", "media/tv/old in media/tv"]),
        (["downloads", "archives"], ["archive"], ["archive in the library itself", "downloads in downloads"]),
    ],
)
def test_a_library_of_several_file_systems_is_told_of_who_writes_to_them(
    place: Place, datasets: list[str], folders: list[str], parts: list[str] | None
) -> None:
    writer, reader = keeping("writer", config="state"), keeping("reader", config="state")
    writer["library"] = reader["library"] = {"folders": folders}
    reader["containers"]["main"]["library"] = "ro"
    place.write(writer, reader)
    found = [f for f in place.plan("writer", "reader", storage={"datasets": datasets}).findings if f.field == "storage.datasets"]
    assert [(f.code, f.app, f.class_) for f in found] == ([("volume.library-split", "writer", "data")] if parts else [])
    assert all(part in found[0].text for part in parts or ())


# --- room


@pytest.mark.parametrize(("asked", "told"), [("3Gi", True), ("4Gi", False), ("1Ti", False)])
def test_a_claim_has_room_for_what_lies_in_it(place: Place, asked: str, told: bool) -> None:
    place.write(keeping("one", config="state"), keeping("two", config="state"))
    claim = {"claim": {"name": "state", "size": asked}}
    found = [f for f in place.plan("one", "two", base=CLUSTER, storage={"state": claim}).findings if f.field == "storage.size"]
    assert [f.code for f in found] == (["volume.claim-small"] if told else [])
    assert all(word in f.text for f in found for word in ("claim state", "3Gi", "4Gi"))
    claim["claim"]["existing"] = True  # type: ignore[assignment]
    assert not [f for f in place.plan("one", "two", base=CLUSTER, storage={"state": claim}).findings if f.field == "storage.size"]
