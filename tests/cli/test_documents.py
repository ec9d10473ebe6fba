"""Every command that a document of this project names can be typed as it stands there."""

import contextvars
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from portable.cli.app import application
from portable.live.view import CommandResult
from tests.cli import run
from tests.shipped import PROFILES
from tests.unit.verify.fake import FakeStack

USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""Typer exports no other name for what its parser raises."""
ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("compose/*/findings.md"), *ROOT.glob("k8s/*/findings.md")],
)
_COMMAND = re.compile(r"`(portable [^`]+)`|^ {4}(portable .+)$", re.MULTILINE)


def commands(text: str) -> Iterator[str]:
    """Commands in backquotes, and on lines of their own; a comment after them is not theirs."""
    for found in _COMMAND.finditer(text):
        yield (found[1] or found[2]).split(" #")[0].replace("\n", " ").strip()


def refused(command: str) -> str | None:
    """Why the parser does not take it; words in capitals and [brackets] stand for what a person fills in."""
    if "|" in command or "..." in command:
        return None  # it names several commands, or says that more may follow
    words = ["8080" if word == "PORT" else word for word in shlex.split(command)[1:] if not word.startswith("[")]
    at: Any = get_command(application())
    parent = at.make_context("portable", ["catalog"])
    while hasattr(at, "commands"):
        if not words or words[0].startswith("-"):
            return None
        name, *words = words
        if name not in at.commands:
            return f"there is no command {name!r}"
        at = at.commands[name]
    if not words:
        return None  # named, not called
    try:
        # In a context of its own: an option that is read is remembered, and told in later texts.
        contextvars.copy_context().run(at.make_context, at.name, list(words), parent=parent)
    except typer.Exit:
        return None  # `--help`
    except USAGE_ERROR as error:
        # A path that only a person's machine has can't be there.
        return None if "does not exist" in error.format_message() else error.format_message()
    return None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_its_commands_can_be_typed(document: Path) -> None:
    wrong = {command: why for command in commands(document.read_text(encoding="utf-8")) if (why := refused(command))}
    assert not wrong, wrong


def test_what_could_not_be_typed_is_found() -> None:
    assert refused("portable secrets set plex-tls tls.crt") is not None
    assert refused("portable sing") == "there is no command 'sing'"
    assert refused("portable render --loudly") is not None
    assert refused("portable secrets set -p zimaboard plex-tls.tls.crt") is None


def blocks(document: str) -> list[str]:
    """The YAML of a document, as it stands there."""
    return re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / document).read_text(encoding="utf-8"), re.DOTALL)


def test_the_app_of_the_document_renders_everywhere(tmp_path: Path) -> None:
    folder = tmp_path / "catalog" / "apps" / "notes"
    folder.mkdir(parents=True)
    (folder / "app.yaml").write_text(blocks("how-to/add-an-app.md")[0])
    (folder / "notes.conf.j2").write_text("listen {{ ports.web }}\n")
    (folder / "first.txt").write_text("first\n")
    (tmp_path / "portable.yaml").write_text("portable: 1\nname: mine\napps: [notes]\n")
    checked = run("catalog", "check", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    for profile in PROFILES:
        # Where state lies on a share, its database gets a disk, as the refusal says.
        disk = ("--set", "storage.apps.notes={db: {claim: {storage-class: fast}}}") if profile in ("openshift", "samba") else ()
        rendered = run("render", "-p", profile, *disk, cwd=tmp_path)
        assert rendered.returncode == 0, rendered.stderr


def test_the_places_of_the_document_render(tmp_path: Path) -> None:
    (place,), vpns = blocks("how-to/write-a-profile.md"), blocks("how-to/set-up-the-vpn.md")
    expected = ("airvpn", "198.51.100.7", "openvpn-config", "forwarded.sh {{PORT}}", "DNS_UPSTREAM_RESOLVERS: quad9", "qbittorrent")
    (tmp_path / "portable.yaml").write_text("portable: 1\nname: mine\napps: [sonarr, qbittorrent, ipfs]\n")
    (tmp_path / "profiles").mkdir()
    for more, what in zip(("", *vpns), ("mullvad", *expected), strict=True):
        (tmp_path / "profiles" / "home.yaml").write_text(place + more)
        rendered = run("render", "-p", "home", cwd=tmp_path)
        assert rendered.returncode == 0, rendered.stderr
        assert what in rendered.stdout
        assert ("wireguard-key" in rendered.stdout) == ("openvpn" not in more)


def test_the_contract_of_the_document_looks_at_every_part() -> None:
    """As the document tells a person to write it: it says something of each container, and knows a hang from a fault."""
    text = (ROOT / "docs" / "how-to" / "add-a-contract.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^ *```python\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(textwrap.dedent(code), names)  # it is what the document says
    answers = {"torrents": CommandResult(code=0, text="1970"), "player": CommandResult(code=None, text="it did not end", hangs=True)}
    stack = FakeStack(answer=lambda name, _command: answers.get(name, CommandResult(code=0, text="2026")))
    found = {held.subject: held.verdict for held in names["CONTRACT"].tried(stack)}
    assert {found.pop("torrents"), found.pop("player")} == {"broken", "unknown"}
    assert found
    assert set(found.values()) == {"holds"}
