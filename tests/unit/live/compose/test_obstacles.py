"""Every obstacle of an `up` at once: a person should not meet them one by one."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from portable.cli.up import _rehearsal
from portable.engines.docker.address import Address
from portable.engines.docker.engine import Engine
from portable.engines.docker.observed import Neighbour, Observed, Versions
from portable.live.compose import verbs as compose
from portable.live.compose.driver import ComposeReader, opened
from portable.live.compose.host import check_folders
from portable.live.image_needs import ImageNeed
from portable.live.place import Place
from portable.model.engine_facts import EngineFacts
from portable.model.errors import FAILED, REFUSED, EngineError, PortableError, Refused, SeveralErrors, caught, raise_all
from portable.model.ports import PublishedPort
from portable.model.registry import Offered
from portable.secrets.needs import Need
from portable.secrets.sources import FileSource
from portable.secrets.values import NOTHING
from tests.by_hand import by_hand

SECRETS = (Need(name="token", key="value", optional=False, apps=("demo",)), Need(name="given", key="value", optional=False, apps=("demo",)))
IMAGE = "registry.test/demo:1"


class Crowded(Engine):
    """An engine on which everything stands in the way."""

    def __init__(self, data: str) -> None:
        super().__init__(Address(url="unix:///none", named_by="the test"))
        self.data = data
        self.asked: list[str] = []

    def check(self) -> Versions:
        return Versions(engine="28", api="1.48", compose="2.40")

    def facts(self, compose: str = "") -> EngineFacts:
        return EngineFacts(compose=compose)

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        return Observed()

    def image_ids(self, references: Iterable[str]) -> dict[str, str]:
        return {}

    def notes(self, project: str, label: str) -> dict[str, str]:
        return {}

    def offered(self, reference: str) -> Offered:
        self.asked.append(reference)
        return Offered(why="absent")

    def ports(self) -> tuple[PublishedPort, ...]:
        return (PublishedPort(number=18080, protocol="tcp", address="0.0.0.0", container="other", project="else"),)

    def neighbours(self) -> tuple[Neighbour, ...]:
        return (Neighbour(container="else", project="else", app="demo", folders={self.data: "/config"}),)

    def data_root(self) -> str:
        return "/"

    def record(self, project: str) -> dict[str, str]:
        return {"portable.secrets-owner": "somebody@elsewhere:/home/somebody/secrets.yaml"}


def body(folder: Path) -> Mapping[str, Any]:
    """A document that needs a port, folders, a device and a mount."""
    volumes = [
        {"type": "bind", "source": str(folder / "data"), "target": "/config"},
        {"type": "bind", "source": str(folder / "file" / "below"), "target": "/x"},
    ]
    service = {"image": IMAGE, "ports": ["18080:80"], "volumes": volumes, "devices": ["/dev/nonexistent-card:/dev/dri/x"]}
    return {"name": "demo", "services": {"demo": service}, "x-portable-mounted": {"library": str(folder / "data")}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "data").mkdir()
    (tmp_path / "file").touch()
    return tmp_path


HOST = {"host.port", "up.shared-data", "host.not-mounted", "host.not-a-folder", "host.device"}


def codes(error: PortableError) -> set[str]:
    return {one.code for one in error.errors} if isinstance(error, SeveralErrors) else {error.code}


def test_a_rehearsal_raises_every_obstacle(folder: Path) -> None:
    engine = Crowded(str(folder / "data"))
    stack = by_hand(body(folder), images=(ImageNeed(reference=IMAGE, apps=("demo",)),))
    with pytest.raises(SeveralErrors) as caught_:
        compose.rehearse(engine, stack, NOTHING)
    assert codes(caught_.value) == HOST | {"build.no-image"}
    assert caught_.value.exit_code == REFUSED, "two containers on the same data are refused, whatever else is wrong"
    assert engine.asked == [IMAGE]


def test_an_up_that_is_refused_names_them_too_and_stores_nothing(folder: Path) -> None:
    stack = by_hand(body(folder), images=(ImageNeed(reference=IMAGE, apps=("demo",)),), secrets=SECRETS)
    source = FileSource(path=str(folder / "secrets.yaml"))
    with pytest.raises(SeveralErrors) as caught_:
        compose.up(Crowded(str(folder / "data")), stack, source)
    assert codes(caught_.value) == HOST | {"build.no-image", "secret.missing"}
    assert not Path(source.path).exists()


def test_the_command_adds_whose_secrets_the_stack_runs_on(folder: Path) -> None:
    stack = by_hand(body(folder), secrets=SECRETS[:1])
    source, address = FileSource(path=str(folder / "secrets.yaml")), Address(url="unix:///none", named_by="the test")
    place = Place(source=source, opened=opened(stack, source, address))
    reader = place.opened.reader(str)
    assert isinstance(reader, ComposeReader)
    reader._engine = Crowded(str(folder / "data"))
    changes, problems = _rehearsal(place, reader, {"token": "hex"}, ())
    assert {problem.code for problem in problems} == HOST | {"secret.other-owner"}
    assert [(change.kind, change.service) for change in changes if change.service == "demo"] == [("create", "demo")]


def test_a_folder_on_a_read_only_file_system_is_named_with_its_services(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bind = {"type": "bind", "source": str(folder / "data" / "new"), "target": "/x"}
    document = {
        "services": {"a": {"volumes": [bind]}, "b": {"volumes": [bind]}, "c": {"volumes": [{**bind, "source": "/", "read_only": True}]}}
    }
    check_folders(document, local=True)
    real = os.statvfs

    class ReadOnly:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr(os, "statvfs", lambda path: ReadOnly() if str(path) == str(folder / "data") else real(path))
    with pytest.raises(EngineError, match=r"new \(for a, b\)") as caught_:
        check_folders(document, local=True)
    assert caught_.value.code == "host.read-only"
    check_folders(document, local=False)


def test_errors_are_raised_together_and_one_alone_as_it_is() -> None:
    def fails(error: PortableError) -> object:
        raise error

    one, two = EngineError("one"), Refused("two")
    assert caught(lambda: fails(SeveralErrors((one, two))), lambda: None, lambda: fails(one)) == (one, two, one)
    raise_all(())
    with pytest.raises(EngineError) as alone:
        raise_all((one,))
    assert alone.value is one
    assert SeveralErrors((one, one)).exit_code == FAILED
    same = EngineError(one.text, code=one.code, where=one.where, remedy=one.remedy)
    with pytest.raises(type(one)) as single:
        raise_all((one, same))
    assert single.value is one, "two looks at one dead engine are one problem"
    with pytest.raises(SeveralErrors) as both:
        raise_all((one, two, same))
    assert both.value.errors == (one, two)
