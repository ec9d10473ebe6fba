"""Finding and reading stacks and profiles: upwards, `extends`, `--set`, and what is told where they are wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portable.model.errors import InputError, UsageError
from portable.profiles.load import (
    SHIPPED,
    catalog_folders,
    find_stack,
    find_stack_of,
    load_profile,
    load_stack,
    profile_file,
    profile_files,
    profile_folders,
    unknown_default,
)
from portable.profiles.types import LanFacts, Profile, StackFile
from tests.shipped import PROFILES

BASE = """\
portable: 1
name: base
back-end: compose
apps: [sonarr, plex]
storage:
  library: {folder: /srv/library}
  state: {folder: /srv/state}
exposure: {default: lan, address: nas}
"""
Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(**profiles: str) -> None:
        for name, text in profiles.items():
            (tmp_path / f"{name.replace('_', '-')}.yaml").write_text(text)

    return write


def profile(folder: Path, name: str, *sets: str) -> Profile:
    return load_profile(name, profile_files((folder, SHIPPED)), sets)[0]


def told(folder: Path, name: str, *sets: str) -> list[str]:
    """Every mistake, without the folder's name."""
    with pytest.raises(InputError) as caught:
        load_profile(name, profile_files((folder, SHIPPED)), sets)
    return [str(m).replace(f"{folder}/", "") for m in caught.value.mistakes]


# --- finding


def test_the_stack_is_looked_for_upwards(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_stack(below) is None
    (tmp_path / "portable.yaml").touch()
    assert find_stack(below) == tmp_path / "portable.yaml"
    (tmp_path / "a" / "portable.yaml").touch()
    assert find_stack(below) == tmp_path / "a" / "portable.yaml"


@pytest.mark.parametrize("kind", ["portable.yml", "Portable.yaml", "PORTABLE.YML", "portable.yaml.txt", "folder", "link"])
def test_what_is_nearly_the_stack_is_refused(tmp_path: Path, kind: str) -> None:
    match kind:
        case "folder":
            (tmp_path / "portable.yaml").mkdir()
        case "link":
            (tmp_path / "portable.yaml").symlink_to("nowhere.yaml")
        case name:
            (tmp_path / name).touch()
    below = tmp_path / "below"
    below.mkdir()
    for folder in (tmp_path, below):
        with pytest.raises(UsageError) as caught:
            find_stack(folder)
        assert (caught.value.code, bool(caught.value.remedy)) == ("stack.file-name", True)
    (below / "portable.yaml").touch()
    assert find_stack(below) == below / "portable.yaml"


@pytest.mark.parametrize("near", ["portable.yml", "Portable.yaml", "portable.yaml.txt"])
def test_a_second_file_that_is_nearly_the_stack_is_refused(tmp_path: Path, near: str) -> None:
    (tmp_path / "portable.yaml").write_text("portable: 1\n")
    (tmp_path / near).write_text("portable: 1\nname: other\n")
    with pytest.raises(UsageError) as caught:
        find_stack(tmp_path)
    assert (caught.value.code, str(tmp_path / near) in caught.value.text) == ("stack.file-name", True)
    assert "keep one of them" in str(caught.value.remedy)


def _lay(file: Path, kind: str) -> Path:
    """Write something that is nearly a profile, and return it."""
    file.parent.mkdir(exist_ok=True)
    match kind:
        case "folder":
            file.mkdir()
        case "link":
            file.symlink_to("nowhere.yaml")
        case ending:
            file = file.with_name(ending.format(file.stem, file.stem.capitalize()))
            file.write_text(f"portable: 1\nname: {file.stem}\nextends: local\n")
    return file


@pytest.mark.parametrize("kind", ["folder", "link", "{0}.yml", "{0}.YML", "{1}.yaml", "{0}.yaml.txt"])
@pytest.mark.parametrize("name", ["zimaboard", "home"])
@pytest.mark.parametrize("below", ["profiles", "."])
def test_what_is_nearly_a_profile_is_refused(tmp_path: Path, kind: str, name: str, below: str) -> None:
    near = _lay(tmp_path / below / f"{name}.yaml", kind)
    files = profile_files((tmp_path / "profiles", tmp_path, SHIPPED))
    with pytest.raises(UsageError) as caught:
        load_profile(name, files)
    assert (caught.value.code, str(near) in caught.value.text) == ("profile.file-name", True)
    assert caught.value.remedy
    assert profile_file(name, files) is None
    with pytest.raises(UsageError) as caught:
        load_profile(str(tmp_path / below / f"{name}.yaml"), files)
    assert caught.value.code == "profile.file-name"
    assert load_profile("local", files)[0].name == "local"


def test_two_files_for_one_profile_are_refused(tmp_path: Path) -> None:
    for kind in ("{0}.yaml", "{0}.yml"):
        _lay(tmp_path / "profiles" / "home.yaml", kind)
    with pytest.raises(UsageError) as caught:
        load_profile("home", profile_files((tmp_path / "profiles", SHIPPED)))
    assert "keep one of them" in str(caught.value.remedy)


def test_what_is_nearly_a_profile_cannot_be_extended_or_be_the_default(tmp_path: Path, write: Write) -> None:
    _lay(tmp_path / "profiles" / "base.yaml", "{0}.yml")
    write(mine="portable: 1\nname: mine\nextends: base\n")
    files = profile_files((tmp_path / "profiles", tmp_path, SHIPPED))
    with pytest.raises(InputError) as caught:
        load_profile("mine", files)
    assert [(m.code, m.path, m.source.line) for m in caught.value.mistakes] == [("profile.file-name", "extends", 3)]
    (tmp_path / "portable.yaml").write_text("portable: 1\nprofile: base\n")
    assert [m.code for m in unknown_default(load_stack(tmp_path / "portable.yaml")[1], files)] == ["profile.file-name"]


def test_other_files_beside_the_stack_are_no_profiles(tmp_path: Path) -> None:
    for name in ("zimaboard.yml", "zimaboard.yaml.txt", "docker-compose.yaml", "zimaboard.images.yml"):
        (tmp_path / name).write_text("services: {}\n")
    (tmp_path / "zimaboard.images.yml").write_text("portable: 1\n")
    assert profile_files((tmp_path,)) == {}
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / ".#home.yaml").symlink_to("me@host.1:2")  # the lock of an editor
    assert profile_files((tmp_path / "profiles",)) == {}
    assert load_profile("zimaboard", profile_files((tmp_path, SHIPPED)))[0].name == "zimaboard"


