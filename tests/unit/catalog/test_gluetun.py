"""The guard in front of Gluetun: closed before it begins, by the program that Gluetun will choose, and not begun where that fails."""

import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from portable.backends.prepare import prepare
from portable.model import plan as p

FIREWALLS = [
    f"{family}{kind}{restore}" for family in ("iptables", "ip6tables") for kind in ("", "-nft", "-legacy") for restore in ("", "-restore")
]
RESOLV = "nameserver 127.0.0.11\nsearch lan\noptions ndots:0\n"


@cache
def planned(*sets: str) -> p.Plan:
    """The shipped profile for a board at home."""
    return prepare("zimaboard", folder=Path("/nowhere"), sets=sets).planned.plan


def guard(*sets: str) -> str:
    """The guard as that place gets it."""
    return "".join(str(part) for file in planned(*sets).files if file.id == "gluetun-guard-sh" for part in file.body)


def guarded(folder: Path, *, resolv: str = RESOLV, lasting: bool = False, failing: Mapping[str, str] = {}) -> tuple[int, list[str], str]:
    """Run it with programs that write down their arguments; those named fail where a word of theirs is in the call.

    Gives the exit code, the calls, and what /etc/resolv.conf holds then. In a `lasting` namespace an earlier start left its chain.
    """
    programs = folder / "bin"
    programs.mkdir()
    for name in (*FIREWALLS, "ip"):
        script = f"""#!/bin/sh
case "$*" in *-C*) exit 1 ;; *"-S PORTABLE"*) exit {0 if lasting else 1} ;; {failing.get(name.replace("-", "_"), "never")}) exit 1 ;; esac
echo "{name} $*" >>{folder}/calls
case "$*" in *"rule del"*) [ -e {folder}/gone$1 ] && exit 1; touch {folder}/gone$1 ;; *--noflush*) cat >{folder}/{name} ;; esac
"""
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    (folder / "resolv.conf").write_text(resolv)
    text = guard().replace("/tmp/portable-resolv", f"{folder}/new").replace("/etc/resolv.conf", f"{folder}/resolv.conf")
    text = text.replace("exec /gluetun-entrypoint", f"echo gluetun >>{folder}/calls")
    done = subprocess.run(["sh", "-c", text], env={"PATH": f"{programs}:{os.environ['PATH']}"}, capture_output=True, check=False)
    calls = folder / "calls"
    return done.returncode, calls.read_text().splitlines() if calls.exists() else [], (folder / "resolv.conf").read_text()


@pytest.mark.parametrize("ip", ["never", "*rule*"])
def test_it_is_closed_before_gluetun_begins(tmp_path: Path, ip: str) -> None:
    """Also where no routing rule was left behind, so that `ip` has none to take away."""
    code, calls, _ = guarded(tmp_path, failing={"ip": ip})
    assert code == 0
    for family in ("iptables", "ip6tables"):
        assert [call for call in calls if call.startswith(f"{family}")] == [
            f"{family} -w 5 -P OUTPUT DROP",
            f"{family}-restore -w 5 --noflush",
            f"{family} -w 5 -t mangle -I POSTROUTING -j PORTABLE",
            f"{family} -w 5 -t mangle -I INPUT -j PORTABLE-IN",
        ]
    assert calls[-1] == "gluetun"


def test_the_second_fence_ends_with_a_drop(tmp_path: Path) -> None:
    """And what it lets out is the tunnel, its own packets, answers, and the networks of the place."""
    guarded(tmp_path)
    rules = [line for line in (tmp_path / "iptables-restore").read_text().splitlines() if line.startswith("-A PORTABLE ")]
    assert rules[-1] == "-A PORTABLE -j DROP"
    assert [rule.removeprefix("-A PORTABLE ").removesuffix(" -j ACCEPT") for rule in rules if rule.endswith("ACCEPT")] == [
        *("-o lo", "-o tun0", "-m conntrack --ctstate ESTABLISHED,RELATED --ctdir REPLY", "-p udp -m mark --mark 51820"),
        "-d 172.20.0.0/16",
    ]


@pytest.mark.parametrize("working", ["nft", "legacy"])
def test_the_program_that_works_is_taken(tmp_path: Path, working: str) -> None:
    """Gluetun tries them in this order too; two that are mixed would each close what the other opens."""
    failing = {"iptables": "*", **({"iptables_nft": "*"} if working == "legacy" else {})}
    code, calls, _ = guarded(tmp_path, failing=failing)
    assert code == 0
    used = [call.split()[0] for call in calls if call.startswith("iptables")]
    assert used == [f"iptables-{working}", f"iptables-{working}-restore", f"iptables-{working}", f"iptables-{working}"]


