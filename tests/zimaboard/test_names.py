"""No name that an app behind the gateway asks for leaves the host past the tunnel, also where the host's resolver is its own."""

import json
import time
from collections.abc import Iterator

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.home.box import BEACON, PROVIDER
from tests.lab.home.capture import Capture
from tests.lab.home.home import Home
from tests.lab.home.internet import NAME
from tests.lab.home.trouble import healed

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]
NAMES = {
    "public": f"{{}}.{NAME}",
    "of the LAN": "{}-printer.lan",
    "of the home": "{}-nas.home",
    "without a public suffix": "{}.i2p",
    "without a dot": "{}-nobody",
}
"""A name of each kind that the gateway tells apart; each question has a word of its own, so that no cache answers it."""
ENGINE = "127.0.0.11"
# Asks for all names at once, of one server each; those that no answer comes to are None.
_ASK = """
import json, selectors, socket, sys, time
from standin.outside import query
server, *names = sys.argv[1:]
waiting, answers, selector = {}, dict.fromkeys(names), selectors.DefaultSelector()
for name in names:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.connect((server, 53))
    waiting[udp] = name
    selector.register(udp, selectors.EVENT_READ)
    udp.send(query(name))
end = time.monotonic() + 8
while waiting and (left := end - time.monotonic()) > 0:
    for key, _ in selector.select(left):
        selector.unregister(key.fileobj)
        answers[waiting.pop(key.fileobj)] = key.fileobj.recv(4096)[3] & 15
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def on_loopback(home: Home, here: Engine) -> Iterator[Home]:
    """A host with a resolver of its own on loopback, as Pi-hole is one; containers hear of it when they start."""
    home.take(here, "zimaboard")  # which a test before this one may have taken away
    home.stack.portable("up")
    with home.host.resolver_on_loopback():
        home.stack.portable("restart", "gluetun", "sonarr")
        healed(home)
        yield home
    home.stack.portable("restart", "gluetun", "sonarr")
    healed(home)


def asked(home: Home, service: str, server: str, word: str) -> dict[str, int | None]:
    """Ask a server for a name of each kind from that app: the response codes."""
    names = [name.format(f"{word}-{kind.replace(' ', '-')}") for kind, name in NAMES.items()]
    answers: dict[str, int | None] = json.loads(home.stack.inside(service, "python3", "-c", _ASK, server, *names))
    return answers


def questions(home: Home) -> Capture:
    """All questions that leave the host."""
    return Capture(home.host, which="port 53 or port 853")


def test_who_leaves_directly_is_heard(on_loopback: Home) -> None:
    """The same questions of an app that is not behind the gateway: the engine asks the host, and they leave it."""
    with questions(on_loopback) as seen:
        asked(on_loopback, "sonarr", ENGINE, "direct")
        time.sleep(1)
    told = "\n".join(seen.leaked)
    assert "direct-public" in told, str(seen)
    assert "direct-without-a-public-suffix.i2p" in told, told


@pytest.mark.parametrize("server", ["127.0.0.1", ENGINE], ids=["gateways", "engines"])
def test_no_name_leaves_past_the_tunnel(on_loopback: Home, server: str) -> None:
    """Of the gateway's name server, which libc asks, and of the engine's, which any app may ask."""
    word = f"behind{server[-1]}{int(time.time())}"
    with questions(on_loopback) as seen:
        answers = asked(on_loopback, "autobrr", server, word)
        time.sleep(1)
    assert seen.leaked == [], f"{seen}: {seen.leaked[:8]}"
    public = next(name for name in answers if name.endswith(NAME))
    askers = {line.rpartition(" ")[2] for line in on_loopback.internet.asked() if line.startswith(word)}
    if server == "127.0.0.1":
        assert answers[public] == 0, answers
        assert askers == {PROVIDER}
        assert BEACON in on_loopback.stack.inside("autobrr", "getent", "ahostsv4", f"{word}.{NAME}")
    assert askers <= {PROVIDER}


def test_names_of_apps_are_still_found(on_loopback: Home) -> None:
    networks = on_loopback.stack.inspected()["sonarr"]["NetworkSettings"]["Networks"]
    address = next(iter(networks.values()))["IPAddress"]
    assert on_loopback.stack.inside("autobrr", "getent", "hosts", "sonarr").split()[:1] == [address]
    assert on_loopback.stack.inside("autobrr", "getent", "hosts", "qbittorrent").split()[:1] == ["127.0.0.1"]