def test_a_profile_by_its_path_brings_its_stack(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "profiles").mkdir(parents=True)
    elsewhere.mkdir()
    mine = home / "profiles" / "mine.yaml"
    for file in (mine, home / "portable.yaml", elsewhere / "portable.yaml"):
        file.touch()
    assert find_stack_of(str(mine), elsewhere) == home / "portable.yaml"
    assert find_stack_of(str(SHIPPED / "local.yaml"), elsewhere) == elsewhere / "portable.yaml"
    assert find_stack_of("mine", elsewhere) == elsewhere / "portable.yaml"


def test_profiles_lie_beside_the_stack_then_among_the_shipped(tmp_path: Path) -> None:
    assert profile_folders(tmp_path / "portable.yaml") == (tmp_path / "profiles", tmp_path, SHIPPED)


def test_without_a_stack_profiles_lie_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert profile_folders(None) == (tmp_path / "profiles", SHIPPED)


def test_a_profile_of_ones_own_stands_before_the_shipped_one_of_its_name(tmp_path: Path, write: Write) -> None:
    write(local=BASE, other=BASE, portable="portable: 1\n")
    files = profile_files((tmp_path, SHIPPED))
    assert files["local"] == (tmp_path / "local.yaml", SHIPPED / "local.yaml")
    assert files["other"] == (tmp_path / "other.yaml",)
    assert "portable" not in files


def test_a_folder_that_is_given_twice_is_read_once(tmp_path: Path, write: Write) -> None:
    write(other=BASE)
    assert profile_files((tmp_path, tmp_path / "x" / ".."))["other"] == (tmp_path / "other.yaml",)


