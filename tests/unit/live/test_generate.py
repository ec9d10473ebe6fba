"""Secrets that are made where they are missing, and those that are taken out of what apps say."""

import subprocess
from pathlib import Path

import pytest

from portable.backends.compose.address import Address
from portable.cli.up import engine_of, reader_of
from portable.live.desired import Stack
from portable.live.generate import hider, known_values
from portable.live.place import Place
from portable.live.progress import Event
from portable.live.secrets import CommandSource, FileSource, Need

CANARY = "canary-3f9a17c2"
NEEDS = tuple(Need(name=name, key="value", optional=False, apps=("some",)) for name in ("token", "absent"))


def held(folder: Path, mode: int = 0o600) -> FileSource:
    path = folder / "secrets.yaml"
    path.write_text(f"token: {CANARY}\n")
    path.chmod(mode)
    return FileSource(path=str(path))


def test_every_command_takes_secrets_out_of_what_an_engine_says(tmp_path: Path) -> None:
    stack = Stack(project="demo", body={"name": "demo", "services": {}}, secrets=NEEDS)
    place = Place(stack=stack, address=Address(url="unix:///none", named_by="the test"), source=held(tmp_path))
    for engine in (engine_of(place), reader_of(place)):
        assert engine.hide(f"unhealthy: GET /?key={CANARY}") == "unhealthy: GET /?key=<secret>"
        assert CANARY not in str(engine.trouble(f"the container said {CANARY}", "restarting"))


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
    said = [event.sentence() for event in events]
    assert bool(said) == (mode == 0o644)
    assert CANARY not in "".join(said)
