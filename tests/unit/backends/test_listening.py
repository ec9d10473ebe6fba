"""Whether an app listens on the tunnel that is there now, state by state."""

import msgspec
import pytest

from portable.backends.listening import Sockets, judged, listeners_of, parsed, peer_ports
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
        (on(), "deaf", "nothing listens on the tunnel (10.64.0.2) at port 6881"),
        (on(forwarded=51413), "deaf", "nothing listens on the tunnel (10.64.0.2) at ports 6881 or 51413"),
        (on(("tcp", "10.64.0.99", 6881)), "deaf", "nothing listens"),
        (on(("tcp", "127.0.0.1", 6881), ("tcp", "172.20.0.2", 6881)), "deaf", "nothing listens"),
        (on(("tcp", "10.64.0.2", 6882)), "deaf", "nothing listens"),
        (on(("tcp", "10.64.0.2", 6881), ("udp", "10.64.0.2", 6881), calls={6881: "refused"}), "deaf", "on a tunnel that is gone"),
        (on(tunnel=()), "unknown", "there is no tunnel now"),
    ],
)
def test_states(sockets: Sockets, verdict: str, text: str) -> None:
    found = judged(sockets, (6881,), started=NOW - 3600)
    assert found[0] == verdict
    assert text in found[1]


@pytest.mark.parametrize(("started", "verdict"), [(NOW - 5, "unknown"), (NOW - 59, "unknown"), (NOW - 60, "deaf"), (0, "deaf")])
def test_an_app_that_just_started_has_time(started: float, verdict: str) -> None:
    assert judged(HERE, (6881,), started=started)[0] == verdict


def test_who_is_to_listen() -> None:
    assert [(gateway, found.name) for gateway, found in listeners_of(full_plan("compose"))] == [("gateway", "torrents")]
    ports = (p.Port(name="web", number=80, serves="http"), p.Port(name="a", number=7), p.Port(name="b", number=9, private=True))
    assert peer_ports(app("x", ports=ports)) == (7,)
    plan = full_plan("compose")
    (group,) = [group for group in plan.groups if group.name == "gateway"]
    sealed = msgspec.structs.replace(group, egress=p.Sealed(gateway="gateway"))
    assert list(listeners_of(msgspec.structs.replace(plan, groups=(sealed,)))) == [], "without a tunnel there is nothing to listen on"
