"""The results of each contract: it holds, it is broken for one subject, or it could not be checked."""

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.live.view import CommandResult, ExtraContainer, PublishedAddress, View
from portable.model import plan as p
from portable.model.errors import PortableError, UsageError
from portable.model.exposures import Lan
from portable.model.shell import script
from portable.verify import contracts, links, named, sound, verify
from portable.verify.answers import answers
from portable.verify.contract import Contract, Found, holds
from portable.verify.secrecy import secrecy
from tests import factories
from tests.factories import full_plan
from tests.unit.verify.fake import PUBLISHED, SHUT, FakeStack, everything, one, says, verdicts

GUARD = "-A PORTABLE ! -o lo -m addrtype ! --src-type LOCAL --limit-iface-out -j DROP"
LAST = "-A PORTABLE -j DROP"
SILENT = CommandResult(code=None, text="it did not end within 20 s", hangs=True)
CUT = CommandResult(code=None, text="what a command inside printed was cut short on its way from the engine")


def told(text: str) -> tuple[str, ...]:
    return ("password",) if "hunter2" in text else ()


def mentions(text: str, *words: str) -> bool:
    """Whether a text contains all of these, as whole words."""
    return set(words) <= set(re.split(r"[\s(),;]+|: |:$", text))


EVERY = {contract.name: contract for contract in contracts(told)}
RUNS, SHARES, FENCE, CLOUDS, PATHS, LINKS, IDENTITY = (
    EVERY[name] for name in ("runs", "shares", "fence", "clouds", "paths", "links", "identity")
)
ENVIRONMENT, PRIVILEGES = EVERY["environment"], EVERY["privileges"]
PRIVACY, ANSWERS, PORTS, DEVICES, DATABASES, SECRECY = (
    EVERY[name] for name in ("privacy", "answers", "ports", "devices", "databases", "secrecy")
)


def test_nothing_is_broken_where_all_is_as_promised() -> None:
    found = list(verify(FakeStack(), contracts(told)))
    assert [h for h in found if h.verdict == "broken"] == []
    assert {h.contract for h in found} == {c.name for c in contracts(told)}
    assert all(h.text for h in found)


def test_a_mistake_in_one_contract_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def check(stack: View) -> Iterator[Found]:
        yield holds("first", "is well")
        raise IndexError(stack.host)

    wrong = Contract(name="wrong", promise="it is right", check=check)
    with caplog.at_level("DEBUG", logger="portable.verify"):
        found = list(verify(FakeStack(host="hunter2"), (wrong, RUNS)))
    assert [(h.subject, h.verdict) for h in found if h.contract == "wrong"] == [("first", "holds"), ("the stack", "unknown")]
    assert "(IndexError)" in found[1].text
    assert any(h.contract == "runs" and h.verdict == "holds" for h in found)
    assert "in check" in caplog.text
    assert "hunter2" not in caplog.text, "a message may hold a secret"


def test_contracts_are_chosen_by_name() -> None:
    every = contracts(told)
    assert named(every, ()) == every
    assert [c.name for c in named(every, ["links", "runs"])] == ["runs", "links"]
    with pytest.raises(UsageError, match=r"\blink\b") as error:
        named(every, ["runs", "link"])
    assert error.value.code == "verify.unknown-contract"
    assert (error.value.remedy or "").startswith("did you mean 'links'? known: runs, ")
    with pytest.raises(UsageError, match=r"\bxyzzy\b") as error:
        named(every, ["xyzzy"])
    assert error.value.code == "verify.unknown-contract"
    assert (error.value.remedy or "").startswith("known: runs, ")


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ({"state": "exited"}, "broken"),
        ({"state": "missing"}, "broken"),
        ({"state": "paused"}, "broken"),
        ({"health": "unhealthy", "said": "refused"}, "broken"),
        ({"health": "starting"}, "unknown"),
        ({"health": ""}, "holds"),
    ],
)
def test_runs(state: dict[str, object], verdict: str) -> None:
    stack = FakeStack()
    stack.changes["player"] = state
    assert verdicts(RUNS, stack) == {
        name: "holds" if name != "player" else verdict
        for name in ("gateway", "torrents", "player", "player-tls", "player-store", "sweep", "cloud shelf")
    }


def test_what_is_no_part_of_the_plan_is_told() -> None:
    stack = FakeStack()
    stack.left = (
        ExtraContainer(
            name="media-old-1", state="running", published=(PublishedAddress(address="", number=9000, protocol="tcp", inside=90),)
        ),
    )
    assert one(RUNS, stack).subject == "media-old-1"
    held = one(PORTS, stack)
    assert (held.subject, mentions(held.text, "9000/tcp", "90")) == ("media-old-1", True)


def test_an_answer_that_does_not_come_whole_says_nothing() -> None:
    """It proves neither that a promise is broken nor that it holds."""
    stack = FakeStack(answer=lambda _name, _command: CUT)
    asked = [SHARES, FENCE, CLOUDS, LINKS, IDENTITY, ANSWERS]
    assert {h.verdict for contract in asked for h in contract.tried(stack)} == {"unknown"}
    assert [h for h in verify(stack, contracts(told)) if h.verdict == "broken"] == []


