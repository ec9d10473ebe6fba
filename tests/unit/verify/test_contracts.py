"""What each contract makes of a stack: that it holds, that it is broken and for whom, and that it could not be tried."""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.model import plan as p
from portable.model.errors import UsageError
from portable.verify import contracts, named, verify
from portable.verify.databases import file_system
from portable.verify.stack import Published, Said
from tests import factories
from tests.factories import full_plan
from tests.unit.verify.fake import PUBLISHED, FakeStack, one, says, verdicts

SILENT = Said(code=None, text="it did not end within 20 s")


def told(text: str) -> bool:
    return "hunter2" in text


EVERY = {contract.name: contract for contract in contracts(told)}
RUNS, SHARES, FENCE, CLOUDS, PATHS, LINKS, IDENTITY, PRIVACY, ANSWERS, PORTS, DEVICES, DATABASES, SECRECY = EVERY.values()


def test_nothing_is_broken_where_all_is_as_promised() -> None:
    found = list(verify(FakeStack(), contracts(told)))
    assert [h for h in found if h.verdict == "broken"] == []
    assert {h.contract for h in found} == {c.name for c in contracts(told)}
    assert all(h.text for h in found)


def test_contracts_are_chosen_by_name() -> None:
    every = contracts(told)
    assert named(every, ()) == every
    assert [c.name for c in named(every, ["links", "runs"])] == ["runs", "links"]
    with pytest.raises(UsageError, match="no contract link"):
        named(every, ["link"])


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


def test_who_hangs_on_a_dead_namespace_is_named() -> None:
    assert one(SHARES, FakeStack(answer=says("ns/net", Said(code=0, text="net:[2]"), "torrents"))).subject == "torrents"
    assert one(SHARES, FakeStack(answer=says("ns/net", SILENT, "torrents")), "unknown").subject == "torrents"
    stack = FakeStack()
    stack.changes["gateway"] = {"state": "exited"}
    assert one(SHARES, stack).text == "its gateway gateway does not run"


@pytest.mark.parametrize(
    ("said", "verdict", "text"),
    [
        ("iptables ACCEPT\nip6tables DROP\nipv6 on", "broken", "iptables lets out what no rule forbids (ACCEPT)"),
        ("iptables DROP\nip6tables none\nipv6 on", "broken", "ip6tables lets out what no rule forbids (none)"),
        ("sh: not found", "unknown", "its firewall can't be looked at"),
    ],
)
def test_an_open_firewall_is_told(said: str, verdict: str, text: str) -> None:
    assert text in one(FENCE, FakeStack(answer=says("OUTPUT DROP", Said(code=0, text=said))), verdict).text


def test_without_ipv6_its_firewall_is_not_asked_for() -> None:
    assert verdicts(FENCE, FakeStack(answer=says("OUTPUT DROP", Said(code=0, text="iptables DROP\nip6tables none\nipv6 off")))) == {
        "gateway": "holds"
    }


def test_a_way_past_the_tunnel_is_told() -> None:
    past = says("ip route get", Said(code=0, text="192.0.2.1 via 172.20.0.1 dev eth0 src 172.20.0.2"))
    assert "reached by eth0, which is no tunnel" in one(FENCE, FakeStack(answer=past)).text


def test_a_cloud_that_is_not_seen_is_told_for_the_app() -> None:
    away = says("wc -l", Said(code=3, text="nothing is mounted at /mnt/clouds/shelf"))
    assert one(CLOUDS, FakeStack(answer=away)).subject == "player cloud shelf"
    assert one(CLOUDS, FakeStack(), "holds").text == "OK (25000 entries)"
    assert one(CLOUDS, FakeStack(answer=says("wc -l", Said(code=127, text="sh: not found"))), "unknown").subject == "player cloud shelf"


def test_a_read_that_hangs_is_a_cloud_that_is_not_seen() -> None:
    assert one(CLOUDS, FakeStack(answer=says("wc -l", SILENT))).text == SILENT.text


