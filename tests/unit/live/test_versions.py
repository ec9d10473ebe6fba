"""Changes of versions without a way back."""

from typing import Any

import msgspec
import pytest

from portable.catalog.catalog import Catalog
from portable.live.tried import refuse_lost, ways_back
from portable.live.versions import ImageChange, keepers, step_of, steps_of
from portable.model import plan as p
from portable.model.errors import REFUSED, Refused
from portable.model.versions import OneWay, version_of
from tests.factories import full_plan

PLAN = full_plan("compose")
KNOWN = (OneWay(version="10.11", source="jellyfin/jellyfin#14443", is_slow=True), OneWay(version="12", source="jellyfin/jellyfin#17840"))


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("lscr.io/linuxserver/radarr:6.0.4.10291-ls288", (6, 0, 4, 10291)),
        ("ghcr.io/seerr-team/seerr:v3.5.0@sha256:ab", (3, 5, 0)),
        ("docker.io/library/postgres:17-alpine", (17,)),
        ("lscr.io/linuxserver/plex:version-1.43.2", (1, 43, 2)),
        ("ghcr.io/x/y:v1.2.3-abcdef1", (1, 2, 3)),
        ("ghcr.io/x/y:20261130", (20261130,)),
        ("ghcr.io/x/y:sha-d264b91", ()),
        ("ghcr.io/x/y:d264b9104742", ()),
        ("localhost/portable/qbittorrent:d264b9104742", ()),
        ("localhost/portable/qbittorrent:326491047421", ()),
        ("registry.test:5000/app", ()),
        ("x:latest", ()),
        ("x@sha256:ab", ()),
        ("x", ()),
    ],
)
def test_a_tag_has_a_version(reference: str, version: tuple[int, ...]) -> None:
    assert version_of(reference) == version


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        ("j/jellyfin:10.10.7", "j/jellyfin:10.11.0", (False, True, "jellyfin/jellyfin#14443")),
        ("j/jellyfin:10.11.0", "j/jellyfin:12.0@sha256:ab", (False, False, "jellyfin/jellyfin#17840")),
        ("j/jellyfin:10.10.7", "j/jellyfin:12.1", (False, True, "jellyfin/jellyfin#14443, jellyfin/jellyfin#17840")),
        ("j/jellyfin:10.11.1", "j/jellyfin:10.11.0", (True, False, "")),
        ("j/jellyfin:10.11.0", "j/jellyfin:10.11.11", None),
        ("j/jellyfin:10.11", "j/jellyfin:10.11.0", None),
        ("j/jellyfin:latest", "j/jellyfin:12.0", None),
        ("j/jellyfin:10.11.0", "localhost/portable/jellyfin:d264b9104742", None),
        ("localhost/portable/jellyfin:d264b9104742", "j/jellyfin:10.11.0", None),
        ("localhost/portable/jellyfin:526491047421", "localhost/portable/jellyfin:326491047421", None),
        ("j/jellyfin:10.11", "other/jellyfin:10.10", (True, False, "")),
        ("j/jellyfin:10.10", "registry.test:5000/other/jellyfin:12.0", (False, True, "jellyfin/jellyfin#14443, jellyfin/jellyfin#17840")),
        ("j/jellyfin:10.10", "j/emby:12.0", None),
    ],
)
def test_a_step_without_a_way_back_is_known(before: str, after: str, seen: tuple[Any, ...] | None) -> None:
    step = step_of("jellyfin", before, after, KNOWN)
    assert (None if step is None else (step.is_downgrade, step.is_slow, step.source)) == seen


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        ("docker.io/library/postgres:16.4", "docker.io/library/postgres:17.0", False),
        ("docker.io/library/postgres:17.0", "docker.io/library/postgres:17.2", None),
        ("docker.io/pgvector/pgvector:0.8.0-pg16", "docker.io/pgvector/pgvector:0.8.0-pg17", False),
        ("docker.io/pgvector/pgvector:pg17", "docker.io/pgvector/pgvector:pg16", True),
        ("docker.io/pgvector/pgvector:0.8.0-pg17", "docker.io/pgvector/pgvector:0.8.1-pg17", None),
        ("docker.io/library/mongo:7.0", "docker.io/library/mongo:8.0", False),
        ("docker.elastic.co/elasticsearch/elasticsearch:8.19.0", "docker.elastic.co/elasticsearch/elasticsearch:9.0.0", False),
    ],
)
def test_a_database_reads_only_its_own_major_version(before: str, after: str, seen: bool | None) -> None:
    step = step_of("riven", before, after)
    assert (None if step is None else step.is_downgrade) == seen


def test_only_apps_with_state_are_asked() -> None:
    app = sorted(keepers(PLAN))[0]
    older = [ImageChange(app=name, before="x/y:2.0", after="x/y:1.0", since=7) for name in (app, "nobody")]
    assert [(step.app, step.since, step.reference) for step in steps_of(PLAN, older, {})] == [(app, 7, "x/y:2.0")]
    newer = [ImageChange(app=app, before="x/y:1.0", after="x/y:2.0")]
    assert list(steps_of(PLAN, newer, {})) == []
    assert [s.source for s in steps_of(PLAN, newer, {app: (OneWay(version="2", source="s"),)})] == ["s"]