@pytest.mark.parametrize("name", PROFILES)
def test_shipped_profiles_can_be_read(name: str) -> None:
    assert load_profile(name, profile_files((SHIPPED,)))[0].name == name


# --- names that are missing


@pytest.mark.parametrize(
    ("text", "code", "path", "remedy"),
    [
        ("exposure: {apps: {sonarr: {lan: 8990}}}", "port.name-missing", "exposure.apps.sonarr.lan", "{sonarr: {web: {lan: 8990}}}"),
        ("exposure: {apps: {sonarr: {lan: {number: 8}}}}", "port.name-missing", "exposure.apps.sonarr.lan", "{sonarr: {web: {lan: ...}}}"),
        ("exposure: {apps: {sonarr: {loopback: {}}}}", "port.name-missing", "exposure.apps.sonarr.loopback", "{loopback: {}}"),
        ("exposure: {apps: {sonarr: 8990}}", "port.name-missing", "exposure.apps.sonarr", "{sonarr: {web: {lan: 8990}}}"),
        ("exposure: {apps: {sonarr: ingress}}", "port.name-missing", "exposure.apps.sonarr", "{sonarr: {web: {ingress: {}}}}"),
        ("exposure: {apps: {sonarr: {load-balancer: 80}}}", "port.name-missing", "exposure.apps.sonarr.load-balancer", "load-balancer: 80"),
        ("exposure: {apps: {sonarr: {web: 8990}}}", "port.way-missing", "exposure.apps.sonarr.web", "{sonarr: {web: {lan: 8990}}}"),
        ("exposure: {apps: {sonarr: {web: lan}}}", "port.way-missing", "exposure.apps.sonarr.web", "{sonarr: {web: {lan: {}}}}"),
        ("exposure: {apps: {sonarr: {web: route}}}", "port.way-missing", "exposure.apps.sonarr.web", "{sonarr: {web: {route: {}}}}"),
        ("storage: {apps: {sonarr: {folder: /x}}}", "volume.name-missing", "storage.apps.sonarr.folder", "{config: {folder: /x}}"),
        ("storage: {apps: {sonarr: {claim: {size: 1Gi}}}}", "volume.name-missing", "storage.apps.sonarr.claim", "{config: {claim: ...}}"),
    ],
)
def test_a_setting_without_the_name_of_its_port_or_volume(
    tmp_path: Path, write: Write, text: str, code: str, path: str, remedy: str
) -> None:
    write(base=BASE, mine=f"portable: 1\nname: mine\nextends: base\n{text}\n")
    with pytest.raises(InputError) as caught:
        profile(tmp_path, "mine")
    assert [(m.code, m.path, m.source.line) for m in caught.value.mistakes] == [(code, path, 4)]
    assert remedy in caught.value.mistakes[0].remedy


def test_a_name_may_be_that_of_a_setting(tmp_path: Path, write: Write) -> None:
    write(base=BASE, mine="portable: 1\nname: mine\nextends: base\nexposure: {apps: {one: {lan: {lan: 80}}, two: {web: {}}}}\n")
    assert set(profile(tmp_path, "mine").exposure.apps["one"]) == {"lan"}


def test_a_number_without_the_name_of_its_port(tmp_path: Path) -> None:
    file = tmp_path / "portable.yaml"
    file.write_text("portable: 1\nports: {sonarr: 8990}\nuid: many\n")
    with pytest.raises(InputError) as caught:
        load_stack(file)
    assert [(m.code, m.path) for m in caught.value.mistakes] == [("port.name-missing", "ports.sonarr"), ("value.type", "uid")]
    assert "`ports: {sonarr: {web: 8990}}`" in caught.value.mistakes[0].remedy


# --- extends


def test_a_profile_extends_another(tmp_path: Path, write: Write) -> None:
    write(
        base=BASE,
        mine="portable: 1\nname: mine\nextends: base\napps: [sonarr]\nexposure: {address: box}\n",
        below="portable: 1\nname: below\nextends: mine\nexposure: {address: null, default: loopback}\n",
    )
    mine = profile(tmp_path, "mine")
    assert mine.apps == ("sonarr",), "lists replace"
    assert (mine.exposure.default, mine.exposure.address) == ("lan", "box"), "maps merge"
    below = profile(tmp_path, "below")
    assert (below.exposure.default, below.exposure.address) == ("loopback", None), "null removes"
    assert below.storage == profile(tmp_path, "base").storage


