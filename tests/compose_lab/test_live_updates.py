"""Newer images from a real registry: taken, taken back, put back by itself, and killed half-way.

The app refuses what a newer version wrote, as programs do that migrate their database: only state that was put back lets it run again.
"""

import contextlib
import io
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portable.backends.compose.engine import Engine
from portable.profiles.images import Images
from portable.profiles.load import load_images
from tests.lab.engine import BUSYBOX, LABEL, clean, random_project
from tests.lab.home.box import bring
from tests.lab.local import Local, docker, end_group, free_ports

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(180)]
PROFILE = """\
portable: 1
name: lab
extends: local
apps: [backup, notes]
clouds: []
storage:
  library: {{folder: {folder}/library}}
  state: {{folder: {folder}/config}}
  backups: {{folder: {folder}/backups}}
"""
PROGRAM = """\
format=$(cat /config/format 2>/dev/null || echo 0)
[ "$format" -le "$VERSION" ] || { echo "format $format is newer than version $VERSION reads"; exit 1; }
echo "$VERSION" >/config/format
[ "$VERSION" = 3 ] && echo "version 3 can not be helped" || touch /tmp/ready
trap 'exit 0' TERM
while :; do sleep 1 & wait $!; done
"""
REGISTRY = """\
cat >/tmp/registry.yml <<'END'
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: /var/lib/registry}}}}
http: {{addr: "127.0.0.1:{port}"}}
END
exec docker-registry serve /tmp/registry.yml
"""


class Shop:
    """A registry on the loopback, and the versions of one image under one tag."""

    def __init__(self, engine: Engine, label: str, port: int) -> None:
        self.engine, self.label, self.tagged = engine, label, f"127.0.0.1:{port}/notes:1"

    def sell(self, version: int) -> str:
        """Have that version under the tag; its digest."""
        text = f"FROM {BUSYBOX}\nENV VERSION={version}\n".encode()
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        context.seek(0)
        self.engine.build(context, self.tagged, {LABEL: self.label}, {}, lambda line: None)
        docker("push", "-q", self.tagged)
        docker("rmi", self.tagged)
        found = self.engine.offered(self.tagged)
        assert found
        return str(getattr(found, "digest", found))


@pytest.fixture
def shop(engine: Engine) -> Iterator[Shop]:
    """The registry, gone with all that was bought of it."""
    image, (port,), name = bring(engine, "lab-internet"), free_ports(1), random_project()
    docker("run", "-d", "--name", name, "--label", f"{LABEL}={name}", "--network", "host", image, "sh", "-c", REGISTRY.format(port=port))
    try:
        until = time.monotonic() + 20
        while "200" not in docker("exec", name, "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo 200", code=None):
            assert time.monotonic() < until, docker("logs", name, code=None)
            time.sleep(0.1)
        yield Shop(engine, name, port)
    finally:
        docker("rm", "-f", "-v", name, code=None)
        for one in set(docker("images", "-q", "--filter", f"label={LABEL}={name}").split()):
            docker("rmi", "-f", one, code=None)


@pytest.fixture
def local(engine: Engine, shop: Shop, tmp_path: Path) -> Iterator[Local]:
    """The app in its first version, and the keeper of backups; up."""
    stack = Local(tmp_path, text=PROFILE, published=())
    main: dict[str, Any] = {
        "image": {"repository": shop.tagged.rpartition(":")[0], "tag": "1", "digest": shop.sell(1)},
        "identity": "user",
        "command": ["sh", "-c", PROGRAM],
        "volumes": {"config": "/config"},
        "probe": {"exec": ["test", "-e", "/tmp/ready"], "startup": "3s", "period": "1s"},
        "stop-grace": "5s",
        "resources": {"memory": {"request": "16Mi", "limit": "32Mi"}},
    }
    facts = {"portable": 1, "name": "notes", "title": "Notes", "about": "Keeps notes", "zone": "front", "containers": {"main": main}}
    (tmp_path / "catalog" / "notes").mkdir(parents=True)
    (tmp_path / "catalog" / "notes" / "app.yaml").write_text(json.dumps({**facts, "volumes": {"config": {"holds": "state"}}}))
    try:
        stack.portable("up")
        yield stack
    finally:
        stack.portable("down", code=None)
        clean(engine, stack.project)