def test_all_steps_without_a_way_back_are_refused_at_once() -> None:
    step = step_of("jellyfin", "j/jellyfin:10.10.7", "j/jellyfin:12.1", KNOWN)
    older = step_of("sonarr", "s:2.0", "s:1.0")
    assert step is not None
    assert older is not None
    with pytest.raises(Refused, match=r"may take hours.*sonarr would go from 2\.0 to 1\.0") as refused:
        refuse_lost(ways_back([step, older], None), "media", has_backups=False)
    assert (refused.value.exit_code, refused.value.code) == (REFUSED, "up.downgrade")
    assert "--accept-version jellyfin --accept-version sonarr" in str(refused.value.remedy)
    assert "add `backup` to the apps of the profile" in str(refused.value.remedy)
    with pytest.raises(Refused, match="no app that makes backups runs here") as refused:
        refuse_lost(ways_back([step], None), "media", has_backups=True)
    assert refused.value.code == "up.one-way"
    assert "`portable backup --stop jellyfin`, then `portable backup --check jellyfin`" in str(refused.value.remedy)


def test_shipped_facts_have_versions_and_sources() -> None:
    catalog = Catalog()
    found = {name: catalog.app(name)[0].one_way for name in catalog.names() if catalog.app(name)[0].one_way}
    assert {"jellyfin", "radarr", "sonarr", "seerr"} <= set(found)
    for rows in found.values():
        for row in rows:
            assert version_of(f"x:{row.version}")
            assert "#" in row.source or "://" in row.source


@pytest.mark.parametrize(
    ("before", "after", "source"),
    [
        ("docker.io/library/redis:6.2", "docker.io/library/redis:7.0-alpine", "redis/redis#13007"),
        ("redis:7.0.13", "redis:7.2.1", "apecloud/ape-dts#67"),
        ("redis:7.2.7", "redis:8.2.10-alpine", "redis/redis#14064"),
        ("redis:7.4.0", "redis:8.2.10-alpine", None),
        ("redis:8.2.9", "redis:8.2.10", None),
    ],
)
def test_redis_writes_files_that_an_older_one_cannot_read(before: str, after: str, source: str | None) -> None:
    step = step_of("videos", before, after, KNOWN)
    assert (step.source if step else None) == source


def test_what_is_known_of_an_app_is_not_said_of_programs_beside_it() -> None:
    """A cache at version 12 is no Jellyfin 12."""
    container = PLAN.apps[0].containers[0]
    mounts = (p.Mount(volume="demo", path="/config"),)
    main = msgspec.structs.replace(container, role="main", image=p.Image(repository="j/jellyfin", tag="12.0", digest=None), mounts=mounts)
    beside = msgspec.structs.replace(main, name="cache", role="sidecar", image=p.Image(repository="x/cache", tag="12.0", digest=None))
    volume = p.Volume(id="demo", holds="state", place=p.Folder(path="/srv/state"))
    demo = p.App(name="demo", title="Demo", zone="front", containers=(main, beside))
    plan = msgspec.structs.replace(PLAN, apps=(demo,), volumes=(volume,), library=None)
    changes = [ImageChange(app="demo", before=f"{name}:10.0", after=f"{name}:12.0") for name in ("j/jellyfin", "x/cache")]
    assert [step.reference for step in steps_of(plan, changes, {"demo": KNOWN})] == ["j/jellyfin:10.0"]


SHIPPED = {
    "audiobookshelf": ("2.2.23", "2.3.0"),
    "ipfs": ("v0.29.0", "v0.30.0"),
    "jellyfin": ("10.11.11", "12.0.0"),
    "lidarr": ("1.4.5", "2.0.7"),
    "plex": ("1.32.8", "1.40.0"),
    "radarr": ("5.28.0", "6.0.4"),
    "sabnzbd": ("3.7.2", "4.2.0"),
    "seerr": ("v2.7.3", "v3.0.0"),
    "sonarr": ("3.0.10", "4.0.0"),
    "whisparr": ("v2-2.2.0-release.231", "v3-3.1.0-release.1"),
}
"""For each app with such versions: a step that crosses one."""


def test_each_shipped_fact_stops_a_step() -> None:
    catalog = Catalog()
    assert set(SHIPPED) == {name for name in catalog.names() if catalog.app(name)[0].one_way}
    for name, (before, after) in SHIPPED.items():
        facts = catalog.app(name)[0]
        known = tuple(OneWay(version=fact.version, source=fact.source, is_slow=fact.slow) for fact in facts.one_way)
        repository = facts.containers["main"].image.repository
        step = step_of(name, f"{repository}:{before}", f"{repository}:{after}", known)
        assert step is not None, name
        assert not step.is_downgrade
        assert step_of(name, f"{repository}:{after}", f"{repository}:{after}", known) is None