def test_a_change_that_removes_something_of_an_app_is_inherited(tmp_path: Path, write: Write) -> None:
    write(
        base=BASE + "override: {plex: {clouds: null, icon: a.png}, sonarr: {icon: b.png}}\n",
        mine="portable: 1\nname: mine\nextends: base\noverride: {plex: {volumes: {transcode: null}}, sonarr: null}\n",
    )
    assert profile(tmp_path, "mine", "override.plex.about=null").override == {
        "plex": {"clouds": None, "icon": "a.png", "volumes": {"transcode": None}, "about": None}
    }


def test_a_profile_may_extend_the_shipped_one_of_its_name(tmp_path: Path, write: Write) -> None:
    write(zimaboard="portable: 1\nname: zimaboard\nextends: zimaboard\napps: [sonarr]\n")
    mine, shipped = profile(tmp_path, "zimaboard"), load_profile("zimaboard", profile_files((SHIPPED,)))[0]
    assert mine.apps == ("sonarr",)
    assert mine.storage == shipped.storage


def test_places_are_those_of_the_file_that_says_it(tmp_path: Path, write: Write) -> None:
    write(base=BASE, mine="portable: 1\nname: mine\nextends: base\napps: [sonarr]\n")
    document = load_profile("mine", profile_files((tmp_path,)))[1]
    assert str(document.source(("apps", 0))) == f"{tmp_path}/mine.yaml:4:8"
    assert str(document.source(("storage", "library"))) == f"{tmp_path}/base.yaml:6:12"


def test_a_circle_is_told_with_its_way(tmp_path: Path, write: Write) -> None:
    write(
        one="portable: 1\nname: one\nextends: two\n",
        two="portable: 1\nname: two\nextends: three\n",
        three="portable: 1\nname: three\nextends: one\n",
    )
    (mistake,) = told(tmp_path, "one")
    assert mistake.startswith("three.yaml:3:10: extends: ")
    assert "one.yaml -> two.yaml -> three.yaml -> one (" in mistake
    assert mistake.endswith("[profile.circle]")


def test_a_profile_that_extends_itself_is_a_circle(tmp_path: Path, write: Write) -> None:
    write(me="portable: 1\nname: me\nextends: me\n")
    (mistake,) = told(tmp_path, "me")
    assert mistake.startswith("me.yaml:3:10: extends: ")
    assert "me.yaml -> me (" in mistake
    assert mistake.endswith("[profile.circle]")


def test_extending_what_is_not_there(tmp_path: Path, write: Write) -> None:
    write(mine="portable: 1\nname: mine\nextends: zimaborad\n")
    (mistake,) = told(tmp_path, "mine")
    assert mistake.startswith("mine.yaml:3:10: extends: ")
    assert "'zimaborad'; known: local, mine, openshift, samba, zimaboard" in mistake
    assert "(did you mean 'zimaboard'? " in mistake
    assert mistake.endswith("[profile.unknown]")