@pytest.mark.parametrize(
    ("said", "verdict"),
    [(Said(code=3, text="no hard link"), "broken"), (Said(code=4, text="can't be written"), "broken"), (SILENT, "unknown")],
)
def test_links(said: Said, verdict: str) -> None:
    library = p.Library(volume="library", folders=("archive", "archive/downloads", "downloads", "media"))
    plan = msgspec.structs.replace(full_plan("compose"), library=library)
    tried: list[str] = []

    def answer(name: str, command: Any) -> Said | None:
        if "portable-verify" not in " ".join(command):
            return None
        tried.append(f"{name} {' '.join(command[-2:])}")
        return said if name == "torrents" and command[-1].endswith("media") else None

    found = [h for h in LINKS.tried(FakeStack(plan, answer=answer)) if h.subject == "torrents"]
    assert sorted(h.verdict for h in found) == sorted(["holds", verdict])
    assert sorted(tried) == [
        f"{name} /mnt/media/{pair}"
        for name in ("sweep", "torrents")
        for pair in ("archive/downloads /mnt/media/archive", "downloads /mnt/media/media")
    ]


def test_who_runs_as_another_user_is_told() -> None:
    root = "Name:\tapp\nUmask:\t0022\nPid:\t1\nPPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n"
    held = one(IDENTITY, FakeStack(answer=says("/status", Said(code=0, text=root), "torrents")))
    assert (held.subject, held.text) == ("torrents", "nothing in it runs as 1000:1000: 0:0")


def test_another_umask_is_told_of_those_that_are_given_one() -> None:
    other = "Name:\tapp\nUmask:\t0077\nPid:\t1\nPPid:\t0\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\n"
    held = one(IDENTITY, FakeStack(answer=says("/status", Said(code=0, text=other))))
    assert (held.subject, "umask 077 instead of 002" in held.text) == ("torrents", True)


def test_a_missing_or_other_mount_is_told() -> None:
    stack = FakeStack()
    stack.changes["torrents"] = {"mounts": {"/config": "/elsewhere"}}
    assert one(PATHS, stack).text == "/config is /elsewhere instead of /mnt/storage/state/config/torrents; /mnt/media is not mounted"


def test_another_library_under_the_same_path_is_told() -> None:
    other = says("stat -c", Said(code=0, text="99:2"), "torrents")
    assert "sees another library than" in one(PATHS, FakeStack(answer=other)).text
    assert one(PATHS, FakeStack(answer=says("stat -c", SILENT, "torrents")), "unknown").subject == "torrents"


def test_state_of_others_is_told() -> None:
    stack = FakeStack()
    seen = stack.look(next(x for x in _placed(stack) if x.app and x.app.name == "player")).mounts
    stack.changes["player"] = {"mounts": {**seen, "/all": "/mnt/storage/state"}}
    assert one(PRIVACY, stack).text == "/all shows the state of torrents"
    uncovered = says("ls -A", Said(code=0, text="player\ntorrents"), "player")
    assert one(PRIVACY, FakeStack(answer=uncovered)).text == "/mnt/media/appdata is not covered: 2 folders of other apps are seen"


def _placed(stack: FakeStack) -> list[Any]:
    from portable.backends.common import containers

    return list(containers(stack.plan))


def test_who_does_not_answer_is_told_with_who_asked() -> None:
    refused = says("transfer", Said(code=1, text="wget: bad address 'transfer'"), "player")
    held = one(ANSWERS, FakeStack(answer=refused))
    assert (held.subject, held.text) == (
        "torrents from player",
        "http://transfer:8080/ does not answer player: wget: bad address 'transfer'",
    )
    assert one(ANSWERS, FakeStack(), "unknown").text == "no other app that runs could ask it", "player alone is out of the tunnel"


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
    needs_login = says("wget", Said(code=1, text="wget: server returned error: HTTP/1.1 401 Unauthorized"))
    assert verdicts(ANSWERS, FakeStack(answer=needs_login))["torrents from player"] == "holds"


