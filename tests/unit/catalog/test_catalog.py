"""The catalog: finding apps and clouds, and what is told where their files contradict themselves or one another."""

from pathlib import Path
from typing import Any

import pytest

from portable.catalog.catalog import Catalog
from portable.catalog.quantities import millicores, seconds, size
from portable.formats.emit import dump
from portable.formats.load import load
from portable.model.errors import InputError
from portable.model.source import Mistake


def facts(name: str = "demo", **changes: Any) -> dict[str, Any]:
    """A right `app.yaml` as data."""
    return {
        "portable": 1,
        "name": name,
        "title": name.title(),
        "about": "an app",
        "zone": "front",
        "containers": {"main": container()},
        "ports": {"web": {"number": 8000, "serves": "http"}},
    } | changes


def container(**changes: Any) -> dict[str, Any]:
    """A right container as data."""
    return {
        "image": {"repository": "registry.test/demo", "tag": "1"},
        "identity": "user",
        "resources": {"memory": {"request": "64Mi", "limit": "128Mi"}},
    } | changes


def cloud(name: str = "box", **changes: Any) -> dict[str, Any]:
    """A right `cloud.yaml` as data."""
    return {"portable": 1, "name": name, "title": "Box", "about": "a cloud", "remote": "box:", "known-entry": "all"} | changes


def catalog(folder: Path, *apps: dict[str, Any], clouds: tuple[dict[str, Any], ...] = ()) -> Catalog:
    """The shipped catalog and those apps and clouds, in folders of their names."""
    for app in apps:
        file = folder / "apps" / str(app["name"]) / "app.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dump(app))
    for one in clouds:
        file = folder / "clouds" / str(one["name"]) / "cloud.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dump(one))
    return Catalog([folder])


def mistakes(folder: Path, app: dict[str, Any]) -> tuple[Mistake, ...]:
    """Every mistake of that app."""
    with pytest.raises(InputError) as caught:
        catalog(folder, app).app(app["name"])
    assert all(m.source.file.endswith("app.yaml") and m.source.line >= 1 for m in caught.value.mistakes)
    return caught.value.mistakes


# --- finding


def test_every_shipped_app_and_cloud_is_right() -> None:
    shipped = Catalog()
    for name in shipped.names():
        assert shipped.app(name)[0].name == name
    for name in shipped.cloud_names():
        assert shipped.cloud(name)[0].name == name
    assert {"gluetun", "seal", "rclone", "tools", "sonarr", "plex"} <= set(shipped.names())


def test_an_app_of_ones_own_is_found_in_both_layouts(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "app.yaml").write_text(dump(facts("flat")))
    own = catalog(tmp_path, facts("deep"))
    assert {"flat", "deep"} <= set(own.names())
    assert own.app("flat")[0].title == "Flat"
    assert own.folder("deep") == tmp_path / "apps" / "deep"


def test_an_app_of_ones_own_takes_the_place_of_a_shipped_one(tmp_path: Path) -> None:
    assert catalog(tmp_path, facts("sonarr", title="Mine")).app("sonarr")[0].title == "Mine"


def test_names_resolve_also_by_alias(tmp_path: Path) -> None:
    own = catalog(tmp_path, facts("demo", aliases=["show", "sonarr"]))
    assert [own.resolve(name) for name in ("demo", "show", "sonarr", "nothing")] == ["demo", "demo", "sonarr", None]


def test_a_broken_file_of_another_app_keeps_no_name_from_resolving(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "app.yaml").write_text("a: [")
    own = catalog(tmp_path, facts("demo", aliases=["show"]))
    assert own.resolve("show") == "demo"
    assert own.resolve("nothing") is None
    with pytest.raises(InputError, match=r"broken/app\.yaml:2:1: .* \[yaml\.unclosed\]$"):
        own.app("broken")


# --- what the types can't say


def test_the_folder_names_the_app(tmp_path: Path) -> None:
    folder = tmp_path / "apps" / "here"
    folder.mkdir(parents=True)
    (folder / "app.yaml").write_text(dump(facts("there")))
    with pytest.raises(InputError) as caught:
        Catalog([tmp_path]).app("here")
    (mistake,) = caught.value.mistakes
    assert (mistake.path, mistake.code, mistake.remedy) == ("name", "catalog.name", "write `name: here`")
    assert "'there'" in mistake.text


def test_the_folder_names_the_cloud(tmp_path: Path) -> None:
    folder = tmp_path / "clouds" / "here"
    folder.mkdir(parents=True)
    (folder / "cloud.yaml").write_text(dump(cloud("there", **{"needs-apps": ["nothing"]})))
    with pytest.raises(InputError) as caught:
        Catalog([tmp_path]).cloud("here")
    assert [(m.path, m.code) for m in caught.value.mistakes] == [("name", "catalog.name"), ("needs-apps[0]", "catalog.unknown-app")]


