"""`portable up --take-over`: for clusters only; and what an option changes in the stack reaches the driver."""

from pathlib import Path
from typing import Any

import pytest

from portable.backends.prepare import prepare
from portable.cli.up import driver_of, reader_of
from portable.live.place import place_of
from tests.cli import run, write


def test_an_engine_has_nothing_to_take_over(tmp_path: Path) -> None:
    done = run("up", "--take-over", "-p", "local", cwd=tmp_path)
    assert (done.returncode, "[usage.take-over]" in done.stderr) == (2, True)


def test_a_profile_with_a_controller_can_be_taken_over(tmp_path: Path) -> None:
    profile = "portable: 1\nname: mine\nextends: samba\ngitops: {path: k8s/mine, flux: {}}\nvpn: null\n"
    write(tmp_path, {"portable.yaml": "portable: 1\napps: [sonarr]\n", "profiles/mine.yaml": profile})
    done = run("up", "--dry-run", "--take-over", "-p", "mine", cwd=tmp_path)
    assert done.returncode != 0
    assert "cluster.gitops" not in done.stderr
    assert "kubeconfig" in done.stderr


@pytest.mark.parametrize("make", [driver_of, reader_of])
def test_the_driver_has_the_stack_as_the_options_say(make: Any, tmp_path: Path) -> None:
    import msgspec

    place = place_of(prepare("local", folder=tmp_path), {"HOME": str(tmp_path)})
    accepted = msgspec.structs.replace(place.stack, accepted_versions=("gerbera",))
    changed = msgspec.structs.replace(place, opened=msgspec.structs.replace(place.opened, stack=accepted))
    with make(changed) as driver:
        assert driver.stack.accepted_versions == ("gerbera",)