def test_what_does_not_run_is_not_passed_over() -> None:
    stack = FakeStack()
    stack.changes["player"] = {"state": "exited"}
    for contract in EVERY.values():
        last = list(contract.tried(stack))[-1]
        of_stopped = (last.subject, last.verdict, mentions(last.text, "player")) == ("the stack", "unknown", True)
        assert of_stopped == contract.inside, contract.name


@pytest.mark.parametrize("contract", [contract.name for contract in contracts(told) if contract.name not in ("runs", "ports")])
def test_what_could_not_be_tried_anywhere_is_told(contract: str) -> None:
    stack = FakeStack()
    for name in everything(stack.plan):
        stack.changes[name] = {"state": "exited"}
    assert "unknown" in {held.verdict for held in EVERY[contract].tried(stack)}


def test_an_engine_that_fails_half_way_leaves_what_was_found() -> None:
    def answer(name: str, command: Any) -> CommandResult | None:
        if name == "player" and "/status" in command[-1]:
            raise PortableError("the engine went away")
        return None

    found = list(IDENTITY.tried(FakeStack(answer=answer)))
    assert [(h.subject, h.verdict) for h in found] == [("torrents", "holds"), ("the stack", "unknown")]
    assert found[-1].text.endswith(": the engine went away")


def test_who_hangs_on_a_dead_namespace_is_named() -> None:
    assert one(SHARES, FakeStack(answer=says("ns/net", CommandResult(code=0, text="net:[2]"), "torrents"))).subject == "torrents"
    for nothing in (SILENT, CUT, CommandResult(code=0, text="")):
        assert one(SHARES, FakeStack(answer=says("ns/net", nothing, "torrents")), "unknown").subject == "torrents"
    stack = FakeStack()
    stack.changes["gateway"] = {"state": "exited"}
    held = one(SHARES, stack)
    assert (held.subject, "gateway gateway does not run" in held.text) == ("torrents", True)


FIRST_OPEN, FIRST_HOLE = "allows everything", "past the tunnel: "
SECOND_HOLE, SECOND_MISSING, REMAINS, MARKS = "in its second fence: ", "no second fence", "rest of the tunnel's", "changes packets"
"""The kinds of gaps, each by a part of its text that no other has."""


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("iptables iptables -P OUTPUT DROP", "iptables iptables -P OUTPUT ACCEPT", f"iptables {FIRST_OPEN}"),
        ("ip6tables ip6tables -P OUTPUT DROP", "ip6tables ip6tables -P OUTPUT ACCEPT", f"ip6tables {FIRST_OPEN}"),
        ("-A OUTPUT -o lo -j ACCEPT", "-A OUTPUT -j ACCEPT", f"{FIRST_HOLE}-A OUTPUT -j ACCEPT"),
        ("-A OUTPUT -o tun0 -j ACCEPT", "-A OUTPUT -o eth0 -j ACCEPT", "-A OUTPUT -o eth0 -j ACCEPT"),
        ("-A OUTPUT -o tun0 -j ACCEPT", "-A OUTPUT ! -o tun0 -j ACCEPT", "-A OUTPUT ! -o tun0 -j ACCEPT"),
        ("-d 10.1.0.0/16", "-d 11.0.0.0/8", "-d 11.0.0.0/8"),
        ("-d 172.20.0.0/16", "-d 172.0.0.0/8", "-d 172.0.0.0/8"),
        ("--dport 51820", "--dport 443", "--dport 443"),
        ("-o tun0 -j ACCEPT", "-o tun0 -j MINE", "-j MINE"),
        ("RELATED,ESTABLISHED", "NEW,ESTABLISHED", "NEW,ESTABLISHED"),
        ("--ctstate RELATED", "! --ctstate RELATED", "! --ctstate RELATED,ESTABLISHED"),
        ("-m addrtype ! --src-type LOCAL --limit-iface-out -j DROP", "-j MASQUERADE", f"{SECOND_HOLE}! -o lo -j MASQUERADE"),
        ("-A PORTABLE ! -o lo -m addrtype ! --src-type", "-A PORTABLE ! -o lo -m addrtype --src-type", REMAINS),
        ("-A PORTABLE ! -o lo -m addrtype", "-A PORTABLE -o eth0 -m addrtype", REMAINS),
        ("-A PORTABLE ! -o lo -m addrtype", "-A PORTABLE ! -o eth1 -m addrtype", REMAINS),
        ("-A PORTABLE ! -o lo -m", "-A PORTABLE -s 10.64.0.2/32 ! -o lo -m", REMAINS),
        (GUARD, f"-A PORTABLE -d 172.20.0.0/16 -j ACCEPT\niptables iptables mangle {GUARD}", REMAINS),
        (GUARD, f"-A PORTABLE -o eth1 -j ACCEPT\niptables iptables mangle {GUARD}", f"{SECOND_HOLE}-o eth1 -j ACCEPT"),
        (GUARD, f"-A PORTABLE -j MINE\niptables iptables mangle {GUARD}", f"{SECOND_HOLE}-j MINE"),
        ("-A POSTROUTING -j PORTABLE", "-A INPUT -j PORTABLE", SECOND_MISSING),
        (
            "-A POSTROUTING -j PORTABLE",
            "-A POSTROUTING -p udp -j MARK --set-xmark 0xca6c/0xffffffff",
            f"{SECOND_HOLE}-p udp -j MARK",
        ),
        (
            "-A POSTROUTING -j PORTABLE",
            "-A POSTROUTING -j PORTABLE\niptables iptables mangle -A OUTPUT -p udp -j MARK --set-xmark 0xca6c/0xffffffff",
            f"iptables {MARKS} before its second fence: -p udp -j MARK",
        ),
        (GUARD, f'-A PORTABLE -m comment --comment "no -j DROP here" -j ACCEPT\niptables iptables mangle {GUARD}', "no -j DROP here"),
        ("-A OUTPUT -o tun0 -j ACCEPT", '-A OUTPUT -m comment --comment "x -o lo y" -j ACCEPT', "-A OUTPUT -m comment"),
        ("-A OUTPUT -o tun0 -j ACCEPT", '-A OUTPUT -m comment --comment "x -j ACCEPT', FIRST_HOLE),
        ("--icmpv6-type 135 -j ACCEPT", "-j ACCEPT", f"{FIRST_HOLE}-A OUTPUT -p ipv6-icmp -m icmp6 -j ACCEPT"),
        ("own eth0 172.20.0.2/16", "own tun0 172.20.0.2/8", "-d 172.20.0.0/16"),
        ("-A POSTROUTING -j PORTABLE", "-A POSTROUTING -o eth0 -j PORTABLE", f"{SECOND_HOLE}-o eth0 -j PORTABLE"),
        ("-A POSTROUTING -j PORTABLE", "-A POSTROUTING -j ACCEPT", f"{SECOND_HOLE}-j ACCEPT"),
        (LAST, "-A PORTABLE -o eth0 -j DROP", SECOND_MISSING),
        (LAST, "-A PORTABLE -j RETURN", f"{SECOND_HOLE}-j RETURN"),
        (" --ctdir REPLY", "", f"{SECOND_HOLE}-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
        (" --ctdir REPLY", " --ctdir ORIGINAL", "--ctdir ORIGINAL"),
        ("-m mark --mark 0xca6c", "-m udp --dport 51820", f"{SECOND_HOLE}-p udp -m udp --dport 51820 -j ACCEPT"),
        ("--mark 0xca6c", "--mark 0x1", f"{SECOND_HOLE}-p udp -m mark --mark 0x1"),
        ("PORTABLE -d 172.20.0.0/16", "PORTABLE -d 0.0.0.0/1", f"{SECOND_HOLE}-d 0.0.0.0/1"),
        (f"ip6tables mangle {LAST}", "ip6tables mangle -A PORTABLE -o lo -j DROP", SECOND_MISSING),
    ],
)
def test_an_open_firewall_is_told(old: str, new: str, text: str) -> None:
    assert old in SHUT
    held = one(FENCE, FakeStack(answer=says("-S OUTPUT", CommandResult(code=0, text=SHUT.replace(old, new, 1)))))
    # The line that was changed is of this program.
    family = "ip6tables" if "ip6tables" in old or "icmpv6" in old else "iptables"
    assert (held.code, held.text.startswith(f"{family} ")) == ("verify.fence", True), held.text
    assert text in held.text