@pytest.mark.parametrize(
    ("changes", "path", "code", "names"),
    [
        ({"containers": {"other": container()}, "ports": {}}, "containers", "catalog.no-main", "`main`"),
        ({"ports": {"web": {"number": 80, "container": "tls"}}}, "ports.web.container", "catalog.unknown-container", "'tls'; known: main"),
        (
            {"ports": {"peer": {"number": 80, "protocol": "tcp+udp"}, "peer-udp": {"number": 81}}},
            "ports.peer-udp",
            "catalog.port-name",
            "'peer'",
        ),
        (
            {"containers": {"main": container(volumes={"config": "/config"})}},
            "containers.main.volumes.config",
            "catalog.unknown-volume",
            "'config'; known: none",
        ),
        (
            {"containers": {"main": container(secrets={"key": "/run/key"})}},
            "containers.main.secrets.key",
            "catalog.unknown-secret",
            "'key'",
        ),
        ({"interface": {"speaks": "sonarr", "secret": "key"}}, "interface.secret", "catalog.unknown-secret", "'key'"),
        (
            {"interface": {"speaks": "sonarr", "secret": "key", "port": "api"}, "secrets": {"key": {"about": "a key"}}},
            "interface",
            "catalog.unknown-port",
            "'api'; known: web",
        ),
        (
            {"containers": {"main": container(environment={"KEY": {"secret": "key"}})}},
            "containers.main.environment.KEY",
            "catalog.unknown-secret",
            "'key'",
        ),
        (
            {
                "containers": {"main": container(environment={"KEY": {"secret": "key", "key": "typo"}})},
                "secrets": {"key": {"about": "a key"}},
            },
            "containers.main.environment.KEY",
            "catalog.unknown-secret-key",
            "'key' has no key 'typo'; known: value",
        ),
        (
            {"containers": {"main": container(**{"only-if-exposed": "tls"})}},
            "containers.main.only-if-exposed",
            "catalog.unknown-port",
            "'tls'; known: web",
        ),
        ({"containers": {"main": container(probe={})}}, "containers.main.probe", "catalog.probe", "http, tcp and exec"),
        (
            {"containers": {"main": container(probe={"tcp": "web", "exec": ["true"]})}},
            "containers.main.probe",
            "catalog.probe",
            "http, tcp and exec",
        ),
        ({"containers": {"main": container(probe={"tcp": "wbe"})}}, "containers.main.probe", "catalog.unknown-port", "'wbe'; known: web"),
        (
            {"containers": {"main": container(probe={"http": {"port": "wbe", "path": "/"}})}},
            "containers.main.probe",
            "catalog.unknown-port",
            "'wbe'; known: web",
        ),
        (
            {"containers": {"main": container(resources={"memory": {"request": "2Gi", "limit": "1Gi"}})}},
            "containers.main.resources.memory",
            "catalog.memory",
            "2Gi, and the limit is 1Gi",
        ),
        (
            {"containers": {"main": container(resources={"memory": {"request": "0", "limit": "1Gi"}})}},
            "containers.main.resources.memory",
            "catalog.memory",
            "0, and the limit is 1Gi",
        ),
        (
            {"containers": {"main": container(volumes={"tv": "/mnt/media/tv"})}, "volumes": {"tv": {"holds": "state"}}},
            "containers.main.volumes.tv",
            "catalog.reserved-path",
            "/mnt/media/tv",
        ),
        (
            {"containers": {"main": container(volumes={"tv": "/mnt/clouds"})}, "volumes": {"tv": {"holds": "cache"}}},
            "containers.main.volumes.tv",
            "catalog.reserved-path",
            "/mnt/clouds",
        ),
        (
            {
                "containers": {"main": container(volumes={"a": "/x", "b": "/x"})},
                "volumes": {"a": {"holds": "state"}, "b": {"holds": "state"}},
            },
            "containers.main.volumes.b",
            "catalog.duplicate-path",
            "/x is already the path of volume a",
        ),
        (
            {"containers": {"main": container(files=[{"template": "a", "path": "/x"}, {"template": "b", "path": "/x"}])}},
            "containers.main.files[1].path",
            "catalog.duplicate-path",
            "/x is already the path of another file",
        ),
        ({"needs-apps": ["nothing"]}, "needs-apps[0]", "catalog.unknown-app", "'nothing'; known: "),
        ({"after": [{"app": "nothing"}]}, "after[0].app", "catalog.unknown-app", "'nothing'; known: "),
        ({"clouds": ["nothing"]}, "clouds[0]", "catalog.unknown-cloud", "'nothing'; known: shelf, torbox, zurg"),
        ({"containers": {"main": container(recipe="nothing")}}, "containers.main.recipe", "catalog.unknown-recipe", "'nothing'"),
    ],
)
def test_a_file_that_contradicts_itself(changes: dict[str, Any], path: str, code: str, names: str, tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, facts(**changes))
    assert (mistake.path, mistake.code) == (path, code)
    assert names in mistake.text


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    own = catalog(tmp_path, facts("demo", containers={"main": container(recipe="mine")}))
    folder = tmp_path / "apps" / "mine" / "image"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(InputError, match=r"'mine'.*\[catalog\.unknown-recipe\]$"):
        own.app("demo")
    found = Catalog([tmp_path])
    assert found.app("demo")[0].containers["main"].recipe == "mine"
    assert found.recipes["mine"] == folder
    assert found.recipes["tools"].is_dir()


