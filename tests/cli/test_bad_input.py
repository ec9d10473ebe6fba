"""Bad input of every kind: a clear text that says where, the exit code, no traceback, nothing on standard output, nothing changed."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli import digest, run, write

MINE = "portable: 1\nname: mine\nextends: local\nback-end: compose\n"
RENDER = ("render", "--profile", "mine", "--output", "out")
APP = """\
portable: 1
name: demo
title: Demo
about: an app
zone: front
containers:
  main:
    image: {repository: registry.test/demo, tag: "1"}
    identity: user
    resources: {memory: {request: 64Mi, limit: 128Mi}}
"""


class Case(NamedTuple):
    """What lies in the folder, what is typed, and what must be said."""

    words: tuple[str, ...]
    files: dict[str, str | bytes] = {}  # noqa: RUF012 - nobody changes it
    args: tuple[str, ...] = RENDER
    code: int = 2


def mine(more: str) -> dict[str, str | bytes]:
    """A stack with a profile that says that too."""
    return {"portable.yaml": "portable: 1\n", "profiles/mine.yaml": MINE + more}


def demo(text: str) -> dict[str, str | bytes]:
    """A stack that runs an app of its own."""
    return {"portable.yaml": "portable: 1\napps: [demo]\n", "profiles/mine.yaml": MINE, "catalog/demo/app.yaml": text}


CASES = {
    # names
    "unknown profile": Case(("'zimaborad'", "'zimaboard'?", "[profile.unknown]"), args=("render", "--profile", "zimaborad")),
    "unknown profile as a path": Case(("'./none.yaml'", "[profile.unknown]"), args=("render", "--profile", "./none.yaml")),
    "unknown profile to show": Case(("'x'", "profiles: local", "[profile.unknown]"), args=("profiles", "show", "x")),
    "unknown app in the stack": Case(
        ("portable.yaml:2:8: apps: ", "app 'sonar'", "'sonarr'?) [app.unknown]"),
        {"portable.yaml": "portable: 1\napps: [sonar]\n", "profiles/mine.yaml": MINE},
    ),
    "unknown app in the profile": Case(("profiles/mine.yaml:5:14: apps: ", "app 'sonar'", "[app.unknown]"), mine("apps: [plex, sonar]\n")),
    "unknown app to show": Case(("'sonar'", "did you mean 'sonarr'?", "[usage.unknown-app]"), args=("catalog", "show", "sonar")),
    "unknown app to explain": Case(
        ("'sabnzb'", "profile local", "did you mean 'sabnzbd'?", "[usage.unknown-app]"), args=("explain", "sabnzb")
    ),
    "unknown code to explain": Case(
        ("'usage.monved'", "did you mean 'usage.moved'?", "[usage.unknown-code]"), args=("explain", "usage.monved")
    ),
    "unknown cloud": Case(
        ("profiles/mine.yaml:5:10: clouds: ", "cloud 'dropbox'; known: shelf", "[cloud.unknown]"), mine("clouds: [dropbox]\n")
    ),
    "unknown kind of schema": Case(("'ap'", "did you mean 'app'?", "[usage.unknown-schema]"), args=("catalog", "schema", "ap")),
    "unknown back end": Case(
        (
            "profiles/mine.yaml:4:11: back-end: expected one of `compose`, `kubernetes`, `openshift`, found string `docker`",
            "[value.choice]",
        ),
        {"portable.yaml": "portable: 1\n", "profiles/mine.yaml": MINE.replace("compose", "docker")},
    ),
    # keys
    "unknown key of the stack": Case(
        ("portable.yaml:2:1: timzone: unknown key `timzone`; known: portable, name", "`timezone`?) [value.unknown-key]"),
        {"portable.yaml": "portable: 1\ntimzone: UTC\n", "profiles/mine.yaml": MINE},
    ),
    "unknown key of the profile": Case(
        (
            "profiles/mine.yaml:6:3: storage.libary: unknown key `libary`; known: library, datasets, state, cache, backups, apps",
            "[value.unknown-key]",
        ),
        mine("storage:\n  libary: {folder: /x}\n"),
    ),
    "unknown key of an app": Case(
        ("catalog/demo/app.yaml:11:1: prots: unknown key `prots`", "[value.unknown-key]"), demo(APP + "prots: {}\n")
    ),
    "unknown key of an override": Case(
        ("profiles/mine.yaml:6:13: zoen: unknown key `zoen`", "[value.unknown-key]"), mine("override:\n  gerbera: {zoen: front}\n")
    ),
    "missing key": Case(
        ("catalog/demo/app.yaml:1:1: the key `zone` is missing", "[value.missing-key]"), demo(APP.replace("zone: front\n", ""))
    ),
    "duplicate key": Case(
        ("profiles/mine.yaml:6:1: about: ", "`about`", "line 5) [yaml.duplicate-key]"),
        mine("about: one\nabout: two\n"),
    ),
    "duplicate app": Case(("profiles/mine.yaml:5:14: apps: app 'plex' ", "(remove one) [app.duplicate]"), mine("apps: [plex, plex]\n")),
    "duplicate name of a profile": Case(
        ("profiles/mine.yaml:2:7: name: ", "'local'", "[profile.name]"),
        {"portable.yaml": "portable: 1\n", "profiles/mine.yaml": MINE.replace("name: mine", "name: local")},
    ),
    "duplicate name of an app": Case(
        ("catalog/copy/app.yaml:2:7: name: ", "'demo' (write `name: copy`) [catalog.name]"),
        {**demo(APP), "portable.yaml": "portable: 1\napps: [copy]\n", "catalog/copy/app.yaml": APP},
    ),
    "duplicate alias": Case(
        ("catalog/demo/app.yaml:11:11: aliases[0]: alias 'gerbera' of 'demo' ", "[app.alias-taken]"),
        {**demo(APP + "aliases: [gerbera]\n"), "portable.yaml": "portable: 1\napps: [demo, gerbera]\n"},
    ),
    # values
    "wrong type": Case(
        ("portable.yaml:2:6: uid: expected integer, found string `root` [value.type]",),
        {"portable.yaml": "portable: 1\nuid: root\n", "profiles/mine.yaml": MINE},
    ),
    "a number that must be a text": Case(
        ("profiles/mine.yaml:5:8: about: expected string, found integer `5` (put it in quotes) [value.type]",), mine("about: 5\n")
    ),
    "a value out of bounds": Case(
        ("portable.yaml:2:6: uid:", "-1", "[value.range]"), {"portable.yaml": "portable: 1\nuid: -1\n", "profiles/mine.yaml": MINE}
    ),
    "a map in the place of a list": Case(
        ("profiles/mine.yaml:5:7: apps: expected list, found mapping [value.type]",), mine("apps: {plex: 1}\n")
    ),
    "a path that leads out": Case(
        ("profiles/mine.yaml:5:53: storage.state.below:", "`../x`", "[value.format]"),
        mine("storage: {state: {folder: null, on: library, below: ../x}}\n"),
    ),
    "a port that clashes in a group": Case(
        ("sabnzbd web and qbittorrent web ", "8080/tcp", "[port.taken]"),
        mine("exposure: {apps: {sabnzbd: {web: {loopback: {number: 8080}}}}}\n"),
    ),
    "a waiver that matches nothing": Case(
        ("profiles/mine.yaml:6:5: waive: ", "egress (security)", "[stack.waiver-unused]"),
        mine("waive:\n  - {field: egress, class: security, reason: none}\n"),
    ),
    "a patch that matches nothing": Case(
        ("profiles/mine.yaml:6:5: patch[0]: service gerber ", "did you mean service gerbera?", "[patch.target]"),
        mine("patch:\n  - {kind: service, name: gerber, op: add, path: /shm_size, value: 1gb}\n"),
    ),
    "an operation that a patch has not": Case(
        ("profiles/mine.yaml:6:", "patch[0].op", "[value.choice]"),
        mine("patch:\n  - {kind: service, name: gerbera, op: move, path: /shm_size, value: 1gb}\n"),
    ),
    # files
    "no yaml": Case(("profiles/mine.yaml:6:", "`]`", "[yaml.unclosed]"), mine("apps: [plex\n")),
    "a tab": Case(("profiles/mine.yaml:6:1:", "[yaml.tab]"), mine("exposure:\n\tdefault: lan\n")),
    "an empty file": Case(("profiles/mine.yaml:1:1:", "[yaml.empty]"), {"portable.yaml": "portable: 1\n", "profiles/mine.yaml": ""}),
    "an empty stack": Case(("portable.yaml:1:1:", "[yaml.empty]"), {"portable.yaml": "", "profiles/mine.yaml": MINE}),
    "an empty app": Case(("catalog/demo/app.yaml:1:1:", "[yaml.empty]"), demo("")),
    "a binary file": Case(
        ("profiles/mine.yaml:1:2: ", "0xff", "[yaml.encoding]"),
        {"portable.yaml": "portable: 1\n", "profiles/mine.yaml": b"\x7f\xff\x00\x01ELF"},
    ),
    "a file of zeros": Case(
        ("portable.yaml:1:1: ", "U+0000", "[yaml.character]"), {"portable.yaml": b"\0" * 64, "profiles/mine.yaml": MINE}
    ),
    "a list": Case(("portable.yaml:1:1:", "[yaml.top-level]"), {"portable.yaml": "- portable\n", "profiles/mine.yaml": MINE}),
    "two documents": Case(
        ("portable.yaml:2:1:", "[yaml.several-documents]"),
        {"portable.yaml": "portable: 1\n---\nportable: 1\n", "profiles/mine.yaml": MINE},
    ),
    "a version that is unknown": Case(
        ("portable.yaml:1:11: portable:", "[value.choice]"), {"portable.yaml": "portable: 2\n", "profiles/mine.yaml": MINE}
    ),
    "a template that fails": Case(
        ("catalog/demo/app.yaml:11:13: containers.main.files[0]: template a.j2:2: 'nothing' ", "[template.undefined]"),
        {**demo(APP + "    files: [{template: a.j2, path: /a}]\n"), "catalog/demo/a.j2": "x\n{{ nothing }}\n"},
    ),
    "a template that is not there": Case(
        ("catalog/demo/app.yaml:11:13: containers.main.files[0]: ", "'a.j2'", "[template.unreadable]"),
        demo(APP + "    files: [{template: a.j2, path: /a}]\n"),
    ),
    "a broken catalog": Case(
        ("catalog/demo/app.yaml:1:4:", "[yaml."), {"catalog/demo/app.yaml": "a: : b\n"}, ("catalog", "check", "catalog")
    ),
    "images that are newer, in a file that is wrong": Case(
        (
            "profiles/mine.images.yaml:3:16: images.sonarr.at: ",
            "string `yesterday`",
            "[value.format]",
            "the key `containers` is missing",
            "[value.missing-key]",
        ),
        {**mine(""), "profiles/mine.images.yaml": "portable: 1\nimages:\n  sonarr: {at: yesterday}\n"},
    ),
    # circles
    "a cycle of extends": Case(
        ("mine.yaml -> ", "other.yaml -> mine (", "[profile.circle]"),
        {
            **mine(""),
            "profiles/mine.yaml": MINE.replace("local", "other"),
            "profiles/other.yaml": "portable: 1\nname: other\nextends: mine\n",
        },
    ),
    "extends of nothing": Case(
        ("profiles/mine.yaml:3:10: extends: ", "'other'; known: ", "[profile.unknown]"),
        {**mine(""), "profiles/mine.yaml": MINE.replace("local", "other")},
    ),
    "a cycle of needs": Case(
        ("catalog/demo/app.yaml:11:14: after: ", ": copy -> demo -> copy (", "[app.cycle]"),
        {**demo(APP + "needs-apps: [copy]\n"), "catalog/copy/app.yaml": APP.replace("demo", "copy") + "needs-apps: [demo]\n"},
    ),
    # --set
    "--set of an unknown key": Case(
        ("--set storge.x:1:2: storge: unknown key `storge`", "[value.unknown-key]"), mine(""), (*RENDER, "--set", "storge.x=1")
    ),
    "--set of an unknown key of the stack": Case(
        ("--set stack.tz:1:12: tz: unknown key `tz`", "[value.unknown-key]"), mine(""), (*RENDER, "--set", "stack.tz=UTC")
    ),
    "--set without a value": Case(("--set 'about'", "[profile.set-syntax]"), mine(""), (*RENDER, "--set", "about")),
    "--set with a value that is no yaml": Case(("--set about", "[yaml.unclosed]"), mine(""), (*RENDER, "--set", "about=[")),
    "--set of the wrong type": Case(("--set about:1:11: about: expected string", "[value.type]"), mine(""), (*RENDER, "--set", "about=5")),
    # the world
    "an output that is a file": Case(("out/compose.yaml: Not a directory (name a folder",), {**mine(""), "out": "x"}),
    "an output below a file": Case(("Not a directory (name a folder",), {**mine(""), "x": ""}, ("render", "--output", "x/out")),
    "a folder in the place of a file": Case(("out/compose.yaml: Is a directory (move the folder",), {**mine(""), "out/compose.yaml/x": ""}),
    "a file of one's own in the output": Case(
        ("out/compose.yaml: ", "[render.foreign-file]"), {**mine(""), "out/compose.yaml": "services: {}\n"}, code=4
    ),
    "a profile that is there already": Case(("profiles/mine.yaml", "[usage.profile-exists]"), mine(""), ("profiles", "new", "mine")),
    "a profile in the place of a shipped one": Case(
        ("'samba'", "`portable profiles new samba --extends samba`", "[usage.profile-exists]"), mine(""), ("profiles", "new", "samba")
    ),
    "a network past the fence that is everybody's": Case(
        ("8.0.0.0/6", "mine.yaml:", "[vpn.networks]"),
        mine("apps: [qbittorrent]\nnetworks: {local: [8.0.0.0/6]}"),
        code=4,
    ),
    "a time zone that is none": Case(
        ("portable.yaml:2:11: timezone: ", "'Europe/Lissabon'", "[plan.time-zone]"),
        {"portable.yaml": "portable: 1\ntimezone: Europe/Lissabon\n", "profiles/mine.yaml": MINE},
    ),
    "a host that can't be": Case(("'nuc..lan'", "[port.host-name]"), mine("exposure: {address: nuc..lan}")),
    "a way to no engine": Case(("'foo://bar'", "[plan.engine-address]"), mine("engine: foo://bar")),
    "a way to no engine, with a password": Case(("contains a password", "[engine.address-password]"), mine("engine: foo://me:hu/sh@bar")),
    "a command that is none": Case(("secrets.command: ", "[plan.secret-command]"), mine("secrets: {source: command}")),
    "a place without any of its apps": Case((": without: ", "[app.none-left]"), mine("apps: [sonarr]\nwithout: [sonarr]")),
    "a random value for what somebody else gives": Case(
        ("wireguard-key ", "`portable secrets set -p zimaboard wireguard-key.private-key`", "[usage.secret-issued]"),
        {},
        ("secrets", "set", "wireguard-key.private-key", "--generate", "-p", "zimaboard"),
    ),
    "a secret that no app uses": Case(
        ("'canary'", "zimaboard", "wireguard-key.private-key", "[usage.unknown-secret]"),
        {},
        ("secrets", "set", "canary", "--generate", "-p", "zimaboard"),
    ),
    "files of secrets for an engine": Case(
        ("profile zimaboard", "[usage.secrets-engine]"), {}, ("secrets", "write", "-p", "zimaboard", "-o", "out")
    ),
    "files of secrets before there are any": Case(
        ("[secret.missing]", "wireguard-key.private-key"),
        {},
        ("secrets", "write", "-p", "samba", "-o", "out", "--set", "apps=[gluetun]"),
    ),
    "an app in app.yml": Case(
        ("catalog/apps/sonarr/app.yml:1:1: ", "`mv ", "[catalog.file-name]"),
        {"catalog/apps/sonarr/app.yml": "portable: 1\nname: sonarr\n", "catalog/apps/demo/app.yaml": "portable: 1\n"},
        ("catalog", "check", "catalog"),
    ),
    "an app in app.yml, and nothing else": Case(
        ("catalog/apps/sonarr/app.yml:1:1: ", "[catalog.file-name]"),
        {"catalog/apps/sonarr/app.yml": "portable: 1\nname: sonarr\n"},
        ("catalog", "check", "catalog"),
    ),
    "an app in app.yml, beside the stack": Case(
        ("catalog/apps/sonarr/app.yml:1:1: ", "[catalog.file-name]"),
        {"portable.yaml": "portable: 1\n", "catalog/apps/sonarr/app.yml": "portable: 1\nname: sonarr\n"},
        ("render",),
    ),
    "an app in app.yml, in a list": Case(
        ("[catalog.file-name]",), {"own/apps/sonarr/app.yml": "portable: 1\nname: sonarr\n"}, ("catalog", "list", "--catalog", "own")
    ),
    "profiles in Profiles": Case(
        ("the folder Profiles is not called profiles", "`mv ", "[profile.folder-name]"),
        {"portable.yaml": "portable: 1\n", "Profiles/mine.yaml": "portable: 1\nname: mine\nextends: local\n"},
        ("render",),
    ),
    "a profile with a password, shown": Case(
        ("mine.yaml:5:9: engine: ", "[engine.address-password]"), mine("engine: tcp://me:hunter2@nas:2376"), ("profiles", "show", "mine")
    ),
    "an empty file of secrets of SOPS": Case(
        ("secrets.file: the path of the file of secrets is empty", "source: sops, file: ~/", "[secret.file-path]"),
        mine("secrets: {source: sops, file: ''}"),
    ),
    "a folder without apps": Case(("'.'", "apps/NAME/app.yaml", "[usage.folder-empty]"), {}, ("catalog", "check", ".")),
    "an own app with a template that names what is not there": Case(
        ("template a.j2:2: 'nope' ", "[template.undefined]"),
        {
            "portable.yaml": "portable: 1\nname: mine\n",
            "catalog/apps/one/a.j2": "x\n{{ nope }}\n",
            "catalog/apps/one/app.yaml": "portable: 1\nname: one\ntitle: One\nabout: x\nzone: front\ncontainers:\n  main:\n"
            "    image: {repository: registry.test/one, tag: '1'}\n    identity: user\n"
            "    files: [{template: a.j2, path: /a}]\n    resources: {memory: {request: 8Mi, limit: 16Mi}}\n",
        },
        ("catalog", "check"),
    ),
    "a name that no profile can have": Case(("'../x'", "[usage.profile-name]"), {}, ("profiles", "new", "../x")),
    "--check without a folder": Case(("--check", "--output FOLDER", "[usage.option-missing]"), {}, ("render", "--check")),
    "--fix and --dry-run apart": Case(("`portable doctor --fix --dry-run`", "[usage.option-missing]"), {}, ("doctor", "--dry-run")),
    "a drawing without a format": Case(("place.txt", ".svg", "[usage.graph-format]"), {}, ("graph", "-o", "place.txt")),
}


WAIVABLE = {
    "a waiver by name": (
        ("up", "--set", "egress.direct=[qbittorrent]"),
        "`waive: [{field: egress, class: security, apps: [qbittorrent], reason: ...}]`",
    ),
    "a waiver of a stack": (("render", "--strict", "--set", "stack.uid=0"), "`waive: [{field: stack.uid, class: security, reason: ...}]`"),
}


@pytest.mark.parametrize(("args", "line"), WAIVABLE.values(), ids=WAIVABLE)
def test_a_refusal_names_the_field_that_a_waiver_needs(args: tuple[str, ...], line: str, tmp_path: Path) -> None:
    done = run(*args, cwd=tmp_path)
    assert done.returncode == 4
    assert done.stderr.count(line) == 1


def test_a_profile_that_replaces_a_shipped_one_says_so(tmp_path: Path) -> None:
    assert "replaces the profile 'local'" in run("profiles", "new", "local", cwd=tmp_path).stdout
    assert "It replaces" not in run("profiles", "new", "mine", cwd=tmp_path).stdout


def test_files_for_a_cluster_that_are_refused_store_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    content = "wireguard-key: {private-key: nonsense, addresses: 10.2.0.2/32}\n"
    file.write_text(content)
    file.chmod(0o600)
    sets = ("--set", f"secrets={{source: file, file: {file}}}")
    done = run("secrets", "write", "-p", "samba", "-o", "out", *sets, cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert file.read_text() == content
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_bad_input(case: Case, tmp_path: Path) -> None:
    write(tmp_path, case.files)
    before = digest(tmp_path)
    done = run(*case.args, cwd=tmp_path)
    told = done.stderr.replace(f"{tmp_path}/", "")
    assert (done.returncode, done.stdout) == (case.code, ""), told
    for words in case.words:
        assert words in told
    assert "Traceback" not in told
    assert digest(tmp_path) == before


def test_mistakes_of_several_files_are_told_at_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "portable.yaml": "portable: 1\nuid: root\ntimzone: UTC\n",
            "profiles/mine.yaml": "portable: 1\nname: mine\nextends: base\nexposure: {defualt: lan}\n",
            "profiles/base.yaml": "portable: 1\nname: base\nextends: local\nabout: 5\n",
        },
    )
    done = run(*RENDER, "--set", "bogus=1", cwd=tmp_path)
    told = done.stderr.replace(f"{tmp_path}/", "").removeprefix("portable: ")
    assert done.returncode == 2
    assert [line.split(": ")[0] for line in told.splitlines()] == [
        "--set bogus:1:2",
        "portable.yaml:2:6",
        "portable.yaml:3:1",
        "profiles/base.yaml:4:8",
        "profiles/mine.yaml:4:12",
    ]


def test_mistakes_of_several_apps_are_told_at_once(tmp_path: Path) -> None:
    files = demo(APP + "zoen: x\nports: {web: {number: 0}}\n")
    files["catalog/copy/app.yaml"] = APP.replace("demo", "copy").replace("identity: user", "identity: root")
    files["portable.yaml"] = "portable: 1\napps: [demo, copy, nothing]\n"
    write(tmp_path, files)
    done = run(*RENDER, cwd=tmp_path)
    told = done.stderr.replace(f"{tmp_path}/", "").replace("portable: ", "")
    assert [line.split(": ")[0] for line in told.splitlines()] == [
        "stack media (portable.yaml), profile mine (profiles/mine.yaml)",
        "catalog/copy/app.yaml:9:15",
        "catalog/demo/app.yaml:11:1",
        "catalog/demo/app.yaml:12:23",
        "portable.yaml:2:20",
    ]


def test_findings_that_stop_a_command(tmp_path: Path) -> None:
    write(tmp_path, mine("exposure: {default: none, apps: {gerbera: {web: {ingress: {host: gerbera.x.test}}}}}\n"))
    before = digest(tmp_path)
    done = run(*RENDER, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (4, "")
    assert f"{tmp_path}/profiles/mine.yaml:5:" in done.stderr
    assert "refused: " in done.stderr
    assert "`waive: [{field: ..., class: ..., apps: [...], reason: ...}]`" in done.stderr
    assert "[plan.findings-open]" in done.stderr
    assert digest(tmp_path) == before


def test_a_patch_that_could_break_a_promise_stops_a_command(tmp_path: Path) -> None:
    write(tmp_path, mine("patch: [{kind: service, name: gerbera, op: add, path: /privileged, value: true}]\n"))
    done = run(*RENDER, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (4, "")
    assert f"{tmp_path}/profiles/mine.yaml:5:" in done.stderr
    told = run("explain", "--profile", "mine", "--format", "json", cwd=tmp_path)
    assert told.returncode == 4
    assert [f["verdict"] for f in json.loads(told.stdout)["findings"] if f["field"] == "patch.refused"] == ["refused"]


def test_a_patch_is_rendered_shown_and_told(tmp_path: Path) -> None:
    write(tmp_path, mine("patch: [{kind: service, name: gerbera, op: add, path: /shm_size, value: 77mb}]\n"))
    assert re.search(r"shm_size: \"?77mb", run("render", "--profile", "mine", cwd=tmp_path).stdout)
    assert "path: /shm_size" in run("profiles", "show", "mine", cwd=tmp_path).stdout
    assert re.search(r"mine\.yaml:5:\d+: noted \(function\) patch", run("explain", "--profile", "mine", cwd=tmp_path).stdout)
    schema = json.loads(run("catalog", "schema", "profile", cwd=tmp_path).stdout)
    assert set(schema["$defs"]["PatchFacts"]["required"]) == {"kind", "name", "op", "path"}


def test_strict_refuses_what_is_not_waived(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "portable.yaml": "portable: 1\n",
            "profiles/mine.yaml": MINE.replace("local", "samba").replace("compose", "kubernetes") + "waive: []\n",
        },
    )
    assert run("render", "--profile", "mine", cwd=tmp_path).returncode == 0
    done = run(*RENDER, "--strict", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (4, "")
    assert "data: sonarr keeps a database in sonarr-config, on SMB" in done.stderr
    assert not (tmp_path / "out").exists()


# --- a folder that can't be written, for one who is not root

NOBODY = 65534


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that everybody can read; those of pytest are their owner's only."""
    folder = Path(tempfile.mkdtemp(prefix="portable-cli-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_nobody() -> tuple[str, ...]:
    """What runs a command without root's rights; nothing where there are none to give up."""
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups") if os.getuid() == 0 else ()


@pytest.mark.parametrize("there", [False, True])
def test_an_output_folder_that_is_not_writable(readable: Path, there: bool) -> None:
    write(readable, mine(""))
    for path in (readable, *readable.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    if there:
        (readable / "out").mkdir()
    (readable / "out" if there else readable).chmod(0o555)
    before = digest(readable)
    done = run(*RENDER, cwd=readable, before=as_nobody())
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"portable: {'out/' if there else 'out'}")
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr
    assert digest(readable) == before
    readable.chmod(0o755)


def test_a_profile_that_can_not_be_read(readable: Path) -> None:
    write(readable, mine(""))
    for path in (readable, *readable.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (readable / "profiles" / "mine.yaml").chmod(0)
    done = run(*RENDER, cwd=readable, before=as_nobody())
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{readable}/profiles/mine.yaml:1:1: " in done.stderr
    assert "Permission denied" in done.stderr
    assert "[file.unreadable]" in done.stderr


# --- a full disk


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system of two pages that something else has filled but for one."""
    folder = tmp_path / "full"
    folder.mkdir()
    inside = ["mount", "-t", "tmpfs", "-o", "size=8k,mode=755", "tmpfs", str(folder)]
    mounted = subprocess.run(inside, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.fail(f"a small file system can't be mounted here: {mounted.stderr.strip()}; run the suite as root, or in a user namespace")
    (folder / "other").write_bytes(b"x" * 4096)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("profile", ["local", "samba"])
def test_a_full_disk(full: Path, tmp_path: Path, profile: str) -> None:
    before = digest(full)
    done = run("render", "--profile", profile, "--output", str(full), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith(f"portable: {full}/")
    assert done.stderr.endswith(": No space left on device (free some space there)\n")
    assert digest(full) == before