def test_an_unknown_profile(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_profile("zimaborad", profile_files((tmp_path, SHIPPED)))
    assert caught.value.code == "profile.unknown"
    assert "'zimaborad'" in caught.value.text
    assert caught.value.remedy is not None
    assert "did you mean 'zimaboard'?" in caught.value.remedy
    assert "local, openshift, samba, zimaboard" in caught.value.remedy


@pytest.mark.parametrize("name", ["", ".", "./nowhere.yaml", "/", "a/b"])
def test_no_profile_has_such_a_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_profile(name, profile_files((tmp_path, SHIPPED)))
    assert caught.value.code == "profile.unknown"
    assert repr(name) in caught.value.text


def test_a_profile_by_its_path(tmp_path: Path, write: Write) -> None:
    write(base=BASE)
    assert profile(tmp_path / "elsewhere", str(tmp_path / "base.yaml")).name == "base"


def test_all_mistakes_of_a_chain_at_once(tmp_path: Path, write: Write) -> None:
    write(base=BASE + "storge: {}\n", mine="portable: 1\nname: mine\nextends: base\nback-end: copmose\nexposure: {adress: box}\n")
    mistakes = told(tmp_path, "mine")
    assert [m.split(": ")[0:2] for m in mistakes] == [
        ["base.yaml:9:1", "storge"],
        ["mine.yaml:4:11", "back-end"],
        ["mine.yaml:5:12", "exposure.adress"],
    ]
    assert "unknown key `storge`; known: portable, name" in mistakes[0]
    assert mistakes[1].endswith("found string `copmose` (did you mean `compose`?) [value.choice]")
    assert "unknown key `adress`; known: default, lan, lan-address, address, addresses, domain" in mistakes[2]


# --- what runs is named by the profile: two may not share a name


def test_a_profile_is_called_as_its_file(tmp_path: Path, write: Write) -> None:
    write(mine=BASE)
    (mistake,) = told(tmp_path, "mine")
    assert mistake.startswith("mine.yaml:2:7: name: ")
    assert "'base' (write `name: mine`" in mistake
    assert mistake.endswith("[profile.name]")


def test_a_profile_does_not_inherit_a_name(tmp_path: Path, write: Write) -> None:
    write(base=BASE, mine="portable: 1\nextends: base\n")
    (mistake,) = told(tmp_path, "mine")
    assert mistake.startswith("mine.yaml:1:1: name: ")
    assert "has no name of its own (write `name: mine`" in mistake
    assert mistake.endswith("[profile.name]")


# --- --set


def test_set_changes_a_key(tmp_path: Path, write: Write) -> None:
    write(base=BASE)
    changed = profile(tmp_path, "base", "storage.library.folder=/mnt/x", "apps=[gerbera]", "exposure.apps.plex.web={lan: {number: 80}}")
    assert changed.storage.library.folder == "/mnt/x"
    assert changed.apps == ("gerbera",)
    web = changed.exposure.apps["plex"]["web"].lan
    assert web == LanFacts(number=80)


def test_the_last_set_wins(tmp_path: Path, write: Write) -> None:
    write(base=BASE)
    assert profile(tmp_path, "base", "about=one", "about=two").about == "two"


@pytest.mark.parametrize("value", ["", "null", "~"])
def test_set_to_nothing_removes(value: str, tmp_path: Path, write: Write) -> None:
    write(base=BASE)
    assert profile(tmp_path, "base", f"exposure={value}").exposure.default == "none"


def test_set_keeps_types_as_yaml_has_them(tmp_path: Path, write: Write) -> None:
    write(base=BASE)
    assert profile(tmp_path, "base", 'about="1"').about == "1"
    assert told(tmp_path, "base", "about=1") == [
        "--set about:1:11: about: expected string, found integer `1` (put it in quotes) [value.type]"
    ]


def test_set_of_an_unknown_key_is_told_with_the_known_ones(tmp_path: Path, write: Write) -> None:
    write(base=BASE)
    (mistake,) = told(tmp_path, "base", "storage.libary.folder=/x")
    assert mistake.startswith(
        "--set storage.libary.folder:1:14: storage.libary: unknown key `libary`; known: library, datasets, state, cache, backups, apps"
    )


def test_every_mistake_of_every_set_is_told(tmp_path: Path, write: Write) -> None:
    write(base=BASE)
    mistakes = told(tmp_path, "base", "bogus=1", "back-end=docker", "storage.state=5")
    assert [m.split(":")[0] for m in mistakes] == ["--set back-end", "--set bogus", "--set storage.state"]


@pytest.mark.parametrize("text", ["", "about", "=x", ".=x", "a..b=x", ".about=x", "about.=x", "stack.=1"])
def test_set_that_is_no_key_and_value(text: str, tmp_path: Path, write: Write) -> None:
    write(base=BASE)
    with pytest.raises(UsageError) as caught:
        profile(tmp_path, "base", text)
    assert caught.value.code == "profile.set-syntax"
    assert f"--set {text!r}" in caught.value.text
    assert "--set storage.library.folder=/srv/media" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("[", "yaml.unclosed"),
        ("a: b: c", "yaml.indentation"),
        ("'", "yaml.unclosed"),
        ("\t- x", "yaml.indentation"),
        ("!!python/object:os.system x", "yaml.tag"),
        ("\udcff", "yaml.encoding"),
    ],
)
def test_set_with_a_value_that_is_not_yaml(value: str, code: str, tmp_path: Path, write: Write) -> None:
    write(base=BASE)
    with pytest.raises(UsageError, match="--set about") as caught:
        profile(tmp_path, "base", f"about={value}")
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["extends=local", "stack=media", "stack={uid: 1}"])
def test_set_of_what_it_could_not_change(text: str, tmp_path: Path, write: Write) -> None:
    write(base=BASE)
    with pytest.raises(UsageError) as caught:
        profile(tmp_path, "base", text)
    assert caught.value.code == "profile.set-key"
    assert f"`{text.partition('=')[0]}`" in caught.value.text


