"""Ports that are taken and disks that are full, found before anything is touched."""

import shutil
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import msgspec
import pytest

from portable.backends.compose.services import Service, ServicePort
from portable.engines.docker.address import Address
from portable.engines.docker.containers import seen
from portable.engines.docker.engine import Engine, EngineReader
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import FOLDER, PROJECT, SERVICE, Neighbour, Observed
from portable.live.compose import verbs as compose
from portable.live.compose.desired import Desired, desire
from portable.live.compose.look import look
from portable.live.compose.preflight import check_ports, check_space, refuse_shared
from portable.model.errors import REFUSED, Holder, Refused
from portable.model.ports import PublishedPort
from portable.model.progress import silent
from tests.by_hand import by_hand


class FakeEngine:
    def __init__(self, *taken: PublishedPort, url: str = "unix:///fake") -> None:
        self.taken, self.address = taken, Address(url=url, named_by="test")

    def ports(self) -> tuple[PublishedPort, ...]:
        return self.taken

    def data_root(self) -> str:
        return "/"


def engine(*taken: PublishedPort, url: str = "unix:///fake") -> EngineReader:
    return cast(EngineReader, FakeEngine(*taken, url=url))


def desired(number: int, address: str = "") -> Desired:
    service = Service(name="demo", app="demo", image="x", ports=(ServicePort(number=number, protocol="tcp", address=address),))
    return Desired(project="media-test", body={}, services=(service,))


def taken(number: int, *, address: str = "0.0.0.0", project: str = "other", protocol: str = "tcp") -> PublishedPort:
    return PublishedPort(number=number, protocol=protocol, address=address, container="holder", project=project)


@pytest.fixture
def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_container_of_another_project_is_named(free: int) -> None:
    with pytest.raises(DockerError, match=f"port {free}/tcp of demo .* container holder of the project other") as caught:
        check_ports(engine(taken(free)), desired(free), ["demo"])
    assert (caught.value.kind, caught.value.code) == ("port", "host.port")
    assert caught.value.holders == (Holder("other", "", "holder"),)


def test_the_holders_are_all_containers_or_none(free: int) -> None:
    """Each container that clashes is one of them, not only the one that the text names."""
    two = msgspec.structs.replace(taken(free, address="127.0.0.1", project="media-two"), container="second", app="demo")
    with pytest.raises(DockerError) as caught:
        check_ports(engine(taken(free), two), desired(free), ["demo"])
    assert caught.value.holders == (Holder("other", "", "holder"), Holder("media-two", "demo", "second"))
    with socket.socket() as program:
        program.bind(("127.0.0.1", 0))
        program.listen()
        ports = [ServicePort(number=number, protocol="tcp", address="127.0.0.1") for number in (free, program.getsockname()[1])]
        both = Desired(project="media-test", body={}, services=(Service(name="demo", app="demo", image="x", ports=tuple(ports)),))
        with pytest.raises(DockerError, match="process") as mixed:
            check_ports(engine(two), both, ["demo"])
    assert mixed.value.holders == ()


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
        with pytest.raises(DockerError, match=rf"port {number}/tcp of demo [^()]+ \(process \d+\).*\[host\.port\]"):
            check_ports(engine(), desired(number, "127.0.0.1"), ["demo"])
        with pytest.raises(DockerError):
            check_ports(engine(), desired(number), ["demo"])
        check_ports(engine(url="ssh://nas"), desired(number), ["demo"])
        check_ports(engine(taken(number, project="media-test")), desired(number), ["demo"])


class Shared(FakeEngine):
    def __init__(self, *others: Neighbour) -> None:
        super().__init__()
        self.others = others

    def neighbours(self) -> tuple[Neighbour, ...]:
        return self.others


def on(app: str, folders: dict[str, str], project: str = "media-other") -> EngineReader:
    return cast(EngineReader, Shared(Neighbour(container="other-demo-1", project=project, app=app, folders=folders)))


def with_data() -> Desired:
    bind = {"type": "bind", "bind": {"create_host_path": True}}
    body = {
        "name": "media-test",
        "services": {
            "init": {"image": "x", "volumes": [{**bind, "source": "/data/whole", "target": "/places/whole"}]},
            "demo": {
                "image": "x",
                "volumes": [
                    {**bind, "source": "/data/config/demo", "target": "/config"},
                    {**bind, "source": "/data", "target": "/mnt/media"},
                    {**bind, "source": "/data/read", "target": "/read", "read_only": True},
                    {**bind, "source": "/mnt/clouds", "target": "/mnt/clouds"},
                    {"type": "volume", "source": "cache", "target": "/cache"},
                ],
            },
            "cloud-shelf": {"image": "x", "labels": {"portable.app": "cloud-shelf"}},
        },
    }
    return desire(by_hand(project="media-test", body=body), {}, None, Observed())


