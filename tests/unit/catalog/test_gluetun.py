"""The guard in front of Gluetun: shut before it begins, by the program that it will choose, and not begun where that fails."""

import os
import subprocess
from pathlib import Path

import pytest

GUARD = Path(__file__).parents[3] / "portable" / "catalog" / "apps" / "gluetun" / "guard.sh.j2"
FIREWALLS = [f"{family}{kind}" for family in ("iptables", "ip6tables") for kind in ("", "-nft", "-legacy")]


def guarded(folder: Path, **failing: str) -> tuple[int, list[str]]:
    """Run it with programs that write down what they are told; those named fail where a word of theirs is in the call."""
    programs = folder / "bin"
    programs.mkdir()
    for name in (*FIREWALLS, "ip"):
        script = f"""#!/bin/sh
case "$*" in *-C*) exit 1 ;; {failing.get(name.replace("-", "_"), "never")}) exit 1 ;; esac
echo "{name} $*" >>{folder}/calls
"""
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    text = GUARD.read_text().replace("exec /gluetun-entrypoint", f"echo gluetun >>{folder}/calls")
    done = subprocess.run(["sh", "-c", text], env={"PATH": f"{programs}:{os.environ['PATH']}"}, capture_output=True, check=False)
    calls = folder / "calls"
    return done.returncode, calls.read_text().splitlines() if calls.exists() else []


RULE = "-w 5 -t mangle -A POSTROUTING ! -o lo -m addrtype --limit-iface-out ! --src-type LOCAL -j DROP"


@pytest.mark.parametrize("ip", ["never", "*rule*"])
def test_it_is_shut_before_gluetun_begins(tmp_path: Path, ip: str) -> None:
    """Also where no routing rule was left behind, so that `ip` has none to take away."""
    code, calls = guarded(tmp_path, ip=ip)
    assert code == 0
    assert calls[:4] == [f"{family} {what}" for family in ("iptables", "ip6tables") for what in ("-w 5 -P OUTPUT DROP", RULE)]
    assert calls[-1] == "gluetun"


@pytest.mark.parametrize("working", ["nft", "legacy"])
def test_the_program_that_works_is_taken(tmp_path: Path, working: str) -> None:
    """Gluetun tries them in this order too; two that are mixed would each shut what the other opens."""
    failing = {"iptables": "*", **({"iptables_nft": "*"} if working == "legacy" else {})}
    code, calls = guarded(tmp_path, **failing)
    assert code == 0
    assert [call.split()[0] for call in calls if not call.startswith("ip ")] == [f"iptables-{working}"] * 2 + ["ip6tables"] * 2 + [
        "gluetun"
    ]


def test_it_does_not_begin_without_a_firewall(tmp_path: Path) -> None:
    code, calls = guarded(tmp_path, iptables="*", iptables_nft="*", iptables_legacy="*", ip="never")
    assert code == 1
    assert calls == []


def test_it_does_not_begin_where_it_can_not_be_kept_in(tmp_path: Path) -> None:
    code, calls = guarded(tmp_path, iptables="*mangle*")
    assert code == 1
    assert "gluetun" not in calls
