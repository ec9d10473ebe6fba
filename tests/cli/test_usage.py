"""Help, version, usage errors, formats, completion, and output that nobody takes."""

import ast
import base64
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

import portable
from portable.cli.app import COMMANDS, application
from portable.cli.completion import complete_catalog_app, complete_profile, complete_task
from portable.cli.formats import Format
from portable.cli.status import _show_logs
from portable.live.results import LogLine
from tests.cli import environment, run
from tests.shipped import PROFILES

OPENING = "portable: stack media (no portable.yaml here), profile local (shipped)\n"
"""The first line of a command that reads the stack, where there is no portable.yaml."""


def commands() -> list[tuple[str, ...]]:
    """Every command and group, by its words, from the program itself."""
    found: list[tuple[str, ...]] = [()]
    whole = get_command(application())
    for words in found:
        command = whole
        for word in words:
            command = command.commands[word]  # type: ignore[attr-defined]
        found += [(*words, name) for name in getattr(command, "commands", {})]
    return found


def test_one_command_imports_no_other() -> None:
    """A short command must not pay for the others; a wrong or missing command, and help, need them all."""
    told = "from portable.cli.app import COMMANDS, application; import sys; from typer.main import get_command; "
    told += "print(sorted(get_command(application(sys.argv[1:])).commands), 'portable.cli.backup' in sys.modules)"
    said = {
        words: subprocess.run([sys.executable, "-c", told, *words], capture_output=True, text=True, check=True).stdout.strip()
        for words in (("render", "-p", "x"), ("--debug", "catalog", "list"), ("--help",), ("--debug", "-h", "up"), ("rendr",), ())
    }
    assert said[("render", "-p", "x")] == "['render'] False"
    assert said[("--debug", "catalog", "list")] == "['catalog'] False"
    assert said[()] == said[("--help",)] == said[("--debug", "-h", "up")] == said[("rendr",)] == f"{sorted(COMMANDS)} True"


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*words, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: ")
    assert " ".join(words) in done.stdout.splitlines()[0]


def parameters() -> list[tuple[str, object]]:
    """Every argument and visible option of every command."""
    found: list[tuple[str, object]] = []
    whole = get_command(application())
    for words in commands():
        command = whole
        for word in words:
            command = command.commands[word]  # type: ignore[attr-defined]
        found += [(" ".join((*words, str(p.name))), getattr(p, "help", None)) for p in command.params if not getattr(p, "hidden", False)]
    return found


def test_every_argument_has_a_description() -> None:
    assert [name for name, about in parameters() if not about] == []


@pytest.mark.parametrize("words", [words for words in commands() if words in ((), ("catalog",), ("profiles",), ("secrets",), ("images",))])
def test_a_list_of_commands_fits_80_columns_and_is_not_cut(words: tuple[str, ...], tmp_path: Path) -> None:
    lines = run(*words, "--help", cwd=tmp_path, env={"COLUMNS": "80"}).stdout.splitlines()
    listed = lines[lines.index("Commands:") + 1 :]
    assert [line for line in lines if len(line) > 80] == []
    assert listed
    assert all(line.rstrip().endswith((".", ")")) and not line.endswith("...") for line in listed), listed


def test_debug_is_an_option_before_the_verb(tmp_path: Path) -> None:
    """Errors of engines name it."""
    for url, code in (("unix:///nonexistent.sock", 1), ("nonsense", 2)):
        done = run("--debug", "status", cwd=tmp_path, env={"DOCKER_HOST": url})
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert "Traceback" not in done.stderr
    assert "--debug" in run("--help", cwd=tmp_path).stdout


def test_there_are_commands() -> None:
    assert {("render",), ("explain",), ("update",), ("rollback",), ("catalog", "list"), ("profiles", "new")} <= set(commands())


