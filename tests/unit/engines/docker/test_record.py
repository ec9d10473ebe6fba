"""The record of a project is replaced so that a kill between any two calls loses neither the old one nor the new one."""

from collections.abc import Mapping
from typing import Any

import pytest

from portable.engines.docker.address import Address
from portable.engines.docker.engine import Engine
from portable.engines.docker.observation import next_record_volume, record_volume
from portable.engines.docker.observed import PROJECT

OLD, NEW, NEWER = {"owner": "anna"}, {"owner": "bert"}, {"owner": "carla"}


class KilledError(BaseException):
    """The command is killed before this call."""


class Volumes:
    """The volumes of an engine; the client is killed before the call of that number."""

    def __init__(self) -> None:
        self.labels: dict[str, dict[str, str]] = {"x_demo_portable-record": {"owner": "another project"}}
        self.calls_left = 1000

    def _call(self) -> None:
        self.calls_left -= 1
        if self.calls_left < 0:
            raise KilledError

    def volumes(self, filters: Mapping[str, str]) -> dict[str, Any]:
        return {"Volumes": [{"Name": name, "Labels": labels} for name, labels in self.labels.items() if filters["name"] in name] or None}

    def create_volume(self, name: str, labels: dict[str, str]) -> None:
        self._call()
        self.labels.setdefault(name, labels)  # as the engine does: labels of an existing one stay

    def remove_volume(self, name: str) -> None:
        from docker.errors import NotFound

        self._call()
        if self.labels.pop(name, None) is None:
            raise NotFound("no such volume")


def engine_of(volumes: Volumes, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(Engine, "_api", volumes, raising=False)
    return Engine(Address(url="unix:///fake", named_by="the test"))


def recorded(engine: Engine) -> dict[str, str]:
    return {key: value for key, value in engine.record("demo").items() if key != PROJECT}


def test_a_record_is_kept_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    volumes = Volumes()
    engine = engine_of(volumes, monkeypatch)
    assert recorded(engine) == {}
    for labels in (OLD, NEW):
        engine.replace_record("demo", labels)
        assert recorded(engine) == labels
        assert sorted(volumes.labels) == [record_volume("demo"), "x_demo_portable-record"]


@pytest.mark.parametrize("calls", range(4))
def test_a_kill_at_any_call_leaves_the_old_or_the_new_record(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    volumes = Volumes()
    engine = engine_of(volumes, monkeypatch)
    engine.replace_record("demo", OLD)
    volumes.calls_left = calls
    with pytest.raises(KilledError):
        engine.replace_record("demo", NEW)
    after = recorded(engine)
    assert after == (OLD if calls == 0 else NEW)
    for more in range(12):  # the next command is killed too
        volumes.calls_left = more
        try:
            engine.replace_record("demo", NEWER)
        except KilledError:
            assert recorded(engine) in (after, NEWER)
        else:
            break
    assert recorded(engine) == NEWER
    assert next_record_volume("demo") not in volumes.labels