def test_set_of_the_stack_leaves_the_profile_alone(tmp_path: Path, write: Write) -> None:
    write(base=BASE)
    assert profile(tmp_path, "base", "stack.uid=1001") == profile(tmp_path, "base")


# --- the stack


def test_without_a_stack_the_defaults_hold() -> None:
    assert load_stack(None) == (StackFile(), None)


def test_a_stack_is_read_with_what_is_set(tmp_path: Path) -> None:
    file = tmp_path / "portable.yaml"
    file.write_text("portable: 1\nname: house\nuid: 1001\nports: {sonarr: {web: 9000}}\n")
    stack, document = load_stack(file, ("stack.ports.plex.web=32401", "stack.timezone=Europe/Berlin", "about=of the profile"))
    assert (stack.name, stack.uid, stack.timezone) == ("house", 1001, "Europe/Berlin")
    assert stack.ports == {"sonarr": {"web": 9000}, "plex": {"web": 32401}}
    assert document is not None
    assert str(document.source(("ports", "sonarr", "web"))) == f"{file}:4:23"
    assert document.source(("ports", "plex", "web")).file == "--set stack.ports.plex.web"


def test_a_stack_can_be_set_without_a_file() -> None:
    assert load_stack(None, ("stack.name=house",))[0] == StackFile(name="house")


def test_an_unknown_key_of_the_stack() -> None:
    with pytest.raises(InputError) as caught:
        load_stack(None, ("stack.tz=Europe/Berlin", "stack.uid=-1"))
    assert [(m.path, m.code) for m in caught.value.mistakes] == [("tz", "value.unknown-key"), ("uid", "value.range")]


def test_an_empty_stack_is_no_stack(tmp_path: Path) -> None:
    file = tmp_path / "portable.yaml"
    file.touch()
    with pytest.raises(InputError) as caught:
        load_stack(file)
    assert (caught.value.mistakes[0].source.line, caught.value.mistakes[0].code) == (1, "yaml.empty")


@pytest.mark.parametrize("engine", ["tcp://me:hunter2@nas:2376", "ssh://me:hunter2@nas", "tcp://:hunter2@nas:2375", "me:hunter2@nas"])
def test_an_engine_s_address_with_a_password_is_refused_and_not_shown(tmp_path: Path, write: Write, engine: str) -> None:
    write(mine=f"portable: 1\nname: mine\nextends: local\nengine: {engine}\n")
    with pytest.raises(InputError) as caught:
        profile(tmp_path, "mine")
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.path, mistake.source.line, bool(mistake.remedy)) == ("engine.address-password", "engine", 4, True)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("engine", ["tcp://nas:2376", "ssh://me@nas", "unix:///run/docker.sock"])
def test_other_addresses_of_engines_are_accepted(tmp_path: Path, write: Write, engine: str) -> None:
    write(mine=f"portable: 1\nname: mine\nextends: local\nengine: {engine}\n")
    assert profile(tmp_path, "mine").engine == engine