def test_version(tmp_path: Path) -> None:
    done = run("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "portable 0.1.0\n", "")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("frobnicate",), "No such command 'frobnicate'"),
        (("catalog", "frobnicate"), "No such command 'frobnicate'"),
        (("render", "--frobnicate"), "No such option: --frobnicate"),
        (("render", "--format", "xml"), "'xml' is not one of 'text', 'json'"),
        (("explain", "--format", "yaml"), "'yaml' is not one of 'text', 'json'"),
        (("render", "--set"), "requires an argument"),
        (("render", "surplus"), "unexpected extra argument"),
        (("catalog", "show"), "Missing argument"),
        (("render", "--catalog", "nowhere"), "'nowhere' does not exist"),
        (("catalog", "list", "--catalog", "nowhere"), "'nowhere' does not exist"),
        (("catalog", "check", "nowhere"), "'nowhere'"),
        (("catalog", "check", "nowhere"), "[usage.folder-absent]"),
        (("backup", "--list", "--check"), "[usage.options-conflict]"),
        (("backup", "--at", "2026"), "`portable backup --check --at 2026`) [usage.option-missing]"),
        (("backup", "--check", "--at", "yesterday"), "--at yesterday: "),
        (("backup", "--check", "--at", "yesterday"), "[backup.time]"),
        (("restore", "sonarr", "--at", "yesterday"), "[backup.time]"),
        (("restore", "sonarr", "--abort", "--dry-run"), "`portable restore --abort sonarr`) [usage.options-conflict]"),
        (("heal", "--watch", "--dry-run"), "[usage.options-conflict]"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(args: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = run(*args, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "schema"),
    [
        (("render", "--format", "json"), "portable/render/1"),
        (("explain", "--format", "json"), "portable/findings/1"),
        (("catalog", "list", "--format", "json"), "portable/catalog/1"),
        (("catalog", "show", "sonarr", "--format", "json"), "portable/app/1"),
        (("profiles", "show", "samba", "--format", "json"), "portable/profile/1"),
        (("profiles", "list", "--format", "json"), "portable/profiles/1"),
    ],
)
def test_json_has_the_name_of_its_schema(args: tuple[str, ...], schema: str, tmp_path: Path) -> None:
    done = run(*args, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["schema"] == schema


def test_a_profile_and_an_app_as_json_are_whole(tmp_path: Path) -> None:
    profile = json.loads(run("profiles", "show", "samba", "--format", "json", cwd=tmp_path).stdout)
    assert (profile["profile"]["name"], Path(profile["file"]).name) == ("samba", "samba.yaml")
    app_ = json.loads(run("catalog", "show", "sonarr", "--format", "json", cwd=tmp_path).stdout)
    assert (app_["app"]["name"], Path(app_["file"]).parent.name) == ("sonarr", "sonarr")


def test_each_name_of_a_schema_has_one_shape() -> None:
    """Each name belongs to one module; text alone has no schema."""
    owners: dict[str, set[str]] = {}
    for file in sorted((Path(portable.__file__).parent / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "table"):
                continue
            if any(isinstance(word, ast.Attribute) and word.attr == "text" for word in node.args):
                continue
            names = [k.value.value for k in node.keywords if k.arg == "schema" and isinstance(k.value, ast.Constant)]
            owners.setdefault(str(names[0]), set()).add(file.stem)
        for name in re.findall(r'"portable/([a-z]+)/1"', file.read_text()):
            owners.setdefault(name, set()).add(file.stem)
    assert {name: files for name, files in owners.items() if len(files) != 1} == {}
    assert {"apps", "catalog", "logs", "error"} <= owners.keys()


WRONG_STACK = "portable: 1\nuid: many\ntimezone: Nowhere/At All\n"


@pytest.mark.parametrize(
    ("args", "stack", "code", "exit_code"),
    [
        (("explain", "-p", "nowhere"), "", "profile.unknown", 2),
        (("render", "--set", "x"), "", "profile.set-syntax", 2),
        (("catalog", "show", "sonar"), "", "usage.unknown-app", 2),
        (("profiles", "show", "nowhere"), "", "profile.unknown", 2),
        (("explain",), WRONG_STACK, "value.type", 2),
        (("render", "--frobnicate"), "", "usage.command-line", 2),
        (("render", "--catalog", "nowhere"), "", "usage.command-line", 2),
        (("frobnicate",), "", "usage.command-line", 2),
        (("up", "--set", "egress.direct=[qbittorrent]"), "", "vpn.direct", 4),
        (("logs",), "", None, 1),
        (("down",), "", None, 1),
        (("graph", "-p", "nowhere"), "", "profile.unknown", 2),
    ],
)
def test_an_error_as_json_is_one_object_on_standard_error(
    args: tuple[str, ...], stack: str, code: str | None, exit_code: int, tmp_path: Path
) -> None:
    if stack:
        (tmp_path / "portable.yaml").write_text(stack)
    done = run(*args, "--format", "json", cwd=tmp_path, env={"DOCKER_HOST": "unix:///nonexistent.sock"})
    assert (done.returncode, done.stdout) == (exit_code, ""), done.stderr
    error = json.loads(done.stderr)
    assert {"code", "text", "where", "remedy"} <= error.keys()
    assert (error["schema"], error["exit"]) == ("portable/error/1", exit_code)
    assert code is None or error["code"] == code
    assert error["text"]
    assert error["errors"][0] == {key: error[key] for key in error["errors"][0]}


def test_an_error_as_json_has_every_cause_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "portable.yaml").write_text(WRONG_STACK)
    error = json.loads(run("explain", "--format", "json", cwd=tmp_path).stderr)
    assert [(cause["path"], ":".join(cause["where"].split(":")[1:])) for cause in error["errors"]] == [("uid", "2:6"), ("timezone", "3:11")]


def test_logs_as_json_are_one_document_or_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [LogLine(service="sonarr", text="ready", moment="2026-11-30T09:00:00Z"), LogLine(service="radarr", text='a "quote"')]
    _show_logs(iter(lines), Format.json, follow=False)
    document = json.loads(capsys.readouterr().out)
    wanted = [{"service": line.service, "time": line.moment, "text": line.text} for line in lines]
    assert document == {"schema": "portable/logs/1", "logs": wanted}
    _show_logs(iter(lines), Format.json, follow=True)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == wanted
    _show_logs(iter(lines), Format.text, follow=False)
    assert capsys.readouterr().out == 'sonarr | ready\nradarr | a "quote"\n'


def test_words_of_another_program_choose_no_format(tmp_path: Path) -> None:
    done = run("exec", "--user", "1", "--format", "json", cwd=tmp_path)
    assert done.returncode == 2
    assert not done.stderr.startswith("{")


def test_render_as_json_has_the_files_that_it_would_write(tmp_path: Path) -> None:
    files = json.loads(run("render", "--format", "json", cwd=tmp_path).stdout)["files"]
    done = run("render", "--output", "out", cwd=tmp_path)
    assert done.returncode == 0
    assert {str(f.relative_to(tmp_path / "out")): f.read_text() for f in (tmp_path / "out").rglob("*") if f.is_file()} == files


@pytest.mark.parametrize("kind", ["app", "cloud", "profile", "stack"])
def test_schemas_for_editors(kind: str, tmp_path: Path) -> None:
    schema = json.loads(run("catalog", "schema", kind, cwd=tmp_path).stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["$defs"]


def test_completion_answers_with_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "portable.yaml").write_text("portable: 1\n")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "zoo.yaml").write_text("not even: [yaml")
    assert complete_profile("z") == ["zimaboard", "zimaboard-8gb", "zoo"]
    assert complete_catalog_app("son") == ["sonarr"]
    assert complete_catalog_app("nothing-begins-so") == []
    assert complete_task("") == ["backup", "links", "downloads", "capacity", "scrub", "images", "page"]
    assert complete_task("scrub,b") == ["scrub,backup"]
    assert complete_task("backup,b") == []


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("render --profile zim", ["zimaboard", "zimaboard-8gb"]),
        ("logs ", ["radarr", "sonarr", "webdav"]),
        ("restart sonarr ", ["radarr", "webdav"]),
        ("exec so", ["sonarr"]),
        ("restore -p zimaboard s", ["sonarr"]),
        ("explain rad", ["radarr"]),
        ("explain vpn.sealed", ["vpn.sealed", "vpn.sealed-port"]),
        ("logs -p nowhere jell", ["jellyfin"]),
        ("catalog show jell", ["jellyfin"]),
        ("catalog schema pro", ["profile"]),
        ("secrets set ", ["radarr-api-key", "sonarr-api-key"]),
        ("upkeep --task scrub,im", ["scrub,images"]),
        ("verify kill", ["kill-switch"]),
    ],
)
def test_completion_through_the_shell(words: str, names: list[str], tmp_path: Path) -> None:
    (tmp_path / "portable.yaml").write_text("portable: 1\nname: two\napps: [sonarr, radarr]\n")
    done = _completed(words, tmp_path)
    assert done.stdout.split() == names, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["up --profile ", "up ", "catalog show ", "secrets set ", "migrate --from "])
