"""Secrets that are made where they are missing, and those that are taken out of what apps say."""

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from portable.cli.up import driver_of, reader_of
from portable.engines.docker.address import Address
from portable.engines.docker.containers import seen
from portable.engines.docker.engine import Engine
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import FOLDER, PROJECT, SERVICE, Observed, Versions
from portable.live.compose import verbs as compose
from portable.live.compose.driver import ComposeReader, opened
from portable.live.place import Place
from portable.local.files import write_private
from portable.local.folders import project_folder
from portable.model.errors import PortableError, Refused
from portable.model.progress import Event
from portable.secrets.generate import foreseen, generate_missing, hider, known_values
from portable.secrets.needs import Need
from portable.secrets.sources import CommandSource, FileSource
from portable.secrets.store import set_secret
from portable.secrets.values import Secret
from tests.by_hand import by_hand
from tests.cli import digest

CANARY = "canary-3f9a17c2"
NEEDS = tuple(Need(name=name, key="value", optional=False, apps=("some",)) for name in ("token", "absent"))


def held(folder: Path, mode: int = 0o600) -> FileSource:
    path = folder / "secrets.yaml"
    path.write_text(f"token: {CANARY}\n")
    path.chmod(mode)
    return FileSource(path=str(path))


def test_every_command_takes_secrets_out_of_what_an_engine_says(tmp_path: Path) -> None:
    stack = by_hand(project="demo", body={"name": "demo", "services": {}}, secrets=NEEDS)
    source, address = held(tmp_path), Address(url="unix:///none", named_by="the test")
    place = Place(source=source, opened=opened(stack, source, address))
    for driver in (driver_of(place), reader_of(place)):
        assert isinstance(driver, ComposeReader)
        assert driver.hide(f"unhealthy: GET /?key={CANARY}") == "unhealthy: GET /?key=<secret>"
        assert CANARY not in str(driver._engine.trouble(f"the container said {CANARY}", "restarting"))


