"""The profile zimaboard, up on a host of its own by its remote engine: complete, where it should be, and out by the tunnel only."""

import functools
import json
import os

import pytest

from tests.lab.home.box import BEACON, HOST, PROVIDER
from tests.lab.home.home import Home
from tests.lab.home.host import SSH
from tests.lab.home.internet import NAME

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(900)]
SERVICES = {
    *(
        "audiobookshelf",
        "autobrr",
        "backup",
        "capacity",
        "gluetun",
        "homepage",
        "init",
        "ipfs",
        "jellyfin",
        "lidarr",
        "mylar3",
        "old-downloads",
    ),
    *("prowlarr", "qbittorrent", "radarr", "readarr", "seerr", "sonarr", "tubearchivist", "tubearchivist-queue", "tubearchivist-search"),
}
# Gluetun v3.41.3 with a WireGuard server at PROVIDER: internal/firewall/enable.go (the order), iptables.go (the words), vpn.go,
# outboundsubnets.go and ports.go (internal/firewall), read on 2026-11-21; iptables tells them in this form.
GLUETUN = f"""\
-P INPUT DROP
-P FORWARD DROP
-P OUTPUT DROP
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -d 172.20.0.0/16 -i eth0 -j ACCEPT
-A INPUT -i eth0 -p tcp -m tcp --dport 7474 -j ACCEPT
-A INPUT -i eth0 -p udp -m udp --dport 7474 -j ACCEPT
-A INPUT -i eth0 -p tcp -m tcp --dport 8080 -j ACCEPT
-A INPUT -i eth0 -p udp -m udp --dport 8080 -j ACCEPT
-A INPUT -i eth0 -p tcp -m tcp --dport 9696 -j ACCEPT
-A INPUT -i eth0 -p udp -m udp --dport 9696 -j ACCEPT
-A INPUT -i tun0 -p tcp -m tcp --dport 6881 -j ACCEPT
-A INPUT -i tun0 -p udp -m udp --dport 6881 -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A OUTPUT -s 172.20.0.2/32 -d 172.20.0.0/16 -o eth0 -j ACCEPT
-A OUTPUT -s 172.20.0.2/32 -d 172.20.0.0/16 -o eth0 -j ACCEPT
-A OUTPUT -d {PROVIDER}/32 -o eth0 -p udp -m udp --dport 51820 -j ACCEPT
-A OUTPUT -o tun0 -j ACCEPT
"""


_DATABASES = """
import sqlite3
for name in ("well", "spoilt"):
    made = sqlite3.connect(f"/state/sonarr-config/{name}.db")
    made.execute("create table t (x)")
    made.executemany("insert into t values (?)", [("x" * 500,)] * 200)
    made.commit()
"""


def test_everything_runs_and_a_second_up_changes_nothing(home: Home) -> None:
    assert set(home.stack.inspected()) == SERVICES
    before = home.stack.identity()
    home.stack.portable("diff")
    home.stack.portable("up")
    assert home.stack.identity() == before


def test_every_contract_holds(home: Home) -> None:
    """With a beacon outside to ask, and the tunnel cut: the contracts about the VPN are tried, not only looked at."""
    ran = home.stack.portable("verify", "--beacon", f"http://{BEACON}/", "--disruptive", "--format", "json", code=None)
    found = [(row["contract"], row["subject"]) for row in json.loads(ran.out)["verify"] if row["verdict"] == "holds"]
    assert ran.code == 0, str(ran)
    assert {subject for contract, subject in found if contract == "egress"} == {"gluetun", *home.behind}, str(ran)
    assert {subject for contract, subject in found if contract == "kill-switch"} == {"gluetun", *home.behind}, str(ran)
    assert {subject for contract, subject in found if contract == "ports"} >= {"sonarr", "qbittorrent", "jellyfin"}, str(ran)


def test_a_vpn_app_off_its_gateway_is_seen_as_the_host(home: Home) -> None:
    """The same contract, where an app behind the gateway is not: both fences are open, and the host's own network wins."""
    gateway = home.stack.container("gluetun")
    rules = ["iptables -P OUTPUT ACCEPT", "iptables -t mangle -D POSTROUTING -j PORTABLE", "ip rule add priority 90 lookup main"]
    back = ["ip rule del priority 90", "iptables -t mangle -I POSTROUTING -j PORTABLE", "iptables -P OUTPUT DROP"]
    home.stack.docker("exec", gateway, "sh", "-c", "; ".join(rules))
    try:
        ran = home.stack.portable("verify", "egress", "fence", "--beacon", f"http://{BEACON}/", "--format", "json", code=3)
    finally:
        home.stack.docker("exec", gateway, "sh", "-c", "; ".join(back))
        # The gateway's name server keeps its connections. One that was begun while the fences were open would end in a later test.
        home.internet.sh(f"ss -K -t dst {HOST}")
    assert home.internet.sh(f"ss -H -t dst {HOST} sport = :853") == ""
    broken = {(row["contract"], row["subject"]) for row in json.loads(ran.out)["verify"] if row["verdict"] == "broken"}
    assert broken >= {("fence", "gluetun"), ("egress", "gluetun"), ("egress", "qbittorrent")}, str(ran)
    home.stack.portable("verify", "egress", "fence", "--beacon", f"http://{BEACON}/")


