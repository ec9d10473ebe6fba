"""Nothing of the sealed app reaches an address outside the local networks; whoever is not sealed is caught by the same counters."""

import contextlib
import os
import time
from collections.abc import Callable

import pytest

from tests.lab import usenet
from tests.lab.leak import ADDRESS, ADDRESS6, LeakNet, Sniffer, assert_local, send_traffic
from tests.lab.local import Local, docker
from tests.lab.qbittorrent import QBittorrent, torrent_of

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(1500)]
Record = Callable[[str, object], None]
ROUNDS = int(os.environ.get("PORTABLE_LEAK_ROUNDS", "5"))


def address_of(local: Local, service: str) -> str:
    """The service's address in the stack's network."""
    networks = local.inspected()[service]["NetworkSettings"]["Networks"]
    return str(next(iter(networks.values()))["IPAddress"])


def announced(name: str) -> tuple[bytes, str]:
    """A torrent whose trackers all lie where a leak ends."""
    trackers = (f"http://{ADDRESS}:6969/announce", f"udp://{ADDRESS}:6969/announce", f"http://[{ADDRESS6}]:6969/announce")
    return torrent_of(name, usenet.content(name, 100_000), trackers)


def test_a_deliberate_leak_is_detected_by_both_counters(local: Local, leak: LeakNet, record_property: Record) -> None:
    """The same traffic from a container in the same network that is not sealed: every kind of packet is seen by both."""
    image = local.inspected()["sabnzbd"]["Config"]["Image"]
    before = leak.packets()
    with Sniffer(leak.mark) as seen:
        sent = send_traffic(f"{local.project}_default", image, local.stack, leak.mark, ROUNDS, resolver=False)
        time.sleep(0.5)
    counted = leak.packets() - before
    assert seen.dropped == 0
    for kind in ("tcp", "udp", "icmp", "protocol 47"):
        assert any(line.startswith(f"{kind} to {ADDRESS} ") for line in seen.leaked), (kind, seen.leaked)
    assert any(line.startswith("a marked name asked") for line in seen.leaked)
    out = sum(sent.tried.values()) - sent.tried["ipv6"]  # an engine's default network has no IPv6
    assert counted >= out, f"{out} packets were sent, {counted} counted"
    record_property("deliberate_leak", f"{counted} packets of {out} sent")


def test_no_packet_of_the_sealed_app_leaves(local: Local, leak: LeakNet, qbittorrent: QBittorrent, record_property: Record) -> None:
    """What the app does by itself, what a program in its container does, and what root with raw sockets does in its namespace."""
    assert_local()
    seal, image = local.container("seal"), local.inspected()["sabnzbd"]["Config"]["Image"]
    torrent, info_hash = announced("leak.bin")
    before = leak.packets()
    try:
        with Sniffer(leak.mark, address_of(local, "seal")) as seen:
            qbittorrent.add(torrent, "/mnt/media/downloads/torrents")
            until = time.monotonic() + 10
            while qbittorrent.torrent(info_hash) is None and time.monotonic() < until:
                time.sleep(0.2)
            qbittorrent.call("torrents/addPeers", hashes=info_hash, peers=f"{ADDRESS}:6881|[{ADDRESS6}]:6881")
            qbittorrent.call("torrents/reannounce", hashes=info_hash)
            for command in (
                f"curl -s -m 1 http://{ADDRESS}/",
                f"curl -s -g -m 1 'http://[{ADDRESS6}]/'",
                f"curl -s -m 2 http://{leak.mark}-app.test/",
                f"echo x > /dev/udp/{ADDRESS}/6881",
                f"echo x > /dev/udp/{ADDRESS}/53",
            ):
                for user in ("1000:1000", "0:0"):
                    with contextlib.suppress(AssertionError):
                        local.inside("qbittorrent", "timeout", "5", "bash", "-c", command, user=user)
            sent = send_traffic(f"container:{seal}", image, local.stack, leak.mark, ROUNDS, resolver=True)
            # The way in and to its neighbours is open all the while: zero is not the zero of a dead network.
            assert local.inside("qbittorrent", "curl", "-s", "-m", "5", "http://sabnzbd:8080/api?mode=version").startswith("{")
            time.sleep(1)
        assert qbittorrent.torrent(info_hash) is not None
    finally:
        qbittorrent.call("torrents/delete", hashes=info_hash, deleteFiles="true")
    counted = leak.packets() - before
    assert seen.dropped == 0, "the sniffer missed packets: nothing is proven"
    assert seen.from_inside > 0, "no packet of the sealed namespace was seen: nothing is proven"
    assert seen.leaked == {}
    assert counted == 0
    assert sent.answered == {}, f"something got through: {sent}"
    record_property(
        "sealed", f"{sum(sent.tried.values())} attempts, {seen.inspected} packets inspected, {seen.from_inside} of the seal's address"
    )
    record_property("leaked", str(counted + sum(seen.leaked.values())))


def test_nothing_leaves_while_the_stack_starts(local: Local, leak: LeakNet, qbittorrent: QBittorrent, record_property: Record) -> None:
    """A torrent that wants to announce itself from the first moment: `down`, `up`, and restarts of gateway and app are watched."""
    torrent, info_hash = announced("start.bin")
    qbittorrent.add(torrent, "/mnt/media/downloads/torrents")
    before = leak.packets()
    again = qbittorrent
    try:
        with Sniffer(leak.mark) as seen:
            local.portable("down")
            local.portable("up")
            local.portable("restart", "seal")
            docker("restart", "-t", "5", local.container("qbittorrent"))
            local.portable("up")
            time.sleep(2)
        again = QBittorrent(qbittorrent.url, local.secret("qbittorrent-password"))
        assert again.torrent(info_hash) is not None
    finally:
        again.call("torrents/delete", hashes=info_hash, deleteFiles="true")
    assert seen.dropped == 0, "the sniffer missed packets: nothing is proven"
    assert seen.inspected > 0
    assert seen.leaked == {}
    assert leak.packets() == before
    local.assert_well()
    record_property("start", f"{seen.inspected} packets inspected")
