"""The stack of the tests beside that of `make up`: nothing of one is the other's, so both can run."""

import pytest

from portable.backends.prepare import Prepared, prepare
from portable.model.exposures import Lan, Loopback
from portable.model.ledger import unaccepted
from portable.model.plan import Folder
from tests.lab import local
from tests.lab.engine import LabError
from tests.lab.local import PROFILE, SERVICES, Local


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, Prepared]:
    """The stack of a test, and that of `make up`."""
    folder = tmp_path_factory.mktemp("lab")
    return prepare(PROFILE, folder=Local(folder / "local").folder), prepare("local", folder=folder)


def test_the_stacks_share_no_project_folder_port_or_cloud(both: tuple[Prepared, Prepared]) -> None:
    lab, shipped = (prepared.planned.plan for prepared in both)
    assert lab.stack != shipped.stack
    folders = [{v.place.path for v in plan.volumes if isinstance(v.place, Folder)} for plan in (lab, shipped)]
    assert all(folders)
    assert not folders[0] & folders[1]
    ports = [{e.how.number for e in plan.exposures if isinstance(e.how, Lan | Loopback)} for plan in (lab, shipped)]
    assert all(ports)
    assert not ports[0] & ports[1]
    clouds = [{cloud.id for cloud in plan.clouds} for plan in (lab, shipped)]
    assert all(clouds)
    assert not clouds[0] & clouds[1]


def test_the_stack_of_a_test_may_start_and_has_the_services_that_tests_name(both: tuple[Prepared, Prepared]) -> None:
    assert unaccepted(both[0].ledger, strict=False) == ()
    body = next(document.body for document in both[0].rendering.documents if "services" in document.body)
    assert tuple(sorted(body["services"])) == SERVICES


def test_only_another_lab_stands_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    running: dict[str, str] = {"cloud-shelf": "media-local"}

    def docker(*arguments: str) -> str:
        asked.append(arguments)
        return next((project for service, project in running.items() if f"service={service}" in arguments[2]), "")

    monkeypatch.setattr(local, "docker", docker)
    local.refuse_second_lab()
    assert all(arguments[0] == "ps" for arguments in asked), "nothing is stopped"
    running[f"cloud-{local.CLOUD}"] = "media-other"
    with pytest.raises(LabError, match="media-other"):
        local.refuse_second_lab()