def taken(local: Local) -> Images:
    return load_images(local.folder / "profiles" / "lab.images.yaml")[0]


def runs(local: Local) -> str:
    """The digest that runs."""
    return str(local.inspected()["notes"]["Config"]["Image"]).partition("@")[2]


def rows(local: Local, *options: str, code: int = 0) -> list[dict[str, str]]:
    """What became of the images of the app."""
    told = local.portable("upkeep", "--task", "images", *options, "--format", "json", code=code)
    found: list[dict[str, str]] = json.loads(told.out)["updates"]
    return found


def test_taken_taken_back_and_put_back_by_itself(local: Local, shop: Shop, record_property: Any) -> None:
    config, began = local.folder / "config" / "notes", time.monotonic()
    first = runs(local)
    (config / "mine").write_text("a note\n")
    assert (config / "format").read_text() == "1\n"
    assert [row["result"] for row in rows(local, "--apply", "notes")] == ["same"]

    second = shop.sell(2)
    (foreseen,) = rows(local, "--apply", "notes", "--dry-run")
    assert (foreseen["result"], foreseen["digest"], runs(local)) == ("newer", second, first)
    (row,) = rows(local, "--apply", "notes")
    assert (row["result"], row["before"], row["digest"]) == ("taken", first, second), str(local.ran[-1])
    assert (runs(local), (config / "format").read_text(), (config / "mine").read_text()) == (second, "2\n", "a note\n")
    local.portable("diff")
    assert second in local.portable("render").out
    assert row["backup"] in local.portable("backup", "--list", "notes").out

    # State stays where nothing is said of it, and then the older version does not read it: told, and completed with the state.
    refused = local.portable("upkeep", "--task", "images", "--back", "notes", code=1)
    assert "what ran before does not get well" in refused.err
    assert "format 2 is newer than version 1 reads" in refused.err
    (row,) = rows(local, "--back", "notes", "--with-state")
    assert (row["result"], runs(local), (config / "format").read_text()) == ("back", first, "1\n")
    (before,) = config.glob(".before-restore-*")
    assert (before / "format").read_text() == "2\n"
    assert not taken(local).images

    third = shop.sell(3)
    (row,) = rows(local, "--apply", "notes", code=1)
    assert (row["result"], row["before"], row["digest"]) == ("failed", third, first)
    assert "version 3 can not be helped" in row["text"]
    assert "version 3 can not be helped" in local.ran[-1].err
    assert (runs(local), (config / "format").read_text(), (config / "mine").read_text()) == (first, "1\n", "a note\n")
    assert not taken(local).images
    local.portable("diff")
    assert local.portable("status").code == 0
    record_property("lab_updates", f"{time.monotonic() - began:.0f} s for an update, two ways back, and one that was put back by itself")


def test_killed_half_way_the_same_command_completes_it(local: Local, shop: Shop) -> None:
    second = shop.sell(2)
    started = local.start("upkeep", "--task", "images", "--apply", "notes")
    until = time.monotonic() + 60
    while not any(update.step == "taking" for update in _readable(local).images.values()):
        assert started.poll() is None, "it ended before it was killed"
        assert time.monotonic() < until
        time.sleep(0.01)
    end_group(started)
    told = local.portable("explain", "--all").out
    assert "the update of notes of " in told
    assert "is not finished" in told
    (row,) = rows(local, "--apply", "notes")
    assert (row["result"], runs(local)) == ("taken", second)
    assert list(taken(local).unfinished()) == []
    assert [row["result"] for row in rows(local, "--apply", "notes")] == ["same"]


def _readable(local: Local) -> Images:
    with contextlib.suppress(OSError):
        return taken(local)
    return Images()
