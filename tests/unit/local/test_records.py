"""Records of earlier commands: what is kept, for how long, and that none of them fails a command."""

from pathlib import Path

import pytest

from portable.live import last_images
from portable.local import records
from portable.local.records import (
    ImageAnswer,
    ImageRecord,
    VerifyRecord,
    read_record,
    record,
    with_run,
)
from portable.model.contracts import ContractResult, Verdict
from portable.model.errors import PortableError
from portable.model.progress import Event

FIRST, LATER, NEXT_YEAR = "2026-11-01T04:15:00Z", "2026-11-20T04:15:00Z", "2028-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "portable" / "media-nas"


def result(contract: str, subject: str, verdict: Verdict, text: str = "seen") -> ContractResult:
    return ContractResult(contract=contract, subject=subject, verdict=verdict, text=text)


def test_a_record_is_private_and_comes_back(state: Path) -> None:
    assert read_record("media-nas", ImageRecord) == ImageRecord()
    offered = ImageRecord(at=FIRST, images=(ImageAnswer(image="x:1", result="same", text=""),))
    record("media-nas", ImageRecord, lambda _: offered)
    assert read_record("media-nas", ImageRecord) == offered
    assert (state / "images.json").stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in state.iterdir()] == ["images.json"], "no temporary file stays"


def test_a_run_replaces_the_run_of_its_contract_only() -> None:
    first = with_run(VerifyRecord(), ["paths", "links"], [result("paths", "sonarr", "broken"), result("links", "sonarr", "holds")], FIRST)
    later = with_run(first, ["paths"], [result("paths", "radarr", "holds")], LATER)
    assert {name: (run.at, [r.subject for r in run.results]) for name, run in later.runs.items()} == {
        "paths": (LATER, ["radarr"]),
        "links": (FIRST, ["sonarr"]),
    }
    assert with_run(later, ["links"], [], LATER).runs["links"].results == (), "a contract with nothing to check has run"


def test_a_proof_outlives_a_run_that_proves_nothing_and_no_refutation() -> None:
    proven = with_run(VerifyRecord(), ["kill-switch"], [result("kill-switch", "qbittorrent", "holds", "no way out")], FIRST)
    unclear = with_run(proven, ["kill-switch"], [result("kill-switch", "qbittorrent", "unknown")], LATER)
    assert unclear.proofs["kill-switch"]["qbittorrent"].at == FIRST
    both = [result("kill-switch", "qbittorrent", "holds"), result("kill-switch", "qbittorrent", "broken", "it leaked")]
    assert with_run(unclear, ["kill-switch"], both, LATER).proofs["kill-switch"] == {}
    assert "paths" not in with_run(proven, ["paths"], [result("paths", "sonarr", "holds")], LATER).proofs


def test_a_proof_of_long_ago_is_forgotten() -> None:
    proven = with_run(VerifyRecord(), ["egress"], [result("egress", "gone", "holds")], FIRST)
    assert with_run(proven, ["egress"], [], LATER).proofs["egress"].keys() == {"gone"}
    assert with_run(proven, ["egress"], [], NEXT_YEAR).proofs["egress"] == {}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"runs": {"paths": 1}}', '{"later": 1}'])
def test_a_record_of_another_form_is_an_error_to_read_and_is_replaced(content: str, state: Path) -> None:
    state.mkdir(parents=True)
    (state / "verify.json").write_text(content)
    with pytest.raises(PortableError, match="recorded cannot be read") as raised:
        read_record("media-nas", VerifyRecord)
    assert raised.value.code == "file.record"
    assert f"`rm {state}/verify.json`" in (raised.value.remedy or "")
    told: list[Event] = []
    record("media-nas", VerifyRecord, lambda before: with_run(before, ["paths"], [], FIRST), progress=told.append)
    assert read_record("media-nas", VerifyRecord).runs.keys() == {"paths"}
    assert "it is replaced" in told[0].text


def test_a_state_folder_that_cannot_be_made_fails_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    told: list[Event] = []
    record("media-nas", ImageRecord, lambda _: ImageRecord(at=FIRST), progress=told.append)
    assert "not recorded for `portable page`" in told[0].text


def test_no_two_files_of_a_project_have_one_name() -> None:
    """Two records in one file replaced each other, and with them the guard against a downgrade."""
    assert last_images._FILE not in records._FILES.values()
