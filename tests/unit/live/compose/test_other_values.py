"""A second user's file of secrets: equal values are accepted, other ones are refused before anything changes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import pytest

from portable.cli.up import _rehearsal
from portable.engines.docker.address import Address
from portable.engines.docker.observed import Observed, ObservedContainer
from portable.live.compose.desired import SECRETS, ComposeStack
from portable.live.compose.driver import SECRETS_OWNER, ComposeDriver, opened
from portable.live.place import Place
from portable.model.errors import Refused
from portable.secrets.digests import digest
from portable.secrets.generate import known_values
from portable.secrets.needs import Need
from portable.secrets.owner import owner_in, owner_of
from portable.secrets.sources import FileSource
from tests.by_hand import by_hand
from tests.unit.live.compose.test_obstacles import Crowded

OTHER = "anna@nas:/home/anna/secrets.yaml"
TOKEN = Need(name="token", key="value", optional=False, apps=("demo",))


class Shared(Crowded):
    """An engine with a stack of somebody."""

    def __init__(self, folder: Path, *containers: ObservedContainer, owner: str = OTHER) -> None:
        super().__init__(str(folder))
        self.present, self.owners = containers, {SECRETS_OWNER: owner} if owner else {}

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        return Observed(containers=self.present)

    def record(self, project: str) -> dict[str, str]:
        return self.owners

    def replace_record(self, project: str, labels: Mapping[str, str]) -> None:
        self.owners = dict(labels)


def stack() -> ComposeStack:
    service = {"image": "registry.test/demo:1", "environment": {"TOKEN": "${PORTABLE_SECRET_TOKEN}"}}
    made = by_hand({"name": "demo", "services": {"demo": service}}, secrets=(TOKEN,))
    assert made.services[0].secrets, "the service uses the secret"
    return made


def container(value: str) -> ObservedContainer:
    (variable,) = stack().services[0].secrets
    labels = {SECRETS: digest({variable: value})}
    return ObservedContainer(id="1", name="demo-1", service="demo", state="running", labels=labels)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileSource:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "secrets.yaml"
    file.write_text("token: mine-1234567890\n")
    file.chmod(0o600)
    return FileSource(path=str(file))


def driver_on(engine: Shared, source: FileSource) -> ComposeDriver:
    return ComposeDriver(engine, stack(), source)


def refused(engine: Shared, source: FileSource) -> Refused:
    with pytest.raises(Refused) as caught:
        driver_on(engine, source).refuse_other_values(known_values((TOKEN,), source))
    return caught.value


def test_other_values_than_the_containers_have_are_refused_and_never_shown(source: FileSource, tmp_path: Path) -> None:
    error = refused(Shared(tmp_path, container("theirs-0987654321")), source)
    assert (error.code, error.where) == ("secret.other-owner", source.path)
    assert "secrets of anna@nas in /home/anna/secrets.yaml" in error.text
    assert "copy /home/anna/secrets.yaml" in str(error.remedy)
    assert "mine-1234567890" not in str(error)
    assert "theirs-0987654321" not in str(error)


def test_up_and_its_rehearsal_refuse_before_anything_else(source: FileSource, tmp_path: Path) -> None:
    engine = Shared(tmp_path, container("theirs-0987654321"))
    with pytest.raises(Refused, match="has other values"):
        driver_on(engine, source).up()
    driver = driver_on(engine, source)
    place = Place(source=source, opened=opened(stack(), source, Address(url="unix:///none", named_by="the test")))
    _, problems = _rehearsal(place, driver, {"token": "hex"}, ())
    assert "secret.other-owner" in {problem.code for problem in problems}
    assert engine.owners == {SECRETS_OWNER: OTHER}


def test_a_copied_file_is_accepted_and_then_the_recorded_one(source: FileSource, tmp_path: Path) -> None:
    engine = Shared(tmp_path, container("mine-1234567890"))
    driver = driver_on(engine, source)
    driver.refuse_other_values(known_values((TOKEN,), source))
    driver.record_secrets_owner(owner_of(source))
    assert engine.owners == {SECRETS_OWNER: owner_of(source)}


def test_a_machine_with_a_new_name_keeps_its_record_and_renews_it(source: FileSource, tmp_path: Path) -> None:
    mine = owner_in(owner_of(source))
    assert mine is not None
    renamed = msgspec.structs.replace(mine, user="anna", host="old-name", machine="0123456789abcdef")
    here = msgspec.structs.replace(mine, machine="0123456789abcdef")
    assert renamed.has_same_file(here)
    before = msgspec.structs.replace(mine, user="anna", machine="")
    engine = Shared(tmp_path, owner=before.line)
    driver_on(engine, source).record_secrets_owner(mine.line)
    assert engine.owners == {SECRETS_OWNER: msgspec.structs.replace(mine, user="anna").line}, "the first user stays"


@pytest.mark.parametrize("owner", ["", "mine"])
def test_the_recorded_owner_may_change_a_value(source: FileSource, tmp_path: Path, owner: str) -> None:
    engine = Shared(tmp_path, container("older-0987654321"), owner=owner and "root@" + owner_of(source).partition("@")[2])
    driver_on(engine, source).refuse_other_values(known_values((TOKEN,), source))


def test_without_containers_there_is_nothing_to_compare(source: FileSource, tmp_path: Path) -> None:
    driver_on(Shared(tmp_path), source).refuse_other_values(known_values((TOKEN,), source))
