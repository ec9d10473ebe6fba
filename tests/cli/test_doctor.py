"""What `doctor --fix` may do, and as whom; the host is a test's own, and no command is run."""

import os

import pytest

from portable.backends.prepare import prepare
from portable.cli import doctor
from portable.engines.mounts import Mounted
from portable.live.place import place_of
from portable.local import commands
from portable.model.errors import EngineError, Refused
from portable.verify.host import Host

UNSHARED = Host(mounts=(Mounted(path="/", kind="ext4", shared=False),), nodes={"/dev/fuse": 0, "/dev/net/tun": 0})
SHARING = (
    """mkdir -p /mnt/clouds && sh -c 'mountpoint -q "$0" || mount --rbind "$0" "$0"' /mnt/clouds && mount --make-rshared /mnt/clouds"""
)


def fixed(monkeypatch: pytest.MonkeyPatch, *, user: int, dry_run: bool = False) -> dict[str, dict[str, str]]:
    """By where."""
    monkeypatch.setattr(doctor, "_host", lambda *_: UNSHARED)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    prepared = prepare("local")
    driver = place_of(prepared, {"HOME": "/root"}).opened.driver(str)
    rows = doctor._fixed(prepared, driver, dry_run=dry_run)
    return {row["where"]: row for row in rows}


def test_who_is_not_root_is_refused_with_the_commands_and_may_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "carry_out", lambda *_, **__: pytest.fail("a command was run"))
    with pytest.raises(Refused, match="make-rshared") as raised:
        fixed(monkeypatch, user=1000)
    assert raised.value.code == "usage.fix-needs-root"
    assert "`portable doctor --fix`" in (raised.value.remedy or "")
    assert fixed(monkeypatch, user=1000, dry_run=True)["/mnt/clouds"]["commands"] == SHARING


def test_what_fails_is_told_and_the_rest_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def carry_out(_commands: object, *, where: str) -> None:
        done.append(where)
        if where == "/mnt/clouds":
            raise EngineError("it is not permitted", where=where)

    monkeypatch.setattr(commands, "carry_out", carry_out)
    found = fixed(monkeypatch, user=0)
    assert len(found) > 1
    assert done == list(found)
    assert [where for where, row in found.items() if row["failed"]] == ["/mnt/clouds"]