@pytest.mark.parametrize("before", ["-o eth0 -p tcp -j TCPMSS --clamp-mss-to-pmtu", "-s 192.0.2.0/24 -j DROP", "-o eth0"])
def test_what_lets_nothing_by_may_stand_before_the_guard(before: str) -> None:
    text = SHUT.replace(GUARD, f"-A PORTABLE {before}\niptables iptables mangle {GUARD}", 1)
    assert verdicts(FENCE, FakeStack(answer=says("-S OUTPUT", CommandResult(code=0, text=text)))) == {"gateway": "holds"}


def test_a_rule_that_only_counts_is_no_rule() -> None:
    text = SHUT.replace("-A POSTROUTING -j PORTABLE", "-A POSTROUTING\niptables iptables mangle -A POSTROUTING -j PORTABLE", 1)
    assert verdicts(FENCE, FakeStack(answer=says("-S OUTPUT", CommandResult(code=0, text=text)))) == {"gateway": "holds"}


def test_a_firewall_that_opened_is_told_with_what_still_stands() -> None:
    """Gluetun leaves it open when enabling it fails."""
    opened = SHUT.replace("iptables iptables -P OUTPUT DROP", "iptables iptables -P OUTPUT ACCEPT")
    told = one(FENCE, FakeStack(answer=says("-S OUTPUT", CommandResult(code=0, text=opened)))).text
    assert FIRST_OPEN in told
    assert told.endswith("the second fence is closed")
    both = opened.replace(LAST, "-A PORTABLE -o lo -j DROP", 1)
    told = one(FENCE, FakeStack(answer=says("-S OUTPUT", CommandResult(code=0, text=both)))).text
    assert FIRST_OPEN in told
    assert SECOND_MISSING in told


