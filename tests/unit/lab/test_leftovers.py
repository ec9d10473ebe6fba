"""What a lab leaves behind is found and taken away, and nothing of one that is at work."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.lab.engine import LABEL, LabError
from tests.lab.home import leftovers
from tests.lab.home.box import OWNER


class Engine:
    """As much of the docker command as is called: things with labels, of which some do not go at once."""

    def __init__(self) -> None:
        self.things: dict[str, dict[str, dict[str, str]]] = {"container": {}, "volume": {}, "network": {}}
        self.stays: dict[str, int] = {}
        """How often each is asked to go before it does."""

    def has(self, lab: str, who: str, folder: str = "/srv/elsewhere") -> None:
        """A lab with one of each."""
        labels = {LABEL: lab, OWNER: who, f"{OWNER}.folder": folder}
        for kind, things in self.things.items():
            things[f"{lab}-{kind}"] = labels if kind == "network" else {LABEL: lab}

    def __call__(self, *arguments: str, code: int | None = 0, seconds: float = 0) -> str:
        del code, seconds
        kind = arguments[0] if arguments[0] in self.things else "container"
        match [part for part in arguments if part != kind]:
            case ["ls" | "ps", _, "--filter", wanted]:
                key, _, value = wanted.removeprefix("label=").partition("=")
                return "\n".join(n for n, labels in self.things[kind].items() if key in labels and (not value or labels[key] == value))
            case ["inspect", "-f", _, name]:
                labels = self.things[kind][name]
                return "" if kind == "volume" else "|".join(labels[key] for key in (LABEL, OWNER, f"{OWNER}.folder"))
            case ["rm", *names]:
                for name in names:
                    self.stays[name] = self.stays.get(name, 0) - 1
                    if self.stays[name] < 0:
                        self.things[kind].pop(name, None)
        return ""

    @property
    def left(self) -> list[str]:
        """Names of all that is there."""
        return sorted(name for things in self.things.values() for name in things)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    monkeypatch.setattr(leftovers, "docker", made)
    return made


def dead() -> str:
    """A process that was there."""
    process = subprocess.Popen(["sleep", "60"])
    who = leftovers.told(process.pid)
    process.kill()
    process.wait()
    return who


def test_only_what_a_dead_process_left_is_taken_away(engine: Engine) -> None:
    here = Path("/proc/self/ns/pid").readlink()
    engine.has("gone", dead())
    engine.has("mine", leftovers.owner())
    engine.has("reused", f"{os.getpid()} 1 {here}")
    engine.has("elsewhere", "1 1 pid:[1]")
    engine.has("unsaid", "")
    assert leftovers.clean() == ["gone", "reused"]
    assert {name.rpartition("-")[0] for name in engine.left} == {"mine", "elsewhere", "unsaid"}


def test_its_own_folder_goes_with_it_and_no_other(engine: Engine, tmp_path: Path) -> None:
    own = Path(tempfile.mkdtemp(prefix=leftovers.FOLDER))
    (own / "keys").mkdir()
    engine.has("gone", dead(), str(own))
    engine.has("of-a-test", dead(), str(tmp_path))
    assert leftovers.clean() == ["gone", "of-a-test"]
    assert (own.exists(), tmp_path.exists()) == (False, True)


def test_what_does_not_go_at_once_is_asked_again_and_keeps_nothing_else(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.has("lab", "")
    engine.stays["lab-container"] = 2
    leftovers.take_away("lab")
    assert engine.left == []
    engine.has("lab", "")
    engine.stays["lab-container"] = 1000
    monkeypatch.setattr(leftovers, "_SECONDS", 0.3)
    with pytest.raises(LabError, match="there is left: container lab-container, network lab-network"):
        leftovers.take_away("lab")
    assert engine.left == ["lab-container", "lab-network"], "as long as something is there, the network is, by which it is found"
