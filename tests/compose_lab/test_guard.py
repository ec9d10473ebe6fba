"""The guard on a real kernel, in a network namespace of its own: what is sent stays inside when Gluetun's firewall opens.

Gluetun is a few lines here that do what v3.41.3 does to the firewall (internal/firewall/enable.go).
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from portable.backends.prepare import prepare
from portable.model.shell import filled
from portable.model.shell import script as read_script

pytestmark = [pytest.mark.compose_lab]

_OPENED = """\
iptables -P OUTPUT DROP; iptables -A OUTPUT -o lo -j ACCEPT
iptables --flush; iptables --delete-chain
for chain in INPUT OUTPUT FORWARD; do iptables -P $chain ACCEPT; done
"""
"""What v3.41.3 leaves when enabling its firewall fails half-way."""
_STARTED = """\
iptables -P INPUT DROP; iptables -A INPUT -i lo -j ACCEPT; iptables -A OUTPUT -o lo -j ACCEPT
ip rule add priority 101 not fwmark 51820 table 51820
{ echo nameserver 127.0.0.1; grep -v '^nameserver ' /etc/resolv.conf; } >/tmp/new-resolv; cat /tmp/new-resolv >/etc/resolv.conf
"""
"""What it does at each start, and leaves where it is killed."""


def inside(folder: Path, script: str, gluetun: str, *sets: str) -> list[str]:
    """What a script prints, line by line, in a new namespace of network and mounts, with `guard` as a command."""
    namespace = filled(read_script(__name__, "guard_namespace.sh"), folder=folder)
    return printed(folder, f"{namespace}\nguard() {{ sh {folder}/guard.sh; }}\n{script}", gluetun, *sets)


def printed(folder: Path, script: str, gluetun: str, *sets: str) -> list[str]:
    """What a script prints in new namespaces; the guard, the lines that stand for Gluetun, and a resolv.conf lie in the folder."""
    plan = prepare("zimaboard", folder=folder, sets=sets).planned.plan
    text = "".join(str(part) for file in plan.files if file.id == "gluetun-guard-sh" for part in file.body)
    (folder / "guard.sh").write_text(text.replace("exec /gluetun-entrypoint", f"exec sh {folder}/gluetun.sh"))
    (folder / "gluetun.sh").write_text(gluetun.replace("/tmp/new-resolv", f"{folder}/new-resolv"))
    (folder / "resolv.conf").write_text("nameserver 127.0.0.11\nsearch lan\n")
    done = subprocess.run(["unshare", "--net", "--mount", "bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_nothing_leaves_when_gluetuns_own_firewall_opens(tmp_path: Path) -> None:
    """Without the jump to the guard's chain the same ten packets leave, so the counting works."""
    foreign, name_server, own, marked, open_, reopened = inside(
        tmp_path,
        """
guard
try 203.0.113.9 6881
try 192.0.2.53 53
try 172.20.0.9 8989
try 203.0.113.9 51820 51820
iptables -t mangle -D POSTROUTING -j PORTABLE
try 203.0.113.9 6881
guard
try 203.0.113.9 6881
""",
        _OPENED,
    )
    assert (foreign, name_server, own, marked, open_, reopened) == ("0", "0", "10", "10", "10", "0")


def test_no_app_uses_the_port_of_openvpn(tmp_path: Path) -> None:
    """PureVPN's is that of plain DNS, and its servers may be anywhere."""
    app, openvpn, as_root = inside(
        tmp_path,
        """
guard
try 203.0.113.9 53 0 1000
try 203.0.113.9 53 0 51820
try 203.0.113.9 53
""",
        _OPENED,
        "vpn.provider=purevpn",
    )
    assert (app, openvpn, as_root) == ("0", "10", "10")


def test_a_restart_in_a_namespace_that_lasts_adds_nothing(tmp_path: Path) -> None:
    """As a pod's, in which Gluetun is killed and started again."""
    look = "iptables -S; ip6tables -S; iptables -t mangle -S; ip6tables -t mangle -S; ip rule; cat /etc/resolv.conf; echo ---"
    lines = "\n".join(inside(tmp_path, "\n".join(["guard", look] * 5), _STARTED)).split("---\n")
    assert len(set(lines[1:4])) == 1
    assert lines[0].count("-A OUTPUT -o lo") == lines[3].count("-A OUTPUT -o lo") == 1
    assert lines[3].count("101:") == 1
    assert "# portable: nameserver 127.0.0.11" in lines[3]


def test_no_search_list_is_left_and_options_stay(tmp_path: Path) -> None:
    """With one, the resolver asks for foreign names with the place's own domain, which Gluetun takes for local ones."""
    script = "{ echo domain lan; echo options ndots:5; } >>/etc/resolv.conf; guard; guard; cat /etc/resolv.conf"
    found = inside(tmp_path, script, _STARTED)
    assert sorted(found) == ["# portable: nameserver 127.0.0.11", "nameserver 127.0.0.1", "options ndots:5"]


def test_neighbours_cannot_ask_its_name_server(tmp_path: Path) -> None:
    """Gluetun's listens on every address; the rule stands before whatever Gluetun accepts."""
    rules = inside(tmp_path, "guard; iptables -t mangle -S INPUT; iptables -t mangle -S PORTABLE-IN", _OPENED)
    assert rules.index("-A INPUT -j PORTABLE-IN") == 1
    assert {f"-A PORTABLE-IN ! -i lo -p {p} -m {p} --dport 53 -j DROP" for p in ("udp", "tcp")} <= set(rules)


def test_a_late_segment_of_an_earlier_gateway_gets_no_answer(tmp_path: Path) -> None:
    """A connection of the container before this one, which had the same address. Without the rule its peer gets a reset."""
    shutil.copy(Path(__file__).with_name("late_peer.py"), tmp_path)
    assert printed(tmp_path, filled(read_script(__name__, "late_segment.sh"), folder=tmp_path), _OPENED) == ["silence", "reset"]