def test_the_packets_of_openvpn_are_known_by_the_endpoints() -> None:
    """They carry no mark."""
    plan = full_plan("compose")
    egress = next(group.egress for group in plan.groups if isinstance(group.egress, p.Tunnel))
    by_openvpn = msgspec.structs.replace(egress, protocol="openvpn", endpoints=(p.Endpoint(cidr="198.51.100.0/24", port=1194),))
    groups = tuple(msgspec.structs.replace(g, egress=by_openvpn) if g.egress == egress else g for g in plan.groups)
    marked = "-A PORTABLE -p udp -m mark --mark 0xca6c -j ACCEPT"
    first = SHUT.replace("-d 198.51.100.7/32 -o eth0 -p udp -m udp --dport 51820", "-d 198.51.100.7/32 -o eth0 -p udp -m udp --dport 1194")

    def found(rule: str) -> list[str]:
        stack = FakeStack(
            msgspec.structs.replace(plan, groups=groups), answer=says("-S OUTPUT", CommandResult(code=0, text=first.replace(marked, rule)))
        )
        return [held.text for held in FENCE.tried(stack) if held.verdict == "broken"]

    of_root = "-m owner --uid-owner 0"
    assert found(f"-A PORTABLE -d 198.51.100.0/24 -p udp -m udp --dport 1194 {of_root} -j ACCEPT") == []
    for wide in (
        "-d 198.51.0.0/16 -p udp -m udp --dport 1194",
        "-d 198.51.100.0/24 -p udp -m udp --dport 443",
        "-p udp -m mark --mark 0xca6c",
    ):
        assert SECOND_HOLE in found(f"-A PORTABLE {wide} -j ACCEPT")[0]


def test_one_table_that_is_shut_is_enough() -> None:
    """A packet passes the tables of both programs; the older one may be empty."""
    both = f"iptables iptables-legacy -P OUTPUT ACCEPT\n{SHUT}"
    assert verdicts(FENCE, FakeStack(answer=says("-S OUTPUT", CommandResult(code=0, text=both)))) == {"gateway": "holds"}


def test_a_firewall_that_tells_nothing_is_not_said_to_hold() -> None:
    for said in (CommandResult(code=0, text=""), CommandResult(code=127, text="sh: not found"), SILENT):
        assert verdicts(FENCE, FakeStack(answer=says("-S OUTPUT", said)))["gateway"] == "unknown"
    stack = FakeStack()
    stack.changes["gateway"] = {"state": "exited"}
    held = one(FENCE, stack)
    assert (held.subject, "portable up" in held.remedy) == ("gateway", True)


def test_without_ipv6_its_firewall_is_not_asked_for() -> None:
    alone = "".join(line for line in SHUT.splitlines(keepends=True) if not line.startswith(("ip6", "ipv6")))
    assert verdicts(FENCE, FakeStack(answer=says("-S OUTPUT", CommandResult(code=0, text=alone)))) == {"gateway": "holds"}


def test_a_way_past_the_tunnel_is_told_where_nothing_stops_it() -> None:
    route = CommandResult(code=0, text="192.0.2.1 via 172.20.0.1 dev eth0 src 172.20.0.2")
    wide = CommandResult(code=0, text=SHUT.replace("-A OUTPUT -o lo ", "-A OUTPUT "))

    def answer(_name: str, command: Any) -> CommandResult | None:
        return wide if "-S OUTPUT" in " ".join(command) else route if "route" in command else None

    assert [h.verdict for h in FENCE.tried(FakeStack(answer=answer))] == ["broken", "holds", "broken"]
    reconnecting = FakeStack(answer=says("ip route get", route))
    held = one(FENCE, reconnecting, "unknown")
    assert (held.subject, "(eth0)" in held.text, "is down" in held.text) == ("gateway", True, True)
    assert verdicts(FENCE, reconnecting) == {"gateway": "unknown"}


def test_a_cloud_that_is_not_seen_is_told_for_the_app() -> None:
    away = says("wc -l", CommandResult(code=3, text="nothing is mounted at /mnt/clouds/shelf"))
    assert one(CLOUDS, FakeStack(answer=away)).subject == "player cloud shelf"
    assert one(CLOUDS, FakeStack(), "holds").text == "OK (25000 entries)"
    assert (
        one(CLOUDS, FakeStack(answer=says("wc -l", CommandResult(code=127, text="sh: not found"))), "unknown").subject
        == "player cloud shelf"
    )


@pytest.mark.parametrize("said", [SILENT, CommandResult(code=5, text="reading it takes more than 8 s")])
def test_a_read_that_hangs_is_tried_by_one_app_only(said: CommandResult) -> None:
    """A process that reads a hung mount hangs, too."""
    plan = full_plan("compose")
    apps = tuple(msgspec.structs.replace(a, clouds=("shelf",)) if a.name in ("torrents", "player") else a for a in plan.apps)
    found = list(CLOUDS.tried(FakeStack(msgspec.structs.replace(plan, apps=apps), answer=says("wc -l", said))))
    assert [(h.subject, h.verdict) for h in found] == [("torrents cloud shelf", "broken"), ("player cloud shelf", "unknown")]


@pytest.mark.parametrize(
    ("said", "verdict", "remedy"),
    [
        (CommandResult(code=1, text="L no hard link from downloads to media/tv"), "broken", "one file system"),
        (CommandResult(code=1, text="W downloads is not writable"), "broken", "1000:1000"),
        (CommandResult(code=1, text="cat: something else"), "unknown", ""),
        (SILENT, "unknown", ""),
    ],
)
def test_links(said: CommandResult, verdict: str, remedy: str) -> None:
    held = one(LINKS, FakeStack(answer=says("portable-verify", said, "torrents")), verdict)
    assert (held.subject, remedy in held.remedy) == ("torrents", True)