def test_vpn_apps_are_seen_with_the_tunnels_address_and_others_with_the_hosts(home: Home) -> None:
    assert {service: home.address_of(service) for service in home.behind} == dict.fromkeys(home.behind, PROVIDER)
    assert home.address_of("sonarr") == home.address_of("jellyfin") == HOST


def test_names_are_asked_for_through_the_tunnel(home: Home) -> None:
    name = f"autobrr.{NAME}"
    assert BEACON in home.stack.inside("autobrr", "getent", "ahostsv4", name)
    askers = {asked.rpartition(" ")[2] for asked in home.internet.asked() if asked.startswith(f"{name} ")}
    assert askers == {PROVIDER}
    home.stack.inside("sonarr", "getent", "ahostsv4", f"sonarr.{NAME}")
    assert {asked.rpartition(" ")[2] for asked in home.internet.asked() if asked.startswith(f"sonarr.{NAME} ")} == {HOST}


def test_the_stand_ins_firewall_is_gluetuns(home: Home) -> None:
    assert home.stack.inside("gluetun", "iptables", "-S") == GLUETUN


def test_the_pool_is_a_raid_and_downloads_are_of_one_file_system_with_media(home: Home) -> None:
    assert "Data, RAID1" in home.host.sh("btrfs filesystem df /mnt/storage")
    devices = home.host.sh("stat -c %d /mnt/storage/downloads /mnt/storage/media /mnt/storage/appdata").split()
    assert len(set(devices)) == 1


def test_a_library_that_is_split_breaks_links(home: Home) -> None:
    """A subvolume is no mount, and every byte lies on the same pool: only who tries sees that nothing can be linked out of it."""
    folder = "/mnt/storage/downloads/complete"
    home.host.sh(f"mv {folder} {folder}.kept && btrfs subvolume create {folder} && chown 1000:1000 {folder} && chmod 775 {folder}")
    try:
        verified = home.stack.portable("verify", "links", "--format", "json", code=3)
        looked = home.stack.portable("doctor", "--format", "json", code=None)
    finally:
        home.host.sh(f"btrfs subvolume delete {folder} && mv {folder}.kept {folder}")
    broken = {row["subject"]: row["text"] for row in json.loads(verified.out)["verify"] if row["verdict"] == "broken"}
    assert {"qbittorrent", "radarr", "sonarr"} <= set(broken), str(verified)
    assert "no hard link from downloads/complete to media/tv" in broken["sonarr"], str(verified)
    assert [row["where"] for row in json.loads(looked.out)["doctor"] if row["verdict"] == "broken" and folder in row["where"]], str(looked)
    home.stack.portable("verify", "links")


def test_a_spoilt_database_is_told_from_afar(home: Home) -> None:
    """No folder of the host is this machine's: who backs up looks, as root."""

    def told() -> dict[str, str]:
        ran = home.stack.portable("verify", "databases", "--format", "json", code=None)
        rows = [row for row in json.loads(ran.out)["verify"] if row["subject"] == "sonarr"]
        said = {row["text"].partition(" ")[0]: row["verdict"] for row in rows}
        assert said["sonarr.db"] == "holds", "the app's own"
        return {name: said[name] for name in ("well.db", "spoilt.db") if name in said}

    keeper = functools.partial(home.stack.inside, "backup", "python3", "-c")
    keeper(_DATABASES)
    try:
        assert told() == {"well.db": "holds", "spoilt.db": "holds"}
        keeper("f = open('/state/sonarr-config/spoilt.db', 'r+b'); f.seek(4096); f.write(b'\\xff' * 8192)")
        assert told() == {"well.db": "holds", "spoilt.db": "broken"}
    finally:
        keeper("import os; [os.remove(f'/state/sonarr-config/{n}.db') for n in ('well', 'spoilt')]")
    assert told() == {}


def test_a_scrub_from_afar(home: Home) -> None:
    """As a timer has it done once a month; the doctor sees that it was."""
    done = json.loads(home.stack.portable("upkeep", "--task", "scrub", "--format", "json").out)["upkeep"]
    assert [(row["subject"], row["result"]) for row in done] == [("/mnt/storage", "done")], done
    ran = home.stack.portable("doctor", "--all", "--format", "json", code=None)
    found = [(row["where"], row["verdict"]) for row in json.loads(ran.out)["doctor"] if row["check"] == "scrub"]
    assert ("/mnt/storage", "holds") in found, str(ran)


def test_the_same_by_ssh(home: Home) -> None:
    """The other way to the host's engine sees the same stack."""
    folder = home.stack.folder / "ssh"
    (folder / "programs").mkdir(parents=True, exist_ok=True)
    keys = home.stack.folder / "keys"
    (folder / "config").write_text(
        f"Host *\n  IdentityFile {keys}/id\n  IdentitiesOnly yes\n  UserKnownHostsFile {keys}/known_hosts\n  StrictHostKeyChecking yes\n"
    )
    program = folder / "programs" / "ssh"
    program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder}/config "$@"\n')
    program.chmod(0o755)
    way = {"DOCKER_HOST": SSH, "DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": "", "PATH": f"{folder / 'programs'}:{os.environ['PATH']}"}
    assert home.stack.portable("status", code=None, **way).code == 0, str(home.stack.ran[-1])
    assert home.stack.portable("diff", code=None, **way).code == 0, str(home.stack.ran[-1])
