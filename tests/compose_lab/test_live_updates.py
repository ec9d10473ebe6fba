"""Newer images from a real registry, for two apps behind one gateway: taken, taken back, put back by itself, and killed half-way.

The apps refuse what a newer version wrote, as programs do that migrate their database: only state that was put back lets them run again.
"""

import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portable.engines.docker.engine import Engine
from portable.profiles.images import Images
from portable.profiles.load import load_images
from tests.lab.engine import BUSYBOX, LABEL, clean, random_project
from tests.lab.home.box import bring
from tests.lab.local import Local, docker, end_group, free_ports

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(180)]
APPS = ("notes", "pages")
OF_NOTES = "label=com.docker.compose.service=notes"
PROFILE = """\
portable: 1
name: lab
extends: local
apps: [backup, notes, pages]
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
    """A registry on the loopback, and the versions of two images, each under one tag."""

    def __init__(self, engine: Engine, label: str, port: int) -> None:
        self.engine, self.label, self.at = engine, label, f"127.0.0.1:{port}"

    def sell(self, app: str, version: int) -> str:
        """Have that version under the app's tag; its digest."""
        text, tagged = f"FROM {BUSYBOX}\nENV VERSION={version} APP={app}\n".encode(), f"{self.at}/{app}:1"
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        context.seek(0)
        self.engine.build(context, tagged, {LABEL: self.label}, {}, lambda line: None)
        docker("push", "-q", tagged)
        docker("rmi", tagged)
        found = self.engine.offered(tagged)
        assert found.digest, found
        return found.digest


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
    """The apps in their first versions behind the seal, and the keeper of backups; up."""
    stack = Local(tmp_path, text=PROFILE, published=())
    for app in APPS:
        main: dict[str, Any] = {
            "image": {"repository": f"{shop.at}/{app}", "tag": "1", "digest": shop.sell(app, 1)},
            "identity": "user",
            "command": ["sh", "-c", PROGRAM],
            "volumes": {"config": "/config"},
            "probe": {"exec": ["test", "-e", "/tmp/ready"], "startup": "3s", "period": "1s"},
            "stop-grace": "5s",
            "resources": {"memory": {"request": "16Mi", "limit": "32Mi"}},
        }
        facts = {"portable": 1, "name": app, "title": app, "about": f"Keeps {app}", "zone": "front", "egress": "vpn"}
        facts |= {"containers": {"main": main}, "volumes": {"config": {"holds": "state"}}}
        (tmp_path / "catalog" / app).mkdir(parents=True)
        (tmp_path / "catalog" / app / "app.yaml").write_text(json.dumps(facts))
    try:
        stack.portable("up")
        yield stack
    finally:
        stack.portable("down", code=None)
        clean(engine, stack.project)


def taken(local: Local) -> Images:
    return load_images(local.folder / "profiles" / "lab.images.yaml")[0]


def runs(local: Local) -> tuple[str, ...]:
    """The digests that run."""
    return tuple(str(local.inspected()[app]["Config"]["Image"]).partition("@")[2] for app in APPS)


def formats(local: Local) -> tuple[str, ...]:
    """Which version last wrote the state of each."""
    return tuple((local.folder / "config" / app / "format").read_text().strip() for app in APPS)


def rows(local: Local, *options: str, code: int = 0) -> tuple[dict[str, str], ...]:
    """What became of the images of the two apps."""
    told = local.portable("update", *options, "--format", "json", code=code)
    found = {row["app"]: row for row in json.loads(told.out)["updates"]}
    return tuple(found[app] for app in APPS)


def results(rows: tuple[dict[str, str], ...]) -> tuple[str, ...]:
    return tuple(row["result"] for row in rows)