def test_every_folder_of_downloads_is_tried_to_every_other_one(tmp_path: Path) -> None:
    """The script itself, on folders of this machine: it finds a folder on another file system, and leaves nothing behind."""
    for folder in ("downloads/torrents", "media/tv", "media/movies"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "media" / "tv" / ".portable-verify-x.kept").write_text("of a run that was killed")
    command = [
        "sh",
        "-c",
        script(links.__name__, "links.sh"),
        "sh",
        str(tmp_path),
        ".portable-verify-x",
        "downloads",
        "downloads/torrents",
        "--",
    ]
    targets = ["media/tv", "media/movies", "not-there"]
    done = subprocess.run([*command, *targets], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    (tmp_path / "media" / "movies").rmdir()
    (tmp_path / "media" / "movies").symlink_to("/proc/self")  # another file system, as far as a link is concerned
    done = subprocess.run([*command, *targets], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [f"L no hard link from {a} to media/movies" for a in ("downloads", "downloads/torrents")]
    assert [p for p in tmp_path.rglob("*") if p.name.startswith(".portable")] == []


def test_a_library_without_pairs_is_not_said_to_link() -> None:
    plan = full_plan("compose")
    bare = msgspec.structs.replace(plan, library=p.Library(volume="library", folders=("media",)))
    assert set(verdicts(LINKS, FakeStack(bare)).values()) == {"unknown"}


def test_who_runs_as_another_user_is_told() -> None:
    root = "Name:\tapp\nUmask:\t0022\nPid:\t1\nPPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n"
    held = one(IDENTITY, FakeStack(answer=says("/status", CommandResult(code=0, text=root), "torrents")))
    assert (held.subject, mentions(held.text, "1000:1000", "0:0")) == ("torrents", True)


def test_another_umask_is_told_of_those_that_are_given_one() -> None:
    other = "Name:\tapp\nUmask:\t0077\nPid:\t1\nPPid:\t0\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\n"
    held = one(IDENTITY, FakeStack(answer=says("/status", CommandResult(code=0, text=other))))
    assert (held.subject, mentions(held.text, "077", "002")) == ("torrents", True)


def test_a_missing_or_other_mount_is_told() -> None:
    stack = FakeStack()
    stack.changes["torrents"] = {"mounts": {"/config": "/elsewhere"}}
    held = one(PATHS, stack)
    other, missing = held.text.split("; ")
    assert held.subject == "torrents"
    assert mentions(other, "/config", "/elsewhere", "/mnt/storage/state/config/torrents")
    assert mentions(missing, "/mnt/media", "not", "mounted")


def test_another_library_under_the_same_path_is_told() -> None:
    other = says("stat -c", CommandResult(code=0, text="99:2"), "torrents")
    held = one(PATHS, FakeStack(answer=other))
    assert (held.subject, mentions(held.text, "library", "player")) == ("torrents", True)
    assert verdicts(PATHS, FakeStack(answer=says("stat -c", SILENT, "torrents")))["torrents"] == "unknown"


def test_what_was_mounted_on_the_host_later_is_told(tmp_path: Path) -> None:
    """The engine started before the disk was mounted: every container sees the same empty folder, and none the host's current one."""
    plan = full_plan("compose")
    place = p.Folder(path=str(tmp_path))
    volumes = tuple(msgspec.structs.replace(v, place=place, folder="") if isinstance(v.place, p.Folder) else v for v in plan.volumes)
    plan = msgspec.structs.replace(plan, volumes=volumes)
    found = tmp_path.stat()

    def answer(_name: str, command: Any) -> CommandResult | None:
        return (
            CommandResult(code=0, text="\n".join([f"{found.st_dev}:{found.st_ino}"] * (len(command) - 3))) if command[0] == "stat" else None
        )

    assert set(verdicts(PATHS, FakeStack(plan, answer=answer, here=True)).values()) == {"holds"}

    def other(name: str, command: Any) -> CommandResult | None:
        seen = answer(name, command)
        return seen and CommandResult(code=0, text=seen.text.replace(":", ":9"))

    held = [h for h in PATHS.tried(FakeStack(plan, answer=other, here=True)) if h.verdict == "broken"]
    assert any(mentions(h.text, "/config", "not", str(tmp_path), "host") for h in held)
    must = tuple(msgspec.structs.replace(v, place=p.Folder(path=str(tmp_path), mounted=True)) if v.id == "library" else v for v in volumes)
    held = [
        h for h in PATHS.tried(FakeStack(msgspec.structs.replace(plan, volumes=must), answer=answer, here=True)) if h.verdict == "broken"
    ]
    assert all(mentions(h.text, "mounted", str(tmp_path)) for h in held)
    assert held


def test_state_of_others_is_told() -> None:
    stack = FakeStack()
    seen = stack.look(next(x for x in _placed(stack) if x.app and x.app.name == "player")).mounts
    stack.changes["player"] = {"mounts": {**seen, "/all": "/mnt/storage/state"}}
    held = one(PRIVACY, stack)
    assert (held.subject, mentions(held.text, "/all", "torrents")) == ("player", True)
    for source in ("/", "/mnt/storage/state/config/torrents/Backups"):
        stack.changes["player"] = {"mounts": {**seen, "/all": source}}
        assert mentions(one(PRIVACY, stack).text, "/all", "torrents")
    assert one(PRIVACY, FakeStack(answer=says("ls -A", SILENT, "player")), "unknown").subject == "player"
    uncovered = one(PRIVACY, FakeStack(answer=says("ls -A", CommandResult(code=0, text="player\ntorrents"), "player")))
    assert (uncovered.subject, mentions(uncovered.text, "/mnt/media/appdata", "2")) == ("player", True)


def _placed(stack: FakeStack) -> list[Any]:
    from portable.backends.common import containers

    return list(containers(stack.plan))


def test_who_does_not_answer_is_told_with_who_asked() -> None:
    refused = says("transfer:8080", CommandResult(code=1, text="wget: bad address 'transfer'"), "player")
    held = one(ANSWERS, FakeStack(answer=refused))
    assert held.subject == "torrents from player"
    assert mentions(held.text, "http://transfer:8080/", "player")
    assert held.text.endswith("wget: bad address 'transfer'")
    assert verdicts(ANSWERS, FakeStack())["player from torrents"] == "holds"
    alone = factories.plan(factories.app("one"))
    held = one(ANSWERS, FakeStack(alone), "unknown")
    assert (held.subject, "no other" in held.text) == ("one", True)


def test_an_app_is_asked_by_the_name_that_its_caller_uses() -> None:
    """Behind a gateway of a cluster, apps of other pods have their names in full."""
    asked: list[str] = []

    def note(_name: str, command: Sequence[str]) -> CommandResult | None:
        asked.extend(word for word in command if word.startswith("http"))
        return None

    contract = answers(lambda group, app, name: name if app in group.apps else f"{name}.media.svc")
    list(contract.tried(FakeStack(answer=note)))
    assert "http://transfer.media.svc:8080/" in asked
    assert "http://player.media.svc:32400/" in asked


def test_an_app_is_asked_from_its_group_and_from_outside() -> None:
    three = tuple(factories.app(name, containers=(factories.container(fetch="curl"),)) for name in ("one", "two", "three"))
    plan = factories.plan(*three, groups=(p.Group(name="pair", apps=("one", "two")), p.Group(name="three", apps=("three",))))
    assert sorted(verdicts(ANSWERS, FakeStack(plan))) == [
        "one from three",
        "one from two",
        "three from one",
        "two from one",
        "two from three",
    ]


def test_any_answer_is_one() -> None:
    needs_login = says("wget", CommandResult(code=1, text="wget: server returned error: HTTP/1.1 401 Unauthorized"))
    assert verdicts(ANSWERS, FakeStack(answer=needs_login))["torrents from player"] == "holds"
    for code, verdict in ((6, "holds"), (8, "holds"), (4, "broken")):
        gnu = FakeStack(answer=says("wget", CommandResult(code=code, text="")))
        assert verdicts(ANSWERS, gnu)["torrents from player"] == verdict


def test_who_has_nothing_to_ask_with_is_told() -> None:
    assert verdicts(ANSWERS, FakeStack(answer=says("wget", CommandResult(code=127, text="not found"))))["torrents from player"] == "unknown"


def test_ports_are_compared_as_a_whole() -> None:
    assert set(verdicts(PORTS, FakeStack()).values()) == {"unknown"}, "the host is not this machine"
    stack = FakeStack()
    stack.changes["gateway"] = {"published": ()}

    def told(*words: str) -> str:
        """The subject of the only broken row, whose text has these words."""
        held = one(PORTS, stack)
        assert mentions(held.text, *words), held.text
        return held.subject

    assert told("8080/tcp", "not", "published") == "torrents"
    more = PublishedAddress(address="127.0.0.1", number=9000, protocol="tcp", inside=9001)
    stack.changes["gateway"] = {"published": (*PUBLISHED["gateway"], more)}
    assert told("9000/tcp", "9001") == "gateway"
    stack.changes["gateway"] = {"published": (msgspec.structs.replace(PUBLISHED["gateway"][0], inside=9696),)}
    assert told("8080/tcp", "9696", "web") == "torrents"
    stack.changes["gateway"] = {"published": (msgspec.structs.replace(PUBLISHED["gateway"][0], address="127.0.0.1"),)}
    assert told("8080/tcp", "LAN", "127.0.0.1") == "torrents"
    wide = msgspec.structs.replace(PUBLISHED["player"][0], address="0.0.0.0")
    asked = stack.plan
    at = tuple(
        msgspec.structs.replace(e, how=Lan(number=e.how.number, address="192.0.2.9")) if isinstance(e.how, Lan) else e
        for e in asked.exposures
    )
    stack.plan, stack.changes = msgspec.structs.replace(asked, exposures=at), {}
    assert {name for name, verdict in verdicts(PORTS, stack).items() if verdict == "broken"} == {
        e.app for e in at if isinstance(e.how, Lan)
    }
    stack.plan = asked
    stack.changes = {"player": {"published": (wide, PUBLISHED["player"][1])}}
    assert told("32400/tcp", "host", "0.0.0.0") == "player"


@pytest.mark.parametrize(
    ("node", "verdict"),
    [
        (CommandResult(code=0, text="660 0 44 character special file"), "holds"),
        (CommandResult(code=0, text="660 0 105 character special file"), "broken"),
        (CommandResult(code=0, text="666 0 105 character special file"), "holds"),
        (CommandResult(code=1, text="No such file or directory"), "broken"),
        (CommandResult(code=0, text="755 0 0 directory"), "unknown"),
        (SILENT, "unknown"),
    ],
)
def test_a_gpu_is_opened_by_the_groups_that_the_processes_have(node: CommandResult, verdict: str) -> None:
    assert verdicts(DEVICES, FakeStack(answer=says("%a %u %g", node)))["player"] == verdict


def test_a_device_that_does_not_open_is_told() -> None:
    assert one(DEVICES, FakeStack(answer=says("/dev/fuse", CommandResult(code=1, text="Operation not permitted")))).subject == "cloud shelf"
    assert one(DEVICES, FakeStack(answer=says("/dev/fuse", CommandResult(code=126, text="no shell"))), "unknown").subject == "cloud shelf"


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.rclone"])
def test_a_database_where_locks_may_fail_is_told(kind: str) -> None:
    table = f"1 0 8:1 / / rw - overlay overlay rw\n2 1 8:2 / /config rw - {kind} x rw"
    held = one(DATABASES, FakeStack(answer=says("mountinfo", CommandResult(code=0, text=table))))
    assert (held.subject, mentions(held.text, "/config", kind), "storage.state" in held.remedy) == ("player", True, True)


def test_a_corrupted_database_is_told(tmp_path: Path) -> None:
    def stack() -> FakeStack:
        plan = full_plan("compose")
        volumes = tuple(
            msgspec.structs.replace(v, place=p.Folder(path=str(tmp_path)), folder="") if v.id == "player-config" else v
            for v in plan.volumes
        )
        return FakeStack(msgspec.structs.replace(plan, volumes=volumes), here=True)

    (tmp_path / "deep").mkdir()
    (tmp_path / "no.db").write_bytes(b"something else")
    path = tmp_path / "deep" / "app.db"
    with sqlite3.connect(path) as made:
        made.execute("create table t (x)")
        made.executemany("insert into t values (?)", [("x" * 500,) for _ in range(200)])
    made.close()
    assert [(h.verdict, h.text.split()[0]) for h in DATABASES.tried(stack()) if "app.db" in h.text] == [("holds", "deep/app.db")]
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    path.write_bytes(content)
    held = one(DATABASES, stack())
    assert held.text.startswith("deep/app.db is corrupted")
    assert "portable restore" in held.remedy
    path.write_bytes(b"\0" * 4096 + bytes(content[4096:]))
    held = one(DATABASES, stack())
    assert held.text.startswith("deep/app.db is corrupted")
    assert "first page" in held.text
    path.unlink()
    assert mentions(one(DATABASES, stack(), "unknown").text, "SQLite", "no.db", str(tmp_path))


def kept(seen: str) -> p.Plan:
    """Return a plan with a backup container that sees the player's state at that path."""
    plan = full_plan("compose")
    mounts = (p.Mount(volume="player-config", path=seen), p.Mount(volume=p.BACKUPS, path="/backups"))
    return msgspec.structs.replace(
        plan, apps=(*plan.apps, factories.app("keeper", containers=(factories.container("main", mounts=mounts),)))
    )


def test_databases_of_another_host_are_looked_at_by_who_backs_up(tmp_path: Path) -> None:
    """By the same program in the backup container, which is a process of this machine here."""

    def answer(name: str, command: Any) -> CommandResult | None:
        if command[0] != "python3":
            return None
        assert name == "keeper"
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={}, cwd="/")
        return CommandResult(code=done.returncode, text=done.stdout + done.stderr)

    stack = FakeStack(kept(str(tmp_path)), answer=answer)
    with contextlib.closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as made:
        made.execute("create table t (x)")
        made.executemany("insert into t values (?)", [("x" * 500,) for _ in range(200)])
    assert "app.db" in [h.text.split()[0] for h in DATABASES.tried(stack) if h.subject == "player" and h.verdict == "holds"]
    content = bytearray((tmp_path / "app.db").read_bytes())
    content[4096:12288] = b"\xff" * 8192
    (tmp_path / "app.db").write_bytes(content)
    held = one(DATABASES, stack)
    assert (held.subject, held.text.startswith("app.db is corrupted")) == ("player", True)


def test_what_a_keeper_found_in_time_is_told_whatever_comes_after(tmp_path: Path) -> None:
    """The check timed out, a warning is between its rows, and a file name is not valid UTF-8."""
    rows = 'ResourceWarning: x\n["broken", "a.db is corrupted: x"]\n["holds", "b\\\\xff.db is sound"]\n["hol'
    stack = FakeStack(kept(str(tmp_path)), answer=says("python3", CommandResult(code=None, text=rows)))
    told = [(h.verdict, h.text) for h in DATABASES.tried(stack) if h.subject == "player" and "lies on" not in h.text]
    assert told[:2] == [("broken", "a.db is corrupted: x"), ("holds", "b\\xff.db is sound")]
    assert told[2][0] == "unknown"
    assert len(told) == 3


def test_looking_at_many_databases_ends_in_time_and_says_so(tmp_path: Path) -> None:
    for name in ("a.db", "b\udcff.db"):
        with contextlib.closing(sqlite3.connect(tmp_path / name, isolation_level=None)) as made:
            made.execute("create table t (x)")
    assert [verdict for verdict, _ in sound.looked(tmp_path)] == ["holds", "holds"]
    (verdict, text) = next(sound.looked(tmp_path, seconds=-1))
    assert (verdict, "took more than" in text) == ("unknown", True)
    done = subprocess.run([sys.executable, sound.__file__, str(tmp_path), "state"], capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(verdict, text.split()[0]) for verdict, text in rows] == [("holds", "a.db"), ("holds", "b\\xff.db")]


@pytest.mark.parametrize(
    "said",
    [CUT, SILENT, CommandResult(code=127, text="python3: not found"), CommandResult(code=0, text=""), CommandResult(code=0, text="[1]")],
)
def test_a_keeper_that_can_not_look_is_not_taken_for_soundness(said: CommandResult) -> None:
    stack = FakeStack(kept("/state"), answer=says("python3", said))
    of_content = [h for h in DATABASES.tried(stack) if h.subject == "player" and "lies on" not in h.text]
    assert [h.verdict for h in of_content] == ["unknown"]
    away = FakeStack(kept("/state"))
    away.changes["keeper"] = {"state": "exited"}
    assert any("backup" in h.text for h in DATABASES.tried(away) if h.verdict == "unknown" and h.subject == "player")


def test_looking_at_a_database_leaves_nothing_and_keeps_nobody_from_writing(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as app:
        app.execute("pragma journal_mode = wal")
        app.execute("create table t (x)")
        row = sound.judged(path, "app.db")
        assert row is not None
        assert row[0] == "holds"
        app.execute("insert into t values (1)")
    before = sorted(tmp_path.iterdir())
    row = sound.judged(path, "app.db")
    assert row is not None
    assert row[0] == "holds", "read without a lock, since no app has it open"
    assert sorted(tmp_path.iterdir()) == before == [path]


def test_a_database_that_takes_long_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("create table t (x primary key)")
        made.executemany("insert into t values (?)", [(f"{n}" * 40,) for n in range(20_000)])
        made.commit()
    monkeypatch.setattr(sound, "_HOLDS_SECONDS", 0.0)
    judged = sound.judged(path, "app.db")
    assert judged is not None
    assert (judged[0], "took more than 0 s" in judged[1]) == ("unknown", True)


def test_only_plain_files_of_the_folder_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "cloud" / "deep").mkdir(parents=True)
    (tmp_path / "cloud" / "deep" / "a.db").write_bytes(b"x")
    (tmp_path / "state" / "link").symlink_to(tmp_path / "cloud")
    os.mkfifo(tmp_path / "state" / "pipe.db")
    (tmp_path / "state" / "b.db").write_bytes(b"x")
    assert [path.name for path in sound.candidates(tmp_path / "state", [])] == ["b.db"]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("environment", {"PASSWORD": "hunter2"}, "the variable PASSWORD"),
        ("labels", {"note": "it is hunter2"}, "the label note"),
    ],
)
def test_a_secret_that_is_seen_is_told_and_not_shown(field: str, value: dict[str, str], text: str) -> None:
    stack = FakeStack()
    stack.changes["torrents"] = {field: value}
    held = one(SECRECY, stack)
    assert (held.subject, f"password in {text}" in held.text, "hunter2" in held.text) == ("torrents", True, False)


