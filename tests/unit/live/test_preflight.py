"""Ports that are taken and disks that are full, found before anything is touched."""

import shutil
import socket
from typing import cast

import pytest

from portable.backends.compose.address import Address
from portable.backends.compose.engine import EngineReader, Taken
from portable.backends.compose.trouble import EngineTrouble
from portable.live.desired import Desired, Port, Service
from portable.live.preflight import check_ports, check_space


class FakeEngine:
    def __init__(self, *taken: Taken, url: str = "unix:///fake") -> None:
        self.taken, self.address = taken, Address(url=url, named_by="test")

    def ports(self) -> tuple[Taken, ...]:
        return self.taken

    def data_root(self) -> str:
        return "/"


def engine(*taken: Taken, url: str = "unix:///fake") -> EngineReader:
    return cast(EngineReader, FakeEngine(*taken, url=url))


def desired(number: int, address: str = "") -> Desired:
    service = Service(name="demo", app="demo", image="x", ports=(Port(number=number, protocol="tcp", address=address),))
    return Desired(project="media-test", body={}, services=(service,))


def taken(number: int, *, address: str = "0.0.0.0", project: str = "other", protocol: str = "tcp") -> Taken:
    return Taken(number=number, protocol=protocol, address=address, container="holder", project=project)


@pytest.fixture
def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_container_of_another_project_is_named(free: int) -> None:
    with pytest.raises(EngineTrouble, match=f"port {free}/tcp of demo is taken by the container holder of the project other"):
        check_ports(engine(taken(free)), desired(free), ["demo"])


def test_what_does_not_clash(free: int) -> None:
    check_ports(engine(taken(free, project="media-test")), desired(free), ["demo"])
    check_ports(engine(taken(free, protocol="udp")), desired(free), ["demo"])
    check_ports(engine(taken(free, address="192.0.2.1")), desired(free, "127.0.0.1"), ["demo"])
    check_ports(engine(taken(free)), desired(free), [])


def test_a_program_of_this_machine_is_named_and_only_where_the_engine_is_local() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        with pytest.raises(EngineTrouble, match=rf"port {number}/tcp of demo is taken by \S+ \(process \d+\)"):
            check_ports(engine(), desired(number, "127.0.0.1"), ["demo"])
        with pytest.raises(EngineTrouble):
            check_ports(engine(), desired(number), ["demo"])
        check_ports(engine(url="ssh://nas"), desired(number), ["demo"])
        check_ports(engine(taken(number, project="media-test")), desired(number), ["demo"])


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    check_space(engine())
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1024 * 1024))
    with pytest.raises(EngineTrouble, match="no space left: 1 MiB are free in /"):
        check_space(engine())
    check_space(engine(url="tcp://nas:1"))