def test_who_has_nothing_to_ask_with_is_told() -> None:
    assert verdicts(ANSWERS, FakeStack(answer=says("wget", Said(code=127, text="not found"))))["torrents from player"] == "unknown"


def test_ports_are_compared_as_a_whole() -> None:
    assert set(verdicts(PORTS, FakeStack()).values()) == {"unknown"}, "the host is not this machine"
    stack = FakeStack()
    stack.changes["gateway"] = {"published": ()}
    assert one(PORTS, stack).text == "port 8080/tcp is not published"
    more = Published(address="127.0.0.1", number=9000, protocol="tcp", inside=9000)
    stack.changes["gateway"] = {"published": (*PUBLISHED["gateway"], more)}
    assert one(PORTS, stack).text == "port 9000/tcp is published, and no exposure says so"
    wide = msgspec.structs.replace(PUBLISHED["player"][0], address="0.0.0.0")
    stack.changes = {"player": {"published": (wide, PUBLISHED["player"][1])}}
    assert "is for this host only" in one(PORTS, stack).text


def test_a_device_that_does_not_open_is_told() -> None:
    held = one(DEVICES, FakeStack(answer=says("renderD128", Said(code=1, text="Permission denied"))))
    assert (held.subject, "Permission denied" in held.text) == ("player", True)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.rclone"])
def test_a_database_where_locks_may_fail_is_told(kind: str) -> None:
    table = f"1 0 8:1 / / rw - overlay overlay rw\n2 1 8:2 / /config rw - {kind} x rw"
    assert f"/config lies on {kind}" in one(DATABASES, FakeStack(answer=says("mountinfo", Said(code=0, text=table)))).text


def test_the_kernels_table_is_read_as_it_is_meant() -> None:
    mounts = ("/ rw - ext4 a", "/a\\040b rw shared:1 - btrfs b", "/ab rw - nfs c", "/ab rw - tmpfs d")
    table = "\n".join(f"1 0 8:1 / {mount} rw" for mount in mounts)
    assert [file_system(table, path) for path in ("/x", "/a b/c", "/ab", "/abc")] == ["ext4", "btrfs", "tmpfs", "ext4"]
    assert file_system("", "/x") is None


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
    assert [h.text for h in DATABASES.tried(stack()) if "app.db" in h.text] == ["deep/app.db is sound"]
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    path.write_bytes(content)
    assert one(DATABASES, stack()).text.startswith("deep/app.db is corrupted")


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("environment", {"PASSWORD": "hunter2"}, "the variable PASSWORD holds one"),
        ("labels", {"note": "it is hunter2"}, "the label note holds one"),
    ],
)
def test_a_secret_that_is_seen_is_told_and_not_shown(field: str, value: dict[str, str], text: str) -> None:
    stack = FakeStack()
    stack.changes["torrents"] = {field: value}
    held = one(SECRECY, stack)
    assert (held.subject, text in held.text, "hunter2" in held.text) == ("torrents", True, False)


def test_a_variable_by_which_an_image_takes_its_secret_is_no_breach() -> None:
    stack = FakeStack()
    stack.changes["player"] = {"environment": {"CLAIM": "hunter2"}}
    assert "broken" not in verdicts(SECRECY, stack).values()
    stack.written = "the password is hunter2\n"
    assert set(verdicts(SECRECY, stack).values()) == {"broken"}


def test_the_document_has_every_contract_with_its_promise() -> None:
    lines = (Path(__file__).parents[3] / "docs" / "verify.md").read_text().splitlines()
    rows = [tuple(cell.strip() for cell in line.split("|")[1:3]) for line in lines if line.startswith("| `")]
    assert rows == [(f"`{contract.name}`", contract.promise) for contract in contracts(told)]