def test_completion_prints_no_error_beside_a_stack_that_is_refused(words: str, tmp_path: Path) -> None:
    (tmp_path / "portable.yml").write_text("portable: 1\n")
    done = _completed(words, tmp_path)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def _completed(words: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """What the shell is offered after these words."""
    asked = {"_PORTABLE_COMPLETE": "complete_bash", "COMP_WORDS": f"portable {words}", "COMP_CWORD": str(len(words.split(" ")))}
    script = "import sys; sys.argv[0] = 'portable'; from portable.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment(folder, asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_reader_that_leaves_is_no_error_worth_words(tmp_path: Path) -> None:
    command = f"set -o pipefail; {sys.executable} -m portable render --profile zimaboard | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.startswith("# Rendered by portable")
    assert done.stderr == OPENING.replace("local", "zimaboard")


def test_a_reader_that_was_never_there_is_no_error_worth_words(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "portable", "render"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, OPENING)


def test_output_that_finds_no_room_fails(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "portable", "render"],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (1, f"{OPENING}portable: No space left on device (free some space there)\n")


def test_an_interruption_ends_with_130(tmp_path: Path) -> None:
    script = (
        "import os, signal\n"
        "import portable.profiles.load as load\n"
        "def stop(*_, **__): os.kill(os.getpid(), signal.SIGINT)\n"
        "load.load_profile = stop\n"
        "from portable.cli import main\n"
        "import sys; sys.argv[1:] = ['profiles', 'show', 'local']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines()[-1] == "portable: interrupted; run the same command again to complete it"


def test_every_shipped_profile_is_listed(tmp_path: Path) -> None:
    done = run("profiles", "list", cwd=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == list(PROFILES)


def test_an_app_of_ones_own_renders_everywhere(tmp_path: Path) -> None:
    (tmp_path / "portable.yaml").write_text("portable: 1\nname: mine\napps: [notes]\n")
    first = run("catalog", "new", "notes", "registry.example/notes:1.10", "8000", "--library", "rw", cwd=tmp_path)
    assert (first.returncode, first.stdout.splitlines()[0]) == (0, f"wrote {tmp_path}/catalog/apps/notes/app.yaml")
    for profile in PROFILES:
        rendered = run("render", "-p", profile, cwd=tmp_path)
        assert (rendered.returncode, "registry.example/notes:1.10" in rendered.stdout) == (0, True), rendered.stderr
    before = (tmp_path / "catalog/apps/notes/app.yaml").read_bytes()
    again = run("catalog", "new", "notes", "registry.example/other:1", "8000", cwd=tmp_path)
    assert (again.returncode, "'notes'" in again.stderr, "[usage.app-exists]" in again.stderr) == (2, True, True)
    assert (tmp_path / "catalog/apps/notes/app.yaml").read_bytes() == before


def test_a_scheduled_app_of_ones_own_renders_everywhere(tmp_path: Path) -> None:
    (tmp_path / "portable.yaml").write_text("portable: 1\nname: mine\napps: [tidy]\n")
    wrong = run("catalog", "new", "tidy", "registry.example/tidy:1.10", "--schedule", "30 4", cwd=tmp_path)
    assert (wrong.returncode, "[schedule.syntax]" in wrong.stderr) == (2, True)
    first = run("catalog", "new", "tidy", "registry.example/tidy:1.10", "--schedule", "30 4 * * 0", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    for profile in ("local", "samba"):
        rendered = run("render", "-p", profile, cwd=tmp_path)
        assert (rendered.returncode, "registry.example/tidy:1.10" in rendered.stdout) == (0, True), rendered.stderr


def test_the_secrets_of_a_cluster_become_files(tmp_path: Path) -> None:
    (tmp_path / "portable.yaml").write_text("portable: 1\nname: mine\napps: [sabnzbd]\n")
    done = run("secrets", "write", "-p", "samba", "-o", "out", cwd=tmp_path)
    assert (done.returncode, "kubectl apply --server-side --field-manager=portable -f out/sabnzbd" in done.stdout) == (0, True)
    secret = yaml.safe_load((tmp_path / "out" / "sabnzbd-sabnzbd-ini.yaml").read_text())
    assert secret["metadata"]["namespace"] == "media-services"
    assert secret["metadata"]["labels"]["app.kubernetes.io/instance"] == "mine-samba"
    text = base64.b64decode(secret["data"]["sabnzbd.ini"]).decode()
    held = (tmp_path / ".config" / "portable" / "mine" / "secrets.yaml").read_text()
    (password,) = [line.split(" = ")[1] for line in text.splitlines() if line.startswith("password = ")]
    assert password in held
    assert password not in done.stdout + done.stderr


def test_secrets_check_looks_at_values_as_up_does(tmp_path: Path) -> None:
    (tmp_path / "portable.yaml").write_text("portable: 1\nname: mine\napps: [gluetun]\n")
    values = tmp_path / ".config" / "portable" / "mine" / "secrets.yaml"
    values.parent.mkdir(parents=True)
    values.touch(0o600)
    key = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
    for text, code, words in (
        (f"private-key: {key}, addresses: 10.64.0.2/32", 0, ""),
        ("private-key: canary, addresses: 10.64.0.2/32", 1, "wireguard-key.private-key is not a WireGuard key"),
        (f"private-key: {key}, addresses: 172.20.9.9", 1, "172.20.0.0/16"),
    ):
        values.write_text(f"wireguard-key: {{{text}}}\n")
        done = run("secrets", "check", "-p", "zimaboard", cwd=tmp_path)
        assert (done.returncode, words in done.stderr) == (code, True), done.stderr
        assert "canary" not in done.stdout + done.stderr
        assert "wireguard-key" in done.stdout


def test_a_tunnel_that_would_leave_past_itself_is_no_file_of_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "portable.yaml").write_text("portable: 1\nname: mine\napps: [gluetun]\n")
    values = tmp_path / ".config" / "portable" / "mine" / "secrets.yaml"
    values.parent.mkdir(parents=True)
    values.write_text("wireguard-key: {private-key: AAAA, addresses: 10.96.0.7/32}\n")
    values.chmod(0o600)
    done = run("secrets", "write", "-p", "samba", "-o", "out", cwd=tmp_path)
    assert (done.returncode, "10.96.0.0/12" in done.stderr, "[secret.wireguard-local]" in done.stderr) == (4, True, True), done.stderr
    assert not (tmp_path / "out").exists()