@pytest.mark.parametrize("folder", ["/data/config/demo", "/data/config/demo/sub", "/data/config"])
def test_two_stacks_never_write_the_same_data(folder: str) -> None:
    says = r"the container other-demo-1 of the project media-other has /data/config/demo, the data of demo"
    with pytest.raises(Refused, match=says) as refused:
        refuse_shared(on("demo", {folder: "/config"}), with_data(), ["init", "demo"])
    assert (refused.value.exit_code, refused.value.code, refused.value.where) == (REFUSED, "up.shared-data", "media-test")
    assert refused.value.holders == (Holder("media-other", "demo", "other-demo-1"),)
    refuse_shared(on("demo", {folder: "/config"}, "media-test"), with_data(), ["demo"])
    refuse_shared(on("demo", {folder: "/config"}), with_data(), ["init", "cloud-shelf"])


def test_an_installation_by_hand_is_not_joined_but_a_file_server_may_be_around() -> None:
    with pytest.raises(Refused, match="the container other-demo-1 has /data/config/demo"):
        refuse_shared(on("", {"/data/config/demo": "/config"}, ""), with_data(), ["demo"])
    refuse_shared(on("", {"/data": "/srv", "/": "/host"}, ""), with_data(), ["demo"])


def test_the_library_may_be_shared_and_so_may_what_is_only_read() -> None:
    refuse_shared(on("demo", {"/data": "/mnt/media", "/mnt/clouds": "/mnt/clouds", "/data/read": "/x"}), with_data(), ["demo"])
    refuse_shared(on("demo", {"/data/config/demo-2": "/config"}), with_data(), ["demo"])


def test_one_cloud_is_mounted_by_one_project() -> None:
    with pytest.raises(Refused, match=r"of the project media-other has /mnt/clouds/shelf, which cloud-shelf would mount too"):
        refuse_shared(on("cloud-shelf", {}), with_data(), ["cloud-shelf"])
    refuse_shared(on("cloud-other", {}), with_data(), ["cloud-shelf"])
    refuse_shared(on("cloud-shelf", {}, "media-test"), with_data(), ["cloud-shelf"])


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    check_space(engine())
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1024 * 1024))
    with pytest.raises(DockerError, match="1 MiB are free in /") as caught:
        check_space(engine())
    assert (caught.value.kind, caught.value.code) == ("space", "host.full")
    check_space(engine(url="tcp://nas:1"))


class Inhabited(Engine):
    """An engine that has one container of a project, and no method that this must reach."""

    def __init__(self, labels: dict[str, str]) -> None:
        super().__init__(Address(url="unix:///fake", named_by="test"))
        record = {"Id": "1", "Name": "/media_db_1", "Config": {"Labels": labels}, "State": {"Status": "running"}, "HostConfig": {}}
        self.found = seen(record, str)

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        return Observed(containers=(self.found,))


STACK = by_hand(project="media", body={"name": "media", "services": {"db": {"image": "x"}}})


@pytest.mark.parametrize("verb", [compose.down, compose.restart])
def test_a_project_of_the_same_name_that_somebody_else_made_is_not_touched(
    verb: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    theirs = Inhabited({PROJECT: "media", SERVICE: "db", FOLDER: "/home/somebody/media"})
    with pytest.raises(Refused, match=r"\(media_db_1\)") as refused:
        verb(theirs, STACK, progress=silent)
    assert (refused.value.exit_code, refused.value.code) == (REFUSED, "up.foreign-project")
    with pytest.raises(Refused) as refused:
        look(theirs, STACK, {}, {})
    assert refused.value.code == "up.foreign-project"


@pytest.mark.parametrize("more", [{"portable.app": "db"}, {FOLDER: "/root/.local/state/portable/media"}])
def test_what_portable_made_is_known_by_its_labels_or_its_folder(more: dict[str, str]) -> None:
    assert not Inhabited({PROJECT: "media", SERVICE: "db", FOLDER: "/elsewhere", **more}).found.foreign