@pytest.mark.parametrize("key", ["b c", "a/b", "", ".", "..", "..data", "\u00e4", "x" * 254, "a\\n"])
def test_a_key_of_a_secret_is_one_that_kubernetes_takes(tmp_path: Path, write: Write, key: str) -> None:
    write(mine=f'portable: 1\nname: mine\nextends: local\nnotify: {{url: {{secret: ntfy, key: "{key}"}}}}\n')
    with pytest.raises(InputError) as caught:
        profile(tmp_path, "mine")
    assert [mistake.path for mistake in caught.value.mistakes] == ["notify.url.key"]


@pytest.mark.parametrize("key", ["value", "tls.crt", "API_KEY", ".dockerconfigjson", "x" * 253])
def test_keys_of_secrets(tmp_path: Path, write: Write, key: str) -> None:
    write(mine=f"portable: 1\nname: mine\nextends: local\nnotify: {{url: {{secret: ntfy, key: {key}}}}}\n")
    assert profile(tmp_path, "mine").notify is not None


def _folders(tmp_path: Path) -> tuple[object, object]:
    return profile_folders(tmp_path / "portable.yaml"), catalog_folders(tmp_path / "portable.yaml")


@pytest.mark.parametrize(
    ("near", "right", "code"),
    [
        ("Profiles/home.yaml", "profiles", "profile.folder-name"),
        ("profile/home.yml", "profiles", "profile.folder-name"),
        ("PROFILE/home.yaml", "profiles", "profile.folder-name"),
        ("Catalog/apps/own/app.yaml", "catalog", "catalog.folder-name"),
        ("catalogs/own/app.yml", "catalog", "catalog.folder-name"),
        ("catalogue/clouds/own/cloud.yaml", "catalog", "catalog.folder-name"),
    ],
)
@pytest.mark.parametrize("has_right", [False, True])
def test_what_is_nearly_a_folder_beside_the_stack_is_refused(tmp_path: Path, near: str, right: str, code: str, has_right: bool) -> None:
    (tmp_path / near).parent.mkdir(parents=True)
    (tmp_path / near).write_text("portable: 1\n")
    if has_right:
        (tmp_path / right).mkdir()
    with pytest.raises(UsageError) as caught:
        _folders(tmp_path)
    folder = tmp_path / near.partition("/")[0]
    assert (caught.value.code, str(folder) in caught.value.text) == (code, True)
    assert ("keep one of them" if has_right else f"`mv {folder} {tmp_path / right}`") in str(caught.value.remedy)


@pytest.mark.parametrize("name", ["profiles", "catalog"])
def test_a_folder_beside_the_stack_that_is_a_broken_link_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(UsageError) as caught:
        _folders(tmp_path)
    assert f"`rm {tmp_path / name}`" in str(caught.value.remedy)


def test_folders_of_other_programs_beside_the_stack(tmp_path: Path) -> None:
    """They hold no file of this program, so nothing is ignored."""
    for name in ("profile/zsh.yaml", "Profiles/notes.txt", "catalogs/books.csv", "profiles/home.yaml", "catalog/own/app.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x: 1\n")
    (tmp_path / "real").mkdir()
    (tmp_path / "Catalog").symlink_to("catalog")
    assert _folders(tmp_path) == ((tmp_path / "profiles", tmp_path, SHIPPED), [tmp_path / "catalog"])


def test_without_a_stack_the_working_folder_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _lay(tmp_path / "Profiles" / "home.yaml", "{0}.yaml")
    with pytest.raises(UsageError) as caught:
        profile_folders(None)
    assert caught.value.code == "profile.folder-name"


@pytest.mark.parametrize("is_own", [True, False])
def test_a_parent_that_only_its_owner_may_list_is_no_reason_to_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_own: bool
) -> None:
    """On shared machines, /home has mode 0711."""
    home = tmp_path / "me"
    home.mkdir()
    real = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path == tmp_path:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner if is_own else owner + 1)
    if is_own:
        with pytest.raises(UsageError, match="cannot be read"):
            find_stack(home)
        return
    assert find_stack(home) is None
    (tmp_path / "portable.yaml").write_text("portable: 1\n")
    assert find_stack(home) == tmp_path / "portable.yaml"
