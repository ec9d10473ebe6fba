"""What `upkeep --install` hands to systemd; no unit is written here."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from portable.cli.upkeep import upkeep
from portable.model.errors import UsageError
from portable.upkeep import units as unit
from tests.cli import write
from tests.unit.live.kubernetes.updating import KUBECONFIG

OURS = "portable: 1\nname: home\nextends: local\nabout: Mine\n"


@pytest.fixture
def handed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command of each service that was to be installed; the folder of a stack is the working folder."""
    write(tmp_path, {"portable.yaml": "portable: 1\nname: mine\n", "profiles/home.yaml": OURS, "more/apps/.keep": ""})
    monkeypatch.chdir(tmp_path)
    found: list[str] = []

    def install_timed(timer: str, texts: Mapping[str, str]) -> Path:
        service = texts[timer.replace(".timer", ".service")]
        found.extend(line.partition(" -m portable ")[2] for line in service.splitlines() if line.startswith("ExecStart="))
        assert f"WorkingDirectory={tmp_path}\n" in service
        return Path(timer)

    monkeypatch.setattr(unit, "install_timed", install_timed)
    return found


def test_a_timer_scrubs_where_nothing_else_is_named(handed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert upkeep(profile="home", install=True) == 0
    assert handed == ["upkeep --task scrub --profile home"]
    printed = capsys.readouterr().out
    assert printed.startswith("installed portable-upkeep-mine-home.timer; ")
    assert "`systemctl list-timers portable-upkeep-mine-home.timer`" in printed


def test_a_timer_of_a_cluster_scrubs_no_disk(handed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    write(tmp_path, {"profiles/far.yaml": OURS.replace("local", "samba").replace("home", "far")})
    assert upkeep(profile="far", install=True) == 0
    assert handed == ["upkeep --task images --profile far", "upkeep --task page --profile far"]


def test_a_timer_is_of_the_same_place(handed: list[str], tmp_path: Path) -> None:
    """Wherever it runs: a profile and a catalog by their whole paths, and the settings of the command."""
    asked = {"sets": ["stack.uid=1001"], "catalogs": [Path("more")]}
    assert upkeep(profile="profiles/home.yaml", task="links,,backup,", install=True, **asked) == 0  # type: ignore[arg-type]
    options = f"--profile {tmp_path}/profiles/home.yaml --set stack.uid=1001 --catalog {tmp_path}/more"
    assert handed == [f"upkeep --task links,backup {options}"]


def test_the_page_gets_a_timer_of_its_own(handed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beacon = "http://203.0.113.1/ip"
    assert upkeep(profile="home", task="page,scrub", page_file=Path("page.html"), beacon=beacon, install=True) == 0
    assert handed == [
        "upkeep --task scrub --profile home",
        f"upkeep --task page --page-file {tmp_path}/page.html --beacon {beacon} --profile home",
    ]
    assert "installed portable-page-mine-home.timer; " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"install": True, "uninstall": True}, "usage.options-conflict"),
        ({"install": True, "task": "sweep"}, "usage.unknown-task"),
        ({"install": True, "take": "all"}, "usage.moved"),
        ({"install": True, "page_file": Path("page.html")}, "usage.option-missing"),
        ({"task": "scrub", "page_file": Path("page.html")}, "usage.option-missing"),
        ({"task": "page", "page_file": Path("page.pdf")}, "usage.page-format"),
        ({"task": "page", "beacon": "nowhere"}, "usage.beacon"),
    ],
    ids=["both", "an unknown task", "newer images", "no page", "no page now", "no format", "no beacon"],
)
def test_what_makes_no_timer_is_refused(handed: list[str], asked: dict[str, object], code: str) -> None:
    with pytest.raises(UsageError) as raised:
        upkeep(profile="home", **asked)  # type: ignore[arg-type]
    assert raised.value.code == code
    assert handed == []