def test_taken_taken_back_and_put_back_by_itself(local: Local, shop: Shop, record_property: Any) -> None:
    mine, began = local.folder / "config" / "notes" / "mine", time.monotonic()
    first, gateway = runs(local), local.container("seal")
    mine.write_text("a note\n")
    os.chown(mine, 1000, 1000)
    assert formats(local) == ("1", "1")
    assert results(rows(local, "notes")) == ("same", "same")

    second = (shop.sell("notes", 2), first[1])
    (foreseen, _) = rows(local, "seal", "--dry-run")
    assert (foreseen["result"], foreseen["digest"], runs(local)) == ("newer", second[0], first)
    (row, other) = rows(local, "notes")
    assert (row["result"], row["before"], row["digest"]) == ("taken", first[0], second[0]), str(local.ran[-1])
    assert other["result"] == "same"
    assert (runs(local), formats(local), mine.read_text()) == (second, ("2", "1"), "a note\n")
    local.portable("diff")
    assert second[0] in local.portable("render").out
    assert row["backup"] in local.portable("backup", "--list", "notes").out

    # State stays where nothing is said of it, and then the older version does not read it: told, and completed with the state.
    refused = local.portable("rollback", "notes", code=1)
    assert "cannot complete the rollback: " in refused.err
    assert "format 2 is newer than version 1 reads" in refused.err
    back = json.loads(local.portable("rollback", "notes", "--with-state", "--format", "json").out)["updates"]
    assert [(row["app"], row["result"]) for row in back] == [("notes", "back")]
    assert (runs(local), formats(local)) == (first, ("1", "1"))
    (before,) = mine.parent.glob(".before-restore-*")
    assert (before / "format").read_text() == "2\n"
    assert not taken(local).images

    # One of the two can't be helped: both go back, each with its state.
    third = (shop.sell("notes", 3), shop.sell("pages", 2))
    failed = rows(local, "seal", code=1)
    assert [(row["result"], row["before"], row["digest"]) for row in failed] == [
        ("failed", new, old) for new, old in zip(third, first, strict=True)
    ]
    assert "version 3 can not be helped" in failed[0]["why"]
    assert "seal: rolled back to the previous images: notes: unhealthy" in local.ran[-1].err
    assert "version 3 can not be helped" in local.ran[-1].err
    assert (runs(local), formats(local), mine.read_text()) == (first, ("1", "1"), "a note\n")
    assert not taken(local).images
    local.portable("diff")
    assert local.portable("status").code == 0
    assert local.container("seal") == gateway, "nothing changed for the gateway"
    record_property("lab_updates", f"{time.monotonic() - began:.0f} s for an update, two ways back, and one that was put back by itself")


def test_killed_half_way_the_same_command_completes_it(local: Local, shop: Shop) -> None:
    second = (shop.sell("notes", 2), shop.sell("pages", 2))
    started = local.start("update", "notes")
    until = time.monotonic() + 60
    while not any(update.step == "taking" for update in taken(local).images.values()):
        assert started.poll() is None, "it ended before it was killed"
        assert time.monotonic() < until
        time.sleep(0.01)
    end_group(started)
    told = local.portable("explain", "--all").out
    assert "the update of notes of " in told
    assert "is not finished" in told
    assert results(rows(local, "notes")) == ("taken", "taken")
    assert (runs(local), formats(local)) == (second, ("2", "2"))
    assert list(taken(local).unfinished()) == []
    assert results(rows(local, "notes")) == ("same", "same")


def test_a_backup_that_is_killed_while_its_app_is_down_leaves_nothing_down(local: Local, shop: Shop) -> None:
    """Killed as soon as something is noted, and once the app is gone: the same command starts it again, and so does an update."""
    second, note = shop.sell("notes", 2), local.state / "portable" / local.project / "copying.json"

    def running() -> bool:
        return bool(local.docker("ps", "-q", "--filter", f"label=com.docker.compose.project={local.project}", "--filter", OF_NOTES).strip())

    def noted() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(note.read_text()) if note.exists() else {}
        return found

    def killed(moment: Callable[[], bool]) -> None:
        started, until = local.start("backup", "--stop", "notes"), time.monotonic() + 60
        while not moment():
            assert started.poll() is None, "it ended before it was killed"
            assert time.monotonic() < until
        end_group(started)
        assert noted()["notes"]["again"] == ["notes"]

    for moment in (lambda: bool(noted()), lambda: not running()):
        killed(moment)
        assert json.loads(local.portable("backup", "--stop", "notes", "--format", "json").out)["backup"][0]["result"] == "done"
        assert running()
        assert noted() == {}
    killed(lambda: not running())
    local.portable("up")
    assert running()
    assert noted() == {}
    killed(lambda: not running())
    assert results(rows(local, "notes")) == ("taken", "same")
    assert (runs(local)[0], noted()) == (second, {})
    assert local.portable("status").code == 0
