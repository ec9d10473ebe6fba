"""What `down` takes away, and says of it."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from portable.engines.docker.address import Address
from portable.engines.docker.engine import Engine
from portable.engines.docker.observed import Observed, ObservedContainer, ObservedNetwork
from portable.live.compose import verbs as compose
from portable.model.progress import Event
from tests.by_hand import by_hand

BODY = {
    "name": "media-test",
    "services": {"seal": {"image": "x"}, "torrents": {"image": "x", "network_mode": "service:seal"}, "lone": {"image": "x"}},
}


class Sealed(Engine):
    """An engine on which all of it runs."""

    def __init__(self) -> None:
        super().__init__(Address(url="unix:///fake", named_by="test"))
        self.removed: list[str] = []

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        names = ("lone", "seal", "torrents")
        joins = {"torrents": "seal"}
        return Observed(containers=tuple(ObservedContainer(id=n, name=n, service=n, state="running", joins=joins.get(n)) for n in names))

    def networks(self, project: str) -> tuple[ObservedNetwork, ...]:
        return (ObservedNetwork(id="net", name="media-test_default", key="default"),)

    def stop(self, container: str) -> None:
        pass

    def remove(self, container: str) -> None:
        self.removed.append(container)

    def remove_network(self, network: str) -> None:
        self.removed.append(network)


def test_those_who_share_a_network_go_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    engine, events = Sealed(), list[Event]()
    changes = compose.down(engine, by_hand(project="media-test", body=BODY), apps=("seal",), progress=events.append)
    assert engine.removed == ["torrents", "seal"]
    assert [c.sentence() for c in changes] == [
        "remove seal: asked for; its data stays",
        "remove torrents: asked for, with seal, whose network it shares; its data stays",
    ]
    assert "torrents: removed, with seal, whose network it shares" in [e.sentence() for e in events]


def test_all_go_because_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    engine = Sealed()
    changes = compose.down(engine, by_hand(project="media-test", body=BODY))
    assert sorted(engine.removed) == ["lone", "net", "seal", "torrents"]
    assert {c.cause for c in changes} == {"asked for; its data stays", "asked for"}