def test_an_alias_of_another_app_is_named_for_what_it_is(tmp_path: Path) -> None:
    own = catalog(tmp_path, facts("demo", **{"needs-apps": ["show"]}), facts("other", aliases=["show"]))
    with pytest.raises(InputError) as caught:
        own.app("demo")
    (mistake,) = caught.value.mistakes
    assert mistake.code == "catalog.unknown-app"
    assert "'show'" in mistake.text
    assert mistake.remedy.startswith("write 'other'")


def test_all_contradictions_at_once(tmp_path: Path) -> None:
    wrong = facts(
        containers={"main": container(volumes={"v": "/v"}, secrets={"s": "/s"}, probe={})},
        ports={"web": {"number": 80, "container": "x"}},
        after=[{"app": "nothing"}],
    )
    assert sorted(mistake.path for mistake in mistakes(tmp_path, wrong)) == [
        "after[0].app",
        "containers.main.probe",
        "containers.main.secrets.s",
        "containers.main.volumes.v",
        "ports.web.container",
    ]


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"zoen": "front"}, "zoen", "value.unknown-key"),
        ({"zone": "Front Door"}, "zone", "value.format"),
        ({"containers": {"main": container(identity="root")}}, "containers.main.identity", "value.choice"),
        ({"containers": {"main": container(**{"stop-grace": "0s"})}}, "containers.main.stop-grace", "value.format"),
        ({"containers": {"main": container(probe={"tcp": "web", "period": "0s"})}}, "containers.main.probe.period", "value.format"),
        ({"containers": {"main": container(probe={"exec": []})}}, "containers.main.probe.exec", "value.length"),
        (
            {"containers": {"main": container(files=[{"template": "../../secret", "path": "/x"}])}},
            "containers.main.files[0].template",
            "value.format",
        ),
        ({"volumes": {"config": {"holds": "state", "size": "9" * 400 + "Ti"}}}, "volumes.config.size", "value.format"),
        ({"ports": {"web": {"number": 70000}}}, "ports.web.number", "value.range"),
    ],
)
def test_the_types_refuse(changes: dict[str, Any], path: str, code: str, tmp_path: Path) -> None:
    assert [(mistake.path, mistake.code) for mistake in mistakes(tmp_path, facts(**changes))] == [(path, code)]


# --- changes laid over


def test_a_change_is_told_where_it_stands(tmp_path: Path) -> None:
    profile = load(("mine.yaml", b"override:\n  sonarr:\n    zone: Front Door\n"))
    with pytest.raises(InputError, match=r"^mine\.yaml:3:11: zone: ") as caught:
        Catalog().app("sonarr", [((profile, ("override", "sonarr")), profile.data["override"]["sonarr"])])
    assert len(caught.value.mistakes) == 1


def test_ports_of_an_app_by_name(tmp_path: Path) -> None:
    assert catalog(tmp_path, facts(ports={"b": {"number": 1}, "a": {"number": 2}})).ports("demo") == ("a", "b")


# --- quantities


@pytest.mark.parametrize(("text", "bytes_"), [("0", 0), ("17", 17), ("1Ki", 1024), ("1.5Gi", 3 * 2**29), ("2Ti", 2**41), ("512Mi", 2**29)])
def test_sizes(text: str, bytes_: int) -> None:
    assert size(text) == bytes_


@pytest.mark.parametrize(("text", "number"), [("1s", 1), ("90s", 90), ("5m", 300), ("2h", 7200)])
def test_times(text: str, number: int) -> None:
    assert seconds(text) == number


@pytest.mark.parametrize(("text", "number"), [("500m", 500), ("2", 2000), ("0.25", 250), ("1.5", 1500)])
def test_cores(text: str, number: int) -> None:
    assert millicores(text) == number