@pytest.mark.parametrize("lasting", [False, True])
def test_rules_of_an_earlier_start_are_removed_where_it_ran_here(tmp_path: Path, lasting: bool) -> None:
    """Gluetun appends its rules at each start. In a namespace that is new there may be somebody else's, which stay."""
    _, calls, _ = guarded(tmp_path, lasting=lasting)
    assert ("iptables -w 5 -F OUTPUT" in calls) == ("iptables -w 5 -F INPUT" in calls) == lasting
    if lasting:
        assert calls.index("iptables -w 5 -P INPUT DROP") < calls.index("iptables -w 5 -F INPUT")


def test_the_routing_rule_of_an_earlier_start_is_removed_by_its_priority(tmp_path: Path) -> None:
    """Until none is left: each family has one here."""
    _, calls, _ = guarded(tmp_path)
    assert [call for call in calls if "rule del" in call] == [f"ip -{version} rule del priority 101" for version in (4, 4, 6, 6)]


def test_it_does_not_begin_without_a_firewall(tmp_path: Path) -> None:
    code, calls, _ = guarded(tmp_path, failing=dict.fromkeys(("iptables", "iptables_nft", "iptables_legacy"), "*"))
    assert code == 1
    assert calls == []


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("iptables v1.8.10 (legacy): can't initialize iptables table `filter': Permission denied (you must be root)", True),
        ("iptables v1.8.10 (nf_tables): Could not fetch rule set generation id: Invalid argument", False),
    ],
)
def test_the_reason_of_the_firewall_is_not_hidden(tmp_path: Path, said: str, hint: bool) -> None:
    """A legacy program needs NET_RAW, which the gateway has not: the kernel's nf_tables is missing (passteque/gluetun#139)."""
    for name in FIREWALLS:
        (tmp_path / name).write_text(
            f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nPerhaps iptables or your kernel needs to be upgraded.\nEND\nexit 3\n"
        )
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", guard()], env=environment, capture_output=True, check=False, text=True)
    line = next(line for line in done.stderr.splitlines() if "[guard]" in line)
    assert done.returncode == 1
    assert all(f"{program}: {said}" in line for program in ("iptables", "iptables-nft", "iptables-legacy"))
    assert ("modprobe nf_tables" in line) == hint
    assert "Perhaps" not in line


@pytest.mark.parametrize("failing", [{"iptables_restore": "*"}, {"iptables": "*POSTROUTING*"}, {"ip6tables_restore": "*"}])
def test_it_does_not_begin_without_its_second_fence(tmp_path: Path, failing: dict[str, str]) -> None:
    code, calls, _ = guarded(tmp_path, failing=failing)
    assert code == 1
    assert "gluetun" not in calls


@pytest.mark.parametrize(
    ("found", "left"),
    [
        # A search list would send foreign names past the tunnel.
        (RESOLV, "# portable: nameserver 127.0.0.11\nnameserver 127.0.0.11\noptions ndots:0\n"),
        # Gluetun's own address is in the place of the first ones, or that of its upstream where it was killed early.
        (
            "nameserver 127.0.0.1\n# portable: nameserver 10.96.0.10\nsearch lan\n",
            "nameserver 10.96.0.10\n# portable: nameserver 10.96.0.10\n",
        ),
        (
            "nameserver 1.1.1.1\n# portable: nameserver 10.96.0.10\n# portable: nameserver 10.96.0.11\n",
            "nameserver 10.96.0.10\nnameserver 10.96.0.11\n# portable: nameserver 10.96.0.10\n# portable: nameserver 10.96.0.11\n",
        ),
        ("search lan\ndomain lan\n", ""),
    ],
)
def test_the_first_name_servers_are_kept(tmp_path: Path, found: str, left: str) -> None:
    code, _, resolv = guarded(tmp_path, resolv=found)
    assert (code, resolv) == (0, left)


def test_it_does_not_begin_where_only_its_own_name_server_is_known(tmp_path: Path) -> None:
    """Gluetun would ask itself until its memory is used up."""
    code, calls, _ = guarded(tmp_path, resolv="nameserver 127.0.0.1\nsearch lan\n")
    assert code == 1
    assert "gluetun" not in calls


def test_memory_is_freed_before_the_limit_is_reached() -> None:
    """Go's runtime is told 70 % of what the container may use."""
    gateway = next(app for app in planned().apps if app.name == "gluetun").containers[0]
    assert gateway.env["GOMEMLIMIT"] == str(gateway.resources.memory_limit * 7 // 10)


def test_peers_reach_the_group_through_the_tunnel() -> None:
    """At every port that is not for browsers, and at no other one."""
    gateway = next(app for app in planned().apps if app.name == "gluetun").containers[0]
    assert gateway.env["FIREWALL_VPN_INPUT_PORTS"] == "6881"
    assert gateway.env["FIREWALL_INPUT_PORTS"] == "7474,8080,9696"
