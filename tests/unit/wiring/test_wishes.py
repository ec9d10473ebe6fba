"""The settings that apps need for each other, for the shipped profiles and for made-up peers."""

import ast
from pathlib import Path

import pytest

import portable.wiring
from portable.backends.prepare import prepare
from portable.catalog.catalog import Catalog
from portable.wiring import INTERFACES
from portable.wiring.wishes import Category, DownloadClient, HostNames, Manager, RootFolder, Wish, peers, wishes
from tests.unit.wiring.fake import peer


def words(wish: Wish) -> str:
    match wish:
        case Category(told=told, name=name):
            return f"{told.name} keeps apart {name}"
        case HostNames(told=told, names=names):
            return f"{told.name} lets in {', '.join(names)}"
        case RootFolder(told=told, path=path):
            return f"{told.name} keeps in {path}"
        case DownloadClient(told=told, client=client):
            return f"{told.name} hands downloads to {client.name} at {client.url}"
        case Manager(told=told, manager=manager):
            return f"{told.name} knows {manager.name} at {manager.url}"


def of(profile: str, *sets: str) -> list[str]:
    return [words(wish) for wish in wishes(peers(prepare(profile, sets=sets).planned))]


def test_scenario_b_on_the_zimaboard() -> None:
    """From a request to the library: every connection on the way exists (docs/facts/home.md#scenarios)."""
    told = of("zimaboard")
    assert {
        "seerr knows sonarr at http://sonarr:8989",
        "prowlarr knows sonarr at http://sonarr:8989",
        "sonarr hands downloads to qbittorrent at http://qbittorrent:8080",
        "qbittorrent keeps apart sonarr",
        "sonarr keeps in /mnt/media/media/tv",
    } <= set(told)
    assert told.index("qbittorrent keeps apart sonarr") < told.index("sonarr hands downloads to qbittorrent at http://qbittorrent:8080")


def test_a_place_has_its_own_folders_and_the_stack_its_ports() -> None:
    assert "sonarr keeps in /mnt/media/archive" in of("openshift")
    told = of("zimaboard", "stack.ports={qbittorrent: {web: 8095}}")
    assert "sonarr hands downloads to qbittorrent at http://qbittorrent:8095" in told


def test_behind_a_gateway_of_a_cluster_other_pods_are_known_by_their_full_names() -> None:
    known = {found.name: found for found in peers(prepare("openshift").planned)}
    assert known["sonarr"].url_for(known["prowlarr"]) == "http://sonarr.media-stack.svc.cluster.local:8989"
    assert known["prowlarr"].url_for(known["sonarr"]) == "http://prowlarr:9696"
    there = {found.name: found for found in peers(prepare("zimaboard").planned)}
    assert there["sonarr"].url_for(there["prowlarr"]) == "http://sonarr:8989"


def test_download_clients_let_in_the_names_by_which_people_come() -> None:
    exposure = ("exposure.lan=192.168.7.0/24", "exposure.address=nas.lan", "exposure.addresses=[192.168.7.2, nas.tail.ts.net]")
    assert of("local", *exposure) == [
        "qbittorrent lets in nas.lan, 192.168.7.2, nas.tail.ts.net",
        "sabnzbd lets in nas.lan, 192.168.7.2, nas.tail.ts.net",
    ]


def test_without_managers_there_is_nothing_to_tell() -> None:
    assert of("local") == []
    assert wishes([peer("qbittorrent"), peer("seerr"), peer("prowlarr")]) == ()


def test_requests_go_to_those_that_take_them() -> None:
    told = [words(wish) for wish in wishes([peer("lidarr"), peer("radarr"), peer("seerr")])]
    assert [word for word in told if word.startswith("seerr")] == ["seerr knows radarr at http://radarr:8989"]


@pytest.mark.parametrize("name", Catalog().names())
def test_what_the_catalog_says_is_known(name: str) -> None:
    """Every interface of an app in the catalog has a file; its secret is generated if it is missing."""
    facts, _ = Catalog().app(name)
    if facts.interface is not None:
        assert facts.interface.speaks in {program for interface in INTERFACES for program in interface.programs}
        assert facts.secrets[facts.interface.secret].generate


def test_the_registry_has_every_interface() -> None:
    folder = Path(portable.wiring.__file__).parent
    defined = {
        file.stem
        for file in folder.glob("*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "INTERFACE"
    }
    assert len(defined) == len(INTERFACES) == 5
