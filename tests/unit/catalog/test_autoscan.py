"""The start of autoscan, run with the shells that an image may have: a target for each player whose token is stored."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from portable.model import plan as p
from tests.unit.planning import Place

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
URLS = {"plex": "http://plex:32400", "jellyfin": "http://jellyfin:8096"}
OLD = """targets:
  plex:
    - {url: "http://plex:32400", token: "old"}
  jellyfin:
    - {url: "http://jellyfin:8096", token: ""}
"""
MINE = """targets:
  plex:
    - url: http://192.0.2.7:32400 # another one
      token: mine
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place of its own."""
    return Place(tmp_path)


def files(place: Place) -> dict[str, str]:
    """Its script and its first settings, with `secret` for each secret."""
    planned = place.plan("autoscan", "plex", "jellyfin", "sonarr").plan
    return {file.id: "".join(part if isinstance(part, str) else "secret" for part in file.body) for file in planned.files}


def start(place: Place, folder: Path, shell: str, own: str, **tokens: str) -> tuple[dict[str, Any], str]:
    """Run the script; return the settings that the program is given, and what the script says."""
    made = files(place)
    for name, text in (("start.sh", made["autoscan-start-sh"]), ("own.yml", own or made["autoscan-config-yml"])):
        (folder / name).write_text(text)
    for kind, secret in (("plex", "autoscan-plex-token"), ("jellyfin", "autoscan-jellyfin-key")):
        (folder / secret).mkdir(exist_ok=True)
        (folder / secret / "value").write_text(tokens.get(kind, ""))
    environment = {"AUTOSCAN_OWN": "own.yml", "AUTOSCAN_MADE": "made.yml", "AUTOSCAN_SECRETS": str(folder), "AUTOSCAN_PROGRAM": "/bin/echo"}
    words = [shell, "sh"] if shell == "busybox" else [shell]
    ran = subprocess.run(
        [*words, "start.sh"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert ran.stdout == "--config made.yml --database /config/autoscan.db --log /config/autoscan.log\n"
    assert (folder / "made.yml").stat().st_mode & 0o077 == 0
    return yaml.safe_load((folder / "made.yml").read_text()) or {}, ran.stderr


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("own", ["", OLD])
@pytest.mark.parametrize("tokens", [{}, {"plex": "p-1\n"}, {"jellyfin": "j2"}, {"plex": "p-1", "jellyfin": "j2"}])
def test_a_target_for_each_token_that_is_stored(place: Place, tmp_path: Path, shell: str, own: str, tokens: dict[str, str]) -> None:
    """Also where an earlier version wrote the targets into its first settings: a token that is stored later arrives."""
    made, said = start(place, tmp_path, shell, own, **tokens)
    assert made.get("targets", {}) == {kind: [{"url": URLS[kind], "token": token.strip()}] for kind, token in tokens.items()}
    assert {kind for kind in URLS if f"does not call {kind}" in said} == URLS.keys() - tokens.keys()


@pytest.mark.parametrize("shell", SHELLS)
def test_targets_of_a_persons_own_stay(place: Place, tmp_path: Path, shell: str) -> None:
    made, said = start(place, tmp_path, shell, f"port: 3030\n{MINE}", plex="p-1")
    assert made == {"port": 3030, **yaml.safe_load(MINE)}
    assert said == ""


def test_it_starts_after_the_players(place: Place) -> None:
    (autoscan,) = [a for a in place.plan("autoscan", "plex", "jellyfin").plan.apps if a.name == "autoscan"]
    assert set(autoscan.after) == {p.After(app="plex", when="ready"), p.After(app="jellyfin", when="ready")}
