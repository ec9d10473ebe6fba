"""Whole projects."""

import time

import msgspec

from portable.backends.compose import render
from portable.formats.emit import dump
from portable.model import plan as p
from tests.factories import app, container, full_plan, plan


def test_an_app_alone() -> None:
    [document] = render(plan()).documents
    assert document.file == "compose.yaml"
    assert list(document.body) == ["name", "services", "networks", "configs"]
    assert list(document.body["services"]) == ["demo", "init"]


def test_every_service_is_bounded_and_restarts_but_behind_a_gateway() -> None:
    rendering = render(full_plan("compose"))
    services = rendering.documents[0].body["services"]
    for name, service in services.items():
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
        assert service["restart"] == ("no" if name in ("init", "torrents") else "unless-stopped")
        assert service["mem_limit"]
    assert [f.app for f in rendering.findings if f.field == "egress.restart"] == ["torrents"]


def test_a_folder_that_must_be_mounted_is_told() -> None:
    place = p.Folder(path="/mnt/storage", mounted=True)
    mounted = p.Volume(id="library", holds="library", place=place)
    free = p.Volume(id="state", holds="state", place=p.Folder(path="/srv"))
    mounts = (p.Mount(volume="library", path=p.LIBRARY), p.Mount(volume="state", path="/config"))
    body = render(plan(app(containers=(container(mounts=mounts),)), volumes=(mounted, free))).documents[0].body
    assert body["x-portable-mounted"] == {"library": "/mnt/storage"}


def test_requests_and_limits() -> None:
    resources = p.Resources(memory_request=1024, memory_limit=2048, cpu_request=1, shm=4096)
    service = render(plan(app(containers=(container(resources=resources),)))).documents[0].body["services"]["demo"]
    assert {key: service[key] for key in ("mem_reservation", "mem_limit", "cpu_shares", "shm_size")} == {
        "mem_reservation": "1k",
        "mem_limit": "2k",
        "cpu_shares": 2,
        "shm_size": "4k",
    }


def test_an_app_has_one_main_container() -> None:
    found = render(plan(app(containers=(container(), container("second"))))).findings
    assert [f.path for f in found if f.verdict == "refused"] == ["apps.demo.containers.second.role"]


def test_a_finding_is_told_once() -> None:
    findings = render(full_plan("compose")).findings
    assert len(findings) == len(set(findings))


def test_no_finding_of_the_full_plan_is_refused() -> None:
    assert [f for f in render(full_plan("compose")).findings if f.verdict == "refused"] == []


def test_a_canary_in_no_document() -> None:
    """A plan has no secret's value; what it has of a secret file is in no document either."""
    plan_ = full_plan("compose")
    files = tuple(msgspec.structs.replace(file, body=("CANARY", *file.body)) if file.is_secret else file for file in plan_.files)
    assert "CANARY" not in dump(render(msgspec.structs.replace(plan_, files=files)).documents[0].body)


def test_three_hundred_apps_in_a_moment() -> None:
    many = plan(*(app(f"app-{number}") for number in range(300)))
    start = time.perf_counter()
    render(many)
    assert time.perf_counter() - start < 1
