"""Stand-ins know what the plan says, all of it, and nothing else; no engine is needed to see that."""

import re
from pathlib import Path

import msgspec
import pytest

from portable.backends.common import containers
from portable.backends.prepare import prepare
from portable.model.plan import Container, Exec, Http
from portable.planning import Planned
from tests.lab import standins

PROFILES = ("zimaboard", "zimaboard-8gb")
PROGRAMS = {"sh", *(path.name for path in (Path(standins.__file__).parent / "standin").iterdir() if not path.suffix)}
"""What a stand-in can be asked by."""


def planned(folder: Path, profile: str = "zimaboard", stack: str = "") -> Planned:
    """The plan of a shipped profile with a stack of the test's."""
    (folder / "portable.yaml").write_text(f"portable: 1\nname: media\n{stack}")
    return prepare(profile, folder=folder).planned


@pytest.mark.parametrize("profile", PROFILES)
def test_every_image_is_real_or_stood_in_for(tmp_path: Path, profile: str) -> None:
    made = planned(tmp_path, profile)
    known = standins.local_images(made)
    own = {placed.container.image.reference for placed in containers(made.plan)} - known.keys()
    assert {reference.split(":")[0] for reference in own} == {"ghcr.io/qdm12/gluetun"}, "left to somebody else"
    assert all(re.fullmatch(r"localhost/portable(-test)?/[a-z0-9-]+:[0-9a-f]{12}", image) for image in known.values())
    assert not any("standin" in placed.container.image.reference for placed in containers(made.plan)), "no profile that ships names one"


@pytest.mark.parametrize("profile", PROFILES)
def test_a_stand_in_is_what_the_plan_says(tmp_path: Path, profile: str) -> None:
    made = planned(tmp_path, profile)
    found = standins.described(made)
    for placed in containers(made.plan):
        container = placed.container
        if container.image.reference not in found:
            continue
        assert placed.app
        said = found[container.image.reference]
        ports = {(port.number, port.protocol, port.private) for port in placed.app.ports if port.container == container.name}
        assert {(port.number, port.protocol, port.private) for port in said.ports} == ports
        writable = {mount.path for mount in container.mounts if mount.access == "rw"}
        assert {*said.state, *said.caches, *([said.library.path] if said.library and said.library.keeps else [])} == writable
        assert said.identity == container.identity.how
        check = container.probes.ready
        assert check
        match check.how:
            case Http(path=path, ok=ok):
                assert [(health.path, health.status in ok) for health in said.health] == [(path, True)]
            case Exec(command=command):
                assert command[0] in PROGRAMS
    assert {said.name: said.gateway for said in found.values() if said.gateway} == {"autobrr": "gluetun", "prowlarr": "gluetun"}


def test_who_imports_and_who_only_keeps(tmp_path: Path) -> None:
    found = {said.name: said.library for said in standins.described(planned(tmp_path)).values() if said.library}
    assert found["sonarr"] == standins.Tree(path="/mnt/media", keeps="media/tv", imports=("downloads/complete",))
    assert found["tubearchivist"] == standins.Tree(path="/mnt/media", keeps="media/youtube")
    assert found["jellyfin"] == standins.Tree(path="/mnt/media"), "it may only read"


def test_health_that_is_asked_by_a_command_is_answered_too(tmp_path: Path) -> None:
    found = {said.name: said.health for said in standins.described(planned(tmp_path)).values()}
    assert found["homepage"] == (standins.Health(path="/api/healthcheck"),)
    assert found["tubearchivist-search"] == (standins.Health(path="/"),)


def test_a_stacks_other_port_is_the_stand_ins(tmp_path: Path) -> None:
    made = planned(tmp_path, stack="ports: {sonarr: {web: 9000}}\n")
    assert [said.ports for said in standins.described(made).values() if said.name == "sonarr"] == [(standins.Listens(number=9000),)]


def test_another_description_is_another_image(tmp_path: Path) -> None:
    made = planned(tmp_path)
    plain, calling = standins.local_images(made), standins.local_images(made, outside={"prowlarr": ["tcp://127.0.0.1:1"]})
    assert [reference.split(":")[0] for reference in plain if plain[reference] != calling[reference]] == ["lscr.io/linuxserver/prowlarr"]
    assert standins.described(made, without=("gluetun", "sonarr", "ipfs")).keys() < standins.described(made).keys()


def test_two_that_share_an_image_are_refused(tmp_path: Path) -> None:
    image = "{repository: docker.io/ipfs/kubo, tag: x, digest: null}"
    same = ", ".join(f"{name}: {{containers: {{main: {{image: {image}}}}}}}" for name in ("seerr", "sonarr"))
    with pytest.raises(ValueError, match="one image would stand in for seerr and for sonarr"):
        standins.described(planned(tmp_path, stack=f"override: {{{same}}}\n"))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_with_stand_ins_differs_in_images_alone(tmp_path: Path, profile: str) -> None:
    plain = planned(tmp_path, profile)
    taken = {reference: standins.at_registry(image, "registry.lab:5000") for reference, image in standins.local_images(plain).items()}
    more = {"override": {"gluetun": {"containers": {"main": {"environment": {"LOG_LEVEL": "debug"}}}}}, "vpn": {"gateway": "gluetun"}}
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "lab.yaml").write_text(standins.profile(plain, taken, "lab", more))
    lab = planned(tmp_path, "lab")
    for mine, theirs in zip(containers(lab.plan), containers(plain.plan), strict=True):
        assert mine.container.image.reference == taken.get(theirs.container.image.reference, theirs.container.image.reference)
        assert mine.container.image.recipe is None, "what can't be pulled from the lab's registry is an error, not a build"
        if mine.path != "apps.gluetun.containers.main":
            assert _without_version(mine.container) == _without_version(theirs.container)
        else:
            assert mine.container.env["LOG_LEVEL"] == "debug"


def _without_version(container: Container) -> Container:
    """The container without what depends on its version: image, and time to migrate its state."""
    probes = container.probes
    startup = msgspec.structs.replace(probes.startup, failures=0) if probes.startup else None
    image = msgspec.structs.replace(container.image, repository="", tag="", digest=None, recipe=None)
    return msgspec.structs.replace(container, image=image, probes=msgspec.structs.replace(probes, startup=startup))