def test_a_source_is_asked_once_and_only_where_there_is_a_text(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    program = tmp_path / "give"
    program.write_text(f"#!/bin/sh\necho $1 >>{asked}\n[ $1 = token ] && echo {CANARY}\n")
    program.chmod(0o755)
    subprocess.run([program, "token"], check=True, capture_output=True)  # a file that was written a moment ago may be "busy"
    asked.unlink()
    hide = hider(NEEDS, CommandSource(command=(str(program), "{name}")))
    assert hide("") == ""
    assert not asked.exists()
    assert [hide(f"{CANARY}!"), hide("harmless")] == ["<secret>!", "harmless"]
    assert sorted(asked.read_text().split()) == ["absent", "token"]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_where_values_cannot_be_looked_up_it_is_said(tmp_path: Path, mode: int) -> None:
    events: list[Event] = []
    known_values(NEEDS, held(tmp_path, mode), progress=events.append)
    hider(NEEDS, held(tmp_path, mode), progress=events.append)("some text")
    assert [(event.what, event.subject) for event in events] == [("note", "")] * (2 if mode == 0o644 else 0)
    assert CANARY not in "".join(event.sentence() for event in events)


class Absent(Engine):
    """An engine that does not answer."""

    def __init__(self) -> None:
        super().__init__(Address(url="unix:///none", named_by="the test"))

    def notes(self, project: str, label: str) -> dict[str, str]:
        return {}

    def check(self) -> Versions:
        raise DockerError("absent", "no engine answers")


class There(Absent):
    def check(self) -> Versions:
        return Versions(engine="28", api="1.48", compose="2.40")


@pytest.mark.parametrize(
    ("engine", "apps", "code", "named"),
    [
        (There(), ("nosuch",), "up.unknown-app", "nosuch"),
        (Absent(), (), "engine.absent", "engine"),
        (There(), (), "secret.missing", "1 secret is missing: absent"),
    ],
)
def test_nothing_is_generated_for_an_up_that_cannot_be(
    tmp_path: Path, engine: Engine, apps: tuple[str, ...], code: str, named: str
) -> None:
    stack = by_hand(project="demo", body={"name": "demo", "services": {"some": {"image": "x"}}}, secrets=NEEDS)
    source = FileSource(path=str(tmp_path / "secrets.yaml"))
    if code == "secret.missing":
        set_secret(source, "other", "value", Secret("kept"))
    before = digest(tmp_path)
    with pytest.raises(PortableError, match=named) as caught:
        compose.up(engine, stack, source, apps=apps, generated={"token": "hex"})
    assert caught.value.code == code
    assert digest(tmp_path) == before


class Foreign(There):
    """An engine with a container of that project which somebody else made."""

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        labels = {PROJECT: project, SERVICE: "some", FOLDER: "/home/somebody"}
        record = {"Id": "1", "Name": "/demo_some_1", "Config": {"Labels": labels}, "State": {"Status": "running"}, "HostConfig": {}}
        return Observed(containers=(seen(record, str),))

    def images(self, references: Iterable[str]) -> dict[str, str]:
        return dict.fromkeys(references, "sha256:1")


def test_an_up_that_is_refused_stores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    stack = by_hand(project="demo", body={"name": "demo", "services": {"some": {"image": "x"}}}, secrets=NEEDS[:1])
    source = FileSource(path=str(tmp_path / "secrets.yaml"))
    address = Address(url="unix:///none", named_by="the test")
    driver = opened(stack, source, address).driver(str)
    assert isinstance(driver, ComposeReader)
    driver._engine = Foreign()
    kinds = {"token": "hex"}
    for refused in (
        lambda: compose.up(Foreign(), stack, source, generated=kinds),
        lambda: driver.rehearse(resolved=foreseen(stack.secrets, kinds, source)),
    ):
        with pytest.raises(Refused) as caught:
            refused()
        assert caught.value.code == "up.foreign-project"
        assert not Path(source.path).exists()


@pytest.mark.parametrize("before", [True, False])
def test_apps_that_ran_before_are_said_to_keep_their_old_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    if before:
        write_private(project_folder("demo") / "compose.yaml", "services: {}\n")
    events: list[Event] = []
    source = FileSource(path=str(tmp_path / "secrets.yaml"))
    for _ in range(2):
        generate_missing(NEEDS, {"token": "hex"}, source, project="demo", progress=events.append)
    assert [e.text.partition(":")[0] for e in events[1:]] == ["apps that ran before keep their old values (some)"] * before
    assert len(events) == 1 + before
    assert (tmp_path / "portable" / "demo").exists() == before


def test_what_is_stored_is_foreseen_as_it_is_and_what_is_missing_as_it_will_be(tmp_path: Path) -> None:
    needs = (*NEEDS, Need(name="login", key="k", optional=False, apps=("some",)))
    source = held(tmp_path)
    set_secret(source, "login", "k", Secret("stored"))
    found = foreseen(needs, {"token": "hex", "absent": "hex", "login": "hex"}, source)
    assert (found.of("token"), found.of("login", "k")) == (CANARY, "stored")
    assert re.fullmatch("[0-9a-f]{32}", found.of("absent"))
    assert re.fullmatch("[0-9A-Za-z]{24}", foreseen(NEEDS, {"absent": "password"}, source).of("absent"))


def test_each_value_that_is_made_is_told_and_all_apps_that_keep_an_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    write_private(project_folder("demo") / "compose.yaml", "services: {}\n")
    events: list[Event] = []
    source = FileSource(path=str(tmp_path / "secrets.yaml"))
    needs = [Need(name=name, key="value", optional=False, apps=apps) for name, apps in (("token", ("b", "a")), ("login", ("c", "a")))]
    generate_missing(needs, {"token": "hex", "login": "password"}, source, project="demo", progress=events.append)
    assert [(event.what, event.subject) for event in events] == [("note", "token"), ("note", "login"), ("note", "token, login")]
    assert "(a, b, c)" in events[2].text
    made = known_values(needs, source)
    assert re.fullmatch("[0-9a-f]{32}", made.of("token"))
    assert re.fullmatch("[0-9A-Za-z]{24}", made.of("login"))


def test_a_value_that_is_stored_between_the_look_and_the_writing_stays(tmp_path: Path) -> None:
    source = FileSource(path=str(tmp_path / "secrets.yaml"))
    told: list[str] = []

    def progress(event: Event) -> None:
        told.append(event.subject)
        set_secret(source, "absent", "value", Secret("of another command"))

    generate_missing(NEEDS, {"token": "hex", "absent": "hex"}, source, progress=progress)
    assert told == ["token"]
    assert known_values(NEEDS, source).of("absent") == "of another command"


def test_a_value_that_another_command_stored_meanwhile_stays(tmp_path: Path) -> None:
    source = FileSource(path=str(tmp_path / "secrets.yaml"))
    assert set_secret(source, "token", "value", Secret("first"), keep=True)
    assert not set_secret(source, "token", "value", Secret("second"), keep=True)
    generate_missing(NEEDS, {"token": "hex"}, source)
    assert known_values(NEEDS, source).of("token") == "first"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can write another's file")
def test_root_leaves_the_file_its_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = held(tmp_path)
    os.chown(source.path, 1234, 1235)
    monkeypatch.setenv("SUDO_UID", "1234")
    set_secret(source, "other", "value", Secret("x"))
    about = Path(source.path).stat()
    assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (1234, 1235, 0o600)
