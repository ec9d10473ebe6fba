"""Facts of the catalog that were wrong once: probes, ports, mounts (docs/facts/apps.md, docs/facts/probes.md)."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from portable.catalog.catalog import Catalog
from portable.catalog.facts import ContainerFacts, HttpFacts

CATALOG = Catalog()
PROBES = {
    "riven": HttpFacts(port="api", path="/api/v1/"),
    "ipfs": HttpFacts(port="web", path="/ipfs/bafkqaaa"),
    "seerr": HttpFacts(port="web", path="/api/v1/settings/public"),
    "jackett": HttpFacts(port="web", path="/health"),
}
PORTS = {
    ("podgrab", "PORT"): "{{ ports.web }}",
    ("tubearchivist", "TA_PORT"): "{{ ports.web }}",
    ("tubearchivist", "TA_BACKEND_PORT"): "{{ ports.application }}",
    ("unmanic", "ui_port"): "{{ ports.web }}",
}


def main(app: str, container: str = "main") -> ContainerFacts:
    return CATALOG.app(app)[0].containers[container]


@pytest.mark.parametrize("app", PROBES)
def test_probes_ask_for_a_page_that_is_open(app: str) -> None:
    probe = main(app).probe
    assert probe is not None
    assert probe.http == PROBES[app]


@pytest.mark.parametrize(("app", "variable"), PORTS)
def test_ports_that_a_variable_sets_are_not_fixed(app: str, variable: str) -> None:
    value = PORTS[app, variable]
    assert main(app).environment[variable] == value
    port = re.findall(r"ports\.(\w+)", value)[0]
    assert not CATALOG.app(app)[0].ports[port].fixed


def test_whisparr_is_told_by_its_own_settings() -> None:
    """Version 2 reads neither its port nor its key from the environment, so the number cannot change after the first start."""
    facts = CATALOG.app("whisparr")[0]
    assert main("whisparr").environment == {}
    assert [(file.path, file.seed) for file in main("whisparr").files] == [("/config/config.xml", True)]
    assert facts.ports["web"].fixed


def test_the_files_that_podgrab_fetches_belong_to_the_stacks_user() -> None:
    environment = main("podgrab").environment
    assert (environment["PUID"], environment["PGID"]) == ("{{ uid }}", "{{ gid }}")


def test_plex_transcodes_into_its_cache() -> None:
    """Where it does unless a person names another folder: nothing ever used /transcode."""
    assert main("plex").volumes["transcode"] == "/config/Library/Application Support/Plex Media Server/Cache/Transcode"


def test_tube_archivists_passwords_are_in_no_listing_of_its_variables() -> None:
    facts = main("tubearchivist")
    assert not [value for value in facts.environment.values() if not isinstance(value, str)]
    for variable, secret in (("TA_PASSWORD_FILE", "tubearchivist-password"), ("ELASTIC_PASSWORD_FILE", "tubearchivist-search")):
        assert facts.environment[variable] == f"{facts.secrets[secret]}/value"
    assert (facts.command or ())[-1].endswith("exec /bin/tini -- ./run.sh")


def test_autoscan_starts_without_a_token() -> None:
    secrets = CATALOG.app("autoscan")[0].secrets
    assert secrets["autoscan-plex-token"].optional
    assert secrets["autoscan-jellyfin-key"].optional


def test_mylar_is_alive() -> None:
    assert CATALOG.app("mylar3")[0].upstream.status == "active"


def test_rclone_limits_its_cache_more_often_than_once_a_minute() -> None:
    script = (CATALOG.folder("rclone") / "mount.sh").read_text()
    assert re.search(r"--vfs-cache-poll-interval \"\$\{CACHE_POLL:-5s\}\"", script)


SHIM = """#!/bin/sh
# su -m USER -c COMMAND, and the program itself
case $0 in
*/su) exec sh -c "$4" ;;
esac
trap 'echo stopped; exit 0' TERM
echo running "$@"
while :; do sleep 0.1; done
"""
ENTRYPOINT = """#!/bin/sh
if [ "$PUID" = "0" ]; then
    cd / && poetry run python3 main.py
else
    su -m "$USERNAME" -c "cd / && poetry run python3 main.py"
fi
"""


@pytest.mark.parametrize("puid", ["0", "1000"])
def test_riven_hears_that_it_shall_end(puid: str, tmp_path: Path) -> None:
    """Its entry point runs the program below shells that pass no signal on; these two lines have the form of its own."""
    for name in ("su", "poetry"):
        (tmp_path / name).write_text(SHIM)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "entrypoint.sh").write_text(ENTRYPOINT)
    command = [word.replace("/riven/entrypoint.sh", str(tmp_path / "entrypoint.sh")) for word in main("riven").command or ()]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PUID": puid, "USERNAME": "riven"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True) as ran:
        try:
            assert ran.stdout is not None
            assert ran.stdout.readline() == "running run python3 main.py\n"
            ran.send_signal(signal.SIGTERM)
            assert ran.stdout.readline() == "stopped\n"
            assert ran.wait(10) == 0
        finally:
            if ran.poll() is None:
                os.killpg(ran.pid, signal.SIGKILL)