def test_a_variable_by_which_an_image_takes_its_secret_is_no_breach() -> None:
    stack = FakeStack()
    stack.changes["player"] = {"environment": {"CLAIM": "hunter2"}}
    assert "broken" not in verdicts(SECRECY, stack).values()
    stack.written = "the password is hunter2\n"
    assert set(verdicts(SECRECY, stack).values()) == {"broken"}


def test_what_is_not_known_is_not_said_to_be_unseen() -> None:
    assert [(h.verdict, "vpn-key" in h.text) for h in secrecy(told, ["vpn-key.private"], known=False).tried(FakeStack())] == [
        ("unknown", True)
    ]
    assert "unknown" in verdicts(secrecy(told, ["vpn-key.private"]), FakeStack())["the stack"]


def test_the_document_has_every_contract_with_its_promise() -> None:
    lines = (Path(__file__).parents[3] / "docs" / "reference" / "verify.md").read_text().splitlines()
    rows = [tuple(cell.strip() for cell in line.split("|")[1:3]) for line in lines if line.startswith("| `")]
    assert rows == [(f"`{contract.name}`", contract.promise) for contract in contracts(told, disruptive=True)]


def test_who_backs_up_sees_the_state_of_all_and_owns_none_of_it() -> None:
    plan = full_plan("compose")
    states = [volume for volume in plan.volumes if volume.holds in ("state", "database") and isinstance(volume.place, p.Folder)]
    mounts = [*(p.Mount(volume=v.id, path=f"/state/{v.id}") for v in states), p.Mount(volume=p.BACKUPS, path="/backups")]
    keeper = factories.app("keeper", containers=(factories.container("main", mounts=tuple(mounts)),))
    stack = FakeStack(msgspec.structs.replace(plan, apps=(*plan.apps, keeper)))
    assert states
    found = {held.subject: held.verdict for held in verify(stack, named(contracts(), ["privacy"]))}
    assert found["keeper"] == "holds"
    assert "broken" not in found.values()
    # Another app that sees them breaks the promise.
    curious = factories.app("curious", containers=(factories.container("main", mounts=tuple(mounts[:1])),))
    other = FakeStack(msgspec.structs.replace(plan, apps=(*plan.apps, curious)))
    assert "broken" in {held.verdict for held in verify(other, named(contracts(), ["privacy"]))}
