"""Whether an app listens on the tunnel that is there now, state by state."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from portable.live.listening import LISTENING, Sockets, judged, listeners_of, look_at, parsed, peer_ports, remedy_of
from portable.model import plan as p
from tests.factories import app, full_plan
from tests.unit.verify.fake import LISTENS

NOW = 1795997415
HERE = Sockets(now=NOW, devices=("tun0 2",), tunnel=("10.64.0.2",))


def on(*listeners: tuple[str, str, int], **more: object) -> Sockets:
    return msgspec.structs.replace(HERE, listeners=frozenset(listeners), **more)


def test_what_the_kernel_lists_is_read() -> None:
    """Lines of a kernel with qBittorrent on it."""
    text = (
        LISTENS + "listens tcp6 00000000000000000000000000000000:1F90\nlistens tcp6 0000000000000000FFFF00000200400A:0050\nforwarded 51413"
    )
    found = parsed(text.replace("forwarded\n", ""))
    assert (found.now, found.forwarded, found.tunnel, found.devices) == (NOW, 51413, ("10.64.0.2",), ("tun0 2",))
    assert found.calls == {6881: "accepted"}
    assert found.listeners == {
        ("tcp", "10.64.0.2", 6881),
        ("udp", "10.64.0.2", 6881),
        ("tcp", "::", 8080),
        ("tcp", "10.64.0.2", 80),
    }


@pytest.mark.parametrize(
    "line",
    [
        "",
        "  ",
        "call",
        "call 6881",
        "call x accepted",
        "listens tcp nothing",
        "listens tcp 00:1",
        "listens tcp",
        "now",
        "forwarded x",
        "tunnel",
        "?",
    ],
)
def test_a_line_that_is_cut_or_empty_is_passed_over(line: str) -> None:
    assert parsed(f"{line}\n{LISTENS}\n{line}\n") == msgspec.structs.replace(parsed(LISTENS), **({"now": 0} if line == "now" else {}))


@pytest.mark.parametrize(
    ("sockets", "verdict", "text"),
    [
        (on(("tcp", "10.64.0.2", 6881), calls={6881: "accepted"}), "listens", "port 6881"),
        (on(("tcp", "0.0.0.0", 6881), calls={6881: "accepted"}), "listens", "port 6881"),
        (on(("tcp", "::", 6881)), "listens", "port 6881"),
        (on(("udp", "10.64.0.2", 6881)), "listens", "port 6881"),
        # Whether it is the tunnel of now could not be tried: what is listed is believed.
        (on(("tcp", "10.64.0.2", 6881), calls={6881: "unknown"}), "listens", "port 6881"),
        (on(("tcp", "10.64.0.2", 51413), forwarded=51413, calls={6881: "refused", 51413: "accepted"}), "listens", "port 51413"),
        # The provider forwards a port, and the app listens at its own: reached by peers that it calls.
        (on(("tcp", "10.64.0.2", 6881), forwarded=51413, calls={6881: "accepted", 51413: "refused"}), "listens", "port 6881"),
        (on(), "absent", "nothing listens on the tunnel (10.64.0.2) at port 6881"),
        (on(forwarded=51413), "absent", "nothing listens on the tunnel (10.64.0.2) at ports 6881 or 51413"),
        (on(("tcp", "10.64.0.99", 6881)), "absent", "nothing listens"),
        (on(("tcp", "127.0.0.1", 6881), ("tcp", "172.20.0.2", 6881)), "absent", "nothing listens"),
        (on(("tcp", "10.64.0.2", 6882), calls={6882: "accepted"}), "absent", "something listens at port 6882 instead"),
        (on(("tcp", "10.64.0.2", 6882), calls={6882: "refused"}), "absent", "at port 6881"),
        (on(("tcp", "10.64.0.2", 6881), ("udp", "10.64.0.2", 6881), calls={6881: "refused"}), "deaf", "on a tunnel that is gone"),
        (on(tunnel=()), "unknown", "no tunnel at the moment"),
    ],
)
def test_states(sockets: Sockets, verdict: str, text: str) -> None:
    found = judged(sockets, (6881,), started=NOW - 3600)
    assert found[0] == verdict
    assert text in found[1]


@pytest.mark.parametrize(("started", "verdict"), [(NOW - 5, "unknown"), (NOW - 59, "unknown"), (NOW - 60, "absent"), (0, "absent")])
def test_an_app_that_just_started_has_time(started: float, verdict: str) -> None:
    assert judged(HERE, (6881,), started=started)[0] == verdict


@pytest.mark.parametrize(
    ("sockets", "started", "made", "verdict"),
    [
        (on(), NOW - 3600, NOW - 600, "deaf"),
        (on(), NOW - 600, NOW - 3600, "absent"),
        (on(), NOW - 600, 0, "absent"),
        (on(), 0, NOW - 600, "absent"),
        # A socket of the tunnel before, at a port that the app chose itself.
        (on(("tcp", "10.64.0.2", 6882), calls={6882: "refused"}), NOW - 3600, NOW - 600, "deaf"),
        # It noticed the new tunnel, and listens there at a port that the app chose itself.
        (on(("tcp", "10.64.0.2", 6882), calls={6882: "accepted"}), NOW - 3600, NOW - 600, "absent"),
    ],
)
def test_only_who_started_before_the_tunnel_was_made_is_helped_by_a_restart(
    sockets: Sockets, started: float, made: float, verdict: str
) -> None:
    assert judged(sockets, (6881,), started=started, made=lambda: made)[0] == verdict


def test_who_does_not_listen_is_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    torrents = app("torrents", ports=(p.Port(name="peer", number=6881),))
    well = on(("tcp", "10.64.0.2", 6881))
    for answers, verdict, pauses in (([well], "listens", 0), ([HERE, well], "listens", 1), ([HERE, HERE], "absent", 1)):
        slept.clear()
        said = iter(answers)
        (look,) = look_at([(torrents, NOW - 3600)], lambda said=said: next(said), tuple)  # type: ignore[misc]
        assert (look.verdict, len(slept), next(said, None)) == (verdict, pauses, None)


def test_the_remedy_names_the_port_of_the_app() -> None:
    ports = (p.Port(name="web", number=80, serves="http"), p.Port(name="peer", number=6881))
    assert remedy_of(app("torrents", ports=ports)) == (
        "set the listening port of torrents to 6881 in its own settings, "
        "or set its current port in portable.yaml: `ports: {torrents: {peer: N}}`"
    )


def test_what_listens_at_the_tunnels_address_is_called_too(tmp_path: Path) -> None:
    """The script itself, with programs and files of a gateway that has qBittorrent at a port of its own."""
    (tmp_path / "net/tun0").mkdir(parents=True)
    (tmp_path / "net/tun0/type").write_text("65534\n")
    (tmp_path / "net/tun0/ifindex").write_text("2\n")
    (tmp_path / "tcp").write_text("sl local rem st\n0: 0200400A:C350 0:0 0A\n1: 00000000:1F90 0:0 0A\n2: 0200400A:0050 0:0 01\n")
    for name, text in (
        ("ip", 'case $1 in -4) echo "2: tun0 inet 10.64.0.2/32 scope global tun0" ;; esac'),
        ("wget", 'for last; do :; done; echo "$last" >>"$CALLED"; echo Connecting; exit 1'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    script = LISTENING.script.replace("/sys/class/net", str(tmp_path / "net")).replace("/proc/net/", f"{tmp_path}/")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CALLED": str(tmp_path / "called")}
    said = subprocess.run(["sh", "-c", script, "sh", "6881"], env=environment, capture_output=True, text=True, check=True, timeout=30)
    assert (tmp_path / "called").read_text().split() == ["http://10.64.0.2:6881/", "http://10.64.0.2:50000/"]
    found = parsed(said.stdout)
    assert found.calls == {6881: "accepted", 50000: "accepted"}
    assert ("tcp", "10.64.0.2", 50000) in found.listeners


def test_who_is_to_listen() -> None:
    assert [(gateway, found.name) for gateway, found in listeners_of(full_plan("compose"))] == [("gateway", "torrents")]
    ports = (p.Port(name="web", number=80, serves="http"), p.Port(name="a", number=7), p.Port(name="b", number=9, private=True))
    assert peer_ports(app("x", ports=ports)) == (7,)
    plan = full_plan("compose")
    (group,) = [group for group in plan.groups if group.name == "gateway"]
    sealed = msgspec.structs.replace(group, egress=p.Sealed(gateway="gateway"))
    assert list(listeners_of(msgspec.structs.replace(plan, groups=(sealed,)))) == [], "without a tunnel there is nothing to listen on"
